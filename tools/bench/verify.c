#include "tools/bench/verify.h"

#include "tools/bench/clock.h"
#include "tools/bench/cutter.h"
#include "tools/bench/json.h"
#include "tools/bench/load.h"
#include "tools/bench/text.h"
#include "tools/bench/trial.h"
#include "tools/client.h"
#include "tools/option_values.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define RATE 5000           /* without --rate and --in-flight: what a live node hardly notices */
#define WINDOW 64           /* of one trial, with a rate */
#define GRACE_NS 2000000000 /* beyond a trial's own patience */

struct verification {
    const struct ptl_bench_options *options;
    struct ptl_list seeds;
    struct ptl_list way; /* the cutter's address */
    struct ptl_bench_cutter *cutter;
    struct ptl_bench_load load; /* its links and targets; it has no lanes */
    struct ptl_trial *trials;
    unsigned trial_count;
    unsigned targets;
    unsigned absent; /* trials that found nobody at the end */
    atomic_uint undone;
    struct ptl_findings findings;
    struct ptl_trial_counts counts; /* of all trials */
    double seconds;
    uint64_t cuts;
    int signal; /* that has ended it before its time */
};

/* ---- Before -------------------------------------------------------------------------------- */

static int open_way(struct verification *run)
{
    ptl_client_seeds(&run->options->common, &run->seeds);
    for (size_t i = 0; i < run->seeds.count; i++) {
        if (ptl_is_service(run->seeds.items[i])) {
            return ptl_complain(PTL_EXIT_USAGE,
                                "verify goes through a proxy: give --seed HOST:PORT, not %s",
                                run->seeds.items[i]);
        }
    }
    int err = ptl_bench_cutter_start(&run->cutter, &run->seeds, run->options->cut_every_ns,
                                     run->options->random_seed);
    if (err < 0) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot listen at 127.0.0.1: %s", strerror(-err));
    }
    run->way.items[run->way.count++] = ptl_bench_cutter_address(run->cutter);
    return PTL_EXIT_OK;
}

static void set_trial(struct verification *run, struct ptl_trial *trial, unsigned index)
{
    const struct ptl_bench_options *options = run->options;
    struct ptl_bench_load *load = &run->load;
    double rate = options->rate > 0 ? options->rate : options->in_flight > 0 ? 1e9 : RATE;

    *trial = (struct ptl_trial){
        .node = load->links[index % load->link_count].node,
        .target = load->targets[index / load->link_count % load->target_count].id,
        .index = index,
        .findings = &run->findings,
        .sizes = &options->sizes,
        .random.state = options->random_seed * 1000003 + index,
        .interval_ns = 1e9 / rate * (double)options->ports,
        .window = options->in_flight > options->ports
                      ? (uint32_t)(options->in_flight / options->ports)
                  : options->in_flight > 0 ? 1
                                           : WINDOW,
        .kill_every = options->kill_every,
        .patience_ns = (int64_t)options->common.timeout_ms * 1000000,
        .undone = &run->undone,
        .event = load->event,
    };
}

static int open_trials(struct verification *run)
{
    unsigned count = (unsigned)run->options->ports;
    int err = 0;

    run->trials = calloc(count, sizeof *run->trials);
    if (!run->trials) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory for %u ports", count);
    }
    atomic_init(&run->undone, count);
    while (err == 0 && run->trial_count < count) {
        struct ptl_trial *trial = &run->trials[run->trial_count];
        set_trial(run, trial, run->trial_count);
        err = ptl_trial_open(trial, run->trial_count++ / run->load.link_count %
                                        ptl_node_shards(trial->node));
    }
    return err < 0 ? ptl_complain_refused("make a port", err) : PTL_EXIT_OK;
}

/* ---- Meanwhile ------------------------------------------------------------------------------- */

static int tell_trials(struct verification *run, const char *what)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < run->trial_count; i++) {
        err = ptl_sendf(run->trials[i].node, &run->trials[i].self, "t", what);
    }
    return err < 0 ? ptl_complain_refused("tell a port", err) : PTL_EXIT_OK;
}

/* Until then, a signal, or, where that is waited for, until all trials are done. */
static void wait_until(struct verification *run, int64_t until_ns, bool for_done)
{
    struct pollfd fds[] = {
        {.fd = run->load.event, .events = POLLIN},
        {.fd = run->load.signals, .events = POLLIN},
    };
    struct signalfd_siginfo info;
    uint64_t count;

    for (int64_t left_ns; (left_ns = until_ns - ptl_bench_now()) > 0;) {
        if (for_done && atomic_load(&run->undone) == 0) {
            return;
        }
        struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
        if (ppoll(fds, 2, &left, NULL) <= 0) {
            continue;
        }
        if ((fds[0].revents & POLLIN) && read(run->load.event, &count, sizeof count) < 0) {
            continue; /* somebody's interruption: it is still there */
        }
        if ((fds[1].revents & POLLIN) &&
            read(run->load.signals, &info, sizeof info) == (ssize_t)sizeof info) {
            run->signal = (int)info.ssi_signo;
            return;
        }
    }
}

static int run_trials(struct verification *run)
{
    int64_t begin_ns = ptl_bench_now();
    int code = tell_trials(run, "start");

    if (code != PTL_EXIT_OK) {
        return code;
    }
    ptl_bench_cutter_cut(run->cutter, true);
    ptl_journal_log(&run->load.journal, PTL_LOG_INFO, "measuring");
    wait_until(run, begin_ns + run->options->duration_ns, false);
    run->seconds = (double)(ptl_bench_now() - begin_ns) / 1e9;
    ptl_bench_cutter_cut(run->cutter, false);
    code = tell_trials(run, "finish");
    if (code == PTL_EXIT_OK) {
        int64_t patience_ns = (int64_t)run->options->common.timeout_ms * 1000000;
        wait_until(run, ptl_bench_now() + patience_ns + GRACE_NS, true);
    }
    return code;
}

