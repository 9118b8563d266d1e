#include "tools/bench/streams.h"

#include "tools/bench/words.h"

#include <stdlib.h>
#include <string.h>

#define ACKNOWLEDGE_EVERY_MAX 1024

/* ---- Lanes ---------------------------------------------------------------------------------- */

/* Whether anybody speaks JSON: each end says by itself what it sends. */
static bool is_plain(const struct ptl_bench_load *load)
{
    const char *framings = load->options->common.framings;
    bool is_plain = framings && strncmp(framings, "json", 4) == 0;

    for (unsigned i = 0; i < load->target_count; i++) {
        is_plain = is_plain || load->targets[i].is_plain;
    }
    return is_plain;
}

static const struct ptl_bench_means *means_of(const struct ptl_bench_pattern *pattern)
{
    switch (pattern->deed) {
    case PTL_BENCH_SET:
        return &ptl_bench_sets;
    case PTL_BENCH_SET_ASK:
        return &ptl_bench_confirmed_sets;
    case PTL_BENCH_CHURN:
        return &ptl_bench_churn;
    case PTL_BENCH_SEND:
    case PTL_BENCH_JOIN:
    case PTL_BENCH_VERIFY:
        break;
    }
    return &ptl_bench_messages;
}

/* Not all of one-way's messages are acknowledged: that would be as many the other way. */
static uint32_t acknowledge_every(const struct ptl_bench_options *options, uint32_t window)
{
    enum ptl_bench_worker worker = options->pattern->worker;
    double streams = ptl_bench_options_streams(options);
    double every = options->rate > 0 ? options->rate / streams / 10000 : window / 8;

    if ((worker != PTL_BENCH_SINK && worker != PTL_BENCH_SHARED) || every < 1) {
        return 1;
    }
    return every < ACKNOWLEDGE_EVERY_MAX ? (uint32_t)every : ACKNOWLEDGE_EVERY_MAX;
}

/* What all flows of a lane have. */
static void set_common(struct ptl_bench_load *load, struct ptl_bench_flow *flow, unsigned lane)
{
    flow->node = load->lanes[lane].node;
    flow->clock = &load->clock;
    flow->is_plain = is_plain(load);
    flow->deeds = &load->deeds[lane];
    flow->random.state = load->options->random_seed * 1000003 + lane;
}

/* What may be under way in all lanes together. */
static uint64_t limit_of(const struct ptl_bench_options *options)
{
    uint64_t limit = options->rate > 0 ? UINT64_MAX : options->in_flight;
    bool asks = options->pattern->deed == PTL_BENCH_SET_ASK;

    return asks && limit > PTL_BENCH_QUESTIONS_MAX ? PTL_BENCH_QUESTIONS_MAX : limit;
}

static void set_loop(struct ptl_bench_load *load, struct ptl_bench_flow *flow, unsigned lane)
{
    const struct ptl_bench_options *options = load->options;
    uint64_t streams = ptl_bench_options_streams(options);

    flow->is_open = options->rate > 0;
    flow->limit = limit_of(options) / load->lane_count;
    flow->limit = flow->limit > 0 ? flow->limit : 1;
    flow->window = options->in_flight > streams ? (uint32_t)(options->in_flight / streams) : 1;
    if (flow->is_open) {
        flow->schedule = (struct ptl_bench_schedule){
            .interval_ns = 1e9 / options->rate * load->lane_count,
            .offset_ns = 1e9 / options->rate * lane,
            .poisson = options->poisson,
            .random = {.state = ~options->random_seed * 1000003 + lane},
        };
    }
}

static int init_flow(struct ptl_bench_flow *flow, uint32_t count)
{
    return ptl_bench_flow_init(flow, count)
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_OTHER, "no memory for %u streams", count);
}

