/*
 * tests/io/cbor_world.h - what the two tests of io/cbor.h share: a scan, what goes in and what
 * comes out, and memory that is counted.
 */
#pragma once

#include "io/cbor.h"
#include "tests/common/memory.h"

#define DEPTH PTL_CBOR_DEPTH_MAX
#define LIMIT (UINT64_C(1) << 26)

struct world {
    struct test_memory memory;
    struct ptl_buffer plain;
    struct ptl_cbor_scan scan;
    struct ptl_buffer input;
};

/* Before and after each test. */
int cbor_world_set_up(void **state);
int cbor_world_tear_down(void **state);

/* Scan anew, and take values of up to `size_max` bytes. */
void cbor_world_restart(struct world *world, size_t size_max);
