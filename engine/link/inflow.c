#include "engine/link/inflow.h"

#include "engine/message/name.h"

#define CAPACITY_LEAST 16

void ptl_inflows_init(struct ptl_inflows *flows, const struct ptl_allocator *allocator)
{
    *flows = (struct ptl_inflows){.allocator = allocator};
}

static size_t places_size(uint32_t capacity)
{
    return capacity * sizeof(struct ptl_inflow *);
}

static int make_room(struct ptl_inflows *flows, uint32_t number)
{
    uint32_t capacity = flows->capacity == 0 ? CAPACITY_LEAST : flows->capacity;

    if (number < flows->capacity) {
        return PTL_OK;
    }
    while (capacity <= number) {
        capacity *= 2;
    }
    struct ptl_inflow **by_number = ptl_grow(flows->allocator, flows->by_number,
                                             places_size(flows->capacity), places_size(capacity));
    if (by_number == NULL) {
        return PTL_ENOMEM;
    }
    memset(by_number + flows->capacity, 0, places_size(capacity - flows->capacity));
    flows->by_number = by_number;
    flows->capacity = capacity;
    return PTL_OK;
}

int ptl_inflow_open(struct ptl_inflows *flows, uint32_t number, struct ptl_span name)
{
    ptl_assert(number < PTL_INFLOWS_MAX && ptl_inflow_find(flows, number) == NULL);
    ptl_assert(name.size != 0 && name.size <= PTL_PORT_NAME_MAX);
    struct ptl_inflow *flow = ptl_alloc(flows->allocator, sizeof(*flow) + name.size);

    if (flow == NULL || make_room(flows, number) < 0) {
        ptl_free(flows->allocator, flow, sizeof(*flow) + name.size);
        return PTL_ENOMEM;
    }
    memcpy(flow + 1, name.bytes, name.size);
    flow->name = ptl_span(flow + 1, name.size);
    flows->by_number[number] = flow;
    flows->count++;
    return PTL_OK;
}

int ptl_inflow_begin_whole(struct ptl_inflows *flows, struct ptl_inflow *flow, uint64_t size)
{
    ptl_assert(flow->whole == NULL);
    flow->whole = ptl_alloc(flows->allocator, sizeof(*flow->whole));
    if (flow->whole == NULL) {
        return PTL_ENOMEM;
    }
    ptl_buffer_init(&flow->whole->bytes, flows->allocator, (size_t)size);
    flow->whole->size = size;
    return PTL_OK;
}

void ptl_whole_free(struct ptl_inflows *flows, struct ptl_whole *whole)
{
    if (whole != NULL) {
        ptl_buffer_drop(&whole->bytes);
        ptl_free(flows->allocator, whole, sizeof(*whole));
    }
}

static void free_flow(struct ptl_inflows *flows, struct ptl_inflow *flow)
{
    ptl_whole_free(flows, flow->whole);
    ptl_free(flows->allocator, flow, sizeof(*flow) + flow->name.size);
}

static void drop_places(struct ptl_inflows *flows)
{
    ptl_free(flows->allocator, flows->by_number, places_size(flows->capacity));
    ptl_inflows_init(flows, flows->allocator);
}

void ptl_inflow_close(struct ptl_inflows *flows, uint32_t number)
{
    struct ptl_inflow *flow = ptl_inflow_find(flows, number);

    ptl_assert(flow != NULL && flow->whole == NULL);
    flows->by_number[number] = NULL;
    free_flow(flows, flow);
    if (--flows->count == 0) {
        drop_places(flows); /* an idle link keeps nothing */
    }
}

void ptl_inflows_drop(struct ptl_inflows *flows)
{
    for (uint32_t i = 0; i < flows->capacity; i++) {
        if (flows->by_number[i] != NULL) {
            free_flow(flows, flows->by_number[i]);
        }
    }
    drop_places(flows);
}
