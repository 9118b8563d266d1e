/*
 * engine/port/death.h - how a port ends, and why.  Thread: the shard's.
 */
#pragma once

#include "engine/port/port.h"

/*
 * End a port: what waits is dropped, what it owned is released, observers are told.  Of much of it
 * the rest goes in later turns: see engine/port/estate.h.
 * Owns: `reason` stays the caller's; NULL or empty is a normal death.
 */
void ptl_port_die(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_msg *reason);

/* The same for one with a chosen name, as if it had never been. */
void ptl_port_vanish(struct ptl_shard *shard, struct ptl_slot *slot);

/*
 * The port's code has failed with `result`: it dies of ["die", TEXT].  The text is what it said to
 * ptl_fail(), else the error's own; ptl_fail_text() lives until the next callback begins.
 */
void ptl_port_fail(struct ptl_shard *shard, struct ptl_slot *slot, int result);
const char *ptl_fail_text(const struct ptl_shard *shard, int result);

/* "No such port", of that one.  NULL: no memory.  Owns: the caller. */
struct ptl_msg *ptl_port_no_such(struct ptl_shard *shard, const struct ptl_port *port);

/* The port of this node with that chosen name; an empty ID where there can be none. */
void ptl_port_chosen(struct ptl_shard *shard, struct ptl_span name, struct ptl_port *port);

/* Drop all ports without telling anybody: the shard is closing. */
void ptl_ports_drop(struct ptl_shard *shard);
