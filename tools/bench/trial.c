#include "tools/bench/trial.h"

#include "tools/bench/clock.h"
#include "tools/bench/echo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 5
#define AGAIN_NS 20000000 /* after what cannot be reached now */

typedef unsigned long long number;

/* ---- What it finds ------------------------------------------------------------------------- */

static uint64_t open_count(const struct ptl_trial *trial)
{
    return trial->sent - trial->oracle.next;
}

/* Nothing of this row can come any more. */
static void settle(struct ptl_trial *trial)
{
    const struct ptl_oracle *oracle = &trial->oracle;

    if (ptl_oracle_has_hole(oracle)) {
        ptl_findings_add(trial->findings, PTL_FINDING_LOST,
                         "messages %llu to %llu of row %llu of stream %u never came, number %llu "
                         "did, and no monitor told (%s)",
                         (number)oracle->hole_first, (number)oracle->hole_end - 1,
                         (number)trial->row, trial->index, (number)oracle->hole_end,
                         ptl_port_id(&trial->echo));
    }
}

static void find_stale(struct ptl_trial *trial, uint64_t row, uint64_t count)
{
    ptl_findings_add(trial->findings, PTL_FINDING_STALE,
                     "message %llu of row %llu of stream %u came after its monitor had told of the "
                     "row's end: row %llu is on its way (%s)",
                     (number)count, (number)row, trial->index, (number)trial->row,
                     ptl_port_id(&trial->echo));
}

static void find_changed(struct ptl_trial *trial, uint64_t count)
{
    ptl_findings_add(trial->findings, PTL_FINDING_CHANGED,
                     "message %llu of row %llu of stream %u is not what was sent (%s)",
                     (number)count, (number)trial->row, trial->index, ptl_port_id(&trial->echo));
}

/* `due`: what the other end expected; where it is the number itself, the way back is to blame. */
static void judge(struct ptl_trial *trial, uint64_t count, uint64_t due, bool is_intact)
{
    struct ptl_oracle before = trial->oracle;
    enum ptl_finding finding = ptl_oracle_take(&trial->oracle, count);
    const char *way = due == count ? "on the way back" : "on the way there";

    if (finding == PTL_FINDING_HOLE && ptl_oracle_has_hole(&before)) {
        struct ptl_oracle now = trial->oracle;
        trial->oracle = before;
        settle(trial); /* the new one takes its place */
        trial->oracle = now;
    }
    if (finding == PTL_FINDING_REORDERED || finding == PTL_FINDING_REPEATED) {
        ptl_findings_add(trial->findings, finding,
                         "message %llu of row %llu of stream %u came when %llu was due, %s (%s)",
                         (number)count, (number)trial->row, trial->index, (number)before.next, way,
                         ptl_port_id(&trial->echo));
    }
    if (!is_intact) {
        find_changed(trial, count);
    }
}

/* ---- Rows ---------------------------------------------------------------------------------- */

/* At the first tick from then on. */
static void begin_later(struct ptl_trial *trial)
{
    trial->again_ns = ptl_bench_now() + AGAIN_NS;
}

static void end_row(struct ptl_trial *trial)
{
    settle(trial);
    trial->counts.lost += open_count(trial);
    trial->oracle = (struct ptl_oracle){.next = trial->sent};
    trial->state = PTL_TRIAL_ABSENT;
}

/* A death of ours: all that was sent before the kill must have been told by then. */
static void judge_death(struct ptl_trial *trial, uint64_t row)
{
    if (row != trial->row || trial->state != PTL_TRIAL_KILLED) {
        ptl_findings_add(trial->findings, PTL_FINDING_STALE,
                         "the kill of row %llu of stream %u came after a monitor had told of that "
                         "row's end (%s)",
                         (number)row, trial->index, ptl_port_id(&trial->echo));
    } else if (open_count(trial) > 0) {
        ptl_findings_add(trial->findings, PTL_FINDING_WORDS,
                         "stream %u was told of a death before %llu messages from before it (%s)",
                         trial->index, (number)open_count(trial), ptl_port_id(&trial->echo));
    }
}

static void take_firing(struct ptl_trial *trial, const struct ptl_msg *reason)
{
    bool is_failure = ptl_msg_is(reason, "transport_error");
    uint64_t row;

    trial->counts.fired++;
    trial->counts.failures += is_failure;
    trial->has_echo = is_failure; /* then it may live, and the next monitor tells */
    if (ptl_msg_is(reason, "bench_kill") && ptl_msg_read(trial->node, reason, "*u", &row) == 0) {
        judge_death(trial, row);
        trial->again_ns = 0;
    } else {
        begin_later(trial);
    }
    end_row(trial);
}

