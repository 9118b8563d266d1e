#include "tests/fuzz/lone_node.h"

#include "engine/node/node.h"
#include "engine/node/stop.h"
#include "io/cbor.h"
#include "io/hash.h"
#include "tests/fuzz/lone_program.h"
#include "tests/fuzz/still_world.h"

#include <stdio.h>
#include <stdlib.h>

#define ADDRESS "10.0.0.1:4040"
#define SECRET "a secret of enough bytes"
#define MESSAGE_MAX 65536
#define LOG_LINE_MAX 2048
#define TURNS_MAX 20000 /* of one run of an input: more is a node that does not come to rest */
#define HELD_MAX ((size_t)64 << 20)

static struct {
    struct sim_network *network;
    struct sim_host *host, *others;
    struct sim_maker maker;
    struct ptl_allocator allocator;
    struct ptl_node *node;
    struct lone_kind kind;
    size_t bytes;
    unsigned requests; /* for memory */
    unsigned turns;
    bool is_stopping;
    uint64_t due[PTL_SHARDS_MAX];
} lone;

/* ---- What the node is given ---------------------------------------------------------------- */

static bool starves(void)
{
    unsigned at = ++lone.requests;

    return lone.kind.fail_count != 0 && at >= lone.kind.fail_from &&
           at - lone.kind.fail_from < lone.kind.fail_count;
}

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    (void)user;
    if (new_size == 0) {
        free(block);
        lone.bytes -= old_size;
        return NULL;
    }
    void *moved = new_size > old_size && starves() ? NULL : realloc(block, new_size);
    if (moved != NULL) {
        lone.bytes += new_size - old_size;
        ptl_assert(lone.bytes < HELD_MAX);
    }
    return moved;
}

/* Whatever others have called themselves, a line is one and moves no cursor. */
static void check_line(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level;
    ptl_assert(strlen(line) <= LOG_LINE_MAX);
    for (const char *at = line; *at != '\0'; at++) {
        ptl_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
    }
}

static struct ptl_node_options options_of(const struct lone_kind *kind)
{
    return (struct ptl_node_options){
        .size = sizeof(struct ptl_node_options),
        .id = "rain",
        .secret = SECRET,
        .secret_size = sizeof SECRET - 1,
        .shards = kind->shards,
        .ordinary = kind->is_ordinary,
        .log = check_line,
        .log_level = PTL_LOG_DEBUG,
        .allocator = &lone.allocator,
        .loops = &lone.maker.maker,
        .message_bytes_max = MESSAGE_MAX,
        .port_room = 4096,
        .link_room = 32768,
        .inbox_room = 65536,
        .ring_bytes = 16384,
        .half_open_max = 64,
        .db_entries_max = 200,
        .db_owners_max = 8,
        .db_brought_max = 300,
        .globals_max = 8,
        .db_watches_max = 20,
        .spawned_max = 10,
        .spawn_rate = 8,
        .tls = kind->tls,
        .tls_pair = kind->tls == PTL_TLS_OFF ? NULL : (const char *)still_world_pair().bytes,
    };
}

void lone_node_begin(const struct lone_kind *kind)
{
    static const char *const binds[] = {ADDRESS, NULL};

    ptl_hash_fix(1);
    still_world_begin();
    memset(&lone, 0, sizeof lone);
    lone.kind = *kind;
    lone.allocator.resize = resize;
    lone.network = sim_network_make(1);
    ptl_assert(lone.network != NULL);
    lone.host = sim_host_add(lone.network, "rain");
    lone.others = sim_host_add(lone.network, "others");
    sim_maker_init(&lone.maker, lone.host);
    struct ptl_node_options options = options_of(kind);
    options.binds = binds;
    int err = ptl_node_make(&options, &lone.node);
    if (err < 0) {
        ptl_assert(err == PTL_ENOMEM && kind->fail_count != 0);
        lone.node = NULL;
        return;
    }
    lone_program_start(lone.node);
    for (unsigned i = 0; i < ptl_node_shards(lone.node); i++) {
        if (ptl_node_open_shard(lone.node, i) < 0) {
            ptl_assert(kind->fail_count != 0);
            ptl_node_crash(lone.node);
            lone.node = NULL;
            return;
        }
    }
}

