/*
 * engine/directory/addresses.h - where a node listens, as family 'l says it: an array of addresses.
 */
#pragma once

#include "io/buffer.h"

/*
 * Append those of an array of addresses that are some, each with a comma behind.  Returns whether
 * all were.
 */
bool ptl_addresses_list(struct ptl_buffer *out, struct ptl_span array);
