#include "tools/bench/flow.h"

#include "tools/bench/mark.h"

#include <stdlib.h>

/* ---- One message ---------------------------------------------------------------------------- */

static size_t draw_size(struct ptl_bench_flow *flow)
{
    if (!flow->is_drawn) {
        flow->drawn = ptl_bench_sizes_draw(flow->sizes, &flow->random);
        flow->is_drawn = true;
    }
    return flow->drawn;
}

static struct ptl_bench_body body_of(struct ptl_bench_flow *flow, size_t size,
                                     const struct ptl_bench_mark *mark)
{
    struct ptl_bench_body body = {
        .bytes = flow->bytes,
        .size = size,
        .mark = ptl_bench_mark_pack(mark),
        .is_beside = flow->is_plain || size < sizeof body.mark,
    };

    if (!body.is_beside) {
        memcpy(flow->bytes, &body.mark, sizeof body.mark);
    }
    return body;
}

struct ptl_bench_body ptl_bench_flow_body(struct ptl_bench_flow *flow,
                                          const struct ptl_bench_stream *stream, size_t size,
                                          bool acknowledge)
{
    struct ptl_bench_mark mark = {
        .number = stream->sent,
        .stream = stream->index,
        .acknowledge = acknowledge,
    };

    return body_of(flow, size, &mark);
}

/* To make one takes as long as to send it, and whoever has such messages to send has them. */
static int send_same(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, size_t size)
{
    if (!stream->same) {
        struct ptl_bench_mark mark = {
            .number = PTL_BENCH_UNNUMBERED,
            .stream = stream->index,
            .acknowledge = true,
        };
        struct ptl_bench_body body = body_of(flow, size, &mark);
        int err =
            body.is_beside
                ? ptl_msg_make(flow->node, &stream->same, "yu", body.bytes, body.size, body.mark)
                : ptl_msg_make(flow->node, &stream->same, "y", body.bytes, body.size);
        if (err < 0) {
            return err;
        }
    }
    return ptl_send(flow->node, &stream->to, stream->same);
}

static int send_message(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, size_t size,
                        const struct ptl_bench_pending *pending)
{
    if (flow->is_same) {
        return send_same(flow, stream, size);
    }
    struct ptl_bench_body body = ptl_bench_flow_body(flow, stream, size, pending != NULL);

    return body.is_beside
               ? ptl_sendf(flow->node, &stream->to, "yu", body.bytes, body.size, body.mark)
               : ptl_sendf(flow->node, &stream->to, "y", body.bytes, body.size);
}

static int room_for_message(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream,
                            ptl_room_fn *tell)
{
    return ptl_on_room(flow->node, &stream->to, tell, flow);
}

const struct ptl_bench_means ptl_bench_messages = {send_message, room_for_message};

static void has_room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct ptl_bench_flow *flow = data;

    (void)node;
    (void)to;
    flow->is_blocked = false;
    flow->goes_on(flow);
}

/* The message stays unsent for now, or for good. */
static void take_refusal(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, int err)
{
    if (err == PTL_EFULL) {
        flow->counts.refused++;
        flow->is_blocked = true;
        err = flow->means->on_room(flow, stream, has_room);
    }
    flow->err = err < 0 ? err : flow->err;
}

static void note_sent(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, size_t size,
                      const struct ptl_bench_pending *pending)
{
    flow->is_drawn = false;
    flow->counts.sent++;
    stream->sent++;
    stream->bytes_sent += size;
    if (!pending) {
        return;
    }
    stream->flagged = stream->sent;
    stream->is_sampled = stream->is_sampled || pending->is_sample;
    if (!flow->is_unordered && !ptl_bench_stream_push(stream, pending)) {
        flow->err = PTL_ENOMEM;
    }
}

/* Send the stream's next message, which was due at `intended_ns`.  False: it was refused. */
static bool send_next(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream,
                      int64_t intended_ns, int64_t now_ns)
{
    size_t size = draw_size(flow);
    bool acknowledge =
        flow->is_finishing || stream->sent + 1 - stream->flagged >= flow->acknowledge_every;
    struct ptl_bench_pending pending = {
        .number = stream->sent,
        .bytes = stream->bytes_sent + size,
        .intended_ns = intended_ns,
        .sent_ns = now_ns,
        .is_sample = flow->is_open && !stream->is_sampled,
    };

    int err = flow->means->act(flow, stream, size, acknowledge ? &pending : NULL);
    if (err < 0) {
        take_refusal(flow, stream, err);
        return false;
    }
    note_sent(flow, stream, size, acknowledge ? &pending : NULL);
    return true;
}

