#include "engine/link/frames_out.h"

#include "engine/link/frame.h"
#include "engine/link/frame_words.h"
#include "engine/link/outbox.h"
#include "io/cbor.h"

#define ROUND_NS UINT64_C(10000000000) /* a flow that is idle for a round or two is closed */
#define STEPS 64                       /* numbers looked at in one tick */
#define NO_FLOW UINT32_MAX             /* as the current one */
#define SHORT_MAX 1024                 /* bytes of a message that goes the short way */

void ptl_frames_out_init(struct ptl_frames_out *out, const struct ptl_allocator *allocator,
                         uint64_t own_incarnation, uint64_t peer_incarnation, uint64_t flows_max,
                         uint64_t bytes_max)
{
    *out = (struct ptl_frames_out){
        .own_incarnation = own_incarnation,
        .peer_incarnation = peer_incarnation,
    };
    ptl_outflows_init(&out->flows, allocator, flows_max);
    ptl_backlogs_init(&out->waiting, allocator, bytes_max);
}

void ptl_frames_out_drop(struct ptl_frames_out *out)
{
    ptl_outflows_drop(&out->flows);
    ptl_backlogs_drop(&out->waiting);
}

int ptl_frames_out_fill(struct ptl_frames_out *out, struct ptl_outbox *outbox)
{
    return out->waiting.size == 0
               ? PTL_OK
               : ptl_backlogs_take(&out->waiting, outbox, &out->current, PTL_FRAMES_AHEAD);
}

/* A port of the node of that incarnation. */
static struct ptl_frame_port port_of(uint64_t incarnation, struct ptl_span name)
{
    struct ptl_frame_port port = {.type = PTL_FRAME_PORT_NAMED, .name = name};

    if (ptl_name_made_number(incarnation, name, &port.number)) {
        port.type = PTL_FRAME_PORT_MADE;
    }
    return port;
}

/* A frame of the link, which is all head. */
static int put_of_link(struct ptl_outbox *outbox, const struct ptl_frame *frame)
{
    uint8_t head[PTL_FRAME_HEAD_MAX];
    size_t size = ptl_frame_head(frame, 0, head);

    return ptl_outbox_frame(outbox, ptl_span(head, size), ptl_span(NULL, 0), NULL);
}

/* ---- Flows --------------------------------------------------------------------------------- */

static int close_flow(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                      struct ptl_outflow *flow)
{
    struct ptl_frame frame = {.kind = PTL_FRAME_CLOSE, .number = flow->number};
    int err = flow->opened ? put_of_link(outbox, &frame) : PTL_OK;

    if (err == PTL_OK) {
        if (out->current == flow->number) {
            out->current = NO_FLOW; /* whoever has that number next must say so */
        }
        ptl_outflow_remove(&out->flows, flow);
    }
    return err;
}

/* In two rounds the hand meets one that is idle: what it passes in the first is idle then. */
static struct ptl_outflow *find_idle(struct ptl_frames_out *out)
{
    struct ptl_outflow *flow = NULL;

    for (unsigned i = 0; flow == NULL && i < 3; i++) {
        flow = ptl_outflows_idle(&out->flows, UINT32_MAX);
    }
    return flow;
}

/* Where something waits in all flows, that goes to the outbox until one of them has nothing left:
 * the new one's turn is behind all that. */
static int make_way(struct ptl_frames_out *out, struct ptl_outbox *outbox)
{
    struct ptl_outflow *flow;

    while ((flow = find_idle(out)) == NULL) {
        int err = ptl_backlogs_take(&out->waiting, outbox, &out->current,
                                    outbox->size + PTL_FRAMES_AHEAD);
        if (err < 0) {
            return err;
        }
    }
    return close_flow(out, outbox, flow);
}

static struct ptl_outflow *get_flow(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                                    struct ptl_span name)
{
    struct ptl_outflow *flow = ptl_outflow_find(&out->flows, name);

    if (flow != NULL) {
        return flow;
    }
    if (ptl_outflows_are_all_used(&out->flows) && make_way(out, outbox) < 0) {
        return NULL;
    }
    return ptl_outflow_add(&out->flows, name);
}