static int fired(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason,
                 void *data)
{
    struct ptl_trial_watch *watch = data;
    struct ptl_trial *trial = watch->trial;

    (void)node;
    if (watch->has_fired) {
        ptl_findings_add(trial->findings, PTL_FINDING_TWICE,
                         "the monitor of row %llu of stream %u "
                         "fired twice (%s)",
                         (number)watch->row, trial->index, ptl_port_id(port));
        return 0;
    }
    watch->has_fired = true;
    if (watch->row == trial->row && trial->state != PTL_TRIAL_ABSENT &&
        trial->state != PTL_TRIAL_DONE) {
        take_firing(trial, reason);
    }
    return 0;
}

static int spawn_echo(struct ptl_trial *trial)
{
    struct ptl_msg *msg;
    int err = ptl_msg_make(trial->node, &msg, "p", &trial->self);

    if (err == 0) {
        err = ptl_spawn(trial->node, trial->target, PTL_BENCH_ECHO, msg, &trial->echo);
        ptl_msg_free(msg);
    }
    trial->has_echo = err == 0;
    return err;
}

static int set_monitor(struct ptl_trial *trial)
{
    uint64_t row = trial->row + 1;
    struct ptl_trial_watch *watch = &trial->watches[row % PTL_TRIAL_WATCHES];

    *watch = (struct ptl_trial_watch){.trial = trial, .row = row};
    return ptl_monitor(trial->node, &trial->echo, fired, watch, &trial->monitor);
}

static void begin_row(struct ptl_trial *trial)
{
    int err = trial->has_echo ? 0 : spawn_echo(trial);
    if (err == 0) {
        err = set_monitor(trial);
    }
    if (err < 0) {
        begin_later(trial);
        return;
    }
    trial->row++;
    trial->sent = 0;
    trial->oracle = (struct ptl_oracle){.next = 0};
    trial->heard_ns = ptl_bench_now();
    trial->kill_at = trial->kill_every == 0
                         ? UINT64_MAX
                         : 1 + ptl_bench_random_next(&trial->random) % (2 * trial->kill_every);
    trial->state = PTL_TRIAL_SENDING;
}

/* ---- Sending ------------------------------------------------------------------------------- */

static int send_one(struct ptl_trial *trial)
{
    size_t size = ptl_bench_sizes_draw(trial->sizes, &trial->random);

    for (size_t i = 0; i < size; i++) {
        trial->bytes[i] = (uint8_t)ptl_bench_echo_byte(trial->row, trial->sent, i);
    }
    int err =
        ptl_sendf(trial->node, &trial->echo, "uuy", trial->row, trial->sent, trial->bytes, size);
    if (err == 0) {
        if (open_count(trial) == 0) {
            trial->heard_ns = ptl_bench_now();
        }
        trial->sent++;
        trial->counts.sent++;
    }
    return err;
}

static int kill_echo(struct ptl_trial *trial)
{
    struct ptl_msg *reason;
    int err = ptl_msg_make(trial->node, &reason, "tu", "bench_kill", trial->row);

    if (err == 0) {
        err = ptl_kill(trial->node, &trial->echo, reason);
        ptl_msg_free(reason);
    }
    if (err == 0) {
        trial->counts.kills++;
        trial->heard_ns = ptl_bench_now();
    }
    return err;
}

static void reckon(struct ptl_trial *trial)
{
    int64_t now_ns = ptl_bench_now();

    trial->due += (double)(now_ns - trial->due_ns) / trial->interval_ns;
    trial->due_ns = now_ns;
    if (trial->due > trial->window) {
        trial->due = trial->window; /* what could not be sent is not made up for */
    }
}

/* The last row is whole: the other end has told of all of it, of one message at least. */
static bool finish(struct ptl_trial *trial)
{
    uint64_t one = 1;

    if (trial->sent == 0 || open_count(trial) > 0 || kill_echo(trial) < 0) {
        return false;
    }
    trial->counts.kills--; /* that was to clean up */
    ptl_unmonitor(trial->node, &trial->monitor);
    settle(trial);
    trial->state = PTL_TRIAL_DONE;
    if (atomic_fetch_sub(trial->undone, 1) == 1) {
        while (write(trial->event, &one, sizeof one) < 0 && errno == EINTR) {
        }
    }
    return true;
}

/* What finds no room is tried again at the next tick. */
static void pump(struct ptl_trial *trial)
{
    if (trial->state != PTL_TRIAL_SENDING || (trial->is_finishing && finish(trial))) {
        return;
    }
    reckon(trial);
    if (trial->is_finishing && trial->sent > 0) {
        return;
    }
    while (trial->sent < trial->kill_at && trial->due >= 1 && open_count(trial) < trial->window &&
           send_one(trial) == 0) {
        trial->due--;
        if (trial->is_finishing) {
            return;
        }
    }
    if (trial->sent == trial->kill_at && kill_echo(trial) == 0) {
        trial->state = PTL_TRIAL_KILLED;
    }
}