/* ---- A closed loop --------------------------------------------------------------------------- */

static bool has_window(const struct ptl_bench_flow *flow, const struct ptl_bench_stream *stream)
{
    return stream->sent - stream->acked < flow->window;
}

static bool has_limit(const struct ptl_bench_flow *flow)
{
    return flow->counts.sent - flow->counts.acked < flow->limit;
}

static void make_ready(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream)
{
    if (!stream->is_ready) {
        stream->is_ready = true;
        stream->next_ready = NULL;
        *flow->ready_end = stream;
        flow->ready_end = &stream->next_ready;
    }
}

static struct ptl_bench_stream *take_ready(struct ptl_bench_flow *flow)
{
    struct ptl_bench_stream *stream = flow->ready;

    flow->ready = stream->next_ready;
    if (!flow->ready) {
        flow->ready_end = &flow->ready;
    }
    stream->is_ready = false;
    return stream;
}

void ptl_bench_flow_start(struct ptl_bench_flow *flow)
{
    for (uint32_t i = 0; !flow->is_open && i < flow->count; i++) {
        make_ready(flow, &flow->streams[i]);
    }
}

/* A stream that still may send goes to the end of the queue. */
static bool pump_closed(struct ptl_bench_flow *flow)
{
    int64_t now_ns = ptl_bench_now();
    unsigned left = PTL_BENCH_BURST;

    while (flow->ready && left > 0 && has_limit(flow) && now_ns < flow->clock->end_ns) {
        struct ptl_bench_stream *stream = flow->ready;
        while (left > 0 && has_window(flow, stream) && has_limit(flow)) {
            if (!send_next(flow, stream, now_ns, now_ns)) {
                return false;
            }
            left--;
        }
        take_ready(flow);
        if (has_window(flow, stream)) {
            make_ready(flow, stream);
        }
    }
    return left == 0;
}

/* ---- An open loop ---------------------------------------------------------------------------- */

static bool pump_open(struct ptl_bench_flow *flow)
{
    int64_t now_ns = ptl_bench_now();
    int64_t until_ns = now_ns < flow->clock->end_ns ? now_ns : flow->clock->end_ns - 1;

    for (unsigned left = PTL_BENCH_BURST; left > 0; left--) {
        int64_t due_ns = ptl_bench_schedule_due(&flow->schedule);
        if (due_ns > until_ns || now_ns >= flow->clock->end_ns || !has_limit(flow)) {
            return false;
        }
        if (!send_next(flow, &flow->streams[flow->cursor], due_ns, now_ns)) {
            return false;
        }
        flow->cursor = flow->cursor + 1 < flow->count ? flow->cursor + 1 : 0;
        ptl_bench_schedule_advance(&flow->schedule);
    }
    return true;
}

