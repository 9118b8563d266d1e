/*
 * perf/bench_fall.cc - a node goes on whose ports there are a million monitors: the time until all
 * have been told, and the longest turn meanwhile.
 *
 *   threads   the monitors are callbacks of the program's threads
 *   ports     they belong to a thousand ports, and wait in their queues until each runs
 */
#include "perf/common/micro_fall.h"

#include <benchmark/benchmark.h>

namespace {

void node_goes(benchmark::State &state, bool by_ports)
{
    fall result = {};
    double longest = 0;

    for (auto _ : state) {
        fall_measure(static_cast<uint64_t>(state.range(0)), by_ports, &result);
        state.SetIterationTime(result.seconds);
        longest = result.longest_turn > longest ? result.longest_turn : longest;
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.counters["longest_turn_ms"] = longest * 1e3;
    state.counters["turns"] = static_cast<double>(result.turns);
}

} // namespace

BENCHMARK_CAPTURE(node_goes, threads, false)->Arg(1000000)->UseManualTime()->Iterations(1);
BENCHMARK_CAPTURE(node_goes, ports, true)->Arg(1000000)->UseManualTime()->Iterations(1);

BENCHMARK_MAIN();