struct ptl_node *lone_node(void)
{
    return lone.node;
}

/* ---- Time ---------------------------------------------------------------------------------- */

/* Give each shard with something to do a turn.  When the next one is due; 0: now. */
static uint64_t turn_all(void)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; lone.node != NULL && i < ptl_node_shards(lone.node); i++) {
        if (sim_loop_ready(sim_maker_loop(&lone.maker, i)) ||
            lone.due[i] <= sim_network_now(lone.network)) {
            ptl_node_turn(lone.node, i);
            ptl_assert(++lone.turns < TURNS_MAX);
            lone.due[i] = ptl_node_next(lone.node, i);
            sim_network_pass(lone.network, 1000);
            next = 0;
        } else if (lone.due[i] < next) {
            next = lone.due[i];
        }
    }
    return next;
}

static void listen_all(void);

/* Then nobody gives it turns any more. */
static bool has_stopped(void)
{
    return lone.is_stopping && ptl_node_stop_done(lone.node);
}

void lone_node_run(uint64_t duration)
{
    uint64_t until = sim_network_now(lone.network) + duration;

    while (sim_network_now(lone.network) < until && !has_stopped()) {
        uint64_t due = turn_all();
        uint64_t now = sim_network_now(lone.network), event = sim_network_next(lone.network);
        due = due < until ? due : until;
        if (event <= due || event <= now) {
            sim_network_advance(lone.network);
        } else if (due > now) {
            sim_network_pass(lone.network, due - now);
        }
        listen_all();
    }
}

/* ---- Wires: what comes --------------------------------------------------------------------- */

static struct lone_wire wires[LONE_WIRES + 1]; /* the last one is lone_node_check()'s */

struct lone_wire *lone_wire(unsigned number)
{
    return &wires[number % LONE_WIRES];
}

/* Whatever the node has heard, what it says is right. */
static void take_packets(struct lone_wire *wire, struct ptl_span bytes)
{
    bool in_frames = ptl_handshake_peer(&wire->handshake)->receive_framing == PTL_FRAMING_FRAMES;
    struct ptl_packet packet;
    int got = 1;

    while (got > 0 && bytes.size > 0) {
        got = in_frames ? ptl_frames_in_next(&wire->frames, &bytes, &packet)
                        : ptl_decoder_next(&wire->decoder, &bytes, &packet);
        wire->heard += got > 0 && ptl_span_equal(packet.name, ptl_span_text("r"));
        ptl_assert(got <= 0 || packet.oddity == 0);
    }
    if (got < 0) {
        ptl_assert(in_frames && (got == PTL_EGOODBYE || wire->frames.fault == 0));
        wire->is_over = true;
    }
}

static void begin_packets(struct lone_wire *wire)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&wire->handshake);

    wire->is_up = true;
    if (peer->receive_framing == PTL_FRAMING_FRAMES) {
        ptl_frames_in_init(&wire->frames, ptl_allocator_libc(), wire->incarnation,
                           peer->incarnation, 2 * MESSAGE_MAX);
    } else {
        ptl_decoder_init(&wire->decoder, ptl_allocator_libc(),
                         (enum ptl_framing)peer->receive_framing, 2 * MESSAGE_MAX);
    }
}

static void begin_tls(struct lone_wire *wire)
{
    enum ptl_tls_role role =
        ptl_handshake_is_tls_client(&wire->handshake) ? PTL_TLS_CLIENT : PTL_TLS_SERVER;

    ptl_assert(ptl_tls_make(ptl_allocator_libc(), still_world_context(), role, PTL_TLS_MUST_PROVE,
                            ptl_span(NULL, 0), &wire->tls) == 0);
}