static int make_flow(struct ptl_bench_load *load, unsigned lane)
{
    struct ptl_bench_flow *flow = &load->lanes[lane].flows[0];
    const struct ptl_bench_options *options = load->options;
    uint32_t streams = ptl_bench_options_streams(options);

    set_common(load, flow, lane);
    set_loop(load, flow, lane);
    flow->means = means_of(options->pattern);
    flow->sizes = &options->sizes;
    flow->may_skip = options->pattern->may_skip;
    flow->is_unordered = options->pattern->deed == PTL_BENCH_CHURN;
    flow->acknowledge_every = acknowledge_every(options, flow->window);
    load->lanes[lane].flow_count = 1;
    return init_flow(flow, streams / load->lane_count + (lane < streams % load->lane_count));
}

/* A closed loop, whatever the others are. */
static int make_bulk_flow(struct ptl_bench_load *load, unsigned lane)
{
    struct ptl_bench_flow *flow = &load->lanes[lane].flows[1];
    uint64_t in_flight = load->options->bulk_in_flight;

    set_common(load, flow, lane);
    flow->means = &ptl_bench_messages;
    flow->sizes = &load->options->bulk;
    flow->is_same = load->options->bulk.count == 1;
    flow->window = (uint32_t)in_flight;
    flow->limit = in_flight;
    flow->acknowledge_every = 1;
    load->lanes[lane].flow_count = 2;
    return init_flow(flow, 1);
}

static int make_lane(struct ptl_bench_load *load, unsigned index)
{
    const struct ptl_bench_link *link = &load->links[index % load->link_count];
    int err =
        ptl_bench_lane_init(&load->lanes[index], link->node, index / load->link_count, load->event);

    if (err < 0) {
        return ptl_complain_refused("make a port", err);
    }
    load->deeds[index] = (struct ptl_bench_deeds){
        .family = load->family,
        .target = &load->targets[index % load->target_count],
    };
    int code = make_flow(load, index);
    return code == PTL_EXIT_OK && load->options->pattern->has_bulk && index < load->link_count
               ? make_bulk_flow(load, index)
               : code;
}

/* A lane without streams would have nothing to do. */
static unsigned count_lanes(const struct ptl_bench_load *load)
{
    uint64_t shards = (uint64_t)load->link_count * ptl_node_shards(load->links[0].node);
    uint32_t streams = ptl_bench_options_streams(load->options);

    return load->options->pattern->one_sender ? 1 : (unsigned)(shards < streams ? shards : streams);
}

int ptl_bench_lanes_make(struct ptl_bench_load *load)
{
    unsigned count = count_lanes(load);
    int code = PTL_EXIT_OK;

    load->lanes = calloc(count, sizeof *load->lanes);
    load->deeds = calloc(count, sizeof *load->deeds);
    if (!load->lanes || !load->deeds) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory for %u lanes", count);
    }
    load->lane_count = count;
    for (unsigned i = 0; code == PTL_EXIT_OK && i < count; i++) {
        code = make_lane(load, i);
    }
    return code;
}

/* ---- Streams --------------------------------------------------------------------------------- */

/* Streams of one target that are opened together. */
struct batch {
    struct ptl_bench_load *load;
    unsigned target;
    enum ptl_bench_worker worker;
    uint32_t count;
    struct ptl_bench_opening openings[PTL_BENCH_BATCH];
    struct ptl_port next[PTL_BENCH_BATCH];
};

static int open_batch(struct batch *batch)
{
    int code = batch->count > 0
                   ? ptl_bench_target_open(&batch->load->targets[batch->target], batch->worker,
                                           batch->openings, batch->count)
                   : PTL_EXIT_OK;

    batch->count = 0;
    return code;
}

/* The worker of `stream` will send to `next`; then the stream sends to the worker. */
static int add_opening(struct batch *batch, struct ptl_bench_stream *stream,
                       const struct ptl_port *next)
{
    batch->next[batch->count] = *next;
    batch->openings[batch->count] = (struct ptl_bench_opening){
        .stream = stream->index,
        .next = &batch->next[batch->count],
        .worker = &stream->to,
    };
    return ++batch->count < PTL_BENCH_BATCH ? PTL_EXIT_OK : open_batch(batch);
}

