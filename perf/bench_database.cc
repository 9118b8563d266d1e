/*
 * perf/bench_database.cc - the database, through the public interface only.
 *
 *   db_set, db_overwrite   a port sets keys of a node, new ones or again with other values
 *     own                  on one node, of one or two shards
 *     replicated           until a watcher on a second global node has been told of all
 *   db_latency             one set at a time, to the watcher on the other node, and one back
 *   db_join                a node joins one that holds a million entries
 *   db_bytes               bytes that an entry costs beside its key and value
 *
 * Keys are like "key:012345", a value is one of 16 bytes, made anew for every set.  In a round
 * every key is set once, and it ends when all have been told: nothing is merged away.  As in
 * perf/bench_node.cc two nodes run in one process, one shard each, over loopback TCP.  The CPU
 * time told is that of all threads.
 */
#include "perf/common/nodes.h"
#include "perf/common/relay.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

namespace {

constexpr unsigned burst = 256;         /* keys that a setter sets in one go */
constexpr uint32_t round_keys = 100000; /* of a setter, set in a round */
constexpr uint32_t join_keys = 1000000; /* that a node has to fetch */
constexpr uint32_t key_step = 61803;    /* so that all keys come, in an order without pattern */
constexpr size_t key_size = 10;
constexpr size_t value_size = 16;
constexpr size_t value_encoded = 1 + value_size;

/* ---- Setting keys -------------------------------------------------------------------------- */

void write_key(char text[key_size + 1], uint32_t key)
{
    std::memcpy(text, "key:000000", key_size + 1);
    for (char *digit = text + key_size; key > 0; key /= 10) {
        *--digit = static_cast<char>('0' + key % 10);
    }
}

int set_one(ptl_node *node, const char *family, const char *key, uint64_t number)
{
    char value[value_size] = {};
    ptl_msg *msg;

    std::memcpy(value, &number, sizeof number);
    must(ptl_msg_make(node, &msg, "y", value, value_size), "a value");
    int err = ptl_db_set(node, family, key, msg);
    ptl_msg_free(msg);
    return err;
}

enum class deed { set, remove };

/* A port that sets or removes all its keys when it is told to. */
class setter {
  public:
    setter(ptl_node *on, unsigned shard, const std::vector<std::string> &of, uint32_t count)
        : node(on), families(of), keys(count)
    {
        self = port_on_shard(node, shard, begin, this);
        must(ptl_msg_make(node, &again, "n"), "a message");
    }

    ~setter()
    {
        ptl_msg_free(again);
    }

    /* From the benchmark's thread, while nothing is under way; every key gets this number. */
    void order(deed deed, uint64_t value)
    {
        what = deed;
        number = value;
        left = keys;
        asked = 0;
        answered = 0;
        must(ptl_send(node, &self, again), "starting");
    }

    /* Until the node has done what was ordered. */
    void wait()
    {
        done.wait();
    }

    uint32_t count() const
    {
        return keys;
    }

  private:
    static int begin(ptl_node *, const ptl_msg *, void *data);
    static void has_room(ptl_node *, const ptl_port *, void *data);
    static void take_answer(ptl_node *, int err, const ptl_msg *, void *data);
    bool succeeded(int err, const std::string &family);
    int do_one(const std::string &family);
    void go_on();
    void ask();

