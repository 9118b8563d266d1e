/*
 * io/interface.h - the addresses that others reach this machine by.
 */
#pragma once

#include "io/loop.h"

/*
 * As ptl_loop_interfaces(), of this machine, whatever `loop` is.  Link-local addresses are never
 * told.  Thread: any.
 */
unsigned ptl_interface_addresses(struct ptl_loop *loop, const struct ptl_address *address,
                                 bool loopback, struct ptl_address out[static PTL_INTERFACES_MAX]);
