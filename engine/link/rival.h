/*
 * engine/link/rival.h - two nodes of one ID: what is done about a second one.
 *
 *   a candidate proves itself, has the linked node's ID and is another process --> it waits
 *      the linked one is heard                --> the second is refused, the operator is told
 *      the linked one is silent, or closes    --> the second, that node restarted, takes its place
 *
 * A node that has *our* ID is closed at its greeting: opening.c, PTL_ETWIN.
 * Thread: the link owner's.  Spec: design, section 7.
 */
#pragma once

#include <stdbool.h>

struct ptl_connection;
struct ptl_link;
struct ptl_shard;

/*
 * Whether it has the name of the linked node and is another process: that one restarted, or a
 * second one that was given the same ID.  Real nodes do not say which process they are.
 */
bool ptl_rival_is(const struct ptl_link *link, const struct ptl_connection *connection);

/* Whether some are proved, and wait. */
bool ptl_rivals_wait(const struct ptl_link *link);

/* The linked node was heard while they wait (has_rivals): they are others, and are refused. */
void ptl_rivals_refuse(struct ptl_shard *shard, struct ptl_link *link);
