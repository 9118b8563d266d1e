/*
 * tools/bench/service.h - the built-in service `bench`: what a load needs at the other end.
 *
 * The port NODE#bench answers questions (tools/bench/words.h), one of which makes workers.  They
 * belong to a run, and end with it: when it is told to, or when its owner is gone or unlinked.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/journal.h"

/*
 * Make the port and enter it in the database, a key of family `bench`.  `journal` must outlive the
 * node.  Returns 0 or an error of ptl_port_new().
 */
PTL_MUST_CHECK int ptl_bench_service_start(struct ptl_node *node, struct ptl_journal *journal);
