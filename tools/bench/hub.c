#include "tools/bench/hub.h"

#include "tools/bench/mark.h"

#include <stdlib.h>

struct inflow {
    uint64_t expected;
    struct ptl_port *next; /* NULL: no stream has this number */
};

struct ptl_bench_hub {
    struct ptl_bench_tally *tally;
    struct ptl_bench_slice *slice;
    struct ptl_port port;
    struct ptl_db_watch watch;
    bool is_watch;
    struct inflow *inflows; /* by the streams' numbers */
    uint32_t count;
    uint64_t keys; /* of the watch, that are there */
    uint64_t awaited;
    ptl_bench_keys_fn *tell; /* NULL: nobody waits */
    void *tell_data;
};

static struct inflow *inflow_of(struct ptl_bench_hub *hub, uint32_t stream)
{
    return stream < hub->count && hub->inflows[stream].next ? &hub->inflows[stream] : NULL;
}

/* Of several values of a key only the last need be told: with a watch numbers may jump ahead. */
static bool is_in_order(const struct ptl_bench_hub *hub, const struct inflow *inflow,
                        uint64_t number)
{
    return hub->is_watch ? number >= inflow->expected : number == inflow->expected;
}

static int take_marked(struct ptl_node *node, struct ptl_bench_hub *hub, const struct ptl_msg *msg)
{
    struct ptl_bench_mark mark;

    ptl_bench_tally_stall_if_told(hub->tally);
    struct inflow *inflow = ptl_bench_mark_read(msg, &mark) ? inflow_of(hub, mark.stream) : NULL;
    if (!inflow) {
        ptl_bench_slice_count_strange(hub->slice);
        return 0;
    }
    if (mark.acknowledge &&
        ptl_sendf(node, inflow->next, "u", ptl_bench_mark_pack(&mark)) == PTL_EFULL) {
        return PTL_LATER;
    }
    ptl_bench_slice_count(hub->slice, msg, is_in_order(hub, inflow, mark.number));
    inflow->expected = mark.number + 1;
    return 0;
}

static int take(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    return take_marked(node, data, msg);
}

/* ---- Keys --------------------------------------------------------------------------------- */

static void tell_if_awaited(struct ptl_bench_hub *hub)
{
    if (hub->tell && hub->keys == hub->awaited) {
        ptl_bench_keys_fn *tell = hub->tell;
        hub->tell = NULL;
        tell(hub->tell_data);
    }
}

static int key_has_changed(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    struct ptl_bench_hub *hub = data;

    switch (change->event) {
    case PTL_DB_ADDED:
    case PTL_DB_CHANGED:
        if (hub->count > 0 && take_marked(node, hub, change->value) == PTL_LATER) {
            return PTL_LATER;
        }
        hub->keys += change->event == PTL_DB_ADDED;
        break;
    case PTL_DB_DELETED:
        hub->keys--;
        break;
    case PTL_DB_RESET:
        hub->keys = 0;
        break;
    case PTL_DB_COPIED:
        break;
    }
    tell_if_awaited(hub);
    return 0;
}

void ptl_bench_hub_await(struct ptl_bench_hub *hub, uint64_t count, ptl_bench_keys_fn *tell,
                         void *data)
{
    hub->awaited = count;
    hub->tell = tell;
    hub->tell_data = data;
    tell_if_awaited(hub);
}

/* ---- Life --------------------------------------------------------------------------------- */

static void release_hub(void *data)
{
    struct ptl_bench_hub *hub = data;

    for (uint32_t i = 0; i < hub->count; i++) {
        free(hub->inflows[i].next);
    }
    free(hub->inflows);
    ptl_bench_tally_drop(hub->tally);
    free(hub);
}

/* In a handler of the service, on whose shard it will live. */
static struct ptl_bench_hub *make_hub(struct ptl_bench_crew *crew)
{
    struct ptl_bench_hub *hub = calloc(1, sizeof *hub);

    if (hub) {
        ptl_bench_tally_hold(crew->tally);
        hub->tally = crew->tally;
        hub->slice = ptl_bench_tally_slice(crew->tally, ptl_bench_tally_shards(crew->tally));
    }
    return hub;
}

int ptl_bench_hub_make(struct ptl_node *node, struct ptl_bench_crew *crew,
                       struct ptl_bench_hub **made)
{
    struct ptl_bench_hub *hub = make_hub(crew);
    struct ptl_port_options options = {
        .size = sizeof options,
        .handler = take,
        .data = hub,
        .release = release_hub,
    };

    if (!hub) {
        return PTL_ENOMEM;
    }
    int err = ptl_port_new(node, &options, &hub->port);
    if (err < 0) {
        release_hub(hub);
        return err;
    }
    *made = hub;
    return ptl_monitor_kill(node, &crew->anchor, &hub->port, NULL);
}

int ptl_bench_hub_watch(struct ptl_node *node, struct ptl_bench_crew *crew, const char *family,
                        struct ptl_bench_hub **made)
{
    struct ptl_bench_hub *hub = make_hub(crew);

    if (!hub) {
        return PTL_ENOMEM;
    }
    hub->is_watch = true;
    int err = ptl_db_watch_owned(node, family, key_has_changed, hub, release_hub, &hub->watch);
    if (err < 0) {
        release_hub(hub);
        return err;
    }
    *made = hub;
    return 0;
}

void ptl_bench_hub_end(struct ptl_node *node, struct ptl_bench_hub *hub)
{
    if (hub->is_watch) {
        struct ptl_db_watch watch = hub->watch;
        hub->tell = NULL;
        ptl_db_unwatch(node, &watch);
    }
}

static bool make_place(struct ptl_bench_hub *hub, uint32_t stream)
{
    uint32_t count = hub->count > 0 ? hub->count : 64;

    if (stream < hub->count) {
        return true;
    }
    while (count <= stream) {
        count *= 2;
    }
    struct inflow *inflows = realloc(hub->inflows, count * sizeof *inflows);
    if (!inflows) {
        return false;
    }
    for (uint32_t i = hub->count; i < count; i++) {
        inflows[i] = (struct inflow){.next = NULL};
    }
    hub->inflows = inflows;
    hub->count = count;
    return true;
}

int ptl_bench_hub_add(struct ptl_bench_hub *hub, uint32_t stream, const struct ptl_port *next)
{
    struct ptl_port *copy = malloc(sizeof *copy);

    if (!copy || !make_place(hub, stream) || hub->inflows[stream].next) {
        free(copy);
        return PTL_ENOMEM;
    }
    *copy = *next;
    hub->inflows[stream].next = copy;
    return 0;
}

const struct ptl_port *ptl_bench_hub_port(const struct ptl_bench_hub *hub)
{
    return &hub->port;
}
