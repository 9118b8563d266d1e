/*
 * tools/drain_service.h - the service `drain`: a node is ended from afar, where it allows that.
 *
 *   portolan drain NODE --["drain", REPLYPORT]--> NODE#drain --SIGTERM--> its own process
 *                       <--------[null]---------
 *                       <----- the port is gone: all that was accepted is delivered, or told of
 *
 * Rules (docs/rules.md) can say who may send there.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/journal.h"

#define PTL_DRAIN_SERVICE "drain"

/* Start it, in a process that ends its node at SIGTERM.  Returns 0 or the error of ptl_port_new().
 * `journal` must outlive the node. */
PTL_MUST_CHECK int ptl_drain_service_start(struct ptl_node *node, struct ptl_journal *journal);
