/*
 * perf/bench_many.cc - one port sends to a thousand ports of another node in turn, over one link.
 *
 *   busy    all of them take what they get
 *   stuck   so do these, and one more takes nothing: it is full to begin with, and is tried once
 *           in every round
 *
 * What counts is what the thousand take, so the second as a share of the first says what one stuck
 * port costs the others.
 */
#include "perf/common/nodes.h"

#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

constexpr unsigned burst = 256; /* messages that the source sends in one go */
constexpr unsigned ports = 1000;
constexpr uint64_t messages = 1 << 20;

struct sinks {
    alignas(64) uint64_t count = 0;
    std::atomic<uint64_t> target{0};
    signal_once full;
};

int take(ptl_node *, const ptl_msg *, void *data)
{
    sinks *self = static_cast<sinks *>(data);

    if (++self->count == self->target.load(std::memory_order_relaxed)) {
        self->full.tell();
    }
    return 0;
}

int take_nothing(ptl_node *, const ptl_msg *, void *)
{
    return PTL_LATER;
}

struct source {
    ptl_port self;
    std::vector<ptl_port> to;
    ptl_port stuck;
    bool has_stuck;
    ptl_msg *body;
    uint64_t left = 0, sent = 0, refused = 0;
    std::atomic<uint64_t> order{0}; /* messages to send, from the benchmark's thread */
};

void go_on(ptl_node *node, source *self);

void has_room(ptl_node *node, const ptl_port *, void *data)
{
    go_on(node, static_cast<source *>(data));
}

void try_stuck(ptl_node *node, source *self)
{
    int err = ptl_send(node, &self->stuck, self->body);

    self->refused += err == PTL_EFULL;
    if (err != PTL_EFULL) {
        must(err, "sending to the port that takes nothing");
    }
}

void go_on(ptl_node *node, source *self)
{
    for (unsigned i = 0; i < burst && self->left > 0; i++) {
        const ptl_port *to = &self->to[self->sent % ports];
        int err = ptl_send(node, to, self->body);
        if (err == PTL_EFULL) {
            must(ptl_on_room(node, to, has_room, self), "waiting for room");
            return;
        }
        must(err, "sending");
        self->left--;
        if (++self->sent % ports == 0 && self->has_stuck) {
            try_stuck(node, self);
        }
    }
    if (self->left > 0) {
        must(ptl_send(node, &self->self, self->body), "sending to itself");
    }
}

int give(ptl_node *node, const ptl_msg *, void *data)
{
    source *self = static_cast<source *>(data);

    self->left += self->order.exchange(0);
    go_on(node, self);
    return 0;
}

/* Until it has refused for so long that it is not the way there that is full. */
void fill(ptl_node *node, const ptl_port *to, const ptl_msg *body)
{
    unsigned refused = 0;

    while (refused < 50) {
        int err = ptl_send(node, to, body);
        refused = err == PTL_EFULL ? refused + 1 : 0;
        if (err == PTL_EFULL) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        } else {
            must(err, "filling the port that takes nothing");
        }
    }
}

void many_ports(benchmark::State &state, bool has_stuck)
{
    two_nodes nodes;
    sinks drain;
    source spring;

    for (unsigned i = 0; i < ports; i++) {
        spring.to.push_back(seen_by(nodes.near, port_on_shard(nodes.far, 0, take, &drain)));
    }
    spring.stuck = seen_by(nodes.near, port_on_shard(nodes.far, 0, take_nothing, nullptr));
    spring.has_stuck = has_stuck;
    spring.self = port_on_shard(nodes.near, 0, give, &spring);
    must(ptl_msg_make(nodes.near, &spring.body, "y", "0123456789abcdef", static_cast<size_t>(16)),
         "a message");
    if (has_stuck) {
        fill(nodes.near, &spring.stuck, spring.body);
    }
    for (auto _ : state) {
        drain.target += messages;
        spring.order.store(messages);
        must(ptl_send(nodes.near, &spring.self, spring.body), "starting");
        drain.full.wait();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(messages));
    state.counters["refused"] = static_cast<double>(spring.refused);
    stop(nodes.near);
    (void)ptl_node_stop(nodes.far, 0); /* what the stuck port was sent is never taken */
    ptl_msg_free(spring.body);
}
BENCHMARK_CAPTURE(many_ports, busy, false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(many_ports, stuck, true)->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
