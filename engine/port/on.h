/*
 * engine/port/on.h - setting a handler of a port, from wherever (ptl_port_on()).
 */
#pragma once

#include "engine/port/tag.h"

struct ptl_shard;
struct ptl_slot;

/* Carry it out.  Owns: `on` is freed.  Errors: PTL_ENOMEM.  Thread: the shard's. */
PTL_MUST_CHECK int ptl_on_set(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_on *on);

/* Free one that will not be carried out. */
void ptl_on_free(struct ptl_shard *shard, struct ptl_on *on);
