/*
 * engine/directory/request.h - what a peer says of the database, as the owner of its link reads it.
 *
 * Requests are looked at as far as it takes to know which shard they are for; that shard does the
 * rest.  Thread: the link owner's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/link/outside.h"
#include "engine/shard/op.h"

/* The requests of the database's that peers make. */
#define PTL_DIRECTORY_WORDS 18
extern const struct ptl_inquiry_word ptl_directory_words[PTL_DIRECTORY_WORDS];

/* PTL_DIR_TAKEN: a shard has its part of a whole database; after the last the link is read on. */
void ptl_directory_take_taken(struct ptl_shard *shard, const struct ptl_op *op);
