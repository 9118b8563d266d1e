/*
 * A peer that has proved the secret, and up to three more, to a node: messages, requests to its
 * node port, the database's, frames of our own framing, and bytes that are none of it.
 *
 *   [ the node | the first peer | act ... ]     an act is a byte: what, and how or for whom
 *
 * What is said in packets or frames is well-formed; which values, to whom and how many is the
 * input's.  Bytes as they are go out by an act of their own.
 */
#include "engine/link/frame.h"
#include "io/cbor.h"
#include "tests/fuzz/lone_node.h"
#include "tests/fuzz/lone_program.h"
#include "tests/fuzz/still_world.h"

#define ACTS_MAX 96
#define SAID_MAX 8192
#define VALUES_MAX 4096
#define PORTS 5

enum {
    HAS_TWO_SHARDS = 1,
    IS_ORDINARY = 2,
    NEEDS_TLS = 4,
    STOPS = 16,
    IS_CHECKED = 32,
    STARVES = 64
};

enum { SEND, REQUEST, SAY, WAIT, NODE_ACTS, JOIN, CLOSE, FRAME };

static const char *const ids[LONE_WIRES] = {"snow", "alpha", "zulu", "snow"};

static const char *const words[] = {
    "mon1",
    "mon0",
    "kil0",
    "kil1",
    "AnyEvent::MP::_spawn",
    "snd",
    "can",
    "time",
    "eval",
    "devnull",
    "make",
    "portolan::full",
    "portolan::room",
    "g_slave",
    "g_global",
    "g_set",
    "g_upd",
    "g_find",
    "g_found",
    "g_db_family",
    "g_db_keys",
    "g_db_values",
    "g_reply",
    "g_mon1",
    "g_mon0",
    "g_chg1",
    "g_chg2",
    "portolan::db_owner",
    "portolan::db",
    "portolan::db_lost",
    "portolan::db_again",
};

/* The peer that speaks, and the flows that it has opened. */
static struct {
    unsigned at;
    bool is_open[LONE_WIRES][PORTS];
} speaker;

static struct lone_wire *wire_now(void)
{
    return lone_wire(speaker.at);
}

static bool speaks_frames(void)
{
    return ptl_handshake_peer(&wire_now()->handshake)->send_framing == PTL_FRAMING_FRAMES;
}

/* ---- Joining ------------------------------------------------------------------------------- */

static void join(unsigned which, unsigned how, bool tls)
{
    static const char *const framings[] = {"portolan,cbor,json", "cbor", "json", "cbor,json"};
    struct lone_wire *wire = lone_wire(which);
    const struct lone_greeting greeting = {
        .id = ids[which],
        .framings = framings[how & 3],
        .incarnation = 2 + which,
        .tls = tls,
    };

    speaker.at = which;
    memset(speaker.is_open[which], 0, sizeof speaker.is_open[which]);
    lone_wire_open(wire);
    lone_wire_greet(wire, &greeting);
    for (unsigned i = 0; i < 8 && !wire->is_up && !wire->is_over; i++) {
        lone_node_run(50 * SIM_MILLISECOND);
        lone_wire_prove(wire);
    }
}

/* ---- Saying -------------------------------------------------------------------------------- */

/* As many plain values as stand at the front of `bytes`. */
static struct ptl_span values_of(struct ptl_span bytes, uint32_t *count)
{
    const uint8_t *at = bytes.bytes, *end = bytes.bytes + bytes.size, *next;

    *count = 0;
    while (at < end && (next = ptl_cbor_plain_end(at, end, 1, PTL_CBOR_DEPTH_MAX)) != NULL) {
        at = next;
        (*count)++;
    }
    return ptl_span(bytes.bytes, (size_t)(at - bytes.bytes));
}

static struct ptl_span take_values(struct fuzz_input *input, uint32_t *count)
{
    return values_of(fuzz_take(input, fuzz_two_bytes(input) % VALUES_MAX), count);
}

static void say_buffer(struct ptl_buffer *out)
{
    lone_wire_say(wire_now(), ptl_buffer_span(out), fuzz_cuts(0), false);
    ptl_buffer_drop(out);
}

static void say_frame(struct ptl_frame *frame, struct ptl_span body)
{
    uint8_t head[PTL_FRAME_HEAD_MAX];
    struct ptl_buffer out;

    ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_append(&out, head, ptl_frame_head(frame, body.size, head));
    ptl_buffer_append(&out, body.bytes, body.size);
    say_buffer(&out);
}

