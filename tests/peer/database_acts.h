/*
 * tests/peer/database_acts.h - what programs do with the database, on request of a peer.
 *
 *   ["set", FAMILY, KEY, VALUE]         ptl_db_set()
 *   ["del", FAMILY, KEY]                ptl_db_del()
 *   ["register", FAMILY, PORT, VALUE]   ptl_db_register()
 *   ["watch", FAMILY, REPLY]            REPLY gets ["added", FAMILY, KEY, VALUE], ["changed", ...],
 *                                       ["deleted", FAMILY, KEY], ["copied", FAMILY]
 *   ["unwatch"]                         the last watch ends
 *   ["get", FAMILY, KEY, REPLY]         REPLY gets ["found", VALUE] or ["not found", ERROR]
 *   ["family" | "keys" | "values", FAMILY, REPLY]     the same
 *   ["is global", REPLY]                REPLY gets ["global", true or false]
 */
#pragma once

#include "engine/portolan.h"

/* Have `port` do these.  Errors: those of ptl_port_on(). */
PTL_MUST_CHECK int peer_database_acts(struct ptl_node *node, const struct ptl_port *port);
