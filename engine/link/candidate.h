/*
 * engine/link/candidate.h - connections that say they are from or to a link's node: those in the
 * making, and those that are proved and wait.  What is known of them, and what may become of them.
 *
 * Anybody can make a candidate for any name.  One that is not proved holds nothing back: neither
 * another candidate, nor an attempt of ours, nor what waits for the link.
 * Thread: the link owner's.  Spec: design, section 7; AEMP protocol 6.
 */
#pragma once

#include <stdbool.h>

struct ptl_connection;
struct ptl_link;
struct ptl_shard;

/* A connection that says it is from or to this node has arrived at its owner.  Too many that
 * strangers may have made end one of them, perhaps this. */
void ptl_candidate_add(struct ptl_link *link, struct ptl_connection *connection);

/* A candidate is closed, or is the link's connection from now on. */
void ptl_candidate_remove(struct ptl_link *link, struct ptl_connection *connection);

/* A candidate is being closed, for `err`, before it was decided: what becomes of its seed? */
void ptl_candidate_failed(struct ptl_shard *shard, struct ptl_link *link,
                          struct ptl_connection *connection, int err);

/* Whether our proof may be sent to it now. */
bool ptl_candidate_may_prove(const struct ptl_link *link, const struct ptl_connection *connection);

/* Whether it is from or to a real AEMP node. */
bool ptl_candidate_is_real(const struct ptl_connection *connection);

/* Whether it is a later session of the peer than the link's last one. */
bool ptl_candidate_is_newer(const struct ptl_link *link, const struct ptl_connection *connection);

/* This connection leads to the node that is linked, and so does the seed that it was made for.
 * Only what is proved says so. */
void ptl_candidate_note_seed(struct ptl_shard *shard, struct ptl_link *link,
                             struct ptl_connection *connection);

/* A link is up: the peer's other connections are superfluous, and show where their seeds lead. */
void ptl_candidates_refuse_duplicates(struct ptl_shard *shard, struct ptl_link *link);

/* The link has failed: the seeds whose addresses led there are tried again. */
void ptl_link_lose_seeds(struct ptl_shard *shard, struct ptl_link *link);
