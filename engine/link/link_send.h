/*
 * engine/link/link_send.h - what a link is given to send: packets, and requests to the peer's node
 * port.
 *
 *   UP                    --> outbox of the connection, sent at the end of the turn
 *   DOWN (now DIALING)    --> waits, in order, until the link is up
 *   FAILING               --> waits, for the next connection
 *
 * Thread: the link owner's.  Spec: AEMP protocol 3 and 4.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

struct ptl_link;
struct ptl_op;
struct ptl_shard;

/* What a request has beside its values: its word and a name. */
#define PTL_REQUEST_EXTRA (2 * (size_t)PTL_PORT_ID_MAX)

/*
 * Write a packet, or let it wait for the connection.  Errors: PTL_ENOMEM, PTL_ESIZE (the peer has
 * said that it takes nothing so large).
 */
PTL_MUST_CHECK int ptl_link_packet(struct ptl_shard *shard, struct ptl_link *link,
                                   struct ptl_span name, struct ptl_span body, uint32_t count,
                                   const struct ptl_msg *whole);

/*
 * The short way of a small message to a port of another node, as struct ptl_port_outside's `send`
 * (engine/port/outside.h).  What the link holds then is weighed when the turn ends.
 */
bool ptl_link_send_small(struct ptl_shard *shard, const struct ptl_port *to, uint64_t told,
                         struct ptl_span body, uint32_t count);

/* Write a request to the peer's node port: its word, and a name.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_link_request(struct ptl_shard *shard, struct ptl_link *link,
                                    const char *request, struct ptl_span name);

/*
 * The same with `count` values behind the name: the reason of an end, or what a spawned port is
 * given.  Those that the peer does not take are replaced by words that say so.
 */
PTL_MUST_CHECK int ptl_link_request_values(struct ptl_shard *shard, struct ptl_link *link,
                                           const char *request, struct ptl_span name,
                                           struct ptl_span values, uint32_t count);

/*
 * Over our own framing, which a link that is up speaks or not: monitor the peer's port `name` for
 * the port `watcher` of ours, take that back, or answer to the peer's own monitor; see
 * engine/link/frames_out.h.  A reason that the peer does not take is told in other words.
 * Errors: PTL_ENOMEM.
 */
bool ptl_link_speaks_frames(const struct ptl_link *link);
PTL_MUST_CHECK int ptl_link_monitor(struct ptl_shard *shard, struct ptl_link *link,
                                    struct ptl_span name, uint64_t tag, struct ptl_span watcher);
PTL_MUST_CHECK int ptl_link_unmonitor(struct ptl_shard *shard, struct ptl_link *link,
                                      struct ptl_span name, uint64_t tag);
PTL_MUST_CHECK int ptl_link_answer_monitor(struct ptl_shard *shard, struct ptl_link *link,
                                           uint64_t tag, struct ptl_span watcher,
                                           const struct ptl_msg *reason);

/* Write a packet that keeps the connection alive and says nothing.  The link is up. */
void ptl_link_keepalive(struct ptl_shard *shard, struct ptl_link *link);

/* Have an op for one of the peer's ports wait until the link is up.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_link_let_wait(struct ptl_shard *shard, struct ptl_link *link,
                                     const struct ptl_op *op);

/* The first op that waits has been taken: free it. */
void ptl_link_waits_no_more(struct ptl_shard *shard, struct ptl_link *link);

/* Free what waits, unsent. */
void ptl_link_drop_waiting(struct ptl_shard *shard, struct ptl_link *link);

/* Something is to be sent at the end of this turn. */
void ptl_link_dirty(struct ptl_shard *shard, struct ptl_link *link);

/* What the link was given to send since this was called last is counted as the shard's. */
void ptl_link_count_out(struct ptl_shard *shard, struct ptl_link *link);

/* The connection has sent something. */
void ptl_link_sent(struct ptl_shard *shard, struct ptl_link *link);