    ptl_node *node;
    std::vector<std::string> families; /* key by key in turns */
    uint32_t keys;
    ptl_port self;
    ptl_msg *again; /* what it sends to itself to go on */
    deed what;
    uint64_t number;
    uint32_t key = 0; /* the next one */
    uint32_t left;
    size_t asked; /* families */
    size_t answered;
    signal_once done;
};

int setter::begin(ptl_node *, const ptl_msg *, void *data)
{
    static_cast<setter *>(data)->go_on();
    return 0;
}

void setter::has_room(ptl_node *, const ptl_port *, void *data)
{
    static_cast<setter *>(data)->go_on();
}

/* False when there was no room: then has_room() will be called. */
bool setter::succeeded(int err, const std::string &family)
{
    if (err == PTL_EFULL) {
        must(ptl_db_on_room(node, family.c_str(), has_room, this), "waiting for room");
        return false;
    }
    must(err, "the database");
    return true;
}

int setter::do_one(const std::string &family)
{
    char text[key_size + 1];

    write_key(text, key);
    return what == deed::remove ? ptl_db_del(node, family.c_str(), text)
                                : set_one(node, family.c_str(), text, number);
}

/* A burst, then one message to itself, so that others have their turn. */
void setter::go_on()
{
    for (unsigned i = 0; i < burst && left > 0; i++) {
        const std::string &family = families[key % families.size()];
        if (!succeeded(do_one(family), family)) {
            return;
        }
        key = (key + key_step) % keys;
        left--;
    }
    if (left > 0) {
        must(ptl_send(node, &self, again), "sending to itself");
    } else {
        ask();
    }
}

/* The answer comes after all that was done to that family. */
void setter::ask()
{
    while (asked < families.size()) {
        const std::string &family = families[asked];
        if (!succeeded(ptl_db_get(node, family.c_str(), "key:000000", take_answer, this), family)) {
            return;
        }
        asked++;
    }
}

void setter::take_answer(ptl_node *, int err, const ptl_msg *, void *data)
{
    setter *self = static_cast<setter *>(data);

    if (err != PTL_ENOKEY) {
        must(err, "reading");
    }
    if (++self->answered == self->families.size()) {
        self->done.tell();
    }
}

/* ---- Watching them ------------------------------------------------------------------------- */

/* Counts what it is told, and sees that the values are those expected. */
struct watcher {
    alignas(64) uint64_t count = 0;
    std::atomic<uint64_t> target{0};
    std::atomic<uint64_t> number{0};
    signal_once full;
};

uint64_t number_of(const ptl_msg *msg)
{
    ptl_cursor cursor = ptl_msg_begin(msg);
    ptl_value value;
    uint64_t number;

    must(ptl_next(&cursor, &value), "a value");
    if (value.type != PTL_BYTES || value.string.size != value_size) {
        must(PTL_ETYPE, "a value");
    }
    std::memcpy(&number, value.string.chars, sizeof number);
    return number;
}

int see(ptl_node *, const ptl_db_change *change, void *data)
{
    watcher *self = static_cast<watcher *>(data);

    if (change->event == PTL_DB_COPIED) {
        return 0;
    }
    if (change->event != PTL_DB_DELETED &&
        number_of(change->value) != self->number.load(std::memory_order_relaxed)) {
        must(PTL_EINVAL, "an old value");
    }
    if (++self->count == self->target.load(std::memory_order_relaxed)) {
        self->full.tell();
    }
    return 0;
}

/* ---- Sets a second ------------------------------------------------------------------------- */

/* Until all have done it, and `drain`, unless NULL, has been told of it. */
void carry_out(std::deque<setter> &setters, watcher *drain, deed what, uint64_t number)
{
    if (drain) {
        drain->number = number;
        drain->target += setters.size() * setters.front().count();
    }
    for (setter &one : setters) {
        one.order(what, number);
    }
    for (setter &one : setters) {
        one.wait();
    }
    if (drain) {
        drain->full.wait();
    }
}

/* `again`: other values for keys that are there. */
void measure_sets(benchmark::State &state, std::deque<setter> &setters, watcher *drain, bool again)
{
    const uint32_t keys = static_cast<uint32_t>(setters.size()) * setters.front().count();
    uint64_t number = 1;

    carry_out(setters, drain, deed::set, number);
    for (auto _ : state) {
        if (!again) {
            state.PauseTiming();
            carry_out(setters, drain, deed::remove, number);
            state.ResumeTiming();
        }
        carry_out(setters, drain, deed::set, ++number);
    }
    state.SetItemsProcessed(state.iterations() * keys);
}

/* A setter on every shard; with two, the families of each live on both. */
void own(benchmark::State &state, bool again)
{
    const unsigned shards = static_cast<unsigned>(state.range(0));
    std::deque<setter> setters;
    ptl_node *node = start("solo", shards, nullptr);

    for (unsigned shard = 0; shard < shards; shard++) {
        std::vector<std::string> families;
        for (unsigned i = 0; i < (shards == 1 ? 1 : 8); i++) {
            families.push_back("fam_" + std::to_string(shard) + "_" + std::to_string(i));
        }
        setters.emplace_back(node, shard, families, round_keys);
    }
    measure_sets(state, setters, nullptr, again);
    stop(node);
}

/* Two global nodes, one the seed of the other. */
struct replicas {
    ptl_node *near = start("near", 1, "127.0.0.1:0");
    ptl_node *far = start("far", 1, "127.0.0.1:0", ptl_node_address(near, 0));

