#include "tools/bench/live.h"

#include "tools/bench/text.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LOOK_NS 300000000 /* what a lane has not shown by then is not in the line */
#define ASK_MS 300
#define LINE_MAX_SIZE 255

struct line {
    char text[LINE_MAX_SIZE + 1];
    size_t size;
};

/* ---- What there is to see ------------------------------------------------------------------ */

static uint64_t serials_of(struct ptl_bench_load *load)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < load->lane_count; i++) {
        pthread_mutex_lock(&load->lanes[i].lock);
        sum += load->lanes[i].seen.serial;
        pthread_mutex_unlock(&load->lanes[i].lock);
    }
    return sum;
}

/* Have every lane show itself. */
static void look_at_lanes(struct ptl_bench_load *load)
{
    int64_t until_ns = ptl_bench_now() + LOOK_NS;
    uint64_t wanted = serials_of(load);
    struct pollfd fd = {.fd = load->event, .events = POLLIN};
    uint64_t count;

    for (unsigned i = 0; i < load->lane_count; i++) {
        wanted += ptl_bench_lane_tell(&load->lanes[i], "look") == 0;
    }
    while (serials_of(load) < wanted && ptl_bench_now() < until_ns) {
        if (poll(&fd, 1, LOOK_NS / 1000000) > 0 && read(load->event, &count, sizeof count) < 0) {
            continue;
        }
    }
}

static struct ptl_bench_counts take_lanes(struct ptl_bench_live *live, struct ptl_bench_load *load)
{
    struct ptl_bench_counts counts = {.sent = 0};

    for (unsigned i = 0; i < load->lane_count; i++) {
        struct ptl_bench_lane *lane = &load->lanes[i];
        pthread_mutex_lock(&lane->lock);
        counts.sent += lane->seen.counts[0].sent;
        counts.acked += lane->seen.counts[0].acked;
        counts.refused += lane->seen.counts[0].refused + lane->seen.counts[1].refused;
        ptl_histogram_add(&live->interval, &lane->interval);
        ptl_histogram_clear(&lane->interval);
        pthread_mutex_unlock(&lane->lock);
    }
    return counts;
}

/* Below 0: not known. */
static int64_t ask_cpu(struct ptl_bench_load *load)
{
    struct ptl_bench_there there;
    int64_t sum = 0;

    for (unsigned i = 0; i < load->target_count; i++) {
        struct ptl_bench_target target = load->targets[i];
        target.timeout_ms = ASK_MS;
        if (ptl_bench_target_counts(&target, &there) < 0) {
            return -1;
        }
        sum += there.cpu_ns;
    }
    return sum;
}

/* ---- The line ------------------------------------------------------------------------------ */

/* A line longer than the terminal is wide would be in two rows, of which one is wiped. */
static int columns(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1
                                                                           : LINE_MAX_SIZE;
}

/* Add to the line what fits into it. */
__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size =
        vsnprintf(line->text + line->size, sizeof line->text - line->size, format, arguments);
    va_end(arguments);
    line->size += size > 0 ? (size_t)size : 0;
    line->size = line->size < sizeof line->text ? line->size : sizeof line->text - 1;
}

static void add_cpu(struct line *line, const char *where, int64_t before_ns, int64_t now_ns,
                    int64_t elapsed_ns)
{
    if (before_ns >= 0 && now_ns >= 0) {
        add(line, " %s %.0f%%", where, 100.0 * (double)(now_ns - before_ns) / (double)elapsed_ns);
    }
}

static void add_counts(struct line *line, struct ptl_bench_live *live,
                       const struct ptl_bench_counts *counts, int64_t elapsed_ns)
{
    char p50[PTL_BENCH_TIME_TEXT], p99[PTL_BENCH_TIME_TEXT], most[PTL_BENCH_TIME_TEXT];

    add(line, "%.0f/s  p50 %s  p99 %s  max %s  %llu in flight  %llu refused  cpu",
        (double)(counts->acked - live->acked) * 1e9 / (double)elapsed_ns,
        ptl_bench_time_text(ptl_histogram_percentile(&live->interval, 50), p50),
        ptl_bench_time_text(ptl_histogram_percentile(&live->interval, 99), p99),
        ptl_bench_time_text(live->interval.max_ns, most),
        (unsigned long long)(counts->sent - counts->acked), (unsigned long long)counts->refused);
}

void ptl_bench_live_print(struct ptl_bench_live *live, struct ptl_bench_load *load)
{
    look_at_lanes(load);
    struct ptl_bench_counts counts = take_lanes(live, load);
    int64_t there_ns = ask_cpu(load);
    int64_t here_ns = ptl_bench_cpu_ns();
    int64_t now_ns = ptl_bench_now();

    struct line line = {.size = 0};

    add_counts(&line, live, &counts, now_ns - live->at_ns);
    add_cpu(&line, "here", live->here_cpu_ns, here_ns, now_ns - live->at_ns);
    add_cpu(&line, "there", live->there_cpu_ns, there_ns, now_ns - live->at_ns);
    printf("\r\033[K%.*s", columns(), line.text);
    fflush(stdout);
    ptl_histogram_clear(&live->interval);
    live->acked = counts.acked;
    live->here_cpu_ns = here_ns;
    live->there_cpu_ns = there_ns;
    live->at_ns = now_ns;
    live->next_ns = now_ns + PTL_BENCH_LIVE_NS;
}

void ptl_bench_live_start(struct ptl_bench_live *live, const struct ptl_bench_load *load)
{
    *live = (struct ptl_bench_live){
        .at_ns = ptl_bench_now(),
        .next_ns = INT64_MAX,
        .here_cpu_ns = ptl_bench_cpu_ns(),
        .there_cpu_ns = -1,
    };
    live->is_on = !load->options->common.json && !load->options->is_sweep &&
                  isatty(STDOUT_FILENO) && ptl_histogram_init(&live->interval);
    if (live->is_on) {
        live->next_ns = live->at_ns + PTL_BENCH_LIVE_NS;
    }
}

void ptl_bench_live_end(struct ptl_bench_live *live)
{
    if (live->is_on) {
        printf("\r\033[K");
        ptl_histogram_free(&live->interval);
    }
}
