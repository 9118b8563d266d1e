#include "tools/bench/service.h"

#include "tools/bench/clock.h"
#include "tools/bench/echo.h"
#include "tools/bench/hub.h"
#include "tools/bench/mark.h"
#include "tools/bench/watcher.h"
#include "tools/bench/words.h"
#include "tools/replies.h"
#include "tools/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

struct service;

struct run {
    char name[PTL_BENCH_RUN_NAME_MAX + 1]; /* empty: this place is free */
    struct ptl_monitor owner;
    struct ptl_bench_crew crew;
    struct ptl_bench_hub *hub; /* NULL: there is none */
    uint64_t workers;          /* that it has opened */
    struct ptl_port waiter;    /* who waits for a number of keys */
    struct service *service;
};

/* Data of the service's port: only its shard touches it. */
struct service {
    struct ptl_node *node;
    struct ptl_replies *replies;
    uint64_t workers; /* of all runs */
    struct run runs[PTL_BENCH_RUNS_MAX];
};

/* A question under way: what is left of it to read, and its answer. */
struct question {
    struct ptl_node *node;
    struct service *service;
    struct ptl_cursor cursor;
    struct ptl_writer answer;
    struct ptl_port asker;
    bool is_later; /* it will be answered another time */
};

/* ---- Reading ------------------------------------------------------------------------------- */

static bool read_natural(struct question *question, uint64_t most, uint64_t *number)
{
    struct ptl_value value;

    if (ptl_next(&question->cursor, &value) < 0 || value.type != PTL_INT || value.integer < 0 ||
        (uint64_t)value.integer > most) {
        return false;
    }
    *number = value.natural;
    return true;
}

/* Letters and digits, so that a family can be named so. */
static bool read_name(struct question *question, char name[PTL_BENCH_RUN_NAME_MAX + 1])
{
    struct ptl_value value;

    if (ptl_next(&question->cursor, &value) < 0 ||
        (value.type != PTL_TEXT && value.type != PTL_BYTES) || value.string.size == 0 ||
        value.string.size > PTL_BENCH_RUN_NAME_MAX) {
        return false;
    }
    memcpy(name, value.string.chars, value.string.size);
    name[value.string.size] = '\0';
    return strspn(name, LETTERS) == value.string.size;
}

static struct run *find_run(struct service *service, const char *name)
{
    for (size_t i = 0; i < PTL_BENCH_RUNS_MAX; i++) {
        if (strcmp(service->runs[i].name, name) == 0) {
            return &service->runs[i];
        }
    }
    return NULL;
}

static struct run *read_run(struct question *question)
{
    char name[PTL_BENCH_RUN_NAME_MAX + 1];

    return read_name(question, name) ? find_run(question->service, name) : NULL;
}

/* ---- Runs ---------------------------------------------------------------------------------- */

static void end_run(struct ptl_node *node, struct run *run)
{
    ptl_unmonitor(node, &run->owner);
    if (run->hub) {
        ptl_bench_hub_end(node, run->hub);
    }
    ptl_bench_anchor_end(node, &run->crew.anchor);
    ptl_bench_tally_drop(run->crew.tally);
    run->service->workers -= run->workers;
    run->name[0] = '\0';
}

static int owner_is_gone(struct ptl_node *node, const struct ptl_port *port,
                         const struct ptl_msg *reason, void *data)
{
    (void)port;
    (void)reason;
    end_run(node, data);
    return 0;
}

/* Returns NULL, or why it has not begun. */
static const char *begin_run(struct question *question, struct run *run,
                             const struct ptl_port *owner)
{
    struct ptl_node *node = question->node;

    *run = (struct run){.service = question->service};
    run->crew.tally = ptl_bench_tally_make(ptl_node_shards(node));
    if (!run->crew.tally) {
        return "no memory";
    }
    if (ptl_bench_anchor_make(node, run->crew.tally, &run->crew.anchor) < 0) {
        ptl_bench_tally_drop(run->crew.tally);
        return "no memory";
    }
    if (ptl_monitor(node, owner, owner_is_gone, run, &run->owner) < 0) {
        ptl_bench_anchor_end(node, &run->crew.anchor);
        ptl_bench_tally_drop(run->crew.tally);
        return "the owner cannot be monitored";
    }
    return NULL;
}

/* ---- Its hub ------------------------------------------------------------------------------- */

static int make_hub(struct ptl_node *node, struct run *run, enum ptl_bench_worker kind)
{
    char family[PTL_BENCH_RUN_NAME_MAX + sizeof PTL_BENCH_FAMILY];

    if (kind == PTL_BENCH_SHARED) {
        return ptl_bench_hub_make(node, &run->crew, &run->hub);
    }
    snprintf(family, sizeof family, "%s%s", PTL_BENCH_FAMILY, run->name);
    return ptl_bench_hub_watch(node, &run->crew, family, &run->hub);
}

