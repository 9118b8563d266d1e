#include "engine/link/frames_in.h"

#include "engine/link/frame_words.h"
#include "engine/message/name.h"
#include "io/cbor.h"
#include "io/framing.h"

#define MADE_KEPT_MAX 65536 /* a buffer that grew beyond does not stay for the next packet */
#define ADDED_MAX 4         /* values that a packet has beside those of its frame */
#define CUT_KEPT_MAX 1024   /* of a frame in two parts: enough for a small one */

/* What version 1 without any feature knows. */
#define KINDS(first, last) ((UINT64_C(2) << (last)) - (UINT64_C(1) << (first)))
#define KNOWN                                                                                      \
    (KINDS(PTL_FRAME_HEARTBEAT, PTL_FRAME_CLOSE) | KINDS(PTL_FRAME_GOODBYE, PTL_FRAME_ERROR) |     \
     KINDS(PTL_FRAME_MESSAGE, PTL_FRAME_SPAWN) | KINDS(PTL_FRAME_REQUESTS, 37) | KINDS(40, 57))

/* Stands for "here is a packet" among errors and PTL_OK, which says "go on". */
#define PACKET 1

void ptl_frames_in_init(struct ptl_frames_in *in, const struct ptl_allocator *allocator,
                        uint64_t own_incarnation, uint64_t peer_incarnation,
                        size_t message_bytes_max)
{
    *in = (struct ptl_frames_in){
        .own_incarnation = own_incarnation,
        .peer_incarnation = peer_incarnation,
        .message_bytes_max = message_bytes_max,
    };
    ptl_inflows_init(&in->flows, allocator);
    ptl_buffer_init(&in->cut, allocator, PTL_FRAME_SIZE_MAX);
    ptl_buffer_init(&in->made, allocator, SIZE_MAX);
}

void ptl_frames_in_drop(struct ptl_frames_in *in)
{
    ptl_whole_free(&in->flows, in->node_port.whole);
    ptl_whole_free(&in->flows, in->taken);
    in->node_port.whole = in->taken = NULL;
    ptl_inflows_drop(&in->flows);
    ptl_buffer_drop(&in->cut);
    ptl_buffer_drop(&in->made);
    in->in_pieces = in->promised = 0;
    in->flow = NULL;
}

size_t ptl_frames_in_held(const struct ptl_frames_in *in)
{
    return in->in_pieces + in->cut.capacity + in->made.capacity;
}

static int fail(struct ptl_frames_in *in, enum ptl_frame_fault fault)
{
    in->fault = (uint8_t)fault;
    return fault == PTL_FAULT_MEMORY ? PTL_ENOMEM : PTL_EFRAME;
}

static struct ptl_inflow *find_flow(struct ptl_frames_in *in, uint32_t number)
{
    return number == 0 ? &in->node_port : ptl_inflow_find(&in->flows, number);
}

/* ---- Packets ------------------------------------------------------------------------------- */

/* Port names come from the peer's frames; the text of one lives in `room`. */
static struct ptl_span name_of(const struct ptl_frame_port *port, uint64_t incarnation,
                               char room[static PTL_NAME_MADE_SIZE])
{
    if (port->type == PTL_FRAME_PORT_MADE) {
        ptl_name_made(incarnation, port->number, room);
        return ptl_span(room, PTL_NAME_MADE_SIZE);
    }
    return port->type == PTL_FRAME_PORT_NAMED ? port->name : ptl_span("", 0);
}

static void put_string(struct ptl_buffer *out, struct ptl_span string)
{
    uint8_t head[PTL_CBOR_HEAD_MAX];
    bool ascii = ptl_utf8_ascii(string) == string.size;
    size_t size = ptl_cbor_head(head, ascii ? PTL_CBOR_BYTES : PTL_CBOR_TEXT, string.size);

    ptl_buffer_append(out, head, size);
    ptl_buffer_append(out, string.bytes, string.size);
}

/* What came in pieces is not needed any more. */
static void free_taken(struct ptl_frames_in *in)
{
    if (in->taken != NULL) {
        in->in_pieces -= in->taken->bytes.capacity;
        in->promised -= in->taken->size;
        ptl_whole_free(&in->flows, in->taken);
        in->taken = NULL;
    }
}

/* Begin the packet ["", WORD, ...]. */
static void begin_request(struct ptl_frames_in *in, struct ptl_span word)
{
    ptl_buffer_ease(&in->made, MADE_KEPT_MAX);
    put_string(&in->made, word);
}

