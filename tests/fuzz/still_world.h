/*
 * tests/fuzz/still_world.h - TLS without time and chance: the library asks the system for both, and
 * here gets the same answers for each input.
 */
#pragma once

#include "io/tls_context.h"

/* From now on the library's randomness begins anew. */
void still_world_begin(void);

/* A certificate and its key, with a NUL behind it; and a context of these.  Owns: constant. */
struct ptl_span still_world_pair(void);
struct ptl_tls_context *still_world_context(void);
