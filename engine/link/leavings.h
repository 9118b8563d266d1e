/*
 * engine/link/leavings.h - what a failed link leaves behind, cleared away in slices.
 *
 * A peer may have observed a hundred thousand ports here, and we as many there; as much may have
 * waited for it.  From the failure on nothing of that counts; it is freed turn by turn, and the
 * link begins anew when nothing is left.  Thread: the link owner's.
 */
#pragma once

#include "engine/shard/list.h"
#include "engine/shard/map.h"

#include <stdbool.h>
#include <stdint.h>

struct ptl_all_observed;
struct ptl_parcel;
struct ptl_shard;

/* In struct ptl_link.  Only engine/link/leavings.c touches the fields. */
struct ptl_leavings {
    struct ptl_list observed;   /* of the peer's ports, by shards of ours: struct ptl_observed */
    struct ptl_parcel *waiting; /* operations */
};

void ptl_leavings_init(struct ptl_leavings *leavings);

/* The link has failed: all that was *observed there (emptied) and all that waits are leavings. */
void ptl_leavings_begin(struct ptl_leavings *leavings, struct ptl_all_observed *observed,
                        struct ptl_parcel *waiting);

/*
 * Clear some away, and some of the peer's monitors on our ports; each thing costs one of *units.
 * True: nothing is left.
 */
bool ptl_leavings_clear(struct ptl_shard *shard, struct ptl_leavings *leavings,
                        struct ptl_map *observed_here, uint64_t *units);

/* Free all: the shard is closing, and its monitors are gone. */
void ptl_leavings_drop(struct ptl_shard *shard, struct ptl_leavings *leavings);
