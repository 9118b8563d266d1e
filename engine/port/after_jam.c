#include "engine/port/after_jam.h"

#include "engine/message/name.h"
#include "engine/port/after.h"
#include "engine/shard/belonging.h"

/*
 * Messages to one target that found no room stand in line, in their order.  Only the first of each
 * line is in the map and among the firsts; it knows the last.
 */
static bool same_target(const void *entry, struct ptl_span target)
{
    return ptl_span_equal(ptl_port_span(&((const struct ptl_after *)entry)->to), target);
}

static uint64_t hash_of(const struct ptl_after *after)
{
    return ptl_name_hash(ptl_port_span(&after->to));
}

void ptl_after_jams_init(struct ptl_after_jams *jams, const struct ptl_allocator *allocator)
{
    ptl_map_init(&jams->by_target, allocator);
    ptl_list_init(&jams->firsts);
}

void ptl_after_jams_drop(struct ptl_after_jams *jams)
{
    ptl_map_drop(&jams->by_target);
}

static struct ptl_after *first_for(const struct ptl_after_jams *jams, const struct ptl_after *after)
{
    return jams->by_target.count == 0 ? NULL
                                      : ptl_map_find(&jams->by_target, hash_of(after), same_target,
                                                     ptl_port_span(&after->to));
}

bool ptl_after_jam_is_for(const struct ptl_after_jams *jams, const struct ptl_after *after)
{
    return first_for(jams, after) != NULL;
}

int ptl_after_jam_reserve(struct ptl_after_jams *jams)
{
    return ptl_map_reserve(&jams->by_target);
}

bool ptl_after_jam_enter(struct ptl_after_jams *jams, struct ptl_after *after)
{
    struct ptl_after *first = first_for(jams, after);

    ptl_assert(!after->jam.stands);
    if (first == NULL) {
        if (ptl_map_reserve(&jams->by_target) < 0) {
            return false;
        }
        ptl_map_insert(&jams->by_target, hash_of(after), after);
        ptl_list_append(&jams->firsts, &after->jam.listed);
        after->jam.last = after;
    } else {
        after->jam.ahead = first->jam.last;
        first->jam.last->jam.behind = after;
        first->jam.last = after;
    }
    after->jam.stands = true;
    return true;
}

/* The next one, or NULL, takes the place of the first, in the map and among the firsts. */
static struct ptl_after *step_up(struct ptl_after_jams *jams, struct ptl_after *first)
{
    struct ptl_after *next = first->jam.behind;
    uint64_t hash = hash_of(first);

    ptl_assert(first->jam.ahead == NULL);

    ptl_map_remove(&jams->by_target, hash, first);
    if (next != NULL) {
        ptl_map_insert(&jams->by_target, hash, next); /* where the first was */
        ptl_list_insert(&first->jam.listed, &next->jam.listed);
        next->jam.last = first->jam.last;
        next->jam.ahead = NULL;
    }
    ptl_list_remove(&first->jam.listed);
    return next;
}

struct ptl_after *ptl_after_jam_leave(struct ptl_after_jams *jams, struct ptl_after *after)
{
    struct ptl_after_jam_place *place = &after->jam;
    struct ptl_after *next = NULL;

    ptl_assert(place->stands);
    if (place->ahead == NULL) {
        next = step_up(jams, after);
    } else {
        place->ahead->jam.behind = place->behind;
        if (place->behind != NULL) {
            place->behind->jam.ahead = place->ahead;
        } else {
            first_for(jams, after)->jam.last = place->ahead;
        }
    }
    *place = (struct ptl_after_jam_place){.stands = false};
    return next;
}

struct ptl_after *ptl_after_jam_first(struct ptl_after_jams *jams)
{
    return ptl_list_empty(&jams->firsts)
               ? NULL
               : ptl_container(jams->firsts.next, struct ptl_after, jam.listed);
}
