/*
 * engine/port/observers.h - who wants to know when a port is gone, and telling them.
 *
 *   port --dies--> dead --as rings have room: shard/untold.h--> PTL_OP_DOWN to every observer
 *
 * It is told when all that belonged to the port has been released: see engine/port/estate.h.
 * Thread: the shard's.
 */
#pragma once

#include "engine/port/port.h"

/* PTL_OP_OBSERVE: one more observer.  `more` NULL or false: no memory. */
PTL_MUST_CHECK bool ptl_observer_add(struct ptl_port_more *more, const struct ptl_op *op);

/* PTL_OP_UNOBSERVE. */
void ptl_observer_remove(struct ptl_slot *slot, const struct ptl_op *op);

/* It is of no port any more: its observers are told, and it is freed. */
void ptl_port_bury(struct ptl_shard *shard, struct ptl_port_more *dead);

/* Free all that are dead, telling nobody: the shard is closing. */
void ptl_ports_forget(struct ptl_shard *shard);
