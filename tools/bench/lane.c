#include "tools/bench/lane.h"

#include <errno.h>
#include <unistd.h>

static void tell_main(const struct ptl_bench_lane *lane)
{
    uint64_t one = 1;

    while (write(lane->event, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static int error_of(const struct ptl_bench_lane *lane)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < lane->flow_count; i++) {
        err = lane->flows[i].err;
    }
    return err;
}

static bool is_drained(const struct ptl_bench_lane *lane)
{
    for (unsigned i = 0; i < lane->flow_count; i++) {
        if (!ptl_bench_flow_is_drained(&lane->flows[i])) {
            return false;
        }
    }
    return true;
}

static void show(struct ptl_bench_lane *lane, bool looked)
{
    pthread_mutex_lock(&lane->lock);
    for (unsigned i = 0; i < lane->flow_count; i++) {
        lane->seen.counts[i] = lane->flows[i].counts;
    }
    lane->seen.is_drained = is_drained(lane);
    lane->seen.err = error_of(lane);
    if (looked) {
        lane->seen.serial++;
        ptl_histogram_add(&lane->interval, &lane->flows[0].interval);
    }
    pthread_mutex_unlock(&lane->lock);
    if (looked) {
        ptl_histogram_clear(&lane->flows[0].interval);
    }
    tell_main(lane);
}

/* Send what may be sent; the rest after others on this shard had their turn. */
static void pump(struct ptl_bench_lane *lane)
{
    bool more = false;

    for (unsigned i = 0; i < lane->flow_count; i++) {
        more = ptl_bench_flow_pump(&lane->flows[i]) || more;
    }
    if (more && !lane->is_going) {
        lane->is_going = ptl_send(lane->node, &lane->self, lane->again) == 0;
        if (!lane->is_going) {
            lane->flows[0].err = PTL_ELIMIT;
        }
    }
    if (error_of(lane) < 0 || is_drained(lane)) {
        show(lane, false);
    }
}

static void flow_goes_on(struct ptl_bench_flow *flow)
{
    struct ptl_bench_lane *lane = flow->lane;

    if (!lane->is_going) {
        pump(lane);
    }
}

static int take_again(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_bench_lane *lane = data;

    (void)node;
    (void)msg;
    lane->is_going = false;
    pump(lane);
    return 0;
}

static int take_go(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_bench_lane *lane = data;

    (void)node;
    (void)msg;
    /* Taken back before the clock is read: what is due later is told of again. */
    atomic_store(&lane->is_told, false);
    flow_goes_on(&lane->flows[0]);
    return 0;
}

static int take_start(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_bench_lane *lane = data;

    (void)node;
    (void)msg;
    for (unsigned i = 0; i < lane->flow_count; i++) {
        lane->flows[i].lane = lane;
        lane->flows[i].goes_on = flow_goes_on;
        ptl_bench_flow_start(&lane->flows[i]);
    }
    pump(lane);
    return 0;
}

static int take_look(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    show(data, true);
    return 0;
}

static int take_finish(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_bench_lane *lane = data;

    (void)node;
    (void)msg;
    for (unsigned i = 0; i < lane->flow_count; i++) {
        ptl_bench_flow_finish(&lane->flows[i]);
    }
    pump(lane);
    return 0;
}

int ptl_bench_lane_init(struct ptl_bench_lane *lane, struct ptl_node *node, unsigned shard,
                        int event)
{
    struct ptl_port_tag tags[] = {
        {"again", take_again, lane}, {"go", take_go, lane},         {"start", take_start, lane},
        {"look", take_look, lane},   {"finish", take_finish, lane}, {NULL, NULL, NULL},
    };
    struct ptl_port_options options = {
        .size = sizeof options,
        .shard_plus_one = shard + 1,
        .tags = tags,
    };

    lane->node = node;
    lane->event = event;
    pthread_mutex_init(&lane->lock, NULL);
    if (!ptl_histogram_init(&lane->interval)) {
        return PTL_ENOMEM;
    }
    int err = ptl_msg_make(node, &lane->again, "t", "again");
    return err < 0 ? err : ptl_port_new(node, &options, &lane->self);
}

void ptl_bench_lane_free(struct ptl_bench_lane *lane)
{
    for (unsigned i = 0; i < PTL_BENCH_FLOWS_MAX; i++) {
        ptl_bench_flow_free(&lane->flows[i]);
    }
    ptl_histogram_free(&lane->interval);
    ptl_msg_free(lane->again);
}

int ptl_bench_lane_tell(struct ptl_bench_lane *lane, const char *what)
{
    return ptl_sendf(lane->node, &lane->self, "t", what);
}