    ~replicas()
    {
        stop(near);
        stop(far);
    }
};

void replicated(benchmark::State &state, bool again)
{
    watcher drain;
    std::deque<setter> setters;
    replicas nodes;

    must(ptl_db_watch(nodes.far, "fam", see, &drain, nullptr), "a watch");
    setters.emplace_back(nodes.near, 0, std::vector<std::string>{"fam"}, round_keys);
    measure_sets(state, setters, &drain, again);
}

void settle(benchmark::internal::Benchmark *benchmark)
{
    benchmark->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
}

void settle_shards(benchmark::internal::Benchmark *benchmark)
{
    settle(benchmark);
    benchmark->Arg(1)->Arg(2);
}

void db_set_own(benchmark::State &state)
{
    own(state, false);
}
BENCHMARK(db_set_own)->Name("db_set/own")->Apply(settle_shards);

void db_overwrite_own(benchmark::State &state)
{
    own(state, true);
}
BENCHMARK(db_overwrite_own)->Name("db_overwrite/own")->Apply(settle_shards);

void db_set(benchmark::State &state)
{
    replicated(state, false);
}
BENCHMARK(db_set)->Name("db_set/replicated")->Apply(settle);

void db_overwrite(benchmark::State &state)
{
    replicated(state, true);
}
BENCHMARK(db_overwrite)->Name("db_overwrite/replicated")->Apply(settle);

/* ---- From the set to the watcher on the other node ----------------------------------------- */

int64_t nanoseconds()
{
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/* Each of two nodes sets its key when it is told of the other's. */
struct volley {
    ptl_node *near;
    ptl_node *far;
    uint64_t left = 0; /* set while nothing is under way, then the near watcher's */
    uint64_t number = 0;
    std::atomic<int64_t> hit{0}; /* when the far one set its key */
    std::vector<float> microseconds;
    signal_once done;
};

int return_it(ptl_node *node, const ptl_db_change *change, void *data)
{
    volley *self = static_cast<volley *>(data);

    if (change->value) { /* not when the near node stops */
        self->hit = nanoseconds();
        must(set_one(node, "back", "key:000000", number_of(change->value)), "setting");
    }
    return 0;
}

int take_it(ptl_node *node, const ptl_db_change *change, void *data)
{
    volley *self = static_cast<volley *>(data);

    if (!change->value) {
        return 0;
    }
    self->microseconds.push_back(static_cast<float>(nanoseconds() - self->hit) / 1000);
    if (--self->left == 0) {
        self->done.tell();
        return 0;
    }
    must(set_one(node, "forth", "key:000000", ++self->number), "setting");
    return 0;
}

/* An item is a set there and one back; the percentiles are of one way. */
void db_latency(benchmark::State &state)
{
    constexpr uint64_t trips = 5000;
    volley game;
    replicas nodes;

    must(ptl_db_watch(nodes.far, "forth", return_it, &game, nullptr), "a watch");
    must(ptl_db_watch(nodes.near, "back", take_it, &game, nullptr), "a watch");
    for (auto _ : state) {
        game.left = trips;
        must(set_one(nodes.near, "forth", "key:000000", ++game.number), "setting");
        game.done.wait();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(trips));
    std::sort(game.microseconds.begin(), game.microseconds.end());
    state.counters["p50_us"] = game.microseconds[game.microseconds.size() / 2];
    state.counters["p99_us"] = game.microseconds[game.microseconds.size() / 100 * 99];
}
BENCHMARK(db_latency)->Apply(settle);

/* ---- Joining a network that knows much ------------------------------------------------------ */

/* Start a node with this seed, and stop it once it has all: the seconds until then. */
double join(const char *seed)
{
    watcher all;

    all.number = 1;
    all.target = join_keys;
    const int64_t before = nanoseconds();
    ptl_node *node = start("late", 1, nullptr, seed);
    must(ptl_db_watch(node, "fam", see, &all, nullptr), "a watch");
    all.full.wait();
    const int64_t after = nanoseconds();
    stop(node);
    return static_cast<double>(after - before) / 1e9;
}

/* The bytes are counted on their way through a relay, in another join than the one timed. */
void db_join(benchmark::State &state)
{
    std::deque<setter> setters;
    ptl_node *node = start("early", 1, "127.0.0.1:0");
    double seconds = 0;

    setters.emplace_back(node, 0, std::vector<std::string>{"fam"}, join_keys);
    carry_out(setters, nullptr, deed::set, 1);
    for (auto _ : state) {
        seconds = join(ptl_node_address(node, 0));
        state.SetIterationTime(seconds);
    }
    state.SetItemsProcessed(state.iterations() * join_keys);
    state.counters["seconds"] = seconds;
    {
        relay between(ptl_node_address(node, 0));
        join(between.address());
        state.counters["wire_bytes"] = static_cast<double>(between.bytes());
    }
    stop(node);
}
BENCHMARK(db_join)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(1);

/* ---- What an entry costs -------------------------------------------------------------------- */

void db_bytes(benchmark::State &state)
{
    const uint32_t entries = static_cast<uint32_t>(state.range(0));
    const ptl_allocator allocator = {count_bytes, nullptr};
    std::deque<setter> setters;
    ptl_node *node = start("solo", 1, nullptr, nullptr, &allocator);
    int64_t bytes = 0;

    setters.emplace_back(node, 0, std::vector<std::string>{"fam"}, entries);
    for (auto _ : state) {
        const int64_t before = allocated;
        carry_out(setters, nullptr, deed::set, 1);
        bytes = allocated - before;
    }
    state.SetItemsProcessed(state.iterations() * entries);
    state.counters["bytes_per_entry"] =
        static_cast<double>(bytes) / entries - static_cast<double>(key_size + value_encoded);
    stop(node);
}
/* Tables grow by steps: the worst place in one as well. */
BENCHMARK(db_bytes)->Apply(settle)->Iterations(1)->Arg(530000)->Arg(1000000);

} // namespace

BENCHMARK_MAIN();
