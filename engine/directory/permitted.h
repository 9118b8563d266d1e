/*
 * engine/directory/permitted.h - what of a whole database its sender may write: all else is left
 * out.
 *
 * Thread: the link owner's.  Spec: docs/rules.md.
 */
#pragma once

#include "engine/link/outside.h"
#include "io/buffer.h"

/*
 * Of a map of families the part that the inquiry's node may write: the map itself, where that is
 * all, else one that is written to `room`.  Errors: PTL_ENOMEM.
 * Owns: *permitted lies in the map or in `room`, which the caller drops.
 */
PTL_MUST_CHECK int ptl_permitted_families(const struct ptl_inquiry *inquiry, struct ptl_span map,
                                          struct ptl_buffer *room, struct ptl_span *permitted);
