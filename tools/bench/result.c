#include "tools/bench/result.h"

bool ptl_bench_result_init(struct ptl_bench_result *result)
{
    *result = (struct ptl_bench_result){.ending = PTL_BENCH_DONE};
    return ptl_histogram_init(&result->latency) && ptl_histogram_init(&result->closed) &&
           ptl_histogram_init(&result->late) && ptl_histogram_init(&result->bulk_latency);
}

void ptl_bench_result_free(struct ptl_bench_result *result)
{
    ptl_histogram_free(&result->latency);
    ptl_histogram_free(&result->closed);
    ptl_histogram_free(&result->late);
    ptl_histogram_free(&result->bulk_latency);
}

/* Those that the other end has not counted, of those that it should have. */
static uint64_t missing_there(const struct ptl_bench_result *result)
{
    uint64_t due = result->counts.sent * result->hops + result->bulk.sent;
    uint64_t missing = due > result->last.there.messages ? due - result->last.there.messages : 0;

    return result->hops > 0 && result->last.is_known ? (missing + result->hops - 1) / result->hops
                                                     : 0;
}

uint64_t ptl_bench_result_unanswered(const struct ptl_bench_result *result)
{
    return result->counts.sent - result->counts.acked + result->bulk.sent - result->bulk.acked;
}

/* A signal may come once more, to those who wait for the last messages: then nobody looked. */
bool ptl_bench_result_is_cut_short(const struct ptl_bench_result *result)
{
    return result->ending == PTL_BENCH_GONE ||
           (result->ending == PTL_BENCH_SIGNALED && result->last.at_ns == 0);
}

/* With a target its messages went, and it was told; so no hole was silent. */
uint64_t ptl_bench_result_lost(const struct ptl_bench_result *result)
{
    uint64_t unanswered = ptl_bench_result_unanswered(result);
    uint64_t missing = missing_there(result);

    if (ptl_bench_result_is_cut_short(result)) {
        return 0;
    }
    return unanswered > missing ? unanswered : missing;
}

uint64_t ptl_bench_result_reordered(const struct ptl_bench_result *result)
{
    return result->counts.reordered + result->bulk.reordered + result->last.there.reordered +
           result->last.there.strange;
}

/* Between the two moments, which on a busy machine are not those that messages are measured by. */
static double messages_between(const struct ptl_bench_result *result)
{
    const struct ptl_bench_moment *from = &result->from;
    const struct ptl_bench_moment *to = &result->to;
    double measured = (double)(result->counts.measured + result->bulk.measured);

    if (result->hops > 0 && from->is_known && to->is_known) {
        return (double)(to->there.messages - from->there.messages) / (double)result->hops;
    }
    return result->seconds > 0
               ? measured * (double)(to->at_ns - from->at_ns) / 1e9 / result->seconds
               : 0;
}

/* Of less than a message or two a figure would say nothing. */
static double per_message(const struct ptl_bench_result *result, int64_t cpu_ns)
{
    double messages = result->to.at_ns > result->from.at_ns ? messages_between(result) : 0;

    return messages >= 1 ? (double)cpu_ns / messages : -1;
}

double ptl_bench_result_cpu_here(const struct ptl_bench_result *result)
{
    return per_message(result, result->to.here_cpu_ns - result->from.here_cpu_ns);
}

double ptl_bench_result_cpu_there(const struct ptl_bench_result *result)
{
    return result->from.is_known && result->to.is_known && !result->is_one_process
               ? per_message(result, result->to.there.cpu_ns - result->from.there.cpu_ns)
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

bool ptl_bench_result_is_reached(const struct ptl_bench_result *result, double rate)
{
    return ptl_bench_result_rate(result) >= 0.99 * rate;
}