static bool wants_tls(const struct lone_wire *wire)
{
    return ptl_handshake_state(&wire->handshake) == PTL_HANDSHAKE_PROOF &&
           ptl_handshake_peer(&wire->handshake)->tls && wire->tls == NULL;
}

/* Lines, as long as there are whole ones and none ends the opening or begins TLS. */
static void take_lines(struct lone_wire *wire)
{
    struct ptl_span left = ptl_buffer_span(&wire->in);
    int used = 1;

    while (used > 0 && ptl_handshake_state(&wire->handshake) < PTL_HANDSHAKE_UP &&
           !wants_tls(wire)) {
        used = ptl_handshake_feed(&wire->handshake, left);
        left = ptl_span_skip(left, used > 0 ? (size_t)used : 0);
    }
    wire->is_over = wire->is_over || used < 0;
    memmove(wire->in.bytes, left.bytes, left.size);
    wire->in.size = left.size;
}

/* What the node has said in the clear, or inside TLS. */
static void take_plain(struct lone_wire *wire, struct ptl_span bytes)
{
    if (wire->is_over || bytes.size == 0) {
        return;
    }
    if (!wire->is_up) {
        ptl_buffer_append(&wire->in, bytes.bytes, bytes.size);
        take_lines(wire);
        bytes = ptl_span(NULL, 0);
        if (!wire->is_over && ptl_handshake_state(&wire->handshake) == PTL_HANDSHAKE_UP) {
            begin_packets(wire);
            bytes = ptl_buffer_span(&wire->in);
        }
    }
    if (wire->is_up) {
        take_packets(wire, bytes);
    }
}

static void write_some(struct lone_wire *wire, struct ptl_span bytes)
{
    while (bytes.size > 0 && sim_end_state(wire->end) == 0 && sim_end_room(wire->end) > 0) {
        size_t room = sim_end_room(wire->end);
        size_t size = bytes.size < room ? bytes.size : room;
        sim_end_write(wire->end, ptl_span(bytes.bytes, size));
        bytes = ptl_span_skip(bytes, size);
    }
}

static void take_sealed(struct lone_wire *wire, struct ptl_span bytes)
{
    static uint8_t plain[PTL_TLS_RECORD];
    struct ptl_buffer out;
    int size;

    ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX);
    do {
        size = ptl_tls_open(wire->tls, &bytes, plain, sizeof plain, &out);
        if (ptl_tls_state(wire->tls) == PTL_TLS_UP && ptl_tls_is_verified(wire->tls) &&
            ptl_handshake_state(&wire->handshake) == PTL_HANDSHAKE_PROOF) {
            ptl_handshake_take_tls(&wire->handshake, true);
        }
        take_plain(wire, ptl_span(plain, size > 0 ? (size_t)size : 0));
    } while (size > 0);
    wire->is_over = wire->is_over || size < 0;
    write_some(wire, ptl_buffer_span(&out));
    ptl_buffer_drop(&out);
}

static void take(struct lone_wire *wire, struct ptl_span bytes)
{
    if (wire->is_over || !wire->has_greeted) {
        return;
    }
    if (wire->tls != NULL) {
        take_sealed(wire, bytes);
        return;
    }
    take_plain(wire, bytes);
    if (!wire->is_over && wants_tls(wire)) {
        begin_tls(wire);
        bytes = ptl_buffer_span(&wire->in);
        wire->in = (struct ptl_buffer){.allocator = ptl_allocator_libc(), .size_max = SIZE_MAX};
        take_sealed(wire, bytes);
        ptl_free(ptl_allocator_libc(), (void *)bytes.bytes, bytes.size);
    }
}

static void listen_all(void)
{
    for (unsigned i = 0; i <= LONE_WIRES; i++) {
        struct lone_wire *wire = &wires[i];
        while (wire->end != NULL && sim_end_peek(wire->end).size > 0) {
            struct ptl_span come = sim_end_peek(wire->end);
            if (wire->said.size < PTL_HANDSHAKE_LINE_MAX) {
                ptl_buffer_append(&wire->said, come.bytes, come.size);
            }
            take(wire, come);
            sim_end_consume(wire->end, come.size);
        }
    }
}

