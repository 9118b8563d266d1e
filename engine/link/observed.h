/*
 * engine/link/observed.h - the ports of another node that shards of ours observe: by their names,
 * as the link's owner keeps them.  Thread: the owner's.
 */
#pragma once

#include "engine/port/port.h"
#include "engine/shard/list.h"
#include "engine/shard/map.h"

/* So many observers have their place in the block itself. */
#define PTL_OBSERVED_FEW 5

/*
 * One of them, in one block of memory as long as only a few observe it.  What is smaller than this
 * the C library puts aside when it is freed, to put all together in one go some time later: with a
 * million that is half a second.
 */
struct ptl_observed {
    struct ptl_list made; /* of all, in this order */
    uint64_t hash;
    struct ptl_map many;            /* observers beyond the few, as numbers */
    uint64_t few[PTL_OBSERVED_FEW]; /* ptl_observer_number() */
    uint8_t few_count;
    uint8_t name_size;
    char name[];
};

_Static_assert(sizeof(struct ptl_observed) >= 120, "not what the C library takes for small");

/*
 * All of them.  To free them in the order of the map, which is none, would have the C library look
 * for each one's neighbours all over its memory: with a million that is another half a second.
 */
struct ptl_all_observed {
    struct ptl_map by_name;
    struct ptl_list made;
};

void ptl_observed_init(struct ptl_all_observed *all, const struct ptl_allocator *allocator);

struct ptl_observed *ptl_observed_find(const struct ptl_all_observed *all, struct ptl_span name);

/* The same, made if need be, with nobody who observes it.  NULL: no memory. */
struct ptl_observed *ptl_observed_get(struct ptl_all_observed *all, struct ptl_span name);

/* How many observe it. */
static inline uint32_t ptl_observed_count(const struct ptl_observed *observed)
{
    return observed->few_count + observed->many.count;
}

/* One more observer, by its number.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_observed_add(struct ptl_observed *observed, uint64_t observer);

/* One less, if it is among them. */
void ptl_observed_remove(struct ptl_observed *observed, uint64_t observer);

/* Take any of them out, 0: there is none; and put back the one that was taken last. */
uint64_t ptl_observed_take(struct ptl_observed *observed);
void ptl_observed_put_back(struct ptl_observed *observed, uint64_t observer);

/* Take it out of them and free it; and free one that only stands in a list, or nowhere. */
void ptl_observed_forget(struct ptl_all_observed *all, struct ptl_observed *observed);
void ptl_observed_free(const struct ptl_allocator *allocator, struct ptl_observed *observed);

/* Put them all behind those of a list, and be empty. */
void ptl_observed_leave(struct ptl_all_observed *all, struct ptl_list *list);

/* The last one of such a list, or NULL. */
struct ptl_observed *ptl_observed_last(const struct ptl_list *list);

/* Free them all. */
void ptl_observed_drop(struct ptl_all_observed *all);
