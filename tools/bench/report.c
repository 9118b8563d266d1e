#include "tools/bench/report.h"

#include "tools/bench/json.h"
#include "tools/bench/text.h"

#include <stdio.h>

static const struct {
    const char *name; /* of the JSON member */
    const char *text;
    double percent;
} percentiles[] = {
    {"p50", "p50", 50},       {"p90", "p90", 90},          {"p99", "p99", 99},
    {"p99_9", "p99.9", 99.9}, {"p99_99", "p99.99", 99.99},
};

#define PERCENTILES (sizeof percentiles / sizeof percentiles[0])

/* ---- What it comes to ----------------------------------------------------------------------- */

static bool is_rate_met(const struct ptl_bench_options *options,
                        const struct ptl_bench_result *result)
{
    return ptl_bench_result_rate(result) >= options->expect_rate;
}

static bool is_p99_met(const struct ptl_bench_options *options,
                       const struct ptl_bench_result *result)
{
    return options->expect_p99_ns == 0 ||
           (result->latency.count > 0 &&
            ptl_histogram_percentile(&result->latency, 99) <= options->expect_p99_ns);
}

int ptl_bench_verdict(const struct ptl_bench_options *options,
                      const struct ptl_bench_result *result)
{
    switch (result->ending) {
    case PTL_BENCH_GONE:
        return PTL_EXIT_REACH;
    case PTL_BENCH_FAILED:
        return PTL_EXIT_OTHER;
    case PTL_BENCH_SIGNALED:
    case PTL_BENCH_DONE:
        break;
    }
    if (ptl_bench_result_lost(result) > 0 || ptl_bench_result_reordered(result) > 0) {
        return PTL_EXIT_OTHER;
    }
    if (result->ending == PTL_BENCH_SIGNALED) {
        return 128 + result->signal;
    }
    return is_rate_met(options, result) && is_p99_met(options, result) ? PTL_EXIT_OK
                                                                       : PTL_EXIT_UNMET;
}

/* ---- For people ----------------------------------------------------------------------------- */

static void print_times(const char *name, const struct ptl_histogram *histogram)
{
    char text[PTL_BENCH_TIME_TEXT];

    if (histogram->count == 0) {
        printf("%s  none was measured\n", name);
        return;
    }
    printf("%s", name);
    for (size_t i = 0; i < PERCENTILES; i++) {
        int64_t time_ns = ptl_histogram_percentile(histogram, percentiles[i].percent);
        printf("  %s %s", percentiles[i].text, ptl_bench_time_text(time_ns, text));
    }
    printf("  max %s\n", ptl_bench_time_text(histogram->max_ns, text));
}

static void print_cpu(const struct ptl_bench_result *result)
{
    double there = ptl_bench_result_cpu_there(result);
    double here = ptl_bench_result_cpu_here(result);

    if (here >= 0 && result->is_one_process) {
        printf("cpu/message  %.0f ns, both ends\n", here);
    } else if (here >= 0 && there >= 0) {
        printf("cpu/message  %.0f ns here, %.0f ns there\n", here, there);
    }
}

static void print_plural(uint64_t count, const char *one, const char *many)
{
    printf("%llu %s, ", (unsigned long long)count, count == 1 ? one : many);
}

static void print_loop(const struct ptl_bench_options *options)
{
    printf("%s, ", options->pattern->name);
    if (options->pattern->has_keys) {
        print_plural(options->entries, "entry", "entries");
    } else {
        print_plural(options->ports, "port", "ports");
    }
    print_plural(options->links, "link", "links");
    if (options->rate > 0) {
        printf("%.10g messages/s, %s arrivals\n", options->rate,
               options->poisson ? "poisson" : "constant");
    } else {
        printf("%llu in flight\n", (unsigned long long)options->in_flight);
    }
}

/* Of an end before its time nobody expects the rate. */
static void print_unreached(const struct ptl_bench_options *options,
                            const struct ptl_bench_result *result)
{
    uint64_t unsent = result->counts.unsent;

    if (result->ending != PTL_BENCH_DONE || ptl_bench_result_is_reached(result, options->rate)) {
        return;
    }
    printf("the rate of %.10g/s was not reached: ", options->rate);
    if (unsent > 0) {
        printf("%llu message%s due and not sent\n", (unsigned long long)unsent,
               unsent == 1 ? " was" : "s were");
    } else {
        printf("all was sent, and some of it answered behind the end\n");
    }
}