static int open_at_hub(struct ptl_node *node, struct run *run, enum ptl_bench_worker kind,
                       uint32_t stream, const struct ptl_port *next, struct ptl_port *port)
{
    int err = run->hub ? 0 : make_hub(node, run, kind);

    if (err == 0) {
        err = ptl_bench_hub_add(run->hub, stream, next);
    }
    if (err == 0) {
        *port = kind == PTL_BENCH_SHARED ? *ptl_bench_hub_port(run->hub) : run->crew.anchor;
    }
    return err;
}

static void answer_waiter(void *data)
{
    struct run *run = data;
    struct ptl_msg *answer;

    if (ptl_msg_make(run->service->node, &answer, "t", "ok") == 0) {
        ptl_reply_send_now(run->service->node, run->service->replies, &run->waiter, answer);
    }
}

/* ---- Answers: each returns NULL, or why there is none ---------------------------------------- */

typedef const char *answer_fn(struct question *question);

static const char *answer_hello(struct question *question)
{
    struct ptl_value value;
    bool had_bytes = ptl_next(&question->cursor, &value) == 0 && value.type == PTL_BYTES;

    (void)ptl_put_format(&question->answer, "tuuyb", "hello", PTL_BENCH_VERSION,
                         ptl_node_shards(question->node), PTL_BENCH_BYTE, (size_t)1, had_bytes);
    return NULL;
}

static const char *answer_begin(struct question *question)
{
    char name[PTL_BENCH_RUN_NAME_MAX + 1];
    struct ptl_port owner;

    if (!read_name(question, name) || !ptl_reply_port(question->node, &question->cursor, &owner)) {
        return "begin takes a run and its owner";
    }
    if (find_run(question->service, name)) {
        return "there is such a run";
    }
    struct run *run = find_run(question->service, "");
    if (!run) {
        return "too many runs at once";
    }
    const char *complaint = begin_run(question, run, &owner);
    if (!complaint) {
        memcpy(run->name, name, sizeof name);
        (void)ptl_put_format(&question->answer, "tp", "ok", &run->crew.anchor);
    }
    return complaint;
}

/* STREAM, PORT -> its worker's port */
static const char *open_stream(struct question *question, struct run *run,
                               enum ptl_bench_worker kind)
{
    bool has_own = kind == PTL_BENCH_SINK || kind == PTL_BENCH_RELAY;
    struct ptl_port next;
    struct ptl_port port;
    uint64_t stream;

    if (!read_natural(question, PTL_BENCH_STREAMS_MAX - 1, &stream) ||
        !ptl_reply_port(question->node, &question->cursor, &next)) {
        return "open takes streams and ports";
    }
    if (question->service->workers >= PTL_BENCH_WORKERS_MAX) {
        return "too many workers of all runs";
    }
    int err = has_own ? ptl_bench_worker_make(question->node, &run->crew, kind, (uint32_t)stream,
                                              &next, &port)
                      : open_at_hub(question->node, run, kind, (uint32_t)stream, &next, &port);
    if (err < 0) {
        return ptl_err_text(err);
    }
    run->workers++;
    question->service->workers++;
    (void)ptl_put_port(&question->answer, &port);
    return NULL;
}

static const char *answer_open(struct question *question)
{
    struct run *run = read_run(question);
    struct ptl_value list;
    uint64_t kind;

    if (!run) {
        return "there is no such run";
    }
    if (!read_natural(question, PTL_BENCH_WATCH, &kind) || ptl_next(&question->cursor, &list) < 0 ||
        list.type != PTL_ARRAY || list.count > 2 * PTL_BENCH_BATCH) {
        return "open takes a worker and a list of streams";
    }
    (void)ptl_put_format(&question->answer, "t", "ok");
    (void)ptl_put_array(&question->answer, list.count / 2);
    const char *complaint = NULL;
    for (uint32_t i = 0; !complaint && i < list.count / 2; i++) {
        complaint = open_stream(question, run, (enum ptl_bench_worker)kind);
    }
    return complaint;
}

static const char *answer_counts(struct question *question)
{
    struct run *run = read_run(question);

    if (!run) {
        return "there is no such run";
    }
    struct ptl_bench_seen_there sum = ptl_bench_tally_sum(run->crew.tally);
    (void)ptl_put_format(&question->answer, "tiuuuu", "ok", ptl_bench_cpu_ns(), sum.messages,
                         sum.bytes, sum.reordered, sum.strange);
    return NULL;
}

