#include "tools/bench/sweep.h"

#include "tools/bench/once.h"
#include "tools/bench/report.h"
#include "tools/bench/text.h"

#include <stdio.h>

#define RATE_FIRST 1000
#define RATE_MAX 1e8
#define CLOSE 1.05 /* a good rate and one that is too much are that close at the end */

struct sweep {
    struct ptl_bench_options options; /* of the next load */
    double good;                      /* the highest rate that was borne; 0: none yet */
    double bad;                       /* the lowest that was not; 0: none yet */
    int64_t good_p99_ns;
    unsigned steps;
};

static void print_step(const struct sweep *sweep, const struct ptl_bench_result *result,
                       bool is_borne)
{
    int64_t p99_ns = ptl_histogram_percentile(&result->latency, 99);
    char text[PTL_BENCH_TIME_TEXT];

    if (sweep->options.common.json) {
        printf("%s{\"rate_wanted\":%.3f,\"rate\":%.3f,\"p99_ns\":%lld,\"borne\":%s}",
               sweep->steps > 0 ? "," : "", sweep->options.rate, ptl_bench_result_rate(result),
               (long long)p99_ns, is_borne ? "true" : "false");
    } else {
        printf("%12.0f/s wanted, %12.0f/s reached, p99 %s: %s\n", sweep->options.rate,
               ptl_bench_result_rate(result), ptl_bench_time_text(p99_ns, text),
               is_borne ? "borne" : "too much");
    }
    fflush(stdout);
}

/* One load; returns the exit code if it ends the sweep, else PTL_EXIT_OK. */
static int step(struct sweep *sweep)
{
    struct ptl_bench_result result;
    int code = ptl_bench_once(&sweep->options, &result);

    if (code == PTL_EXIT_OK) {
        code = ptl_bench_verdict(&sweep->options, &result);
        int64_t p99_ns = ptl_histogram_percentile(&result.latency, 99);
        bool is_borne = code == PTL_EXIT_OK && result.latency.count > 0 &&
                        p99_ns <= sweep->options.slo_p99_ns &&
                        ptl_bench_result_is_reached(&result, sweep->options.rate);
        print_step(sweep, &result, is_borne);
        *(is_borne ? &sweep->good : &sweep->bad) = sweep->options.rate;
        sweep->good_p99_ns = is_borne ? p99_ns : sweep->good_p99_ns;
        sweep->steps++;
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

static void print_found(const struct sweep *sweep, int code)
{
    char bound[PTL_BENCH_TIME_TEXT];
    char p99[PTL_BENCH_TIME_TEXT];

    if (sweep->options.common.json) {
        printf("],\"highest\":%.3f,\"p99_ns\":%lld,\"slo_p99_ns\":%lld,\"exit\":%d}\n", sweep->good,
               (long long)sweep->good_p99_ns, (long long)sweep->options.slo_p99_ns, code);
    } else if (sweep->good > 0) {
        printf("highest rate with p99 within %s: %.0f messages/s (p99 %s)\n",
               ptl_bench_time_text(sweep->options.slo_p99_ns, bound), sweep->good,
               ptl_bench_time_text(sweep->good_p99_ns, p99));
    } else {
        printf("no rate has its p99 within %s\n",
               ptl_bench_time_text(sweep->options.slo_p99_ns, bound));
    }
    fflush(stdout);
}

int ptl_bench_sweep(const struct ptl_bench_options *options)
{
    struct sweep sweep = {.options = *options};
    int code = PTL_EXIT_OK;

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
    print_found(&sweep, code);
    return code;
}
