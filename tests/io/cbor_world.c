#include "tests/io/cbor_world.h"

#include <stdlib.h>

int cbor_world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    test_memory_init(&world->memory);
    ptl_buffer_init(&world->plain, &world->memory.allocator, LIMIT);
    ptl_buffer_init(&world->input, &world->memory.allocator, LIMIT);
    ptl_cbor_scan_init(&world->scan, &world->memory.allocator, DEPTH, LIMIT);
    *state = world;
    return 0;
}

int cbor_world_tear_down(void **state)
{
    struct world *world = *state;
    ptl_buffer_drop(&world->plain);
    ptl_buffer_drop(&world->input);
    ptl_cbor_scan_drop(&world->scan);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

void cbor_world_restart(struct world *world, size_t size_max)
{
    ptl_cbor_scan_drop(&world->scan);
    ptl_cbor_scan_init(&world->scan, &world->memory.allocator, DEPTH, size_max);
}