static const char *answer_stall(struct question *question)
{
    struct run *run = read_run(question);
    uint64_t stall_ns;

    if (!run) {
        return "there is no such run";
    }
    if (!read_natural(question, PTL_BENCH_STALL_NS_MAX, &stall_ns)) {
        return "stall takes nanoseconds, a second at most";
    }
    ptl_bench_tally_stall(run->crew.tally, (int64_t)stall_ns);
    (void)ptl_put_format(&question->answer, "t", "ok");
    return NULL;
}

static const char *answer_await(struct question *question)
{
    struct run *run = read_run(question);
    uint64_t count;

    if (!run) {
        return "there is no such run";
    }
    if (!read_natural(question, UINT32_MAX, &count)) {
        return "await takes a number of keys";
    }
    if (!run->hub && make_hub(question->node, run, PTL_BENCH_WATCH) < 0) {
        return "the family cannot be watched";
    }
    run->waiter = question->asker;
    question->is_later = true;
    ptl_bench_hub_await(run->hub, count, answer_waiter, run);
    return NULL;
}

static const char *answer_end(struct question *question)
{
    struct run *run = read_run(question);

    if (run) {
        end_run(question->node, run);
    }
    (void)ptl_put_format(&question->answer, "t", "ok");
    return NULL;
}

/* ---- The port ------------------------------------------------------------------------------ */

static answer_fn *answer_to(const struct ptl_msg *msg)
{
    static const struct {
        const char *verb;
        answer_fn *answer;
    } verbs[] = {
        {"hello", answer_hello},   {"begin", answer_begin}, {"open", answer_open},
        {"counts", answer_counts}, {"stall", answer_stall}, {"await", answer_await},
        {"end", answer_end},
    };

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (ptl_msg_is(msg, verbs[i].verb)) {
            return verbs[i].answer;
        }
    }
    return NULL;
}

/* The port that the last value names. */
static bool read_asker(struct ptl_node *node, const struct ptl_msg *msg, struct ptl_port *asker)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);

    for (uint32_t left = ptl_msg_count(msg); left > 1; left--) {
        if (ptl_skip(&cursor) < 0) {
            return false;
        }
    }
    return ptl_msg_count(msg) > 1 && ptl_reply_port(node, &cursor, asker);
}

static int finish_answer(struct question *question, const char *complaint, struct ptl_msg **answer)
{
    if (!complaint) {
        return ptl_writer_finish(&question->answer, answer);
    }
    ptl_writer_drop(&question->answer);
    return ptl_msg_make(question->node, answer, "tt", "error", complaint);
}

static int take(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct question question = {
        .node = node,
        .service = data,
        .cursor = ptl_msg_begin(msg),
    };
    answer_fn *answer_question = answer_to(msg);
    struct ptl_msg *answer;

    if (!read_asker(node, msg, &question.asker) || ptl_skip(&question.cursor) < 0) {
        return 0; /* nobody to answer to */
    }
    ptl_writer_init(&question.answer, node);
    const char *complaint =
        answer_question ? answer_question(&question) : "there is no such question";
    if (question.is_later) {
        ptl_writer_drop(&question.answer);
    } else if (finish_answer(&question, complaint, &answer) == 0) {
        ptl_reply_send_now(node, question.service->replies, &question.asker, answer);
    }
    return 0;
}

static void release(void *data)
{
    struct service *service = data;

    for (size_t i = 0; i < PTL_BENCH_RUNS_MAX; i++) {
        if (service->runs[i].name[0] != '\0') {
            ptl_bench_tally_drop(service->runs[i].crew.tally);
        }
    }
    ptl_replies_free(service->replies);
    free(service);
}

static struct service *make_service(struct ptl_journal *journal)
{
    struct service *service = calloc(1, sizeof *service);

    if (service) {
        service->replies = ptl_replies_make(PTL_BENCH_SERVICE, journal);
    }
    if (service && !service->replies) {
        free(service);
        service = NULL;
    }
    return service;
}

int ptl_bench_service_start(struct ptl_node *node, struct ptl_journal *journal)
{
    struct service *service = make_service(journal);
    struct ptl_port_options options = {
        .size = sizeof options,
        .name = PTL_BENCH_SERVICE,
        .handler = take,
        .data = service,
        .release = release,
    };
    struct ptl_port port;

    if (!service) {
        return PTL_ENOMEM;
    }
    service->node = node;
    int err = ptl_port_new(node, &options, &port);
    if (err < 0) {
        release(service);
        return err;
    }
    err = ptl_bench_mortals_register(node);
    if (err == 0) {
        err = ptl_bench_echo_register(node);
    }
    if (err == 0) {
        err = ptl_bench_watchers_register(node);
    }
    return err < 0 ? err : ptl_db_register(node, PTL_BENCH_SERVICE, &port, NULL);
}
