/*
 * engine/port/spawn.h - ports made on request, by the name of an init function.
 *
 * Spec: AEMP protocol 4, AnyEvent::MP::_spawn; design, G3 (names of spawned ports).
 */
#pragma once

#include "engine/shard/op.h"

struct ptl_shard;
struct ptl_slot;

/* How the request is called on the wire. */
#define PTL_SPAWN_REQUEST "AnyEvent::MP::_spawn"

/*
 * Make the port op->name and run the init function there; the body is the function's name and
 * its values.  What goes wrong is logged, and a monitor on the port finds it missing.
 * Thread: the shard's that the name's hash tells.
 */
void ptl_spawn_take(struct ptl_shard *shard, const struct ptl_op *op);
