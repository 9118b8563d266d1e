/*
 * engine/directory/inquiry.h - what becomes of a peer's request: it is passed on to the shards that
 * it is for, or ignored with a line in the log.
 *
 * All return what whoever takes an inquiry returns (engine/link/outside.h): PTL_OK; PTL_EFULL, and
 * then nothing was done and it comes again; an error that fails the link.
 * Thread: the link owner's.
 */
#pragma once

#include "engine/directory/database.h"
#include "engine/link/outside.h"

/* Ignore it, and say why. */
int ptl_inquiry_ignore(const struct ptl_inquiry *q, const char *why);
int ptl_inquiry_malformed(const struct ptl_inquiry *q);

/* Ignore it, since its first value is no family's name. */
int ptl_inquiry_no_family(struct ptl_inquiry *q);

/* The name, or family, that the values begin with; false: there is none. */
bool ptl_inquiry_name(struct ptl_inquiry *q, struct ptl_span *name);
bool ptl_inquiry_family(struct ptl_inquiry *q, struct ptl_span *family);

/* An op that says this of the link's node, with all values for its body; or says its kind alone. */
struct ptl_op ptl_inquiry_say(const struct ptl_inquiry *q, const struct ptl_dir_words *words);
struct ptl_op ptl_inquiry_op(const struct ptl_inquiry *q, enum ptl_directory_op kind);

/* Pass an op on to a shard; to all of them or to none; to that of the family it begins with. */
PTL_MUST_CHECK int ptl_inquiry_pass(const struct ptl_inquiry *q, unsigned shard,
                                    const struct ptl_op *op);
PTL_MUST_CHECK int ptl_inquiry_pass_all(const struct ptl_inquiry *q, struct ptl_op *op);
PTL_MUST_CHECK int ptl_inquiry_pass_by_family(struct ptl_inquiry *q, enum ptl_directory_op kind);