/* ---- What is not told ---------------------------------------------------------------------- */

/* Something is due by now: give the echo up, so that what comes next is judged anew. */
static void find_silence(struct ptl_trial *trial)
{
    double seconds = (double)trial->patience_ns / 1e9;

    if (open_count(trial) > 0) {
        ptl_findings_add(trial->findings, PTL_FINDING_LOST,
                         "messages %llu to %llu of row %llu of stream %u: nothing was told of them "
                         "for %g s, and no monitor fired (%s)",
                         (number)trial->oracle.next, (number)trial->sent - 1, (number)trial->row,
                         trial->index, seconds, ptl_port_id(&trial->echo));
    } else {
        ptl_findings_add(trial->findings, PTL_FINDING_SILENT,
                         "stream %u killed its port in row %llu, and its monitor did not fire for "
                         "%g s (%s)",
                         trial->index, (number)trial->row, seconds, ptl_port_id(&trial->echo));
    }
    ptl_unmonitor(trial->node, &trial->monitor);
    (void)kill_echo(trial);
    trial->has_echo = false;
    trial->given_up = trial->row;
    settle(trial);
    trial->oracle = (struct ptl_oracle){.next = trial->sent};
    trial->again_ns = 0;
    trial->state = PTL_TRIAL_ABSENT;
}

/* Of a target, and whether it is linked. */
struct sought {
    const char *id;
    bool is_linked;
};

static void seek(const char *node_id, void *data)
{
    struct sought *sought = data;
    sought->is_linked = sought->is_linked || strcmp(node_id, sought->id) == 0;
}

static bool is_linked(const struct ptl_trial *trial)
{
    struct sought sought = {.id = trial->target};

    ptl_links(trial->node, seek, &sought);
    return sought.is_linked;
}

/* While a link is being made nothing is late: when that is given up, the monitors tell. */
static bool waits_in_vain(struct ptl_trial *trial)
{
    bool waits = trial->state == PTL_TRIAL_KILLED ||
                 (trial->state == PTL_TRIAL_SENDING && open_count(trial) > 0);

    if (!waits || ptl_bench_now() - trial->heard_ns <= trial->patience_ns) {
        return false;
    }
    if (!is_linked(trial)) {
        trial->heard_ns = ptl_bench_now();
        return false;
    }
    return true;
}

static int tick(struct ptl_node *node, void *data)
{
    struct ptl_trial *trial = data;

    if (trial->state == PTL_TRIAL_DONE) {
        return 0;
    }
    if (waits_in_vain(trial)) {
        find_silence(trial);
    }
    if (trial->state == PTL_TRIAL_ABSENT && ptl_bench_now() >= trial->again_ns) {
        begin_row(trial);
    }
    pump(trial);
    return ptl_after(node, TICK_MS, tick, trial, NULL) < 0 ? PTL_LATER : 0;
}

/* ---- The port ------------------------------------------------------------------------------ */

static int take_start(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_trial *trial = data;

    (void)msg;
    trial->due_ns = ptl_bench_now();
    return tick(node, trial);
}

static int take_finish(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_trial *trial = data;

    (void)node;
    (void)msg;
    trial->is_finishing = true;
    trial->kill_at = UINT64_MAX;
    return 0;
}

static int take_seen(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_trial *trial = data;
    uint64_t row;
    uint64_t count;
    uint64_t due;
    bool is_intact;

    if (ptl_msg_read(node, msg, "*uuub.", &row, &count, &due, &is_intact) < 0) {
        return 0;
    }
    if (row <= trial->given_up) {
        return 0;
    }
    if (row != trial->row || trial->state == PTL_TRIAL_ABSENT) {
        find_stale(trial, row, count);
        return 0;
    }
    if (count >= trial->sent) {
        find_changed(trial, count); /* there is no such number */
        return 0;
    }
    trial->heard_ns = ptl_bench_now();
    trial->counts.told++;
    judge(trial, count, due, is_intact);
    pump(trial);
    return 0;
}

int ptl_trial_open(struct ptl_trial *trial, unsigned shard)
{
    struct ptl_port_tag tags[] = {
        {"start", take_start, trial},
        {"seen", take_seen, trial},
        {"finish", take_finish, trial},
        {NULL, NULL, NULL},
    };
    struct ptl_port_options options = {
        .size = sizeof options,
        .shard_plus_one = shard + 1,
        .ignore_unhandled = true,
        .tags = tags,
    };

    trial->bytes = malloc(trial->sizes->largest + 1);
    return trial->bytes ? ptl_port_new(trial->node, &options, &trial->self) : PTL_ENOMEM;
}

void ptl_trial_free(struct ptl_trial *trial)
{
    free(trial->bytes);
}
