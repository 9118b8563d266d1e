/*
 * engine/port/spawn_init.h - the init function of a spawned port, run as its first op.
 */
#pragma once

#include "engine/message/message.h"
#include "engine/shard/op.h"

struct ptl_cursor;
struct ptl_shard;
struct ptl_slot;

/* The name of the function, at the front of a request's body.  Returns whether there is one. */
bool ptl_spawn_name(struct ptl_cursor *cursor, uint8_t room[static PTL_STRING_NAME_ROOM],
                    struct ptl_span *name);

/*
 * Run the init function as the new port: the first of what comes to it.  A port that keeps nothing
 * then, no handler, timer, monitor or else, is gone.  False: it said PTL_LATER.
 */
bool ptl_spawn_init(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_op *op);
