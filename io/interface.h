/*
 * io/interface.h - the addresses that others reach this machine by.
 */
#pragma once

#include "io/loop.h"

/*
 * As ptl_loop_interfaces(), of this machine.  Link-local addresses are never told.  Thread: any.
 */
unsigned ptl_interface_addresses(const struct ptl_address *address, bool loopback,
                                 struct ptl_address out[static PTL_INTERFACES_MAX]);
