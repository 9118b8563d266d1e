/*
 * engine/shard/log.h - lines for the operator: as many as a person can read, whoever causes them.
 *
 *   ptl_log_about() --> [ lines of its kind about its subject, in these 5 s ]
 *                            | few: one of the node's lines of this second --> options.log
 *                            | many: counted, and told behind them: "LINE ... and 1204 more"
 *
 * A line's *kind* is its format; its *subject* is who or what it speaks of, such as the peer that
 * caused it.  What one subject causes hides nothing that others do, and all of them together cannot
 * make more than PTL_LOG_LINES_MAX lines a second.  A shard keeps its counts in a table of fixed
 * size: neither names nor addresses without end cost memory.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

struct ptl_shard;

#define PTL_LOG_LINES_MAX 50      /* lines a second of a node */
#define PTL_LOG_DULL_LINES_MAX 40 /* of these, that are no errors */
#define PTL_LOG_DEBUG_LINES_MAX 25
#define PTL_LOG_KIND_MAX 4 /* lines of one kind about one subject in a span of time */
#define PTL_LOG_SPAN_NS UINT64_C(5000000000)
#define PTL_LOG_TALLIES 32    /* kinds and subjects that a shard tells apart at a time */
#define PTL_LOG_TEXT_MAX 1024 /* bytes of a line; what is longer is cut */
#define PTL_LOG_KEPT_MAX 256  /* likewise, of one that is told with a count */

/* The lines of one kind about one subject.  Only log.c touches the fields. */
struct ptl_log_tally {
    uint64_t key;   /* of kind and subject; 0: free */
    uint64_t until; /* ns: the end of its span */
    uint32_t told;
    uint32_t untold;
    uint8_t level;
    char line[PTL_LOG_KEPT_MAX]; /* the first that is untold */
};

/* What a shard counts. */
struct ptl_log_book {
    struct ptl_log_tally tallies[PTL_LOG_TALLIES];
    uint64_t due;    /* ns: when a span ends in which something is untold; 0: nothing is */
    uint32_t untold; /* lines that found no tally */
};

/* What the shards of a node share. */
struct ptl_log_budget {
    _Atomic uint64_t lines;  /* the second, and how many in it: 32 bits each */
    _Atomic uint32_t untold; /* of the program's threads, which have no tallies */
    _Atomic unsigned level;  /* enum ptl_log_level: lines above it are not made */
};

/* Lines above that level are not made from now on.  Thread: any. */
void ptl_log_set_level(struct ptl_node *node, enum ptl_log_level level);

/*
 * Log a line of which `subject` is the cause, a peer's ID, say, or a stranger's address without its
 * port.  Thread: the shard's.
 */
void ptl_log_about(struct ptl_shard *shard, enum ptl_log_level level, struct ptl_span subject,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Log a line that no other party can cause at will, or whose subject does not matter: its kind
 * alone counts.  Thread: any.
 */
void ptl_log(struct ptl_node *node, enum ptl_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tell what was counted, once its span is over: a step of the turn.  Returns when it is due. */
uint64_t ptl_log_work(struct ptl_shard *shard);

/* Tell all that was counted: the shard ends. */
void ptl_log_end(struct ptl_shard *shard);
