/*
 * tools/stats/sight.h - a node as it was at one moment: its numbers, and what a survey has shown.
 *
 * A value that nobody changes; those who show it to others make texts of it (api.h,
 * tools/http/metrics.h).
 */
#pragma once

#include "engine/portolan.h"

struct ptl_sight {
    struct ptl_stats all;
    struct ptl_stats shards[PTL_SHARDS_MAX];
    unsigned shard_count;
    const char *node; /* its ID, which is the node's */
    bool is_global;
    bool is_draining;
    uint64_t told;            /* how much has happened by then: chronicle.h */
    bool has_survey;          /* else a shard hangs, and what follows is empty */
    struct ptl_survey survey; /* its arrays are the sight's own */
    uint64_t log_lines_lost;  /* that nobody took */
    double up_seconds;        /* since the node was started */
    double wall_seconds;      /* of the clock, since 1970 */
    char addresses[8][280];   /* where it listens */
    unsigned address_count;
};

/*
 * Take the numbers of a node that was started at `started_ms`, of ptl_sight_now_ms().  NULL: no
 * memory.  Owns: the caller, until ptl_sight_free().  Thread: any.
 */
struct ptl_sight *ptl_sight_make(const struct ptl_node *node, uint64_t started_ms);

/* Milliseconds of a clock that only goes on. */
uint64_t ptl_sight_now_ms(void);

/* Copy what a survey shows.  False: no memory, it shows nothing. */
bool ptl_sight_add(struct ptl_sight *sight, const struct ptl_survey *survey);

/* NULL is allowed. */
void ptl_sight_free(struct ptl_sight *sight);

/* Whether the node is of use to others: it has joined the network, and does not drain. */
bool ptl_sight_is_ready(const struct ptl_sight *sight);
