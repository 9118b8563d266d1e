/*
 * tools/http/metrics.h - a node's numbers as Prometheus reads them (text format 0.0.4).
 */
#pragma once

#include "tools/http/text.h"
#include "tools/stats/sight.h"

#define PTL_METRICS_LINKS_MAX 256 /* links with numbers of their own; all are in the sums */

/* A number of a shard has the label `shard`, one of a link `node`. */
void ptl_metrics_write(const struct ptl_sight *sight, struct ptl_text *text);
