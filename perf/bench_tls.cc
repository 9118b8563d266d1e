/*
 * perf/bench_tls.cc - TLS by itself: no network, no node, both ends on one thread.
 *
 *   tls_handshake/VERSION      a handshake, with certificates on both sides
 *   tls_carry/VERSION/BYTES    so many bytes sealed at one end and opened at the other
 *
 * TLS_PAIR names a file with a certificate and its key, as portolan gencert writes it.  perf/tls
 * runs it beside the same of OpenSSL.
 */
#include "perf/common/micro_tls.h"

#include <benchmark/benchmark.h>

#include <cstdlib>

namespace {

sealed_node *make_node(const benchmark::State &state)
{
    return sealed_node_make(std::getenv("TLS_PAIR"), static_cast<unsigned>(state.range(0)));
}

void tls_handshake(benchmark::State &state)
{
    sealed_node *node = make_node(state);

    for (auto unused : state) {
        (void)unused;
        sealed_ends_free(sealed_ends_make(node));
    }
    state.SetItemsProcessed(state.iterations());
    sealed_node_free(node);
}

void tls_carry(benchmark::State &state)
{
    auto size = static_cast<size_t>(state.range(1));
    sealed_node *node = make_node(state);
    sealed_ends *ends = sealed_ends_make(node);

    for (auto unused : state) {
        (void)unused;
        sealed_carry(ends, size);
    }
    state.SetBytesProcessed(state.iterations() * state.range(1));
    state.SetLabel(sealed_text(ends));
    sealed_ends_free(ends);
    sealed_node_free(node);
}

BENCHMARK(tls_handshake)->Arg(12)->Arg(13);
BENCHMARK(tls_carry)->ArgsProduct({{12, 13}, {16, 16384, 65536}});

} // namespace

BENCHMARK_MAIN();