/* ---- Wires: what is said ------------------------------------------------------------------- */

void lone_wire_open(struct lone_wire *wire)
{
    const struct ptl_address address = {.text = ADDRESS};

    lone_wire_close(wire);
    ptl_buffer_init(&wire->in, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_init(&wire->said, ptl_allocator_libc(), SIZE_MAX);
    ptl_assert(sim_end_connect(lone.others, &address, NULL, NULL, &wire->end) == 0);
    for (unsigned i = 0; i < 200 && sim_end_state(wire->end) == SIM_CONNECTING; i++) {
        lone_node_run(SIM_MILLISECOND);
    }
}

void lone_wire_close(struct lone_wire *wire)
{
    if (wire->end == NULL) {
        return;
    }
    sim_end_close(wire->end);
    ptl_handshake_drop(&wire->handshake);
    ptl_tls_free(wire->tls);
    ptl_buffer_drop(&wire->in);
    ptl_buffer_drop(&wire->said);
    if (wire->is_up) {
        ptl_decoder_drop(&wire->decoder);
        ptl_frames_in_drop(&wire->frames);
    }
    *wire = (struct lone_wire){.end = NULL};
}

static void edit(uint8_t *lines, size_t size, struct ptl_span edits)
{
    struct fuzz_input input = fuzz_input(edits.bytes, edits.size);

    while (!fuzz_is_empty(&input)) {
        size_t at = fuzz_two_bytes(&input) % size;
        lines[at] ^= (uint8_t)fuzz_byte(&input);
    }
}

void lone_wire_greet(struct lone_wire *wire, const struct lone_greeting *greeting)
{
    struct ptl_handshake_options options = {
        .node_id = ptl_span_text(greeting->id),
        .secret = ptl_span_text(SECRET),
        .framings = ptl_span_text(greeting->framings),
        .provider = ptl_span_text("fuzz"),
        .incarnation = greeting->incarnation,
        .features = 3,
        .message_bytes_max = MESSAGE_MAX,
        .frames = {.version = 1,
                   .lanes = 1,
                   .flows = 64,
                   .flow_room = 32768,
                   .lane_room = 65536,
                   .silence_ms = 2000},
        .tls = greeting->tls,
    };
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];
    uint8_t lines[2 * PTL_HANDSHAKE_LINE_MAX];

    if (wire->end == NULL || wire->has_greeted) {
        return;
    }
    memset(nonce, greeting->incarnation & 1 ? 0xff : 0, sizeof nonce);
    ptl_assert(ptl_handshake_init(&wire->handshake, ptl_allocator_libc(), &options,
                                  ptl_span(nonce, sizeof nonce), ptl_span_text(ADDRESS)) == 0);
    struct ptl_span said = ptl_handshake_greeting(&wire->handshake);
    memcpy(lines, said.bytes, said.size);
    edit(lines, said.size, greeting->edits);
    ptl_handshake_drop(&wire->handshake);
    ptl_assert(ptl_handshake_init_lines(&wire->handshake, ptl_allocator_libc(), &options,
                                        ptl_span(lines, said.size)) == 0);
    wire->has_greeted = true;
    wire->incarnation = greeting->incarnation;
    write_some(wire, ptl_handshake_greeting(&wire->handshake));
    struct ptl_buffer come = wire->said; /* what the node has said before */
    ptl_buffer_init(&wire->said, ptl_allocator_libc(), SIZE_MAX);
    take(wire, ptl_buffer_span(&come));
    ptl_buffer_drop(&wire->said);
    wire->said = come;
}