static void print_unmet(const struct ptl_bench_options *options,
                        const struct ptl_bench_result *result)
{
    char wanted[PTL_BENCH_TIME_TEXT];
    char got[PTL_BENCH_TIME_TEXT];

    if (!is_rate_met(options, result)) {
        printf("expected %.10g messages/s: there were %.0f\n", options->expect_rate,
               ptl_bench_result_rate(result));
    }
    if (!is_p99_met(options, result)) {
        int64_t p99_ns = ptl_histogram_percentile(&result->latency, 99);
        printf("expected a p99 of %s: %s%s\n", ptl_bench_time_text(options->expect_p99_ns, wanted),
               result->latency.count > 0 ? "it is " : "none was measured",
               result->latency.count > 0 ? ptl_bench_time_text(p99_ns, got) : "");
    }
}

/* What a target took with it, or nobody waited for, was late for ever, and would be no figure. */
static void print_unanswered(const struct ptl_bench_result *result)
{
    uint64_t count = ptl_bench_result_unanswered(result);

    if (ptl_bench_result_is_cut_short(result) && count > 0) {
        printf("%llu message%s not answered, and in no percentile\n", (unsigned long long)count,
               count == 1 ? " was" : "s were");
    }
}

static void print_troubles(const struct ptl_bench_options *options,
                           const struct ptl_bench_result *result)
{
    print_unreached(options, result);
    print_unmet(options, result);
    print_unanswered(result);
    if (result->reason[0] != '\0') {
        printf("%s after %.1f s: the figures are of what came before\n", result->reason,
               result->seconds);
    }
}

static void print_bulk(const struct ptl_bench_result *result)
{
    uint64_t count = result->bulk.measured;
    char text[PTL_BENCH_BYTES_TEXT];

    printf(
        "bulk         %llu message%s, %s\n", (unsigned long long)count, ptl_bench_plural(count),
        ptl_bench_bytes_text(
            result->seconds > 0 ? (double)result->bulk.measured_bytes / result->seconds : 0, text));
    print_times("bulk latency", &result->bulk_latency);
}

bool ptl_bench_report_text(const struct ptl_bench_options *options,
                           const struct ptl_bench_result *result)
{
    const struct ptl_bench_counts *counts = &result->counts;
    char bytes[PTL_BENCH_BYTES_TEXT];

    print_loop(options);
    printf("throughput   %.0f messages/s, %s in %.1f s\n", ptl_bench_result_rate(result),
           ptl_bench_bytes_text(ptl_bench_result_bytes(result), bytes), result->seconds);
    print_times("latency    ", &result->latency);
    if (options->rate > 0) {
        print_times("sent late  ", &result->late);
        print_times("a closed loop had seen", &result->closed);
    }
    if (options->pattern->has_bulk) {
        print_bulk(result);
    }
    print_cpu(result);
    printf("messages     %llu sent, %llu acknowledged, %llu lost, %llu reordered, %llu sends "
           "refused\n",
           (unsigned long long)counts->sent, (unsigned long long)counts->acked,
           (unsigned long long)ptl_bench_result_lost(result),
           (unsigned long long)ptl_bench_result_reordered(result),
           (unsigned long long)counts->refused);
    print_troubles(options, result);
    return fflush(stdout) == 0 && !ferror(stdout);
}

/* ---- For programs --------------------------------------------------------------------------- */

static void json_known(const char *name, double value)
{
    if (value >= 0) {
        ptl_bench_json_real(name, value);
    } else {
        printf("\"%s\":null,", name);
    }
}

static void json_times(const char *name, const struct ptl_histogram *histogram)
{
    printf("\"%s\":{", name);
    ptl_bench_json_count("count", histogram->count);
    ptl_bench_json_count("min", (uint64_t)histogram->min_ns);
    ptl_bench_json_real("mean", ptl_histogram_mean(histogram));
    for (size_t i = 0; i < PERCENTILES; i++) {
        ptl_bench_json_count(percentiles[i].name,
                             (uint64_t)ptl_histogram_percentile(histogram, percentiles[i].percent));
    }
    printf("\"max\":%lld},", (long long)histogram->max_ns);
}