/* To the nth port that there is a name for; 0 is the node port. */
static void say_message(unsigned port, struct ptl_span values, uint32_t count)
{
    static const char *const names[PORTS] = {"", "echo", "late", "frail", "nobody"};
    struct ptl_span name = ptl_span_text(names[port]);
    struct ptl_buffer out;

    if (!wire_now()->has_proved) {
        return;
    }
    if (!speaks_frames()) {
        ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX);
        ptl_assert(ptl_packet_encode(
                       (enum ptl_framing)ptl_handshake_peer(&wire_now()->handshake)->send_framing,
                       &out, name, values, count) == 0);
        say_buffer(&out);
        return;
    }
    if (port != 0 && !speaker.is_open[speaker.at][port]) {
        struct ptl_frame open = {.kind = PTL_FRAME_OPEN,
                                 .number = port,
                                 .port = {.type = PTL_FRAME_PORT_NAMED, .name = name}};
        say_frame(&open, ptl_span(NULL, 0));
        speaker.is_open[speaker.at][port] = true;
    }
    struct ptl_frame frame = {
        .kind = PTL_FRAME_MESSAGE, .has_flow = true, .flow = port, .count = count};
    say_frame(&frame, values);
}

static void request(struct fuzz_input *input)
{
    const char *word = words[fuzz_byte(input) % (sizeof words / sizeof words[0])];
    struct ptl_buffer body;
    uint32_t count;
    struct ptl_span values = take_values(input, &count);

    ptl_buffer_init(&body, ptl_allocator_libc(), SIZE_MAX);
    ptl_cbor_put_string(&body, PTL_CBOR_BYTES, ptl_span_text(word));
    ptl_buffer_append(&body, values.bytes, values.size);
    say_message(0, ptl_buffer_span(&body), count + 1);
    ptl_buffer_drop(&body);
}

/* A frame of any kind, whose body is any bytes. */
static void frame_of_any_kind(struct fuzz_input *input)
{
    uint8_t head[8];
    struct ptl_buffer out;

    head[0] = (uint8_t)fuzz_byte(input);
    head[1] = (uint8_t)fuzz_byte(input);
    bool has_flow = (head[0] & PTL_FRAME_HAS_FLOW) != 0;
    unsigned flow = has_flow ? fuzz_byte(input) : 0;
    struct ptl_span body = fuzz_take(input, fuzz_two_bytes(input) % VALUES_MAX);
    size_t length = body.size + (has_flow ? 4 : 0);
    head[2] = (uint8_t)length;
    head[3] = (uint8_t)(length >> 8);
    memset(head + 4, 0, 4);
    head[4] = (uint8_t)flow;
    ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_append(&out, head, has_flow ? 8 : 4);
    ptl_buffer_append(&out, body.bytes, body.size);
    say_buffer(&out);
}

static void say_bytes(struct fuzz_input *input)
{
    size_t size = fuzz_two_bytes(input) % SAID_MAX;
    struct fuzz_cuts cuts = fuzz_cuts(fuzz_byte(input));

    lone_wire_say(wire_now(), fuzz_take(input, size), cuts, false);
}

/* ---- Acts ---------------------------------------------------------------------------------- */

static void act(struct fuzz_input *input, bool tls)
{
    unsigned what = fuzz_byte(input);
    unsigned how = what >> 3;
    struct ptl_span values;
    uint32_t count;

    switch (what & 7) {
    case SEND:
        values = take_values(input, &count);
        say_message(how % PORTS, values, count);
        break;
    case REQUEST:
        request(input);
        break;
    case SAY:
        say_bytes(input);
        break;
    case WAIT: /* 1 ms to 4 s */
        lone_node_run(SIM_MILLISECOND << how % 13);
        break;
    case NODE_ACTS:
        lone_program_act(lone_node(), how, ids[speaker.at]);
        break;
    case JOIN:
        join(how & 3, how >> 2, tls);
        break;
    case CLOSE:
        lone_wire_close(wire_now());
        break;
    case FRAME:
        frame_of_any_kind(input);
        break;
    }
}

static struct lone_kind take_kind(unsigned flags, struct fuzz_input *input)
{
    struct lone_kind kind = {
        .shards = (flags & HAS_TWO_SHARDS) != 0 ? 2 : 1,
        .is_ordinary = (flags & IS_ORDINARY) != 0,
        .tls = (flags & NEEDS_TLS) != 0 ? PTL_TLS_REQUIRE : PTL_TLS_OFF,
    };

    if ((flags & STARVES) != 0) {
        kind.fail_from = fuzz_two_bytes(input);
        kind.fail_count = fuzz_byte(input);
    }
    return kind;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    unsigned flags = fuzz_byte(&input);
    unsigned how = fuzz_byte(&input);
    struct lone_kind kind = take_kind(flags, &input);

    (void)still_world_context(); /* made once, not in the first run that needs it */
    lone_node_begin(&kind);
    if (lone_node() != NULL) {
        join(how >> 2 & 3, how, (flags & NEEDS_TLS) != 0);
    }
    for (unsigned i = 0; lone_node() != NULL && i < ACTS_MAX && !fuzz_is_empty(&input); i++) {
        act(&input, (flags & NEEDS_TLS) != 0);
    }
    if (lone_node() != NULL) {
        lone_node_run(100 * SIM_MILLISECOND);
    }
    if (lone_node() != NULL && kind.fail_count == 0 && (flags & IS_CHECKED) != 0) {
        lone_node_check();
    }
    lone_node_end((flags & (STOPS | STARVES)) == STOPS);
    return 0;
}
