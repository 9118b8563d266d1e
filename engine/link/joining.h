/*
 * engine/link/joining.h - which candidate becomes a link's connection, and the link's coming up.
 *
 * Towards a real AEMP node only one connection may get through: we prove ourselves on the first
 * that the peer has proved, and on no other.  Between nodes of ours both may: the node with the
 * lower ID picks one by the first frame it sends, the other is closed.
 * Thread: the link owner's.  Spec: design, section 7; AEMP protocol 6.
 */
#pragma once

#include <stdbool.h>

struct ptl_connection;
struct ptl_link;
struct ptl_shard;

/* The peer has proved itself.  False: it was closed. */
bool ptl_candidate_proved(struct ptl_shard *shard, struct ptl_link *link,
                          struct ptl_connection *connection);

/* Both sides have proved themselves: it becomes the link's connection, waits, or is closed. */
void ptl_candidate_decide(struct ptl_shard *shard, struct ptl_link *link,
                          struct ptl_connection *connection);

/* Say that a node that has called us is no program, as was thought when its link came up. */
void ptl_link_log_global(struct ptl_shard *shard, const struct ptl_link *link);
