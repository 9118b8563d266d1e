/*
 * perf/bench_micro.cc - the parts that decide: the ring between two shards, and the codecs.
 */
#include "perf/common/micro.h"
#include "perf/common/micro_rules.h"

#include <benchmark/benchmark.h>

namespace {

void ring(benchmark::State &state)
{
    constexpr uint64_t records = 4 << 20;

    for (auto _ : state) {
        micro_ring_transfer(records);
    }
    state.SetItemsProcessed(state.iterations() * records);
}
BENCHMARK(ring)->UseRealTime()->Unit(benchmark::kMillisecond);

void encode(benchmark::State &state, int json, micro_message message)
{
    micro_codec *codec = micro_codec_open(json, message);
    int64_t packets = 0;

    for (auto _ : state) {
        packets += static_cast<int64_t>(micro_encode(codec));
    }
    state.SetItemsProcessed(packets);
    state.SetBytesProcessed(packets * static_cast<int64_t>(micro_packet_size(codec)));
    micro_codec_close(codec);
}
BENCHMARK_CAPTURE(encode, cbor_small, 0, MICRO_SMALL);
BENCHMARK_CAPTURE(encode, cbor_record, 0, MICRO_RECORD);
BENCHMARK_CAPTURE(encode, json_small, 1, MICRO_SMALL);
BENCHMARK_CAPTURE(encode, json_record, 1, MICRO_RECORD);

void decode(benchmark::State &state, int json, micro_message message)
{
    micro_codec *codec = micro_codec_open(json, message);
    int64_t packets = 0;

    for (auto _ : state) {
        packets += static_cast<int64_t>(micro_decode(codec));
    }
    state.SetItemsProcessed(packets);
    state.SetBytesProcessed(packets * static_cast<int64_t>(micro_packet_size(codec)));
    micro_codec_close(codec);
}
BENCHMARK_CAPTURE(decode, cbor_small, 0, MICRO_SMALL);
BENCHMARK_CAPTURE(decode, cbor_record, 0, MICRO_RECORD);
BENCHMARK_CAPTURE(decode, json_small, 1, MICRO_SMALL);
BENCHMARK_CAPTURE(decode, json_record, 1, MICRO_RECORD);

/* What a message costs that the flow's own verdict does not let pass: see engine/link/receive.c. */
void judge(benchmark::State &state, int anew)
{
    constexpr uint64_t messages = 1000;
    micro_rules *rules = micro_rules_open(1000);
    uint64_t passed = 0;

    for (auto _ : state) {
        passed += micro_rules_judge(rules, messages, anew);
    }
    state.SetItemsProcessed(static_cast<int64_t>(passed));
    micro_rules_close(rules);
}
BENCHMARK_CAPTURE(judge, remembered, 0);
BENCHMARK_CAPTURE(judge, anew, 1);

} // namespace

BENCHMARK_MAIN();
