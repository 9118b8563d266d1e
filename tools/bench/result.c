#include "tools/bench/result.h"

/* With a target its messages went, and it was told; so no hole was silent. */
uint64_t ptl_bench_result_lost(const struct ptl_bench_result *result)
{
    const struct ptl_bench_counts *counts = &result->counts;
    uint64_t arrived = result->last.is_known ? result->last.there.messages : counts->acked;

    if (result->ending == PTL_BENCH_GONE) {
        return 0;
    }
    arrived = counts->acked < arrived ? counts->acked : arrived;
    return counts->sent > arrived ? counts->sent - arrived : 0;
}

uint64_t ptl_bench_result_reordered(const struct ptl_bench_result *result)
{
    return result->counts.reordered + result->last.there.reordered + result->last.there.strange;
}

double ptl_bench_result_cpu_here(const struct ptl_bench_result *result)
{
    return result->counts.measured > 0
               ? (double)(result->to.here_cpu_ns - result->from.here_cpu_ns) /
                     (double)result->counts.measured
               : -1;
}

double ptl_bench_result_cpu_there(const struct ptl_bench_result *result)
{
    uint64_t messages = result->to.there.messages - result->from.there.messages;

    return result->from.is_known && result->to.is_known && messages > 0
               ? (double)(result->to.there.cpu_ns - result->from.there.cpu_ns) / (double)messages
               : -1;
}

double ptl_bench_result_rate(const struct ptl_bench_result *result)
{
    return result->seconds > 0 ? (double)result->counts.measured / result->seconds : 0;
}

double ptl_bench_result_bytes(const struct ptl_bench_result *result)
{
    return result->seconds > 0 ? (double)result->counts.measured_bytes / result->seconds : 0;
}
