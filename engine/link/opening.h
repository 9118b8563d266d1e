/*
 * engine/link/opening.h - the lines that two nodes exchange before their connection carries
 * packets: greetings, nonces, proofs.
 *
 * What a peer says before its proof is good decides nothing but which shard the connection goes
 * to.  So we show our own proof last, too, but to a node of ours that we have dialled: one of the
 * two has to begin.  Thread: that of its shard.  Spec: AEMP protocol 1 and 2; design, section 7.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

#include <stdbool.h>

struct ptl_connection;

/* The stream is there: send our greeting.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_connection_greet(struct ptl_connection *connection);

/* Send our proof, if it is time for it. */
void ptl_connection_prove(struct ptl_connection *connection);

/* Of our lines the one that still has to go out; NULL: none. */
struct ptl_span *ptl_connection_next_line(struct ptl_connection *connection);

/* Send it, unless something is being sent. */
void ptl_connection_send_lines(struct ptl_connection *connection);

/* TLS is up, which both of us want: what waited for that happens. */
void ptl_opening_sealed(struct ptl_connection *connection);

/* Take one step of the opening.  True: another may follow. */
bool ptl_opening_step(struct ptl_connection *connection);
