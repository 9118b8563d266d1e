/*
 * engine/node/node_own.h - what only engine/node/ knows of a node: its threads, what it listens on,
 * how its shards start and stop together.
 */
#pragma once

#include "engine/portolan.h"
#include "io/address.h"
#include "io/log_writer.h"
#include "io/loop.h"
#include "io/loop_choice.h"

#include <pthread.h>
#include <stdatomic.h>

struct ptl_survey_part;

/* An address that we listen on; of shard index % shard_count. */
struct ptl_bind {
    char *wish;   /* HOST:PORT as configured */
    int resolved; /* 1: `address` is what `wish` means; < 0: it means nothing */
    struct ptl_address address;
    struct ptl_listener *listener;
};

struct ptl_node_own {
    struct ptl_log_writer *log_writer;   /* when the program gave no log of its own */
    struct ptl_loop_choice *loop_choice; /* when it is to be chosen */
    void *rings_block;                   /* the rings lie in it, aligned */
    _Atomic bool is_open; /* it listens at or dials an address that is not loopback */
    struct ptl_survey_part *surveys[PTL_SHARDS_MAX]; /* under way, of each shard: its own */
    _Atomic unsigned survey_count;                   /* asked for, and not told */
    struct ptl_bind *binds;
    unsigned bind_count;
    pthread_t *threads;

    _Atomic uint64_t patience_ns; /* for flushing */
    uint64_t stop_at;             /* ns: its end; only shard 0 looks */
    _Atomic bool cut_short;       /* patience ended before all was flushed */

    pthread_mutex_t lock;   /* guards what follows: rarely touched, never for long */
    pthread_cond_t changed; /* one of the counts */
    unsigned running;       /* threads that were started, and the one that stops them */
    unsigned opened;        /* shards that have tried to open */
    unsigned finished;      /* of those that run: they wake nobody any more */
    int open_err;           /* the first error of opening */
    uint64_t stopped;       /* a bit a shard that is done with the present step of stopping */
};
