/*
 * Up to four connections to a node, from their first byte on: what is said, when, in which pieces,
 * in the clear or over TLS, with the secret or without, is the input's.
 *
 *   [ the node | act ... ]     an act is a byte: what, on which connection, how long
 *
 * A connection that has proved itself goes on as a peer's, with whatever bytes follow.
 */
#include "tests/fuzz/lone_node.h"
#include "tests/fuzz/still_world.h"

#define ACTS_MAX 64
#define SAID_MAX 8192

enum { HAS_TWO_SHARDS = 1, IS_ORDINARY = 2, STOPS = 16, IS_CHECKED = 32, STARVES = 64 };

enum { OPEN, GREET, PROVE, SAY, SAY_RAW, WAIT, CLOSE, SAY_BACK };

static struct lone_kind take_kind(unsigned flags, struct fuzz_input *input)
{
    struct lone_kind kind = {
        .shards = (flags & HAS_TWO_SHARDS) != 0 ? 2 : 1,
        .is_ordinary = (flags & IS_ORDINARY) != 0,
        .tls = (flags >> 2 & 3) == 0   ? PTL_TLS_OFF
               : (flags >> 2 & 3) == 1 ? PTL_TLS_ALLOW
                                       : PTL_TLS_REQUIRE,
    };

    if ((flags & STARVES) != 0) {
        kind.fail_from = fuzz_two_bytes(input);
        kind.fail_count = fuzz_byte(input);
    }
    return kind;
}

static void greet(struct lone_wire *wire, struct fuzz_input *input)
{
    static const char *const framings[] = {"portolan,cbor,json", "cbor", "json", "json,cbor"};
    static const char *const ids[] = {"snow", "alpha", "rain", "zulu"};
    unsigned what = fuzz_byte(input);
    const struct lone_greeting greeting = {
        .framings = framings[what & 3],
        .tls = (what & 4) != 0,
        .incarnation = 2 + (what >> 3 & 1),
        .id = ids[what >> 4 & 3],
        .edits = fuzz_take(input, 3 * (what >> 6)),
    };

    lone_wire_greet(wire, &greeting);
    lone_node_run(50 * SIM_MILLISECOND);
}

static void prove(struct lone_wire *wire)
{
    for (unsigned i = 0; i < 8 && !wire->has_proved && !wire->is_over; i++) {
        lone_wire_prove(wire);
        lone_node_run(50 * SIM_MILLISECOND);
    }
}

static void say(struct lone_wire *wire, struct fuzz_input *input, bool raw)
{
    size_t size = fuzz_two_bytes(input) % SAID_MAX;
    struct fuzz_cuts cuts = fuzz_cuts(fuzz_byte(input));

    lone_wire_say(wire, fuzz_take(input, size), cuts, raw);
    lone_node_run(SIM_MILLISECOND);
}

static void act(struct fuzz_input *input)
{
    unsigned what = fuzz_byte(input);
    struct lone_wire *wire = lone_wire(what >> 3);

    switch (what & 7) {
    case OPEN:
        lone_wire_open(wire);
        break;
    case GREET:
        greet(wire, input);
        break;
    case PROVE:
        prove(wire);
        break;
    case SAY:
    case SAY_RAW:
        say(wire, input, (what & 7) == SAY_RAW);
        break;
    case WAIT: /* 1 ms to 16 s */
        lone_node_run(SIM_MILLISECOND << 2 * (what >> 5));
        break;
    case CLOSE:
        lone_wire_close(wire);
        break;
    case SAY_BACK:
        lone_wire_say(wire, ptl_buffer_span(&wire->said), fuzz_cuts(0), true);
        lone_node_run(50 * SIM_MILLISECOND);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    unsigned flags = fuzz_byte(&input);
    struct lone_kind kind = take_kind(flags, &input);

    (void)still_world_context(); /* made once, not in the first run that needs it */
    lone_node_begin(&kind);
    for (unsigned i = 0; lone_node() != NULL && i < ACTS_MAX && !fuzz_is_empty(&input); i++) {
        act(&input);
    }
    if (lone_node() != NULL && kind.fail_count == 0 && (flags & IS_CHECKED) != 0) {
        lone_node_check();
    }
    lone_node_end((flags & (STOPS | STARVES)) == STOPS);
    return 0;
}
