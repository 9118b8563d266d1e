/*
 * tools/bench/watcher.h - a port at the other end that watches a run's family as well, to see what
 * it costs that many do.
 *
 *   spawned with [ANCHOR, FAMILY]: watches the family, does nothing about it, and ends with ANCHOR
 */
#pragma once

#include "engine/portolan.h"

/* Let them be spawned on this node.  Errors: those of ptl_register(). */
PTL_MUST_CHECK int ptl_bench_watchers_register(struct ptl_node *node);
