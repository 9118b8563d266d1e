#include "tools/bench/sweep.h"

#include "tools/bench/json.h"
#include "tools/bench/once.h"
#include "tools/bench/report.h"
#include "tools/bench/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RATE_FIRST 1000
#define RATE_MAX 1e8
#define CLOSE 1.05 /* a good rate and one that is too much are that close at the end */

struct sweep {
    struct ptl_bench_options options; /* of the next load */
    double expect_rate;               /* of all of them */
    double good;                      /* the highest rate that was borne; 0: none yet */
    double bad;                       /* the lowest that was not; 0: none yet */
    int64_t good_p99_ns;
    uint64_t good_count; /* of latencies that it is the p99 of */
    unsigned steps;
    char reason[512]; /* why it ended before its end; empty: it did not */
};

/* Low rates differ by fractions, high ones do not. */
static int places(double rate)
{
    return rate < 100 ? 2 : 0;
}

/* A load that was ended says nothing of its rate. */
static const char *word_of(const struct ptl_bench_result *result, int code, bool is_borne)
{
    return result->ending != PTL_BENCH_DONE ? "ended"
           : code != PTL_EXIT_OK            ? "messages were lost or reordered"
           : is_borne                       ? "borne"
                                            : "too much";
}

static void print_step(const struct sweep *sweep, const struct ptl_bench_result *result, int code,
                       bool is_borne)
{
    int64_t p99_ns = ptl_histogram_percentile(&result->latency, 99);
    double wanted = sweep->options.rate;
    double rate = ptl_bench_result_rate(result);
    char text[PTL_BENCH_TIME_TEXT];

    if (sweep->options.common.json) {
        printf("%s{\"rate_wanted\":%.3f,\"rate\":%.3f,\"p99_ns\":%lld,\"borne\":%s}",
               sweep->steps > 0 ? "," : "", wanted, rate, (long long)p99_ns,
               is_borne ? "true" : "false");
    } else {
        printf("%12.*f/s wanted, %12.*f/s reached, p99 %s: %s\n", places(wanted), wanted,
               places(wanted), rate,
               result->latency.count > 0 ? ptl_bench_time_text(p99_ns, text) : "of nothing",
               word_of(result, code, is_borne));
    }
}

static void note(struct sweep *sweep, const struct ptl_bench_result *result, bool is_borne)
{
    if (is_borne) {
        sweep->good = sweep->options.rate;
        sweep->good_p99_ns = ptl_histogram_percentile(&result->latency, 99);
        sweep->good_count = result->latency.count;
    } else {
        sweep->bad = sweep->options.rate;
    }
}

static int complain_unwritten(void)
{
    return ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
}

/* One load; returns the exit code if it ends the sweep, else PTL_EXIT_OK. */
static int step(struct sweep *sweep)
{
    struct ptl_bench_result result;
    int code = ptl_bench_once(&sweep->options, &result);

    if (code == PTL_EXIT_OK) {
        code = ptl_bench_verdict(&sweep->options, &result);
        bool is_borne =
            code == PTL_EXIT_OK && result.latency.count > 0 &&
            ptl_histogram_percentile(&result.latency, 99) <= sweep->options.slo_p99_ns &&
            ptl_bench_result_is_reached(&result, sweep->options.rate);
        print_step(sweep, &result, code, is_borne);
        note(sweep, &result, is_borne);
        snprintf(sweep->reason, sizeof sweep->reason, "%s", result.reason);
        sweep->steps++;
        if (fflush(stdout) != 0 || ferror(stdout)) {
            code = complain_unwritten();
        }
    }
    ptl_bench_result_free(&result);
    return code;
}

/* The rate to try next; 0: it is found, or there is none. */
static double next_rate(const struct sweep *sweep)
{
    if (sweep->bad == 0) {
        return sweep->good * 2 <= RATE_MAX ? sweep->good * 2 : 0;
    }
    if (sweep->good == 0) {
        return sweep->bad / 2 >= 1 ? sweep->bad / 2 : 0;
    }
    return sweep->bad / sweep->good > CLOSE ? (sweep->good + sweep->bad) / 2 : 0;
}

static void json_found(const struct sweep *sweep, int code)
{
    printf("],\"highest\":%.3f,\"p99_ns\":%lld,\"slo_p99_ns\":%lld,", sweep->good,
           (long long)sweep->good_p99_ns, (long long)sweep->options.slo_p99_ns);
    ptl_bench_json_text("ending", sweep->reason[0] != '\0' ? sweep->reason : "done");
    printf("\"exit\":%d}\n", code);
}

static void print_found(const struct sweep *sweep, int code)
{
    bool is_whole = code == PTL_EXIT_OK || code == PTL_EXIT_UNMET;
    char bound[PTL_BENCH_TIME_TEXT];
    char p99[PTL_BENCH_TIME_TEXT];

    ptl_bench_time_text(sweep->options.slo_p99_ns, bound);
    if (sweep->reason[0] != '\0') {
        printf("%s: the sweep is not at its end\n", sweep->reason);
    }
    if (sweep->good > 0) {
        printf("highest rate with p99 within %s%s: %.*f messages/s (p99 %s)\n", bound,
               is_whole ? "" : ", so far", places(sweep->good), sweep->good,
               ptl_bench_time_text(sweep->good_p99_ns, p99));
    } else if (is_whole) {
        printf("no rate has its p99 within %s\n", bound);
    }
    if (sweep->good > 0 && sweep->good_count < 100) {
        printf("that is the p99 of %llu message%s: a longer --duration says more\n",
               (unsigned long long)sweep->good_count, ptl_bench_plural(sweep->good_count));
    }
    if (is_whole && sweep->good < sweep->expect_rate) {
        printf("expected %.10g messages/s: it is less\n", sweep->expect_rate);
    }
}

int ptl_bench_sweep(const struct ptl_bench_options *options)
{
    struct sweep sweep = {.options = *options, .expect_rate = options->expect_rate};
    int code = PTL_EXIT_OK;

    sweep.options.expect_rate = 0; /* a step may be below it */
    if (options->common.json) {
        printf("{\"pattern\":\"%s\",\"sweep\":[", options->pattern->name);
    }
    double rate = options->rate > 0 ? options->rate : RATE_FIRST;
    for (; code == PTL_EXIT_OK && rate > 0; rate = next_rate(&sweep)) {
        sweep.options.rate = rate;
        code = step(&sweep);
    }
    if (code == PTL_EXIT_OK && sweep.good < options->expect_rate) {
        code = PTL_EXIT_UNMET;
    }
    if (ferror(stdout)) {
        return code; /* it was told */
    }
    if (options->common.json) {
        json_found(&sweep, code);
    } else {
        print_found(&sweep, code);
    }
    return fflush(stdout) == 0 ? code : complain_unwritten();
}
