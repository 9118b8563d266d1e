/*
 * engine/directory/directory_request.h - the database, as the owner of a link sees it: what the
 * peer says, and what is said at the beginning of a link.
 *
 * Requests are looked at as far as it takes to know which shard they are for; that shard does the
 * rest.  Thread: the link owner's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/link/link.h"
#include "engine/link/outside.h"
#include "io/buffer.h"

/* The requests of the database's that peers make. */
#define PTL_DIRECTORY_WORDS 18
extern const struct ptl_inquiry_word ptl_directory_words[PTL_DIRECTORY_WORDS];

/* The link is up; and a seed of ours has turned out to lead to it. */
void ptl_directory_link_up(struct ptl_shard *shard, struct ptl_link *link,
                           const struct ptl_address *peer);
void ptl_directory_link_is_seed(struct ptl_shard *shard, struct ptl_link *link);

/*
 * Ask where this link's node listens: PTL_DIR_FOUND answers.  False: there is nobody to ask.
 */
bool ptl_directory_find(struct ptl_shard *shard, struct ptl_link *link);

/* Ops for the owner of a link. */
void ptl_directory_attach(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_directory_found(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_directory_keep(struct ptl_shard *shard, struct ptl_span node, bool keep);

/* Begin our database at a real global node: g_set with our addresses.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_directory_say_set(struct ptl_shard *shard, struct ptl_link *link);

/* We are global now: say so to everybody. */
void ptl_directory_say_global(struct ptl_shard *shard);

/* There is another master to ask where nodes listen; or none. */
void ptl_directory_find_again(struct ptl_shard *shard);

/*
 * Append those of an array of addresses that are some, each with a comma behind.  Returns whether
 * all were.
 */
bool ptl_directory_list(struct ptl_buffer *out, struct ptl_span array);
