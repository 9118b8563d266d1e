/*
 * perf/bench_node.cc - messages from port to port, through the public interface only.
 *
 *   same_shard    source and sink on one shard
 *   cross_shard   source and sink on two shards of one node
 *   one_way       source and sink on two nodes, over loopback TCP; `_cbor` in CBOR, as between
 *                 real nodes, the others in our own framing
 *   round_trip    one message at a time between two such nodes, there and back
 *   idle_port     bytes that a port costs which does nothing
 *   idle_link     bytes that one more link to another of our nodes costs, over which one message
 *                 has come, as the second half of so many shows
 *
 * The two nodes run in one process, one shard each: two threads, as the two processes of
 * perf/bare_tcp.c, with the same path through the kernel.  A message is one value of 16 bytes.
 * `made` builds each message anew from its value, as most programs will; the others send one
 * message that was made once.  `named` sends it to a port by its chosen name.
 */
#include "perf/common/nodes.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

namespace {

constexpr unsigned burst = 256; /* messages that a source sends in one go */

ptl_msg *make_body(ptl_node *node)
{
    ptl_msg *msg;

    must(ptl_msg_make(node, &msg, "y", "0123456789abcdef", static_cast<size_t>(16)), "a message");
    return msg;
}

/* ---- From a source to a sink --------------------------------------------------------------- */

struct sink {
    alignas(64) uint64_t count = 0;
    std::atomic<uint64_t> target{0};
    signal_once full;
    ptl_port port;
};

int take(ptl_node *, const ptl_msg *, void *data)
{
    sink *self = static_cast<sink *>(data);

    if (++self->count == self->target.load(std::memory_order_relaxed)) {
        self->full.tell();
    }
    return 0;
}

struct source {
    ptl_port self;
    ptl_port to;
    ptl_msg *body;
    ptl_msg *again; /* what it sends to itself to go on */
    bool made;
    uint64_t left = 0;
    std::atomic<uint64_t> order{0}; /* messages to send, from the benchmark's thread */
};

int send_one(ptl_node *node, source *self)
{
    if (self->made) {
        return ptl_sendf(node, &self->to, "y", "0123456789abcdef", static_cast<size_t>(16));
    }
    return ptl_send(node, &self->to, self->body);
}

void go_on(ptl_node *node, source *self);

void has_room(ptl_node *node, const ptl_port *, void *data)
{
    go_on(node, static_cast<source *>(data));
}

/* A burst, then one message to itself, so that others have their turn. */
void go_on(ptl_node *node, source *self)
{
    for (unsigned i = 0; i < burst && self->left > 0; i++) {
        int err = send_one(node, self);
        if (err == PTL_EFULL) {
            must(ptl_on_room(node, &self->to, has_room, self), "waiting for room");
            return;
        }
        must(err, "sending");
        self->left--;
    }
    if (self->left > 0) {
        must(ptl_send(node, &self->self, self->again), "sending to itself");
    }
}

int give(ptl_node *node, const ptl_msg *, void *data)
{
    source *self = static_cast<source *>(data);

    self->left += self->order.exchange(0);
    go_on(node, self);
    return 0;
}

void measure_sending(benchmark::State &state, ptl_node *from, unsigned from_shard, ptl_node *to,
                     unsigned to_shard, bool made, uint64_t messages, const char *name = nullptr)
{
    sink drain;
    source spring;

    drain.port =
        name ? port_of_name(to, name, take, &drain) : port_on_shard(to, to_shard, take, &drain);
    spring.self = port_on_shard(from, from_shard, give, &spring);
    spring.to = seen_by(from, drain.port);
    spring.made = made;
    spring.body = make_body(from);
    spring.again = make_body(from);
    for (auto _ : state) {
        drain.target += messages; /* nothing is under way now */
        spring.order.store(messages);
        must(ptl_send(from, &spring.self, spring.again), "starting");
        drain.full.wait();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(messages));
    must(ptl_kill(to, &drain.port, nullptr), "killing");
    must(ptl_kill(from, &spring.self, nullptr), "killing");
    if (from != to) {
        stop(to);
    }
    stop(from);
    ptl_msg_free(spring.body);
    ptl_msg_free(spring.again);
}

void same_shard(benchmark::State &state, bool made, const char *name)
{
    ptl_node *node = start("solo", 1, nullptr);

    measure_sending(state, node, 0, node, 0, made, 1 << 20, name);
}
BENCHMARK_CAPTURE(same_shard, sent, false, nullptr)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(same_shard, made, true, nullptr)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(same_shard, named, false, "sink")->UseRealTime()->Unit(benchmark::kMillisecond);

void cross_shard(benchmark::State &state, bool made)
{
    ptl_node *node = start("duo", 2, nullptr);

    measure_sending(state, node, 0, node, 1, made, 1 << 20);
}
BENCHMARK_CAPTURE(cross_shard, sent, false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(cross_shard, made, true)->UseRealTime()->Unit(benchmark::kMillisecond);

void one_way(benchmark::State &state, bool made, const char *framings)
{
    two_nodes nodes(framings);

    measure_sending(state, nodes.near, 0, nodes.far, 0, made, 1 << 20);
}
BENCHMARK_CAPTURE(one_way, sent, false, nullptr)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(one_way, made, true, nullptr)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(one_way, sent_cbor, false, "cbor")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(one_way, made_cbor, true, "cbor")->UseRealTime()->Unit(benchmark::kMillisecond);

/* ---- There and back ------------------------------------------------------------------------ */

struct player {
    ptl_port self;
    ptl_port to;
    ptl_msg *ball;
    uint64_t left = 0;
    std::atomic<uint64_t> order{0};
    signal_once done;
    std::vector<float> *microseconds = nullptr; /* of the one who serves */
    std::chrono::steady_clock::time_point hit;
};

int play(ptl_node *node, const ptl_msg *, void *data)
{
    player *self = static_cast<player *>(data);
    const uint64_t order = self->order.exchange(0);

    if (self->microseconds) {
        const auto now = std::chrono::steady_clock::now();
        if (order > 0) {
            self->left = order;
        } else {
            const std::chrono::duration<float, std::micro> taken = now - self->hit;
            self->microseconds->push_back(taken.count());
            if (--self->left == 0) {
                self->done.tell();
                return 0;
            }
        }
        self->hit = now;
    }
    must(ptl_send(node, &self->to, self->ball), "sending");
    return 0;
}

void round_trip(benchmark::State &state)
{
    constexpr uint64_t trips = 5000;
    two_nodes nodes;
    player near, far;
    std::vector<float> microseconds;

    near.self = port_on_shard(nodes.near, 0, play, &near);
    far.self = port_on_shard(nodes.far, 0, play, &far);
    near.to = seen_by(nodes.near, far.self);
    far.to = seen_by(nodes.far, near.self);
    near.ball = make_body(nodes.near);
    far.ball = make_body(nodes.far);
    near.microseconds = &microseconds;
    for (auto _ : state) {
        near.order.store(trips);
        must(ptl_send(nodes.near, &near.self, near.ball), "starting");
        near.done.wait();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(trips));
    std::sort(microseconds.begin(), microseconds.end());
    state.counters["p50_us"] = microseconds[microseconds.size() / 2];
    state.counters["p99_us"] = microseconds[microseconds.size() / 100 * 99];
    state.counters["p999_us"] = microseconds[microseconds.size() / 1000 * 999];
    stop(nodes.near);
    stop(nodes.far);
    ptl_msg_free(near.ball);
    ptl_msg_free(far.ball);
}
BENCHMARK(round_trip)->UseRealTime()->Unit(benchmark::kMillisecond);

/* ---- What a port costs --------------------------------------------------------------------- */

void idle_port(benchmark::State &state)
{
    const int64_t ports = state.range(0);
    const ptl_allocator allocator = {count_bytes, nullptr};
    ptl_node *node = start("idle", 1, nullptr, nullptr, &allocator);
    int64_t bytes = 0;

    for (auto _ : state) {
        const int64_t before = allocated;
        for (int64_t i = 0; i < ports; i++) {
            port_on_shard(node, 0, take, nullptr);
        }
        bytes = allocated - before;
    }
    state.SetItemsProcessed(state.iterations() * ports);
    state.counters["bytes_per_port"] = static_cast<double>(bytes) / static_cast<double>(ports);
    stop(node);
}
/* Tables grow by steps: several sizes, so that none flatters. */
BENCHMARK(idle_port)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->Arg(1000)
    ->Arg(70000)
    ->Arg(100000)
    ->Arg(140000)
    ->Arg(1000000);

/* ---- What a link costs --------------------------------------------------------------------- */

void idle_link(benchmark::State &state)
{
    const int64_t links = state.range(0);
    const ptl_allocator allocator = {count_bytes, nullptr};
    ptl_node *hub = start("hub", 1, "127.0.0.1:0", nullptr, &allocator);
    std::vector<ptl_node *> others;
    sink drain;
    int64_t bytes = 0;

    for (auto _ : state) {
        drain.port = port_on_shard(hub, 0, take, &drain);
        int64_t half = 0;
        for (int64_t i = 0; i < links; i++) {
            half = i == links / 2 ? allocated.load() : half;
            others.push_back(start(("leaf" + std::to_string(i)).c_str(), 1, nullptr));
            must(ptl_node_known(others.back(), "hub", ptl_node_address(hub, 0)), "an address");
            const ptl_port to = seen_by(others.back(), drain.port);
            drain.target++; /* it has not come yet */
            must(ptl_sendf(others.back(), &to, "i", 1), "sending");
            drain.full.wait();
        }
        bytes = allocated - half;
    }
    state.SetItemsProcessed(state.iterations() * links);
    state.counters["bytes_per_link"] =
        static_cast<double>(bytes) / static_cast<double>(links - links / 2);
    for (ptl_node *other : others) {
        stop(other);
    }
    stop(hub);
}
BENCHMARK(idle_link)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(1)->Arg(200);

} // namespace

BENCHMARK_MAIN();
