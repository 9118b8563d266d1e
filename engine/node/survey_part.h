/*
 * engine/node/survey_part.h - what one shard finds for a survey (engine/stats.h).
 *
 *   begin: links, families   -->  ports, a slice a turn   -->  end: the best of them, by name
 *
 * Thread: the shard's; when it has ended, whoever puts the parts together.
 */
#pragma once

#include "engine/message/name.h"
#include "engine/stats.h"
#include "io/err.h"

struct ptl_shard;
struct ptl_survey_whole;

/* Something that may be among the most. */
struct ptl_survey_pick {
    uint64_t much;
    const void *what;           /* a family's name, or ... */
    uint32_t index, generation; /* ... a port's slot; or the size of the name */
};

/* A heap: the least of them first. */
struct ptl_survey_picks {
    struct ptl_survey_pick *heap;
    uint32_t count, capacity;
};

struct ptl_survey_part {
    struct ptl_survey_part *next; /* among those under way in its shard */
    struct ptl_survey_whole *whole;
    const struct ptl_survey_options *options;
    struct ptl_survey found;                                  /* the arrays are this part's */
    unsigned link_room, port_room, slowest_room, family_room; /* that they have places for */
    struct ptl_survey_picks busiest, slowest;
    uint32_t slot;       /* the next one to be looked at */
    int err;             /* PTL_ENOMEM: it shows nothing */
    uint64_t parcel[16]; /* as which it is handed over */
};

/* Look at links and families, and begin with the ports. */
void ptl_survey_part_begin(struct ptl_shard *shard, struct ptl_survey_part *part);

/* Look at some ports.  Returns whether all have been looked at: the part is whole. */
bool ptl_survey_part_work(struct ptl_shard *shard, struct ptl_survey_part *part);

/* Free what it has found.  Thread: any. */
void ptl_survey_part_drop(const struct ptl_allocator *allocator, struct ptl_survey_part *part);
