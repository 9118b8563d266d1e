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
    micro_store *bench = micro_store_open(entries, 0);

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

/* New values for keys that are there; with a replica through a feed into a second store. */
void store_set(benchmark::State &state, unsigned replicas)
{
    micro_store *bench = micro_store_open(entries, replicas);

    micro_store_set(bench, entries);
    for (auto _ : state) {
        micro_store_set(bench, batch);
    }
    state.SetItemsProcessed(state.iterations() * batch);
    micro_store_close(bench);
}
BENCHMARK_CAPTURE(store_set, alone, 0);
BENCHMARK_CAPTURE(store_set, replicated, 1);

void store_get(benchmark::State &state)
{
    micro_store *bench = micro_store_open(entries, 0);

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
    micro_store *bench = micro_store_open(entries, 0);

    micro_store_set(bench, entries);
    for (auto _ : state) {
        benchmark::DoNotOptimize(micro_store_walk(bench));
    }
    state.SetItemsProcessed(state.iterations() * entries);
    micro_store_close(bench);
}
BENCHMARK(store_walk)->Unit(benchmark::kMillisecond);

/* An owner of a million entries is lost. */
void store_lose(benchmark::State &state)
{
    micro_store *bench = micro_store_open(entries, 0);

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