void ptl_frames_out_tick(struct ptl_frames_out *out, struct ptl_outbox *outbox, uint64_t now_ns)
{
    if (ptl_outflows_round_begins(&out->flows)) {
        if (now_ns < out->round_at_ns) {
            return;
        }
        out->round_at_ns = now_ns + ROUND_NS;
    }
    for (unsigned i = 0; i < STEPS; i++) {
        struct ptl_outflow *flow = ptl_outflows_idle(&out->flows, 1);
        if (flow != NULL && close_flow(out, outbox, flow) < 0) {
            return; /* without memory it is closed another time */
        }
        if (ptl_outflows_round_begins(&out->flows)) {
            return;
        }
    }
}

/* ---- Frames -------------------------------------------------------------------------------- */

/* A frame to be written, and what stands before it. */
struct draft {
    struct ptl_frame frame;
    struct ptl_span body;
    const struct ptl_msg *whole;
    size_t size; /* of `head` */
    uint8_t head[2 * PTL_FRAME_HEAD_MAX];
};

/* A message, as long as nobody says that it is something else.  `head` needs no clearing. */
static void begin_draft(struct draft *draft, struct ptl_span body, uint32_t count,
                        const struct ptl_msg *whole)
{
    draft->frame = (struct ptl_frame){.kind = PTL_FRAME_MESSAGE, .count = count};
    draft->body = body;
    draft->whole = whole;
    draft->size = 0;
}

static struct ptl_frame open_frame(const struct ptl_frames_out *out, const struct ptl_outflow *flow)
{
    return (struct ptl_frame){
        .kind = PTL_FRAME_OPEN,
        .number = flow->number,
        .port = port_of(out->peer_incarnation, ptl_span(flow->name, flow->name_size)),
    };
}

static bool is_large(const struct draft *draft)
{
    return draft->body.size > PTL_FRAME_VALUES_MAX;
}

/* The head of what goes in pieces, and the fields of its kind, which are part of the first one. */
static void write_first(struct draft *draft, struct ptl_backlog_frame *first)
{
    uint8_t fields[PTL_FRAME_FIELDS_MAX];
    size_t lead = ptl_frame_fields(&draft->frame, fields);
    struct ptl_frame frame = {
        .kind = PTL_FRAME_FIRST,
        .whole_kind = draft->frame.kind,
        .count = draft->frame.count,
        .tag = lead + draft->body.size,
    };

    first->whole_size = lead + draft->body.size;
    first->first_size = PTL_FRAME_VALUES_MAX - lead;
    draft->size += ptl_frame_head(&frame, PTL_FRAME_VALUES_MAX, draft->head + draft->size);
    memcpy(draft->head + draft->size, fields, lead);
    draft->size += lead;
}

/* Whether the frame may go to the outbox at once: it is small, and nobody waits. */
static bool goes_at_once(const struct ptl_frames_out *out, const struct ptl_outbox *outbox,
                         const struct draft *draft)
{
    return out->waiting.size == 0 && outbox->size < PTL_FRAMES_AHEAD && !is_large(draft);
}

static int put_at_once(struct ptl_frames_out *out, struct ptl_outbox *outbox, struct draft *draft,
                       uint32_t flow)
{
    struct ptl_frame *frame = &draft->frame;
    bool of_flow = frame->kind < PTL_FRAME_REQUESTS;

    frame->has_flow = of_flow && flow != out->current;
    frame->flow = flow;
    draft->size += ptl_frame_head(frame, draft->body.size, draft->head + draft->size);
    int err =
        ptl_outbox_frame(outbox, ptl_span(draft->head, draft->size), draft->body, draft->whole);
    if (err == PTL_OK) {
        ptl_outbox_add_messages(outbox, frame->kind == PTL_FRAME_MESSAGE && flow != 0);
        out->current = of_flow ? flow : out->current;
    }
    return err;
}

