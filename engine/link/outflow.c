#include "engine/link/outflow.h"

#include "engine/message/name.h"

#define CAPACITY_LEAST 16

void ptl_outflows_init(struct ptl_outflows *flows, const struct ptl_allocator *allocator,
                       uint64_t number_max)
{
    *flows = (struct ptl_outflows){
        .allocator = allocator,
        .number_max = number_max < PTL_OUTFLOWS_MAX ? (uint32_t)number_max : PTL_OUTFLOWS_MAX,
        .top = 1,
    };
    ptl_map_init(&flows->by_name, allocator);
}

static struct ptl_span name_of(const struct ptl_outflow *flow)
{
    return ptl_span(flow->name, flow->name_size);
}

static bool is_named(const void *entry, struct ptl_span name)
{
    return ptl_span_equal(name_of(entry), name);
}

struct ptl_outflow *ptl_outflow_look_up(struct ptl_outflows *flows, struct ptl_span name)
{
    struct ptl_outflow *flow = ptl_map_find(&flows->by_name, ptl_name_hash(name), is_named, name);

    if (flow != NULL) {
        flow->used = true;
        flows->last = flow;
    }
    return flow;
}

bool ptl_outflows_are_all_used(const struct ptl_outflows *flows)
{
    return flows->count == flows->number_max - 1;
}

static size_t places_size(uint32_t capacity)
{
    return capacity * sizeof(struct ptl_outflow_place);
}

static int make_room(struct ptl_outflows *flows)
{
    uint32_t capacity = flows->capacity == 0 ? CAPACITY_LEAST : 2 * flows->capacity;

    if (flows->free_first != 0 || flows->top < flows->capacity) {
        return PTL_OK;
    }
    void *places = ptl_grow(flows->allocator, flows->places, places_size(flows->capacity),
                            places_size(capacity));
    if (places == NULL) {
        return PTL_ENOMEM;
    }
    flows->places = places;
    flows->capacity = capacity;
    return PTL_OK;
}

static uint32_t take_number(struct ptl_outflows *flows)
{
    uint32_t number = flows->free_first;

    if (number == 0) {
        return flows->top++;
    }
    flows->free_first = flows->places[number].next_free;
    return number;
}

struct ptl_outflow *ptl_outflow_add(struct ptl_outflows *flows, struct ptl_span name)
{
    ptl_assert(!ptl_outflows_are_all_used(flows));
    ptl_assert(name.size != 0 && name.size <= PTL_PORT_NAME_MAX);
    if (ptl_map_reserve(&flows->by_name) < 0 || make_room(flows) < 0) {
        return NULL;
    }
    struct ptl_outflow *flow = ptl_alloc(flows->allocator, sizeof(*flow) + name.size);
    if (flow == NULL) {
        return NULL;
    }
    flow->hash = ptl_name_hash(name);
    flow->number = take_number(flows);
    ptl_backlog_init(&flow->backlog, flow->number);
    flow->used = true;
    flow->name_size = (uint8_t)name.size;
    memcpy(flow->name, name.bytes, name.size);
    flows->places[flow->number] = (struct ptl_outflow_place){.flow = flow};
    flows->count++;
    ptl_map_insert(&flows->by_name, flow->hash, flow);
    flows->last = flow;
    return flow;
}

struct ptl_outflow *ptl_outflows_idle(struct ptl_outflows *flows, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        if (++flows->hand >= flows->top) {
            flows->hand = 0;
            return NULL;
        }
        struct ptl_outflow *flow = flows->places[flows->hand].flow;
        if (flow != NULL && !flow->used && flow->backlog.size == 0) {
            return flow;
        }
        if (flow != NULL) {
            flow->used = false;
        }
    }
    return NULL;
}

static void free_flow(struct ptl_outflows *flows, struct ptl_outflow *flow)
{
    ptl_backlog_drop(&flow->backlog);
    ptl_free(flows->allocator, flow, sizeof(*flow) + flow->name_size);
}

/* An idle link keeps nothing. */
static void drop_places(struct ptl_outflows *flows)
{
    ptl_free(flows->allocator, flows->places, places_size(flows->capacity));
    ptl_map_drop(&flows->by_name);
    ptl_outflows_init(flows, flows->allocator, flows->number_max);
}

void ptl_outflow_remove(struct ptl_outflows *flows, struct ptl_outflow *flow)
{
    struct ptl_outflow_place *place = &flows->places[flow->number];

    ptl_assert(place->flow == flow);
    *place = (struct ptl_outflow_place){.next_free = flows->free_first};
    flows->free_first = flow->number;
    flows->count--;
    if (flows->last == flow) {
        flows->last = NULL;
    }
    ptl_map_remove(&flows->by_name, flow->hash, flow);
    free_flow(flows, flow);
    if (flows->count == 0) {
        drop_places(flows);
    }
}

void ptl_outflows_drop(struct ptl_outflows *flows)
{
    struct ptl_outflow *flow;

    while ((flow = ptl_map_take(&flows->by_name)) != NULL) {
        free_flow(flows, flow);
    }
    drop_places(flows);
}
