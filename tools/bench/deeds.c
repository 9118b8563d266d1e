#include "tools/bench/deeds.h"

#include "tools/bench/mark.h"
#include "tools/bench/words.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Entries of the database ----------------------------------------------------------------- */

#define KEY_SIZE 16

static void make_key(const struct ptl_bench_stream *stream, char key[KEY_SIZE])
{
    snprintf(key, KEY_SIZE, "%u", stream->index);
}

static int set_key(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, size_t size,
                   const struct ptl_bench_pending *pending)
{
    struct ptl_bench_body body = ptl_bench_flow_body(flow, stream, size, pending != NULL);
    struct ptl_msg *value;
    char key[KEY_SIZE];

    make_key(stream, key);
    int err = body.is_beside
                  ? ptl_msg_make(flow->node, &value, "[yu]", body.bytes, body.size, body.mark)
                  : ptl_msg_make(flow->node, &value, "y", body.bytes, body.size);
    if (err == 0) {
        err = ptl_db_set(flow->node, flow->deeds->family, key, value);
        ptl_msg_free(value);
    }
    return err;
}

/*
 * Questions for one key are answered in order, so this one is about the oldest set: it is told what
 * that has set, or what was set later, but never less than what was told before.  The last of these
 * may be the one that is to be sent next: it was set, and its question found no room.
 */
static bool confirms(const struct ptl_bench_stream *stream, const struct ptl_bench_mark *mark)
{
    const struct ptl_bench_pending *oldest = ptl_bench_stream_oldest(stream);

    return mark->stream == stream->index && oldest && mark->number >= oldest->number &&
           mark->number + 1 >= stream->told && mark->number <= stream->sent;
}

static void key_is_told(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_bench_stream *stream = data;
    struct ptl_bench_mark mark;

    (void)node;
    if (err == 0 && ptl_bench_mark_read(reply, &mark) && confirms(stream, &mark)) {
        stream->told = mark.number + 1;
        ptl_bench_flow_acknowledge(stream, ptl_bench_stream_oldest(stream)->number);
        return;
    }
    stream->flow->counts.reordered++;
    if (ptl_bench_stream_oldest(stream)) {
        ptl_bench_stream_pop(stream);
    }
}

static int set_and_ask(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, size_t size,
                       const struct ptl_bench_pending *pending)
{
    char key[KEY_SIZE];

    make_key(stream, key);
    int err = set_key(flow, stream, size, pending);
    return err < 0 ? err : ptl_db_get(flow->node, flow->deeds->family, key, key_is_told, stream);
}

static int room_for_key(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream,
                        ptl_room_fn *tell)
{
    (void)stream;
    return ptl_db_on_room(flow->node, flow->deeds->family, tell, flow);
}

const struct ptl_bench_means ptl_bench_sets = {set_key, room_for_key};
const struct ptl_bench_means ptl_bench_confirmed_sets = {set_and_ask, room_for_key};

/* ---- Ports --------------------------------------------------------------------------------- */

/* A port there that was killed, until its monitor tells. */
struct victim {
    struct ptl_bench_stream *stream;
    struct ptl_bench_pending pending;
};

static int victim_is_gone(struct ptl_node *node, const struct ptl_port *port,
                          const struct ptl_msg *reason, void *data)
{
    struct victim *victim = data;

    (void)node;
    (void)port;
    if (ptl_msg_is(reason, "bench_churn")) {
        ptl_bench_flow_complete(victim->stream, &victim->pending);
    } else {
        victim->stream->flow->counts.reordered++;
    }
    return 0;
}

static int churn_here(struct ptl_node *node)
{
    struct ptl_port_options options = {.size = sizeof options, .ignore_unhandled = true};
    struct ptl_port port;
    int err = ptl_port_new(node, &options, &port);

    return err < 0 ? err : ptl_kill(node, &port, NULL);
}

static int spawn_there(struct ptl_bench_flow *flow, struct ptl_port *port)
{
    struct ptl_msg *msg;
    int err = ptl_msg_make(flow->node, &msg, "p", &flow->deeds->target->anchor);

    if (err == 0) {
        err = ptl_spawn(flow->node, flow->deeds->target->id, PTL_BENCH_MORTAL, msg, port);
        ptl_msg_free(msg);
    }
    return err;
}

static int kill_there(struct ptl_node *node, const struct ptl_port *port)
{
    struct ptl_msg *reason;
    int err = ptl_msg_make(node, &reason, "t", "bench_churn");

    if (err == 0) {
        err = ptl_kill(node, port, reason);
        ptl_msg_free(reason);
    }
    return err;
}

/* What was spawned and finds no room for the rest stays until the run ends. */
static int churn(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, size_t size,
                 const struct ptl_bench_pending *pending)
{
    struct victim *victim = malloc(sizeof *victim);
    struct ptl_monitor monitor;

    (void)size;
    if (!victim) {
        return PTL_ENOMEM;
    }
    *victim = (struct victim){.stream = stream, .pending = *pending};
    victim->pending.bytes = 0;
    int err = churn_here(flow->node);
    if (err == 0) {
        err = spawn_there(flow, &stream->to);
    }
    if (err == 0) {
        err = ptl_monitor_owned(flow->node, &stream->to, victim_is_gone, victim, free, &monitor);
    }
    if (err < 0) {
        free(victim);
        return err;
    }
    err = kill_there(flow->node, &stream->to);
    if (err < 0) {
        ptl_unmonitor(flow->node, &monitor); /* which frees the victim */
    }
    return err;
}

static int room_for_port(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream,
                         ptl_room_fn *tell)
{
    (void)stream;
    return ptl_on_room(flow->node, &flow->deeds->target->anchor, tell, flow);
}

const struct ptl_bench_means ptl_bench_churn = {churn, room_for_port};