/* Each size and the share of messages that have it. */
static void json_sizes(const char *name, const struct ptl_bench_sizes *sizes)
{
    uint64_t before = 0;

    printf("\"%s\":[", name);
    for (unsigned i = 0; i < sizes->count; i++) {
        printf("%s[%zu,%.6f]", i > 0 ? "," : "", sizes->list[i].bytes,
               (double)(sizes->list[i].until - before) /
                   (double)sizes->list[sizes->count - 1].until);
        before = sizes->list[i].until;
    }
    printf("],");
}

static void json_options(const struct ptl_bench_options *options)
{
    ptl_bench_json_text("pattern", options->pattern->name);
    ptl_bench_json_text("loop", options->rate > 0 ? "open" : "closed");
    ptl_bench_json_count("ports", options->ports);
    ptl_bench_json_count("links", options->links);
    ptl_bench_json_count("shards", options->common.shards > 0 ? options->common.shards : 1);
    json_sizes("sizes", &options->sizes);
    if (options->pattern->has_keys) {
        ptl_bench_json_count("entries", options->entries);
    }
    if (options->pattern->has_bulk) {
        json_sizes("bulk_sizes", &options->bulk);
    }
    if (options->pattern->has_hops) {
        ptl_bench_json_count("hops", options->hops);
    }
    if (options->rate > 0) {
        ptl_bench_json_real("rate_wanted", options->rate);
        ptl_bench_json_text("arrivals", options->poisson ? "poisson" : "constant");
    } else {
        ptl_bench_json_count("in_flight", options->in_flight);
    }
    ptl_bench_json_count("random_seed", options->random_seed);
}

static void json_counts(const struct ptl_bench_result *result)
{
    const struct ptl_bench_counts *counts = &result->counts;

    ptl_bench_json_count("messages", counts->measured);
    ptl_bench_json_real("rate", ptl_bench_result_rate(result));
    ptl_bench_json_real("bytes_per_second", ptl_bench_result_bytes(result));
    ptl_bench_json_count("sent", counts->sent);
    ptl_bench_json_count("acknowledged", counts->acked);
    if (result->last.is_known && result->hops > 0) {
        ptl_bench_json_count("received", result->last.there.messages);
    } else {
        printf("\"received\":null,");
    }
    ptl_bench_json_count("lost", ptl_bench_result_lost(result));
    ptl_bench_json_count("reordered", ptl_bench_result_reordered(result));
    ptl_bench_json_count("refused", counts->refused);
    ptl_bench_json_count("unsent", counts->unsent);
}

static void json_bulk(const struct ptl_bench_result *result)
{
    const struct ptl_bench_counts *bulk = &result->bulk;
    double seconds = result->seconds > 0 ? result->seconds : 1;

    printf("\"bulk\":{");
    ptl_bench_json_count("messages", bulk->measured);
    ptl_bench_json_real("bytes_per_second", (double)bulk->measured_bytes / seconds);
    ptl_bench_json_count("sent", bulk->sent);
    ptl_bench_json_count("acknowledged", bulk->acked);
    json_times("latency_ns", &result->bulk_latency);
    printf("\"refused\":%llu},", (unsigned long long)bulk->refused);
}

bool ptl_bench_report_json(const struct ptl_bench_options *options,
                           const struct ptl_bench_result *result)
{
    printf("{");
    json_options(options);
    ptl_bench_json_real("seconds", result->seconds);
    json_counts(result);
    json_times("latency_ns", &result->latency);
    if (options->rate > 0) {
        json_times("sent_late_ns", &result->late);
        json_times("closed_loop_ns", &result->closed);
    }
    if (options->pattern->has_bulk) {
        json_bulk(result);
    }
    json_known("cpu_ns_here", ptl_bench_result_cpu_here(result));
    json_known("cpu_ns_there", ptl_bench_result_cpu_there(result));
    ptl_bench_json_text("ending", result->reason[0] != '\0' ? result->reason : "done");
    printf("\"exit\":%d}\n", ptl_bench_verdict(options, result));
    return fflush(stdout) == 0 && !ferror(stdout);
}