/* End it with the frame's values, behind `count` of our own. */
static int end_request(struct ptl_frames_in *in, const struct ptl_frame *frame, uint32_t count,
                       struct ptl_packet *packet)
{
    ptl_assert(count <= ADDED_MAX);
    if (frame->count > UINT32_MAX - ADDED_MAX) {
        return fail(in, PTL_FAULT_BODY); /* it could not be told of */
    }
    if (ptl_buffer_append(&in->made, frame->body.bytes, frame->body.size) < 0) {
        return fail(in, PTL_FAULT_MEMORY);
    }
    free_taken(in); /* all of it has been copied */
    *packet = (struct ptl_packet){
        .name = ptl_span("", 0),
        .body = ptl_buffer_span(&in->made),
        .count = frame->count + count,
    };
    return PACKET;
}

/* The packet ["", WORD, NAME?, VALUE...] that says what the frame does. */
static int make_request(struct ptl_frames_in *in, const struct ptl_frame *frame,
                        const struct ptl_span *name, struct ptl_packet *packet)
{
    begin_request(in, ptl_frame_word(frame->kind));
    if (name != NULL) {
        put_string(&in->made, *name);
    }
    return end_request(in, frame, 1 + (name != NULL), packet);
}

static void put_number(struct ptl_buffer *out, uint64_t number)
{
    uint8_t head[PTL_CBOR_HEAD_MAX];
    size_t size = ptl_cbor_head(head, PTL_CBOR_UINT, number);

    ptl_buffer_append(out, head, size);
}

/* MONITOR, UNMONITOR and DOWN say more than AEMP's requests, so they become others. */
static int make_about(struct ptl_frames_in *in, const struct ptl_frame *frame,
                      const struct ptl_inflow *flow, struct ptl_packet *packet)
{
    static const char *const words[] = {
        [PTL_FRAME_MONITOR] = PTL_REQUEST_MONITOR,
        [PTL_FRAME_UNMONITOR] = PTL_REQUEST_UNMONITOR,
        [PTL_FRAME_DOWN] = PTL_REQUEST_DOWN,
    };
    char room[PTL_NAME_MADE_SIZE];

    begin_request(in, ptl_span_text(words[frame->kind]));
    put_number(&in->made, frame->tag);
    if (frame->kind != PTL_FRAME_MONITOR) {
        return end_request(in, frame, 2, packet);
    }
    put_string(&in->made, flow->name);
    put_string(&in->made, name_of(&frame->port, in->peer_incarnation, room));
    return end_request(in, frame, 4, packet);
}

static bool has_values(struct ptl_span body, uint32_t count)
{
    const uint8_t *end = body.bytes + body.size;

    return ptl_cbor_plain_end(body.bytes, end, count, PTL_CBOR_DEPTH_MAX) == end;
}

static bool may_be_of(const struct ptl_inflow *flow, unsigned kind)
{
    if (flow->name.size != 0) {
        return kind < PTL_FRAME_REQUESTS;
    }
    return kind == PTL_FRAME_MESSAGE || kind == PTL_FRAME_DOWN || kind >= PTL_FRAME_REQUESTS;
}

/* A frame that has come whole, all at once or in pieces, of that flow. */
static int take_whole(struct ptl_frames_in *in, struct ptl_inflow *flow, struct ptl_frame *frame,
                      struct ptl_packet *packet)
{
    if ((KNOWN & PTL_FRAME_BIT(frame->kind)) == 0) {
        return PTL_OK; /* of a later version, in pieces */
    }
    if (!may_be_of(flow, frame->kind)) {
        return fail(in, PTL_FAULT_FLOW);
    }
    if (frame->kind == PTL_FRAME_MONITOR || frame->kind == PTL_FRAME_UNMONITOR) {
        frame->body = ptl_span("", 0); /* what later versions say there */
    }
    if (!has_values(frame->body, frame->count)) {
        return fail(in, PTL_FAULT_BODY);
    }
    if (frame->kind == PTL_FRAME_MESSAGE) {
        *packet =
            (struct ptl_packet){.name = flow->name, .body = frame->body, .count = frame->count};
        return PACKET;
    }
    if (frame->kind >= PTL_FRAME_REQUESTS) {
        return make_request(in, frame, NULL, packet);
    }
    if (frame->kind >= PTL_FRAME_MONITOR && frame->kind <= PTL_FRAME_DOWN) {
        return make_about(in, frame, flow, packet);
    }
    return make_request(in, frame, &flow->name, packet);
}

