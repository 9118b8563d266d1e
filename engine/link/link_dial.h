/*
 * engine/link/link_dial.h - how a link comes by its connection: addresses, candidates, duplicates.
 *
 * Towards a real AEMP node only one connection may get through: we prove ourselves on the first
 * that the peer has proved, and on no other.  Between nodes of ours both may: the node with the
 * lower ID picks one by the first frame it sends, the other is closed.
 *
 * Anybody can make a candidate for any name.  One that is not proved holds nothing back: neither
 * another candidate, nor an attempt of ours, nor what waits for the link.  Only those that we have
 * dialled are waited for, and not for long.
 * Thread: the owner's.  Spec: design, section 7; AEMP protocol 6.
 */
#pragma once

#include "engine/link/link.h"

struct ptl_connection;

/* Something waits for this link: begin to connect, unless that is under way. */
void ptl_link_dial(struct ptl_shard *shard, struct ptl_link *link);

/*
 * The link, which was up, has failed: after one that did not last the next attempt waits, a little
 * longer each time.  Else what the two of them cannot agree on would make it again for ever.
 */
void ptl_link_calm(const struct ptl_shard *shard, struct ptl_link *link);

/* Where the node listens: a list with commas, before what was known already.  May be empty. */
void ptl_link_addresses(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span list);

/* There is somebody else to ask where it listens, or will be. */
void ptl_link_ask_again(struct ptl_shard *shard, struct ptl_link *link);

/* The attempts are over, one way or the other. */
void ptl_link_dial_end(struct ptl_shard *shard, struct ptl_link *link);

/* An attempt, or the last candidate, has failed: try the next address or give up. */
void ptl_link_attempt_failed(struct ptl_shard *shard, struct ptl_link *link, int err);

/* A connection that says it is from or to this node has arrived at its owner.  Too many that
 * strangers may have made end one of them, perhaps this. */
void ptl_candidate_add(struct ptl_link *link, struct ptl_connection *connection);

/* The peer has proved itself.  False: it was closed. */
bool ptl_candidate_proved(struct ptl_shard *shard, struct ptl_link *link,
                          struct ptl_connection *connection);

/* A candidate is being closed, for `err`, before it was decided: what becomes of its seed? */
void ptl_candidate_failed(struct ptl_shard *shard, struct ptl_link *link,
                          struct ptl_connection *connection, int err);

/* A candidate is closed. */
void ptl_candidate_remove(struct ptl_link *link, struct ptl_connection *connection);

/* Whether its proof may be sent now. */
bool ptl_candidate_may_prove(const struct ptl_link *link, const struct ptl_connection *connection);

/* Both sides have proved themselves: it becomes the link's connection, waits, or is closed. */
void ptl_candidate_decide(struct ptl_shard *shard, struct ptl_link *link,
                          struct ptl_connection *connection);

/* The link's peer has said something while another node of its name wants in (has_rivals). */
void ptl_link_heard(struct ptl_shard *shard, struct ptl_link *link);

/* The link is down again: candidates that were held back go on. */
void ptl_link_candidates_go_on(struct ptl_shard *shard, struct ptl_link *link);

/* The link has failed: the seeds whose addresses led there are tried again. */
void ptl_link_lose_seeds(struct ptl_shard *shard, struct ptl_link *link);

/* Look after deadlines and silence, when it is time; links.tick_at is when it is time again. */
void ptl_links_tick(struct ptl_shard *shard, uint64_t now);

/* Stop reading: what peers still send is not accepted any more, and would keep us busy. */
void ptl_links_deafen(struct ptl_shard *shard);

/* Say goodbye on every connection; and whether all of them are gone. */
void ptl_links_close(struct ptl_shard *shard);
bool ptl_links_closed(const struct ptl_shard *shard);
