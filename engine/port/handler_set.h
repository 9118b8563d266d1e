/*
 * engine/port/handler_set.h - setting a handler of a port, the default one or that of a tag,
 * from wherever: ptl_port_on().
 */
#pragma once

#include "engine/port/tag.h"

struct ptl_shard;
struct ptl_slot;

/* Carry it out.  Owns: `wish` is freed.  Errors: PTL_ENOMEM.  Thread: the shard's. */
PTL_MUST_CHECK int ptl_handler_set(struct ptl_shard *shard, struct ptl_slot *slot,
                                   struct ptl_handler_wish *wish);