/* The nodes have stopped: trials are ours. */
static void sum_up(struct verification *run)
{
    for (unsigned i = 0; i < run->trial_count; i++) {
        const struct ptl_trial_counts *counts = &run->trials[i].counts;
        run->counts.sent += counts->sent;
        run->counts.told += counts->told;
        run->counts.lost += counts->lost;
        run->counts.fired += counts->fired;
        run->counts.kills += counts->kills;
        run->counts.failures += counts->failures;
        run->absent += run->trials[i].state != PTL_TRIAL_DONE;
    }
    run->cuts = ptl_bench_cutter_cuts(run->cutter);
}

/* ---- Afterwards ------------------------------------------------------------------------------ */

static int verdict(struct verification *run)
{
    if (ptl_findings_count(&run->findings) > 0) {
        return PTL_EXIT_OTHER;
    }
    if (run->signal != 0) {
        return 128 + run->signal;
    }
    return run->absent > 0 ? PTL_EXIT_REACH : PTL_EXIT_OK;
}

static void print_findings(struct verification *run)
{
    const struct ptl_findings *findings = &run->findings;

    for (unsigned kind = 0; kind < PTL_FINDINGS; kind++) {
        if (findings->counts[kind] > 0) {
            printf("NOT KEPT     %s: %llu times\n", ptl_finding_name((enum ptl_finding)kind),
                   (unsigned long long)findings->counts[kind]);
        }
    }
    for (size_t i = 0; i < findings->text_count; i++) {
        printf("  %s\n", findings->texts[i]);
    }
}

static bool report_text(struct verification *run)
{
    const struct ptl_trial_counts *counts = &run->counts;
    typedef unsigned long long number;

    printf("verify, %u port%s, %u link%s, %u target%s, %.1f s\n", run->trial_count,
           ptl_bench_plural(run->trial_count), run->load.link_count,
           ptl_bench_plural(run->load.link_count), run->targets, ptl_bench_plural(run->targets),
           run->seconds);
    printf("messages     %llu sent, %llu came back, %llu lost as a monitor told\n",
           (number)counts->sent, (number)counts->told, (number)counts->lost);
    printf("monitors     %llu fired; %llu ports were killed, %llu told of a link that failed\n",
           (number)counts->fired, (number)counts->kills, (number)counts->failures);
    printf("connections  %llu cut\n", (number)run->cuts);
    if (run->absent > 0) {
        printf("%u ports found nobody at the end: the target was away\n", run->absent);
    }
    if (run->signal != 0) {
        printf("ended by SIG%s\n", sigabbrev_np(run->signal));
    }
    if (ptl_findings_count(&run->findings) == 0) {
        printf("kept         order held, no hole was silent, every monitor fired once\n");
    } else {
        print_findings(run);
    }
    return fflush(stdout) == 0 && !ferror(stdout);
}

static void json_findings(struct verification *run)
{
    const struct ptl_findings *findings = &run->findings;

    printf("\"findings\":{");
    for (unsigned kind = PTL_FINDING_LOST; kind < PTL_FINDINGS; kind++) {
        printf("%s\"%s\":%llu", kind == PTL_FINDING_LOST ? "" : ",",
               ptl_finding_name((enum ptl_finding)kind),
               (unsigned long long)findings->counts[kind]);
    }
    printf("},");
    ptl_bench_json_text("first", findings->text_count > 0 ? findings->texts[0] : "");
}

static bool report_json(struct verification *run)
{
    const struct ptl_trial_counts *counts = &run->counts;

    printf("{\"pattern\":\"verify\",");
    ptl_bench_json_real("seconds", run->seconds);
    ptl_bench_json_count("sent", counts->sent);
    ptl_bench_json_count("received", counts->told);
    ptl_bench_json_count("lost_and_told", counts->lost);
    ptl_bench_json_count("fired", counts->fired);
    ptl_bench_json_count("kills", counts->kills);
    ptl_bench_json_count("failures", counts->failures);
    ptl_bench_json_count("cuts", run->cuts);
    ptl_bench_json_count("absent", run->absent);
    json_findings(run);
    printf("\"exit\":%d}\n", verdict(run));
    return fflush(stdout) == 0 && !ferror(stdout);
}

static int report(struct verification *run)
{
    bool good = run->options->common.json ? report_json(run) : report_text(run);

    return good ? verdict(run) : ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void close_all(struct verification *run)
{
    ptl_bench_load_close(&run->load);
    for (unsigned i = 0; i < run->trial_count; i++) {
        ptl_trial_free(&run->trials[i]);
    }
    free(run->trials);
    ptl_bench_cutter_stop(run->cutter);
}

static int verify(struct verification *run)
{
    int code = open_way(run);

    if (code != PTL_EXIT_OK) {
        return code;
    }
    code = ptl_bench_load_reach(&run->load, run->options, &run->way);
    run->targets = run->load.target_count;
    if (code == PTL_EXIT_OK) {
        code = open_trials(run);
    }
    if (code == PTL_EXIT_OK) {
        code = run_trials(run);
    }
    if (code == PTL_EXIT_OK) {
        ptl_bench_load_stop(&run->load);
        sum_up(run);
        code = report(run);
    }
    close_all(run);
    return code;
}

int ptl_bench_verify(const struct ptl_bench_options *options)
{
    struct verification *run = calloc(1, sizeof *run);

    if (!run) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    run->options = options;
    ptl_findings_init(&run->findings);
    int code = verify(run);
    free(run);
    return code;
}