static void count_unsent(struct ptl_bench_flow *flow)
{
    int64_t now_ns = ptl_bench_now();
    int64_t until_ns = now_ns < flow->clock->end_ns ? now_ns : flow->clock->end_ns;

    flow->counts.unsent = ptl_bench_schedule_count(&flow->schedule, until_ns);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Streams whose last messages nobody has asked to acknowledge send one more. */
static bool pump_last(struct ptl_bench_flow *flow)
{
    int64_t now_ns = ptl_bench_now();

    for (unsigned left = PTL_BENCH_BURST; left > 0 && flow->cursor < flow->count; left--) {
        struct ptl_bench_stream *stream = &flow->streams[flow->cursor];
        if (stream->flagged < stream->sent && !send_next(flow, stream, now_ns, now_ns)) {
            return false;
        }
        flow->cursor++;
    }
    return flow->cursor < flow->count;
}

void ptl_bench_flow_finish(struct ptl_bench_flow *flow)
{
    if (flow->is_open) {
        count_unsent(flow);
    }
    flow->is_finishing = true;
    flow->cursor = 0;
}

bool ptl_bench_flow_is_drained(const struct ptl_bench_flow *flow)
{
    return flow->is_finishing && flow->cursor == flow->count &&
           flow->counts.acked == flow->counts.sent;
}

bool ptl_bench_flow_pump(struct ptl_bench_flow *flow)
{
    if (flow->is_blocked || flow->err < 0) {
        return false;
    }
    return flow->is_finishing ? pump_last(flow)
           : flow->is_open    ? pump_open(flow)
                              : pump_closed(flow);
}

/* ---- What comes back ------------------------------------------------------------------------- */

static void record(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream,
                   const struct ptl_bench_pending *pending, int64_t now_ns)
{
    if (pending->is_sample) {
        stream->is_sampled = false;
    }
    ptl_histogram_record(&flow->interval, now_ns - pending->intended_ns);
    /* What came late in answer to the warm-up is measured; what is late at the end is too. */
    if (now_ns < flow->clock->measured_from_ns || pending->intended_ns >= flow->clock->end_ns) {
        return;
    }
    ptl_histogram_record(&flow->latency, now_ns - pending->intended_ns);
    if (flow->is_open) {
        ptl_histogram_record(&flow->late, pending->sent_ns - pending->intended_ns);
    }
    if (pending->is_sample) {
        ptl_histogram_record(&flow->closed, now_ns - pending->sent_ns);
    }
}

static void complete(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream,
                     const struct ptl_bench_pending *pending, uint64_t messages, uint64_t bytes)
{
    int64_t now_ns = ptl_bench_now();

    flow->counts.acked += messages;
    stream->acked += messages;
    stream->bytes_acked += bytes;
    if (ptl_bench_is_measured(flow->clock, now_ns)) {
        flow->counts.measured += messages;
        flow->counts.measured_bytes += bytes;
    }
    record(flow, stream, pending, now_ns);
}

static void go_on(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream)
{
    if (!flow->is_open && !flow->is_finishing) {
        make_ready(flow, stream);
    }
    flow->goes_on(flow);
}

/* Those up to this one are acknowledged. */
static void complete_oldest(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream,
                            const struct ptl_bench_pending *pending)
{
    complete(flow, stream, pending, pending->number + 1 - stream->acked,
             pending->bytes - stream->bytes_acked);
    ptl_bench_stream_pop(stream);
}

void ptl_bench_flow_acknowledge(struct ptl_bench_stream *stream, uint64_t number)
{
    struct ptl_bench_flow *flow = stream->flow;
    const struct ptl_bench_pending *pending = ptl_bench_stream_oldest(stream);

    while (pending && pending->number < number) {
        if (flow->may_skip) {
            complete_oldest(flow, stream, pending);
        } else {
            flow->counts.reordered++;
            ptl_bench_stream_pop(stream);
        }
        pending = ptl_bench_stream_oldest(stream);
    }
    if (pending && pending->number == number) {
        complete_oldest(flow, stream, pending);
    } else {
        flow->counts.reordered++;
    }
    go_on(flow, stream);
}

void ptl_bench_flow_complete(struct ptl_bench_stream *stream,
                             const struct ptl_bench_pending *pending)
{
    complete(stream->flow, stream, pending, 1, pending->bytes);
    go_on(stream->flow, stream);
}

int ptl_bench_flow_take(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_bench_stream *stream = data;
    struct ptl_bench_mark mark;

    (void)node;
    if (ptl_bench_mark_read(msg, &mark) && mark.stream == stream->index) {
        ptl_bench_flow_acknowledge(stream, mark.number);
    } else {
        stream->flow->counts.reordered++;
    }
    return 0;
}

/* ---- Making and freeing ---------------------------------------------------------------------- */

bool ptl_bench_flow_init(struct ptl_bench_flow *flow, uint32_t count)
{
    flow->count = count;
    flow->ready_end = &flow->ready;
    flow->streams = calloc(count > 0 ? count : 1, sizeof *flow->streams);
    flow->bytes = calloc(flow->sizes->largest + sizeof(uint64_t), 1);
    bool good = flow->streams && flow->bytes && ptl_histogram_init(&flow->latency) &&
                ptl_histogram_init(&flow->interval) && ptl_histogram_init(&flow->closed) &&
                ptl_histogram_init(&flow->late);
    for (uint32_t i = 0; good && i < count; i++) {
        flow->streams[i].flow = flow;
    }
    return good;
}

void ptl_bench_flow_free(struct ptl_bench_flow *flow)
{
    for (uint32_t i = 0; flow->streams && i < flow->count; i++) {
        ptl_bench_stream_free(&flow->streams[i]);
    }
    free(flow->streams);
    free(flow->bytes);
    ptl_histogram_free(&flow->latency);
    ptl_histogram_free(&flow->interval);
    ptl_histogram_free(&flow->closed);
    ptl_histogram_free(&flow->late);
}
