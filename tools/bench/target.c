#include "tools/bench/target.h"

#include "tools/bench/ask.h"
#include "tools/bench/words.h"
#include "tools/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ask the service.  Owns: `msg` is freed; the reply is the caller's. */
static int ask(struct ptl_bench_target *target, struct ptl_msg *msg, struct ptl_msg **reply)
{
    int err = ptl_bench_ask(target->node, &target->service, msg, target->timeout_ms, reply);

    ptl_msg_free(msg);
    return err;
}

static int complain_gone(const struct ptl_bench_target *target, const struct ptl_msg *reason)
{
    char *json = ptl_msg_json(reason);
    int code;

    if (ptl_msg_is(reason, "no_such_port")) {
        code = ptl_complain(PTL_EXIT_GONE, "node %s lacks the service: start it with --service %s",
                            target->id, PTL_BENCH_SERVICE);
    } else {
        code = ptl_complain(PTL_EXIT_REACH,
                            "node %s cannot be reached: %s; portolan nodes tells who can",
                            target->id, json ? json : "(no memory)");
    }
    free(json);
    return code;
}

static int complain_error(const struct ptl_bench_target *target, const struct ptl_msg *reply)
{
    const char *text;
    size_t size;

    if (ptl_msg_read(target->node, reply, "*s", &text, &size) < 0) {
        text = "no reason given";
        size = strlen(text);
    }
    return ptl_complain(PTL_EXIT_OTHER, "node %s refused: %.*s", target->id, (int)size, text);
}

/*
 * Ask what must not fail; `err` is that of making `msg`.  Returns an exit code; the reply begins
 * with `expected` if it is PTL_EXIT_OK, and is freed unless the caller wants it.
 */
static int demand(struct ptl_bench_target *target, int err, struct ptl_msg *msg,
                  const char *expected, struct ptl_msg **wanted)
{
    struct ptl_msg *reply = NULL;
    int code = PTL_EXIT_OK;

    if (err == 0) {
        err = ask(target, msg, &reply);
    }
    if (err == PTL_ENOPORT && reply) {
        code = complain_gone(target, reply);
    } else if (err < 0) {
        code = ptl_complain(err == PTL_ETIMEOUT ? PTL_EXIT_REACH : PTL_EXIT_OTHER,
                            "no answer of %s: %s", target->id, ptl_err_text(err));
    } else if (!ptl_msg_is(reply, expected)) {
        code = complain_error(target, reply);
    }
    if (code == PTL_EXIT_OK && wanted) {
        *wanted = reply;
    } else {
        ptl_msg_free(reply);
    }
    return code;
}

/* Whether bytes came as text, here or there; a service that says nothing of them is of old. */
static bool is_plain(const struct ptl_msg *hello)
{
    struct ptl_cursor cursor = ptl_msg_begin(hello);
    struct ptl_value bytes;
    struct ptl_value had_bytes;

    for (unsigned i = 0; i < 3; i++) {
        if (ptl_skip(&cursor) < 0) {
            return false;
        }
    }
    return ptl_next(&cursor, &bytes) == 0 && ptl_next(&cursor, &had_bytes) == 0 &&
           (bytes.type != PTL_BYTES || !had_bytes.boolean);
}

int ptl_bench_target_find(struct ptl_bench_target *target, struct ptl_node *node, const char *id,
                          unsigned timeout_ms)
{
    char service[PTL_PORT_ID_MAX + 1];
    struct ptl_msg *msg;
    struct ptl_msg *reply;
    uint64_t version = 0;

    *target = (struct ptl_bench_target){.node = node, .timeout_ms = timeout_ms};
    snprintf(target->id, sizeof target->id, "%s", id);
    int size = snprintf(service, sizeof service, "%s#%s", target->id, PTL_BENCH_SERVICE);
    if (strchr(id, '#') || ptl_port_parse(node, service, (size_t)size, &target->service) < 0) {
        return ptl_complain(PTL_EXIT_USAGE, "'%s' is not a node", id);
    }
    int err = ptl_msg_make(node, &msg, "ty", "hello", PTL_BENCH_BYTE, (size_t)1);
    int code = demand(target, err, msg, "hello", &reply);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    err = ptl_msg_read(node, reply, "*uu", &version, &target->shards);
    target->is_plain = is_plain(reply);
    ptl_msg_free(reply);
    return err == 0 && version == PTL_BENCH_VERSION
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_OTHER,
                              "node %s has another version of the service: use the same portolan "
                              "at both ends",
                              id);
}

