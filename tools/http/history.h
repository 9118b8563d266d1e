/*
 * tools/http/history.h - ten minutes of a node's numbers, one row a second, whoever looks or not.
 *
 * It costs the shards nothing: rows are read where the numbers are (ptl_stats()).
 * Thread: the HTTP one.
 */
#pragma once

#include "engine/portolan.h"

#include <jansson.h>

#define PTL_HISTORY_MS 1000 /* between two rows */
#define PTL_HISTORY_ROWS 600

/* What a row has, beside its time: numbers of ptl_stats(), and handshakes that failed. */
#define PTL_HISTORY_NUMBERS(X)                                                                     \
    X(taken)                                                                                       \
    X(received)                                                                                    \
    X(sent)                                                                                        \
    X(link_bytes_in)                                                                               \
    X(link_bytes_out)                                                                              \
    X(dropped)                                                                                     \
    X(lost)                                                                                        \
    X(refused)                                                                                     \
    X(slow)                                                                                        \
    X(links_lost)                                                                                  \
    X(queued_bytes)                                                                                \
    X(link_bytes)                                                                                  \
    X(full)
#define PTL_HISTORY_REASONS(X)                                                                     \
    X(identity)                                                                                    \
    X(secret)                                                                                      \
    X(certificate)                                                                                 \
    X(tls)                                                                                         \
    X(crowded)

enum {
#define PTL_HISTORY_COLUMN(name) PTL_HISTORY_##name,
    PTL_HISTORY_NUMBERS(PTL_HISTORY_COLUMN) PTL_HISTORY_REASONS(PTL_HISTORY_COLUMN)
#undef PTL_HISTORY_COLUMN
        PTL_HISTORY_COLUMNS
};

/* Begins zeroed. */
struct ptl_history {
    uint64_t next_ms;
    uint64_t count; /* rows that there were; number i is at i % PTL_HISTORY_ROWS */
    struct {
        double time; /* seconds since 1970 */
        uint64_t values[PTL_HISTORY_COLUMNS];
    } rows[PTL_HISTORY_ROWS];
};

/* Take a row if it is time; `now_ms` is of a clock that only goes on. */
void ptl_history_work(struct ptl_history *history, const struct ptl_node *node, uint64_t now_ms);

/* {"names":[...],"rows":[[TIME,VALUE...]...]}, the oldest first.  NULL: no memory. */
json_t *ptl_history_json(const struct ptl_history *history, const char *node);
