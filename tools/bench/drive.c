#include "tools/bench/drive.h"

#include "tools/bench/live.h"
#include "tools/bench/pacer.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LEAD_NS 5000000 /* from here to the first message: every lane has been told by then */

/* ---- Waiting ----------------------------------------------------------------------------- */

static bool lanes_are_drained(struct ptl_bench_load *load)
{
    bool drained = true;

    for (unsigned i = 0; drained && i < load->lane_count; i++) {
        pthread_mutex_lock(&load->lanes[i].lock);
        drained = load->lanes[i].seen.is_drained;
        pthread_mutex_unlock(&load->lanes[i].lock);
    }
    return drained;
}

static int error_of_lanes(struct ptl_bench_load *load)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < load->lane_count; i++) {
        pthread_mutex_lock(&load->lanes[i].lock);
        err = load->lanes[i].seen.err;
        pthread_mutex_unlock(&load->lanes[i].lock);
    }
    return err;
}

static int take_signal(int signals)
{
    struct signalfd_siginfo info;

    return read(signals, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

/* Whether it has come to an end before its time; then `result` says how. */
static bool is_over(struct ptl_bench_load *load, struct ptl_bench_result *result)
{
    int err = error_of_lanes(load);

    if (result->ending != PTL_BENCH_DONE) {
        return true;
    }
    if (result->signal != 0) {
        result->ending = PTL_BENCH_SIGNALED;
        snprintf(result->reason, sizeof result->reason, "ended by SIG%s",
                 sigabbrev_np(result->signal));
    } else if (ptl_bench_load_is_gone(load, result->reason)) {
        result->ending = PTL_BENCH_GONE;
    } else if (err < 0) {
        result->ending = PTL_BENCH_FAILED;
        snprintf(result->reason, sizeof result->reason, "cannot send: %s", ptl_err_text(err));
    }
    return result->ending != PTL_BENCH_DONE;
}

/* Sleep until something happens, or for so long. */
static void wait_for_event(struct ptl_bench_load *load, struct ptl_bench_result *result,
                           int64_t left_ns)
{
    struct pollfd fds[] = {
        {.fd = load->event, .events = POLLIN},
        {.fd = load->signals, .events = POLLIN},
    };
    struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
    uint64_t count;

    if (ppoll(fds, 2, &left, NULL) <= 0) {
        return;
    }
    if ((fds[0].revents & POLLIN) && read(load->event, &count, sizeof count) < 0) {
        return; /* somebody's interruption: it is still there */
    }
    if (fds[1].revents & POLLIN) {
        result->signal = take_signal(load->signals);
    }
}

/* Wait until that time, or until all is drained where that is waited for.  False: it is over. */
static bool wait_until(struct ptl_bench_load *load, struct ptl_bench_live *live,
                       struct ptl_bench_result *result, int64_t until_ns, bool for_drained)
{
    for (int64_t now_ns; (now_ns = ptl_bench_now()) < until_ns;) {
        if (is_over(load, result)) {
            return false;
        }
        if (for_drained && lanes_are_drained(load)) {
            return true;
        }
        if (now_ns >= live->next_ns) {
            ptl_bench_live_print(live, load);
            continue;
        }
        wait_for_event(load, result,
                       (live->next_ns < until_ns ? live->next_ns : until_ns) - now_ns);
    }
    return !is_over(load, result);
}

/* ---- What is measured -------------------------------------------------------------------- */

static void look(struct ptl_bench_load *load, struct ptl_bench_moment *moment)
{
    *moment = (struct ptl_bench_moment){.is_known = true};
    for (unsigned i = 0; i < load->target_count; i++) {
        struct ptl_bench_there there = {.cpu_ns = 0};
        if (ptl_bench_target_counts(&load->targets[i], &there) < 0) {
            moment->is_known = false;
        }
        moment->there.cpu_ns += there.cpu_ns;
        moment->there.messages += there.messages;
        moment->there.bytes += there.bytes;
        moment->there.reordered += there.reordered;
        moment->there.strange += there.strange;
    }
    moment->at_ns = ptl_bench_now();
    moment->here_cpu_ns = ptl_bench_cpu_ns();
}

static void add_counts(struct ptl_bench_counts *counts, const struct ptl_bench_counts *more)
{
    counts->sent += more->sent;
    counts->acked += more->acked;
    counts->measured += more->measured;
    counts->measured_bytes += more->measured_bytes;
    counts->refused += more->refused;
    counts->reordered += more->reordered;
    counts->unsent += more->unsent;
}

/* The nodes have stopped: lanes are ours. */
static void sum_up(struct ptl_bench_load *load, struct ptl_bench_result *result)
{
    for (unsigned i = 0; i < load->lane_count; i++) {
        const struct ptl_bench_flow *flow = &load->lanes[i].flows[0];
        add_counts(&result->counts, &flow->counts);
        ptl_histogram_add(&result->latency, &flow->latency);
        ptl_histogram_add(&result->closed, &flow->closed);
        ptl_histogram_add(&result->late, &flow->late);
        if (load->lanes[i].flow_count > 1) {
            add_counts(&result->bulk, &load->lanes[i].flows[1].counts);
            ptl_histogram_add(&result->bulk_latency, &load->lanes[i].flows[1].latency);
        }
    }
}

/* ---- The phases --------------------------------------------------------------------------- */

static int tell_lanes(struct ptl_bench_load *load, const char *what)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < load->lane_count; i++) {
        err = ptl_bench_lane_tell(&load->lanes[i], what);
    }
    return err < 0 ? ptl_complain_refused("tell a lane", err) : PTL_EXIT_OK;
}

