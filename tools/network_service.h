/*
 * tools/network_service.h - the port `portolan` of every `portolan run`: what commands ask a node.
 *
 *   ["db_set", FAMILY, KEY, VALUE, REPLYPORT] -> REPLYPORT: [null] or [ERRORTEXT]
 *   ["db_del", FAMILY, KEY, REPLYPORT]        -> REPLYPORT: the same
 *   ["links", REPLYPORT]                      -> REPLYPORT: [[NODEID...], GLOBAL]
 *
 * An entry set so is the node's own: it stays when who asked for it goes, and goes with the node.
 * [null] comes when the node itself reads what was set.  GLOBAL is a truth value.  Messages that
 * make no sense are dropped.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/journal.h"

#define PTL_NETWORK_SERVICE "portolan"

/* Start it; `journal` must outlive the node.  Returns 0 or the error of ptl_port_new(). */
PTL_MUST_CHECK int ptl_network_service_start(struct ptl_node *node, struct ptl_journal *journal);