/* ---- Pieces -------------------------------------------------------------------------------- */

static int take_first(struct ptl_frames_in *in, struct ptl_inflow *flow,
                      const struct ptl_frame *frame)
{
    if (frame->tag > in->message_bytes_max ||
        in->promised + frame->tag > 2 * in->message_bytes_max) {
        return fail(in, PTL_FAULT_SIZE);
    }
    if (ptl_inflow_begin_whole(&in->flows, flow, frame->tag) < 0) {
        return fail(in, PTL_FAULT_MEMORY);
    }
    in->promised += frame->tag;
    flow->whole->kind = frame->whole_kind;
    flow->whole->count = frame->count;
    return PTL_OK;
}

static int take_piece(struct ptl_frames_in *in, struct ptl_inflow *flow,
                      const struct ptl_frame *frame, struct ptl_packet *packet)
{
    struct ptl_whole *whole = flow->whole;

    if (whole == NULL || frame->body.size > whole->size - whole->bytes.size) {
        return fail(in, PTL_FAULT_PIECES);
    }
    size_t before = whole->bytes.capacity;
    if (ptl_buffer_append(&whole->bytes, frame->body.bytes, frame->body.size) < 0) {
        return fail(in, PTL_FAULT_MEMORY);
    }
    in->in_pieces += whole->bytes.capacity - before;
    if (whole->bytes.size < whole->size) {
        return PTL_OK;
    }
    struct ptl_frame all;
    flow->whole = NULL;
    in->taken = whole; /* until the next call */
    ptl_frame_read_whole(whole->kind, whole->count, ptl_buffer_span(&whole->bytes), &all);
    return all.fault != PTL_FAULT_NONE ? fail(in, all.fault) : take_whole(in, flow, &all, packet);
}

/* The caller has seen the last packet. */
static void let_go(struct ptl_frames_in *in)
{
    in->flow = NULL;
    free_taken(in);
    ptl_buffer_ease(&in->made, MADE_KEPT_MAX);
    if (in->cut_taken) {
        ptl_buffer_clear(&in->cut);
        in->cut_taken = false;
    }
}

/* ---- Frames -------------------------------------------------------------------------------- */

static int take_open(struct ptl_frames_in *in, const struct ptl_frame *frame)
{
    char room[PTL_NAME_MADE_SIZE];
    struct ptl_span name = name_of(&frame->port, in->own_incarnation, room);

    if (name.size == 0 || frame->number >= PTL_INFLOWS_MAX ||
        find_flow(in, frame->number) != NULL) {
        return fail(in, PTL_FAULT_FLOW);
    }
    return ptl_inflow_open(&in->flows, frame->number, name) < 0 ? fail(in, PTL_FAULT_MEMORY)
                                                                : PTL_OK;
}

static int take_close(struct ptl_frames_in *in, const struct ptl_frame *frame)
{
    struct ptl_inflow *flow = ptl_inflow_find(&in->flows, frame->number);

    if (flow == NULL || flow->whole != NULL) {
        return fail(in, PTL_FAULT_FLOW);
    }
    ptl_inflow_close(&in->flows, frame->number);
    return PTL_OK;
}

static int take_of_link(struct ptl_frames_in *in, const struct ptl_frame *frame)
{
    switch (frame->kind) {
    case PTL_FRAME_OPEN:
        return take_open(in, frame);
    case PTL_FRAME_CLOSE:
        return take_close(in, frame);
    case PTL_FRAME_ERROR:
        in->peer_code = frame->number;
        return PTL_EFRAME;
    case PTL_FRAME_GOODBYE:
        return PTL_EGOODBYE;
    default:
        return PTL_OK; /* it lives */
    }
}

static int take_of_flow(struct ptl_frames_in *in, struct ptl_frame *frame,
                        struct ptl_packet *packet)
{
    bool is_request = frame->kind >= PTL_FRAME_REQUESTS;

    if (frame->has_flow) {
        in->current = frame->flow;
    }
    struct ptl_inflow *flow = find_flow(in, is_request ? 0 : in->current);
    if (flow == NULL) {
        return fail(in, PTL_FAULT_FLOW);
    }
    if (frame->kind == PTL_FRAME_PIECE) {
        return take_piece(in, flow, frame, packet);
    }
    if (flow->whole != NULL) {
        return fail(in, PTL_FAULT_PIECES);
    }
    if (frame->kind == PTL_FRAME_FIRST) {
        int err = take_first(in, flow, frame);
        return err < 0 ? err : take_piece(in, flow, frame, packet);
    }
    return take_whole(in, flow, frame, packet);
}

