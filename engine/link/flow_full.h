/*
 * engine/link/flow_full.h - a flow that holds too much is full, and no other.
 *
 *   backlog of B#x over its mark --> PTL_EFULL for B#x, as if the port had said that it is full
 *                  under half of it --> ptl_on_room(B#x)
 *
 * Thread: the link owner's.
 */
#pragma once

#include "engine/link/backlogs.h"

/* For a connection's backlogs, and owned by it: a ptl_backlog_full_fn. */
void ptl_connection_flow_full(void *connection, struct ptl_backlog *backlog, bool full);