void lone_wire_say(struct lone_wire *wire, struct ptl_span bytes, struct fuzz_cuts cuts, bool raw)
{
    struct ptl_buffer sealed;
    unsigned pieces = 0;

    if (wire->end == NULL) {
        return;
    }
    ptl_buffer_init(&sealed, ptl_allocator_libc(), SIZE_MAX);
    while (bytes.size > 0) {
        size_t size = ++pieces < 64 ? fuzz_cut(&cuts, bytes.size) : bytes.size;
        struct ptl_span piece = ptl_span(bytes.bytes, size);
        if (wire->tls != NULL && !raw && ptl_tls_state(wire->tls) == PTL_TLS_UP) {
            ptl_assert(ptl_tls_seal(wire->tls, piece, &sealed) == 0);
            piece = ptl_buffer_span(&sealed);
        }
        write_some(wire, piece);
        ptl_buffer_clear(&sealed);
        bytes = ptl_span_skip(bytes, size);
    }
    ptl_buffer_drop(&sealed);
}

void lone_wire_prove(struct lone_wire *wire)
{
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];
    bool seals = wire->tls != NULL && ptl_tls_state(wire->tls) == PTL_TLS_UP;

    if (wire->end == NULL || wire->has_proved || !wire->has_greeted || wire->is_over ||
        ptl_handshake_state(&wire->handshake) < PTL_HANDSHAKE_PROOF ||
        ptl_handshake_peer(&wire->handshake)->tls != seals) {
        return;
    }
    int size = ptl_handshake_prove(&wire->handshake, 1, line);
    ptl_assert(size > 0);
    wire->has_proved = true;
    lone_wire_say(wire, ptl_span(line, (size_t)size), fuzz_cuts(0), false);
}

/* ---- The end ------------------------------------------------------------------------------- */

static void ask_time(struct lone_wire *wire)
{
    static const char id[] = "well-meaning-7e1d#r";
    struct ptl_buffer body, out;

    ptl_buffer_init(&body, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX);
    ptl_cbor_put_string(&body, PTL_CBOR_TEXT, ptl_span_text("time"));
    ptl_cbor_put_string(&body, PTL_CBOR_TEXT, ptl_span_text(id));
    ptl_assert(ptl_packet_encode(PTL_FRAMING_CBOR, &out, ptl_span(NULL, 0), ptl_buffer_span(&body),
                                 2) == 0);
    lone_wire_say(wire, ptl_buffer_span(&out), fuzz_cuts(0), false);
    ptl_buffer_drop(&body);
    ptl_buffer_drop(&out);
}

void lone_node_check(void)
{
    struct lone_wire *wire = &wires[LONE_WIRES];
    const struct lone_greeting greeting = {
        .id = "well-meaning-7e1d",
        .framings = "cbor",
        .incarnation = 99,
        .tls = lone.kind.tls == PTL_TLS_REQUIRE,
    };

    lone_wire_open(wire);
    lone_wire_greet(wire, &greeting);
    for (unsigned i = 0; i < 20 && !wire->is_up; i++) {
        lone_node_run(100 * SIM_MILLISECOND);
        lone_wire_prove(wire);
    }
    ptl_assert(wire->is_up);
    ask_time(wire);
    for (unsigned i = 0; i < 20 && wire->heard == 0; i++) {
        lone_node_run(100 * SIM_MILLISECOND);
    }
    ptl_assert(wire->heard > 0);
    lone_wire_close(wire);
}

static void stop(void)
{
    lone.is_stopping = true;
    ptl_node_stop_begin(lone.node, 1000);
    lone_node_run(20 * SIM_SECOND);
    ptl_assert(has_stopped());
    ptl_node_free(lone.node);
}

void lone_node_end(bool stops)
{
    if (lone.node != NULL && stops) {
        stop();
    } else if (lone.node != NULL) {
        ptl_node_crash(lone.node);
    }
    for (unsigned i = 0; i <= LONE_WIRES; i++) {
        lone_wire_close(&wires[i]);
    }
    sim_maker_drop(&lone.maker);
    sim_network_free(lone.network);
    ptl_assert(lone.bytes == 0);
}