/* It waits in `backlog`. */
static int put_later(struct ptl_frames_out *out, struct draft *draft, struct ptl_backlog *backlog)
{
    struct ptl_backlog_frame frame = {
        .body = draft->body,
        .count = draft->frame.count,
        .whole = draft->whole,
        .is_message = draft->frame.kind == PTL_FRAME_MESSAGE && backlog != &out->waiting.node_port,
    };

    ptl_assert(draft->size == 0);
    if (is_large(draft)) {
        write_first(draft, &frame);
    } else {
        draft->size = ptl_frame_head(&draft->frame, draft->body.size, draft->head);
    }
    frame.head = ptl_span(draft->head, draft->size);
    return ptl_backlogs_put(&out->waiting, backlog, &frame);
}

/* OPEN goes ahead of what waits. */
static int open_flow(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                     struct ptl_outflow *flow)
{
    if (flow->opened) {
        return PTL_OK;
    }
    struct ptl_frame frame = open_frame(out, flow);
    int err = put_of_link(outbox, &frame);
    flow->opened = err == PTL_OK;
    return err;
}

/* A frame of the flow to the port `name`. */
static int put_to(struct ptl_frames_out *out, struct ptl_outbox *outbox, struct draft *draft,
                  struct ptl_span name)
{
    struct ptl_outflow *flow = get_flow(out, outbox, name);
    int err;

    if (flow == NULL) {
        return PTL_ENOMEM;
    }
    if (!goes_at_once(out, outbox, draft)) {
        err = open_flow(out, outbox, flow);
        return err < 0 ? err : put_later(out, draft, &flow->backlog);
    }
    if (!flow->opened) { /* both or neither */
        struct ptl_frame frame = open_frame(out, flow);
        draft->size = ptl_frame_head(&frame, 0, draft->head);
    }
    err = put_at_once(out, outbox, draft, flow->number);
    flow->opened = flow->opened || err == PTL_OK;
    return err;
}

/* A frame to the node port. */
static int put_to_node(struct ptl_frames_out *out, struct ptl_outbox *outbox, struct draft *draft)
{
    return goes_at_once(out, outbox, draft) ? put_at_once(out, outbox, draft, 0)
                                            : put_later(out, draft, &out->waiting.node_port);
}

/* ---- Monitors ------------------------------------------------------------------------------ */

static void begin_about(struct draft *draft, enum ptl_frame_kind kind, uint64_t tag,
                        struct ptl_span values, uint32_t count)
{
    begin_draft(draft, values, count, NULL);
    draft->frame.kind = (uint8_t)kind;
    draft->frame.tag = tag;
}

int ptl_frames_out_monitor(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                           struct ptl_span name, uint64_t tag, struct ptl_span watcher)
{
    struct draft draft;

    begin_about(&draft, PTL_FRAME_MONITOR, tag, ptl_span(NULL, 0), 0);
    if (watcher.size != 0) {
        draft.frame.port = port_of(out->own_incarnation, watcher);
    }
    return put_to(out, outbox, &draft, name);
}

int ptl_frames_out_unmonitor(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                             struct ptl_span name, uint64_t tag)
{
    struct draft draft;

    begin_about(&draft, PTL_FRAME_UNMONITOR, tag, ptl_span(NULL, 0), 0);
    return put_to(out, outbox, &draft, name);
}

/* What the port has sent to its watcher waits in the watcher's flow, if it waits at all. */
int ptl_frames_out_down(struct ptl_frames_out *out, struct ptl_outbox *outbox, uint64_t tag,
                        struct ptl_span watcher, struct ptl_span reason, uint32_t count)
{
    struct draft draft;

    begin_about(&draft, PTL_FRAME_DOWN, tag, reason, count);
#ifndef PTL_PLANT_EARLY_DOWN
    struct ptl_outflow *flow = watcher.size == 0 ? NULL : ptl_outflow_look_up(&out->flows, watcher);
    if (flow != NULL && flow->backlog.size != 0) {
        return put_later(out, &draft, &flow->backlog);
    }
#endif
    return put_to_node(out, outbox, &draft);
}

/* ---- Packets to the node port -------------------------------------------------------------- */

