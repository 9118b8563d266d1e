/*
 * tools/stats/service.h - the port `stats` of every `portolan run`: how this node fares, told to
 * any node that may know it.
 *
 *   ["stats", {"links":N, "ports":N, "families":N}, REPLYPORT]
 *        --> REPLYPORT: [OBJECT], which is that of /api/all with at most so many of each
 *                       [WORD, TEXT]: "not_allowed", "busy" or "too_large", and why
 *
 *   question --> [ those that wait ] --one survey for all of them--> one answer a millisecond
 *
 * So a thousand questions cost the shards no more than one does: there is one survey at a time, and
 * no more than one in PTL_STATS_REST_MS.  A node of which too many wait is busy, and so is
 * everybody when all places are taken.  Where a shard hangs the answer comes without what it owns,
 * after PTL_STATS_PATIENCE_MS.  Messages that make no sense are dropped.
 */
#pragma once

#include "tools/journal.h"
#include "tools/stats/permit.h"

#define PTL_STATS_SERVICE "stats"
#define PTL_STATS_TAG "stats"
#define PTL_STATS_ROWS_MAX 1024    /* links, ports and families in an answer, of each */
#define PTL_STATS_WAITING_MAX 128  /* questions at a time */
#define PTL_STATS_OF_NODE_MAX 4    /* of these, those of one node */
#define PTL_STATS_REST_MS 100      /* from the beginning of one survey to that of the next */
#define PTL_STATS_PATIENCE_MS 2000 /* with a shard */

/* Start it; journal and permit must outlive the node.  Returns 0 or the error of ptl_port_new(). */
PTL_MUST_CHECK int ptl_stats_service_start(struct ptl_node *node, struct ptl_journal *journal,
                                           struct ptl_permit *permit);
