/*
 * tools/bench/trial.h - one stream of a verification: a port here that sends rows of numbered
 * messages to an echo that it has spawned, kills it now and then, and judges what it is told.
 *
 *   ABSENT --spawn, monitor--> SENDING --so many are sent: kill--> KILLED
 *      ^  ^                       |                                  |
 *      |  '--- monitor fired -----'---------------- monitor fired ---'
 *      |                          |  the last is told of, and it shall finish
 *      '-- a little later         '--> DONE
 *
 * From a monitor's setting to its firing all that is told must be a beginning of the row; then the
 * next row begins.  A trial is touched by its port's shard only, until its node has stopped.
 */
#pragma once

#include "tools/bench/findings.h"
#include "tools/bench/random.h"
#include "tools/bench/sizes.h"

#include "engine/portolan.h"

#include <stdatomic.h>

enum ptl_trial_state {
    PTL_TRIAL_ABSENT,  /* no monitor is set */
    PTL_TRIAL_SENDING, /* one is */
    PTL_TRIAL_KILLED,  /* so, and the kill is sent */
    PTL_TRIAL_DONE,
};

#define PTL_TRIAL_WATCHES 8 /* rows ago that a monitor which fires twice is known by */

struct ptl_trial_watch {
    struct ptl_trial *trial;
    uint64_t row;
    bool has_fired;
};

struct ptl_trial_counts {
    uint64_t sent;
    uint64_t told;  /* the other end told of it */
    uint64_t lost;  /* sent, not told of, and a monitor fired */
    uint64_t fired; /* monitors, all */
    uint64_t kills;
    uint64_t failures; /* monitors that told of a link */
};

struct ptl_trial {
    /* The caller's, constant from the start on. */
    struct ptl_node *node;
    const char *target; /* node ID */
    unsigned index;
    struct ptl_findings *findings;
    const struct ptl_bench_sizes *sizes;
    struct ptl_bench_random random;
    double interval_ns;  /* from message to message */
    uint32_t window;     /* that are sent and not told of yet */
    uint64_t kill_every; /* messages, about; 0: never */
    int64_t patience_ns; /* what is not told by then will not be */
    atomic_uint *undone; /* trials that are not done */
    int event;           /* a descriptor: told when none is undone */

    struct ptl_port self;
    struct ptl_port echo;
    enum ptl_trial_state state;
    bool has_echo;
    bool is_finishing;
    uint64_t row;
    uint64_t given_up; /* rows up to this one are not judged any more */
    uint64_t sent;     /* of this row */
    uint64_t kill_at;
    struct ptl_oracle oracle; /* of what was told of this row */
    struct ptl_monitor monitor;
    struct ptl_trial_watch watches[PTL_TRIAL_WATCHES]; /* row modulo their number */
    double due;                                        /* messages that may be sent by now */
    int64_t due_ns;                                    /* when that was reckoned */
    int64_t again_ns;                                  /* ABSENT: when the next row may begin */
    int64_t heard_ns; /* when anything was told of last, or sent when nothing was open */
    uint8_t *bytes;   /* of the largest message */
    struct ptl_trial_counts counts;
};

/*
 * Make its port on `shard`; sending begins with the message ["start"], ends with ["finish"].
 * Errors: those of ptl_port_new().  Owns: ptl_trial_free() must follow, after the node has stopped.
 */
PTL_MUST_CHECK int ptl_trial_open(struct ptl_trial *trial, unsigned shard);

void ptl_trial_free(struct ptl_trial *trial);
