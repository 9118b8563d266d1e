/*
 * tools/stats/arrival.h - a survey under way: made on shards, waited for elsewhere.
 *
 * Whoever waits may be gone when it comes: both hold it, and the last one frees it.
 */
#pragma once

#include "tools/stats/sight.h"

struct ptl_arrival;

/*
 * Have a node surveyed that was started at `started_ms`; with no survey to be had it has come
 * already, and shows nothing.  NULL: no memory.  Owns: the caller, until ptl_arrival_drop().
 */
struct ptl_arrival *ptl_arrival_begin(struct ptl_node *node,
                                      const struct ptl_survey_options *options,
                                      uint64_t started_ms);

/*
 * Whether it has come.  `*sight` is it then, or NULL: none could be made.
 * Owns: the sight is the caller's.
 */
bool ptl_arrival_take(struct ptl_arrival *arrival, struct ptl_sight **sight);

/* Wait for it no longer.  NULL is allowed. */
void ptl_arrival_drop(struct ptl_arrival *arrival);