/* The port of a stream here, on its lane's shard. */
static int make_port(struct ptl_bench_load *load, struct ptl_bench_stream *stream, unsigned lane,
                     struct ptl_port *port)
{
    struct ptl_port_options options = {
        .size = sizeof options,
        .handler = ptl_bench_flow_take,
        .data = stream,
        .shard_plus_one = 1 + lane / load->link_count,
    };
    int err = ptl_port_new(load->lanes[lane].node, &options, port);

    return err < 0 ? ptl_complain_refused("make a port", err) : PTL_EXIT_OK;
}

static struct ptl_bench_stream *stream_at(struct ptl_bench_load *load, uint32_t index)
{
    return &load->lanes[index % load->lane_count].flows[0].streams[index / load->lane_count];
}

/*
 * One hop of the streams, the last first: `hop` is counted from the end.  A worker of the last hop
 * sends to the stream's port here, one before it to the worker behind it.
 */
static int open_hop(struct batch *batch, uint64_t hop)
{
    struct ptl_bench_load *load = batch->load;
    uint32_t count = ptl_bench_options_streams(load->options);
    int code = PTL_EXIT_OK;

    for (uint32_t i = 0; code == PTL_EXIT_OK && i < count; i++) {
        struct ptl_bench_stream *stream = stream_at(load, i);
        uint64_t turn = i / load->lane_count + (load->options->hops - 1 - hop);
        struct ptl_port next = stream->to;
        if (turn % load->target_count != batch->target) {
            continue;
        }
        if (hop == 0) {
            stream->index = i;
            code = make_port(load, stream, i % load->lane_count, &next);
        }
        if (code == PTL_EXIT_OK) {
            code = add_opening(batch, stream, &next);
        }
    }
    return code == PTL_EXIT_OK ? open_batch(batch) : code;
}

static int open_hops(struct batch *batch)
{
    const struct ptl_bench_load *load = batch->load;
    int code = PTL_EXIT_OK;

    batch->worker = load->options->pattern->worker;
    for (uint64_t hop = 0; hop < load->options->hops; hop++) {
        for (unsigned i = 0; code == PTL_EXIT_OK && i < load->target_count; i++) {
            batch->target = i;
            code = open_hop(batch, hop);
        }
    }
    return code;
}

/* One a link, all to the first target, numbered behind the others. */
static int open_bulk(struct batch *batch)
{
    struct ptl_bench_load *load = batch->load;
    struct ptl_port port;
    int code = PTL_EXIT_OK;

    batch->worker = PTL_BENCH_SINK;
    batch->target = 0;
    for (unsigned i = 0; code == PTL_EXIT_OK && i < load->link_count; i++) {
        struct ptl_bench_stream *stream = &load->lanes[i].flows[1].streams[0];
        stream->index = ptl_bench_options_streams(load->options) + i;
        code = make_port(load, stream, i, &port);
        if (code == PTL_EXIT_OK) {
            code = add_opening(batch, stream, &port);
        }
    }
    return code == PTL_EXIT_OK ? open_batch(batch) : code;
}

/* Nobody is there to be opened. */
static void number_streams(struct ptl_bench_load *load)
{
    for (uint32_t i = 0; i < ptl_bench_options_streams(load->options); i++) {
        stream_at(load, i)->index = i;
    }
}

int ptl_bench_streams_open(struct ptl_bench_load *load)
{
    struct batch *batch = calloc(1, sizeof *batch);

    if (!batch) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    batch->load = load;
    int code = PTL_EXIT_OK;
    if (load->options->pattern->worker == PTL_BENCH_NOBODY) {
        number_streams(load);
    } else {
        code = open_hops(batch);
    }
    if (code == PTL_EXIT_OK && load->options->pattern->has_bulk) {
        code = open_bulk(batch);
    }
    free(batch);
    return code;
}
