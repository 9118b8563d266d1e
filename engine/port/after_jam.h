/*
 * engine/port/after_jam.h - messages of timers that find no room or no memory at their time.
 *
 *   firsts --> first for "snow#a" --behind--> next --behind--> last
 *         '--> first for "rain#b"
 *
 * One line a target, so that what was to be sent first is sent first; only the first of a line is
 * tried, and waits where there is no room (engine/port/fullness.h).  The lines stand in the timers
 * themselves.  Thread: the shard's.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/list.h"
#include "engine/shard/map.h"

struct ptl_after;

/* A timer's place in a line.  Only after_jam.c touches the fields; `stands` may be read. */
struct ptl_after_jam_place {
    struct ptl_list listed;           /* of the first: among the firsts */
    struct ptl_after *last;           /* of the first: the end of its line */
    struct ptl_after *ahead, *behind; /* NULL at the ends */
    bool stands;                      /* in a line */
};

struct ptl_after_jams {
    struct ptl_map by_target; /* the first of each line */
    struct ptl_list firsts;
};

void ptl_after_jams_init(struct ptl_after_jams *jams, const struct ptl_allocator *allocator);
void ptl_after_jams_drop(struct ptl_after_jams *jams);

/* Whether others wait for the same target. */
bool ptl_after_jam_is_for(const struct ptl_after_jams *jams, const struct ptl_after *after);

/* Have memory for one line more: when it is needed there may be none.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_after_jam_reserve(struct ptl_after_jams *jams);

/* Stand in line.  False: no memory; never so where there is a line for the target already. */
bool ptl_after_jam_enter(struct ptl_after_jams *jams, struct ptl_after *after);

/* Leave it.  Returns who has become the first of the line by that; NULL: nobody. */
struct ptl_after *ptl_after_jam_leave(struct ptl_after_jams *jams, struct ptl_after *after);

/* The first of one of the lines, or NULL. */
struct ptl_after *ptl_after_jam_first(struct ptl_after_jams *jams);