static void set_clock(struct ptl_bench_load *load)
{
    const struct ptl_bench_options *options = load->options;
    int64_t begin_ns = ptl_bench_now() + LEAD_NS;

    load->clock = (struct ptl_bench_clock){
        .begin_ns = begin_ns,
        .measured_from_ns = begin_ns + options->warm_up_ns,
        .end_ns = begin_ns + options->warm_up_ns + options->duration_ns,
    };
    for (unsigned i = 0; i < load->lane_count; i++) {
        load->lanes[i].flows[0].schedule.begin_ns = begin_ns;
    }
}

/* In the middle of what is measured, and long enough before its end to be seen. */
static int stall(struct ptl_bench_load *load, struct ptl_bench_live *live,
                 struct ptl_bench_result *result)
{
    int64_t when_ns = load->clock.measured_from_ns + load->options->duration_ns / 4;

    if (load->options->stall_ns == 0 || !wait_until(load, live, result, when_ns, false)) {
        return PTL_EXIT_OK;
    }
    return ptl_bench_target_stall(&load->targets[0], load->options->stall_ns);
}

static int measure(struct ptl_bench_load *load, struct ptl_bench_live *live,
                   struct ptl_bench_result *result)
{
    int code = PTL_EXIT_OK;

    if (wait_until(load, live, result, load->clock.measured_from_ns, false)) {
        look(load, &result->from);
        ptl_journal_log(&load->journal, PTL_LOG_INFO, "measuring");
        code = stall(load, live, result);
    }
    if (code == PTL_EXIT_OK && wait_until(load, live, result, load->clock.end_ns, false)) {
        look(load, &result->to);
    }
    return code;
}

static void drain(struct ptl_bench_load *load, struct ptl_bench_live *live,
                  struct ptl_bench_result *result)
{
    int64_t limit_ns = ptl_bench_now() + (int64_t)load->options->common.timeout_ms * 1000000;

    if (result->ending == PTL_BENCH_GONE || tell_lanes(load, "finish") != PTL_EXIT_OK) {
        return;
    }
    enum ptl_bench_ending ending = result->ending;
    int signal = result->signal;
    result->ending = PTL_BENCH_DONE; /* only what ends it meanwhile counts */
    result->signal = 0;
    wait_until(load, live, result, limit_ns, true);
    if (result->ending == PTL_BENCH_DONE) {
        look(load, &result->last);
        result->ending = ending;
        result->signal = signal;
    }
}

/* How long it was measured, if it ended early. */
static double measured_seconds(const struct ptl_bench_load *load)
{
    int64_t now_ns = ptl_bench_now();
    int64_t end_ns = now_ns < load->clock.end_ns ? now_ns : load->clock.end_ns;

    return end_ns > load->clock.measured_from_ns
               ? (double)(end_ns - load->clock.measured_from_ns) / 1e9
               : 0;
}

static int start(struct ptl_bench_load *load, struct ptl_bench_pacer *pacer)
{
    bool is_paced = load->options->rate > 0;
    int err = is_paced
                  ? ptl_bench_pacer_init(pacer, load->lanes, load->lane_count, load->clock.end_ns)
                  : 0;

    /* Once they have started, what lanes have is theirs. */
    int code = err < 0 ? PTL_EXIT_OK : tell_lanes(load, "start");
    if (err == 0 && code == PTL_EXIT_OK && is_paced) {
        err = ptl_bench_pacer_start(pacer);
    }
    return err < 0 ? ptl_complain_refused("start a thread", err) : code;
}

static int run(struct ptl_bench_load *load, struct ptl_bench_result *result)
{
    struct ptl_bench_pacer pacer = {.is_running = false};
    struct ptl_bench_live live;

    ptl_bench_live_start(&live, load);
    int code = start(load, &pacer);
    if (code == PTL_EXIT_OK) {
        code = measure(load, &live, result);
        result->seconds = measured_seconds(load);
    }
    ptl_bench_pacer_stop(&pacer);
    if (code == PTL_EXIT_OK) {
        drain(load, &live, result);
    }
    ptl_bench_live_end(&live);
    return code;
}

/* Whether the other end sees every message. */
static bool counts_there(const struct ptl_bench_pattern *pattern)
{
    return !pattern->has_keys;
}

int ptl_bench_drive(struct ptl_bench_load *load, struct ptl_bench_result *result)
{
    if (!ptl_bench_result_init(result)) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    result->hops = counts_there(load->options->pattern) ? load->options->hops : 0;
    result->is_one_process = load->options->embedded != PTL_BENCH_APART;
    set_clock(load);
    int code = run(load, result);
    ptl_bench_load_stop(load);
    sum_up(load, result);
    return code;
}