static int take_frame(struct ptl_frames_in *in, struct ptl_frame *frame, struct ptl_packet *packet)
{
    if (frame->fault != PTL_FAULT_NONE) {
        return fail(in, frame->fault);
    }
    if ((KNOWN & PTL_FRAME_BIT(frame->kind)) == 0) {
        return PTL_OK; /* of a later version */
    }
    return frame->kind < PTL_FRAME_MESSAGE ? take_of_link(in, frame)
                                           : take_of_flow(in, frame, packet);
}

/*
 * The frame at the front of what was kept and the input: read into *frame.  1: it is whole; 0: all
 * is kept, and not enough.
 */
static int next_frame(struct ptl_frames_in *in, struct ptl_span *input, struct ptl_frame *frame)
{
    if (in->cut.size == 0) {
        size_t size = ptl_frame_read(*input, KNOWN, frame);
        if (size != 0 || frame->fault != PTL_FAULT_NONE) {
            *input = ptl_span_skip(*input, size);
            return 1;
        }
    }
    /* First its start, which says how much it is; then that. */
    while (input->size != 0) {
        size_t want = PTL_FRAME_START;
        if (in->cut.size >= PTL_FRAME_START) {
            want += (size_t)in->cut.bytes[2] | (size_t)in->cut.bytes[3] << 8;
        }
        size_t part = want - in->cut.size < input->size ? want - in->cut.size : input->size;
        if (ptl_buffer_append(&in->cut, input->bytes, part) < 0) {
            return fail(in, PTL_FAULT_MEMORY);
        }
        *input = ptl_span_skip(*input, part);
        if (ptl_frame_read(ptl_buffer_span(&in->cut), KNOWN, frame) != 0 ||
            frame->fault != PTL_FAULT_NONE) {
            in->cut_taken = true;
            return 1;
        }
    }
    return 0;
}

static int take_next(struct ptl_frames_in *in, struct ptl_span *input, struct ptl_packet *packet)
{
    struct ptl_frame frame;
    int got = PTL_OK;

    while (got == PTL_OK) {
        let_go(in);
        if (input->size == 0) {
            break;
        }
        got = next_frame(in, input, &frame);
        if (got == PTL_OK) {
            break; /* it is cut */
        }
        if (got > 0) {
            got = take_frame(in, &frame, packet);
        }
    }
    return got;
}

/*
 * The short way of a small message that lies whole in the input, to a port, with nothing before it
 * that is cut or was put together.  False: it goes the long way, which finds what is wrong.
 */
static PTL_HOT_INLINE bool take_message(struct ptl_frames_in *in, struct ptl_span *input,
                                        struct ptl_packet *packet)
{
    struct ptl_frame_message message;
    size_t size = ptl_frame_read_message(*input, in->current, &message);

    if (size == 0 || in->cut.size != 0 || in->taken != NULL || message.flow == 0) {
        return false;
    }
    struct ptl_inflow *flow = ptl_inflow_find(&in->flows, message.flow);
    if (flow == NULL || flow->whole != NULL || !has_values(message.body, message.count)) {
        return false;
    }
    in->current = message.flow;
    in->flow = flow;
    *packet = (struct ptl_packet){
        .name = flow->name,
        .body = message.body,
        .count = message.count,
    };
    *input = ptl_span_skip(*input, size);
    return true;
}

int ptl_frames_in_next(struct ptl_frames_in *in, struct ptl_span *input, struct ptl_packet *packet)
{
    if (in->err != 0) {
        return in->err;
    }
    if (take_message(in, input, packet)) {
        return PACKET;
    }
    int got = take_next(in, input, packet);
    if (got < 0) {
        in->err = got;
        ptl_frames_in_drop(in);
    } else if (got == PTL_OK && in->cut.size == 0) {
        /* Between frames an idle connection costs next to nothing: where small ones come without an
         * end, each receive cuts one, which shall not cost a request for memory. */
        ptl_buffer_ease(&in->cut, CUT_KEPT_MAX);
        ptl_buffer_drop(&in->made);
    }
    return got;
}
