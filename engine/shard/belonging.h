/*
 * engine/shard/belonging.h - what belongs to a port and ends with it: timers, monitors, calls,
 * waits, and resources of the application.
 *
 * An intrusive list, the last one made first.  Thread: the port's shard.
 */
#pragma once

#include "engine/portolan.h"

#include <stddef.h>

struct ptl_shard;

struct ptl_belonging {
    struct ptl_belonging *next;
    struct ptl_belonging **link; /* what points here; NULL: belongs to no port */
    /* The port is gone: undo and free, telling nobody.  Already unlinked. */
    void (*end)(struct ptl_shard *shard, struct ptl_belonging *belonging);
};

static inline void ptl_belonging_add(struct ptl_belonging **list, struct ptl_belonging *belonging)
{
    belonging->next = *list;
    belonging->link = list;
    if (*list != NULL) {
        (*list)->link = &belonging->next;
    }
    *list = belonging;
}

static inline void ptl_belonging_remove(struct ptl_belonging *belonging)
{
    if (belonging->link != NULL) {
        *belonging->link = belonging->next;
        if (belonging->next != NULL) {
            belonging->next->link = belonging->link;
        }
        belonging->link = NULL;
    }
}

/* Release what the program gave along with a callback that will never be called (again). */
static inline void ptl_release(ptl_release_fn *release, void *data)
{
    if (release != NULL) {
        release(data);
    }
}

#define ptl_container(pointer, type, field) ((type *)((char *)(pointer)-offsetof(type, field)))
