/*
 * tests/cuts/cuts.h - one of the two nodes whose link is being cut, in parts.
 *
 *   stream  --numbered messages--> sink       G1, G2: every run is a prefix, runs are in order
 *   maker   makes mortals; a mortal sends words to a watcher of either node and dies: the watcher
 *           has all words before it is told of the death (G5)
 *   ledger  counts how often each monitor fired (G4)
 *
 * A stream is a port's or an application thread's.  When its monitor on the sink fires, it begins
 * a new run.  A broken promise is printed and ends the process.
 */
#pragma once

#include "engine/portolan.h"

#include <stdatomic.h>

enum {
    CUTS_SHARDS_MAX = 4,
    CUTS_STREAMS_MAX = CUTS_SHARDS_MAX * CUTS_SHARDS_MAX + 2,
    CUTS_THREADS = 2,
    CUTS_WORDS = 3, /* of a mortal */
    CUTS_PAD_MAX = 128 * 1024,
};

struct cuts_stream;
struct cuts_sink;
struct cuts_watcher;
struct cuts_maker;

/* All that a node of this test consists of.  Constant once it runs, but for the atomics. */
struct cuts_stage {
    struct ptl_node *node;
    unsigned shards;
    struct ptl_port sinks[CUTS_SHARDS_MAX], watchers[CUTS_SHARDS_MAX];         /* ours */
    struct ptl_port far_sinks[CUTS_SHARDS_MAX], far_watchers[CUTS_SHARDS_MAX]; /* the other's */
    struct cuts_stream *streams;
    unsigned stream_count;

    _Atomic int64_t allowed;  /* messages that may be sent in all */
    _Atomic int64_t taken;    /* of these, by streams that are about to send them */
    _Atomic int64_t sent;     /* accepted by ptl_send() */
    _Atomic int64_t received; /* by our sinks */
    _Atomic int64_t runs;     /* begun after a loss */
    _Atomic int64_t full;     /* times that there was no room */
    _Atomic int64_t round;    /* of the check that is wanted */
    _Atomic int64_t mortals;  /* alive */
    _Atomic int64_t deaths;   /* watched from the first word to the last */
    _Atomic bool ended;       /* send no more */
};

/* A promise was broken: say so and end the process. */
_Noreturn void cuts_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fails unless `err` is 0. */
void cuts_must(int err, const char *what);

/* A port on this shard. */
struct ptl_port cuts_port(struct cuts_stage *stage, unsigned shard, ptl_handler_fn *handler,
                          ptl_release_fn *release, void *data);

/* ---- The ledger ----------------------------------------------------------------------------- */

/* One monitor, from before it is made until the process ends. */
struct cuts_entry;

/* Thread: any. */
struct cuts_entry *cuts_entry_new(void);

/* It has fired: fails when it had before, or had been taken back. */
void cuts_entry_fired(struct cuts_entry *entry);

/* It was taken back, or never made. */
void cuts_entry_taken_back(struct cuts_entry *entry);

/* How many have neither fired nor been taken back; `all` and `taken_back` count the others too. */
int64_t cuts_entries_open(int64_t *all, int64_t *taken_back);

void cuts_entries_free(void);

/* ---- Streams and sinks ---------------------------------------------------------------------- */

/* How large the padding of a message is, as both ends compute it. */
size_t cuts_pad_size(int64_t stream, int64_t run, int64_t number);

/* Make our sinks; then, when the other node's are known, begin to send. */
void cuts_sinks_make(struct cuts_stage *stage);
void cuts_streams_start(struct cuts_stage *stage);

/* Whether the sinks have found every stream of the other node whole in this round. */
bool cuts_sinks_whole(struct cuts_stage *stage);

/* Wait for the threads to end, and free all.  The node has stopped or is told `ended`. */
void cuts_streams_join(struct cuts_stage *stage);
void cuts_streams_free(struct cuts_stage *stage);

/* Where each stream is, as lines on stderr: for a test that hangs. */
void cuts_streams_show(struct cuts_stage *stage);
void cuts_sinks_show(struct cuts_stage *stage);

/* ---- Mortals -------------------------------------------------------------------------------- */

void cuts_watchers_make(struct cuts_stage *stage);
void cuts_makers_start(struct cuts_stage *stage);