static int complain_answer(const struct ptl_bench_target *target)
{
    return ptl_complain(PTL_EXIT_OTHER, "node %s answered what it was not asked", target->id);
}

int ptl_bench_target_begin(struct ptl_bench_target *target, const char *run,
                           const struct ptl_port *owner)
{
    struct ptl_msg *msg;
    struct ptl_msg *reply;

    target->run = run;
    int err = ptl_msg_make(target->node, &msg, "ttp", "begin", run, owner);
    int code = demand(target, err, msg, "ok", &reply);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    err = ptl_msg_read(target->node, reply, "*p.", &target->anchor);
    ptl_msg_free(reply);
    return err < 0 ? complain_answer(target) : PTL_EXIT_OK;
}

static int make_opening(struct ptl_bench_target *target, enum ptl_bench_worker kind,
                        const struct ptl_bench_opening *openings, uint32_t count,
                        struct ptl_msg **msg)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, target->node);
    ptl_put_format(&writer, "ttu", "open", target->run, (unsigned)kind);
    ptl_put_array(&writer, 2 * count);
    for (uint32_t i = 0; i < count; i++) {
        ptl_put_uint(&writer, openings[i].stream);
        ptl_put_port(&writer, openings[i].next);
    }
    return ptl_writer_finish(&writer, msg);
}

static bool read_workers(struct ptl_bench_target *target, const struct ptl_msg *reply,
                         const struct ptl_bench_opening *openings, uint32_t count)
{
    struct ptl_cursor cursor = ptl_msg_begin(reply);
    struct ptl_value value;

    bool good = ptl_skip(&cursor) == 0 && ptl_next(&cursor, &value) == 0 &&
                value.type == PTL_ARRAY && value.count == count;
    for (uint32_t i = 0; good && i < count; i++) {
        good = ptl_next(&cursor, &value) == 0 &&
               (value.type == PTL_TEXT || value.type == PTL_BYTES) &&
               ptl_port_parse(target->node, value.string.chars, value.string.size,
                              openings[i].worker) == 0;
    }
    return good;
}

int ptl_bench_target_open(struct ptl_bench_target *target, enum ptl_bench_worker kind,
                          const struct ptl_bench_opening *openings, uint32_t count)
{
    struct ptl_msg *msg;
    struct ptl_msg *reply;

    int err = make_opening(target, kind, openings, count, &msg);
    int code = demand(target, err, msg, "ok", &reply);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    bool good = read_workers(target, reply, openings, count);
    ptl_msg_free(reply);
    return good
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_OTHER, "node %s answered what it was not asked", target->id);
}

int ptl_bench_target_counts(struct ptl_bench_target *target, struct ptl_bench_there *there)
{
    struct ptl_msg *msg;
    struct ptl_msg *reply = NULL;

    int err = ptl_msg_make(target->node, &msg, "tt", "counts", target->run);
    if (err == 0) {
        err = ask(target, msg, &reply);
    }
    if (err == 0) {
        err = ptl_msg_read(target->node, reply, "*iuuuu", &there->cpu_ns, &there->messages,
                           &there->bytes, &there->reordered, &there->strange);
    }
    ptl_msg_free(reply);
    return err;
}

int ptl_bench_target_await(struct ptl_bench_target *target, uint64_t count)
{
    struct ptl_msg *msg;
    struct ptl_msg *reply = NULL;

    int err = ptl_msg_make(target->node, &msg, "ttu", "await", target->run, count);
    if (err == 0) {
        err = ask(target, msg, &reply);
    }
    if (err == 0 && !ptl_msg_is(reply, "ok")) {
        err = PTL_EHANDLER;
    }
    ptl_msg_free(reply);
    return err;
}

int ptl_bench_target_stall(struct ptl_bench_target *target, int64_t stall_ns)
{
    struct ptl_msg *msg;

    int err = ptl_msg_make(target->node, &msg, "tti", "stall", target->run, stall_ns);
    return demand(target, err, msg, "ok", NULL);
}

void ptl_bench_target_end(struct ptl_bench_target *target)
{
    struct ptl_msg *msg;
    struct ptl_msg *reply;

    if (target->run && ptl_msg_make(target->node, &msg, "tt", "end", target->run) == 0) {
        (void)ask(target, msg, &reply);
        ptl_msg_free(reply);
    }
}
