/*
 * io/interface.h - the addresses that others reach this machine by.
 */
#pragma once

#include "io/loop.h"

#define PTL_INTERFACES_MAX 8

/*
 * What a node that listens on `address` can be reached at: that address; or, when it is the one
 * that stands for all (0.0.0.0 or ::), those of the machine's interfaces that are up, with the same
 * port.  Loopback counts when there is nothing else, link-local addresses never do.
 * Returns how many, at most PTL_INTERFACES_MAX.  Thread: any.
 */
unsigned ptl_interface_addresses(const struct ptl_address *address,
                                 struct ptl_address out[static PTL_INTERFACES_MAX]);