/* Take a string off the front; false: there is none that means the same in any encoding. */
static bool take_string(struct ptl_span *values, uint32_t *count, struct ptl_span *string)
{
    struct ptl_cbor_item item;
    size_t head =
        *count == 0 ? 0 : ptl_cbor_read(values->bytes, values->bytes + values->size, &item);

    if (head == 0 || (item.major != PTL_CBOR_BYTES && item.major != PTL_CBOR_TEXT) ||
        item.info == 31 || item.argument > values->size - head) {
        return false;
    }
    *string = ptl_span(values->bytes + head, (size_t)item.argument);
    *values = ptl_span_skip(*values, head + string->size);
    --*count;
    return item.major == PTL_CBOR_TEXT || ptl_utf8_ascii(*string) == string->size;
}

static bool is_port_name(struct ptl_span name)
{
    return name.size != 0 && name.size <= PTL_PORT_NAME_MAX;
}

/* A request about a port, whose name comes next.  False: it is not what such a request has. */
static bool put_about_port(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                           struct draft *draft, int *err)
{
    struct ptl_span name;

    if (!take_string(&draft->body, &draft->frame.count, &name) || !is_port_name(name)) {
        return false;
    }
    *err = put_to(out, outbox, draft, name);
    return true;
}

static int put_heartbeat(struct ptl_outbox *outbox)
{
    return put_of_link(outbox, &(struct ptl_frame){.kind = PTL_FRAME_HEARTBEAT});
}

int ptl_frames_out_error(struct ptl_outbox *outbox, unsigned code)
{
    return put_of_link(outbox, &(struct ptl_frame){.kind = PTL_FRAME_ERROR, .number = code});
}

int ptl_frames_out_goodbye(struct ptl_outbox *outbox)
{
    return put_of_link(outbox, &(struct ptl_frame){.kind = PTL_FRAME_GOODBYE});
}

/* A packet to the node port that has a frame of its own.  False: it has none. */
static bool put_request(struct ptl_frames_out *out, struct ptl_outbox *outbox, struct draft *draft,
                        int *err)
{
    struct ptl_span word;

    if (!take_string(&draft->body, &draft->frame.count, &word)) {
        return false;
    }
    if (word.size == 0 && draft->frame.count == 0) {
        *err = put_heartbeat(outbox);
        return true;
    }
    draft->frame.kind = (uint8_t)ptl_frame_of_word(word);
    if (draft->frame.kind == PTL_FRAME_MESSAGE) {
        return false;
    }
    if (draft->frame.kind < PTL_FRAME_REQUESTS) {
        return put_about_port(out, outbox, draft, err);
    }
    *err = put_to_node(out, outbox, draft);
    return true;
}

bool ptl_frames_out_message(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                            struct ptl_span name, struct ptl_span body, uint32_t count)
{
    uint8_t head[PTL_FRAME_START + 4];
    struct ptl_outflow *flow;

    if (body.size > SHORT_MAX || count >= PTL_FRAME_COUNT_BEHIND ||
        (flow = ptl_outflow_find(&out->flows, name)) == NULL || !flow->opened) {
        return false;
    }
    bool waits = out->waiting.size != 0 || outbox->size >= PTL_FRAMES_AHEAD;
    bool numbered = !waits && flow->number != out->current;
    size_t size = ptl_frame_message_head(flow->number, numbered, count, body.size, head);
    if (waits) {
        return ptl_backlogs_message(&out->waiting, &flow->backlog, ptl_span(head, size), body);
    }
    if (!ptl_outbox_message(outbox, ptl_span(head, size), body)) {
        return false;
    }
    out->current = flow->number;
    return true;
}

int ptl_frames_out_packet(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                          struct ptl_span name, struct ptl_span body, uint32_t count,
                          const struct ptl_msg *whole)
{
    struct draft draft;
    int err;

    if (name.size != 0 && ptl_frames_out_message(out, outbox, name, body, count)) {
        return PTL_OK;
    }
    begin_draft(&draft, body, count, whole);
    if (name.size != 0) {
        return put_to(out, outbox, &draft, name);
    }
    if (put_request(out, outbox, &draft, &err)) {
        return err;
    }
    begin_draft(&draft, body, count, whole);
    return put_to_node(out, outbox, &draft);
}
