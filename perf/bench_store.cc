/*
 * perf/bench_store.cc - the database's data structure alone: a million entries, no network.
 */
#include "perf/common/micro_store.h"

#include <benchmark/benchmark.h>

namespace {

constexpr uint32_t entries = 1 << 20;
constexpr uint32_t batch = 4096;

/* New keys, into a store that is emptied between rounds. */
void store_add(benchmark::State &state)
{
    micro_store *bench = micro_store_open(entries, MICRO_STORE_ALONE);

    for (auto _ : state) {
        micro_store_set(bench, entries);
        state.PauseTiming();
        state.counters["bytes_per_entry"] = micro_store_entry_bytes(bench);
        micro_store_lose(bench);
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * entries);
    micro_store_close(bench);
}
BENCHMARK(store_add)->Unit(benchmark::kMillisecond);

/*
 * New values for keys that are there; with a replica through a feed into a second store.  Of few
 * keys, the processor's caches hold all: the difference is the memory's.
 */
void store_set(benchmark::State &state, uint32_t keys, micro_store_replica replica)
{
    micro_store *bench = micro_store_open(keys, replica);

    micro_store_set(bench, keys);
    for (auto _ : state) {
        micro_store_set(bench, batch);
    }
    state.SetItemsProcessed(state.iterations() * batch);
    micro_store_close(bench);
}
BENCHMARK_CAPTURE(store_set, alone, entries, MICRO_STORE_ALONE);
BENCHMARK_CAPTURE(store_set, replicated, entries, MICRO_STORE_BY_OWNER);
BENCHMARK_CAPTURE(store_set, merged, entries, MICRO_STORE_MERGED);
BENCHMARK_CAPTURE(store_set, few_alone, batch, MICRO_STORE_ALONE);
BENCHMARK_CAPTURE(store_set, few_replicated, batch, MICRO_STORE_BY_OWNER);

void store_get(benchmark::State &state)
{
    micro_store *bench = micro_store_open(entries, MICRO_STORE_ALONE);

    micro_store_set(bench, entries);
    for (auto _ : state) {
        benchmark::DoNotOptimize(micro_store_get(bench, batch));
    }
    state.SetItemsProcessed(state.iterations() * batch);
    micro_store_close(bench);
}
BENCHMARK(store_get);

void store_walk(benchmark::State &state)
{
    micro_store *bench = micro_store_open(entries, MICRO_STORE_ALONE);

    micro_store_set(bench, entries);
    for (auto _ : state) {
        benchmark::DoNotOptimize(micro_store_walk(bench));
    }
    state.SetItemsProcessed(state.iterations() * entries);
    micro_store_close(bench);
}
BENCHMARK(store_walk)->Unit(benchmark::kMillisecond);

/* A new feed tells what is there. */
void store_copy(benchmark::State &state)
{
    micro_store *bench = micro_store_open(entries, MICRO_STORE_ALONE);

    micro_store_set(bench, entries);
    for (auto _ : state) {
        benchmark::DoNotOptimize(micro_store_copy(bench));
    }
    state.SetItemsProcessed(state.iterations() * entries);
    micro_store_close(bench);
}
BENCHMARK(store_copy)->Unit(benchmark::kMillisecond);

/* An owner of a million entries is lost. */
void store_lose(benchmark::State &state)
{
    micro_store *bench = micro_store_open(entries, MICRO_STORE_ALONE);

    for (auto _ : state) {
        state.PauseTiming();
        micro_store_set(bench, entries);
        state.ResumeTiming();
        micro_store_lose(bench);
    }
    state.SetItemsProcessed(state.iterations() * entries);
    micro_store_close(bench);
}
BENCHMARK(store_lose)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
