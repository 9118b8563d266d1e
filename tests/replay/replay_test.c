/*
 * Real nodes were recorded talking to each other.  Here a node of ours takes the part of one of
 * them and the test that of the other: what ours says must mean what the real one said.
 *
 *   the recorded client speaks:   its very packets --> our node, with the same ports and programs
 *   the recorded server speaks:   our node, whose program does what the real one did --> requests
 *
 * The global protocol (g_*) is part of what is sent; nothing is expected of it but patience.
 */
#include "engine/portolan.h"
#include "tests/common/listener.h"
#include "tests/peer/stage.h"
#include "tests/peer/values.h"
#include "tests/replay/meaning.h"
#include "tests/replay/wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RECORDINGS 33 /* 4 and 29 */

/* How a recording is played. */
static void keep_quiet(void *data, enum ptl_log_level level, const char *line)
{
    if (getenv("REPLAY_LOG") != NULL) {
        fprintf(stderr, "%d %s\n", (int)level, line);
    }
    (void)data;
}

/* A node that takes the part of `side`. */
static struct ptl_node *start_node(const char *secret, const struct recorded_side *side,
                                   unsigned shards, const char *seed)
{
    const char *const binds[] = {"127.0.0.1:0", NULL};
    const char *const seeds[] = {seed, NULL};
    const struct ptl_node_options options = {
        .size = sizeof options,
        .id = side->node_id,
        .binds = seed == NULL ? binds : NULL,
        .seeds = seeds,
        .secret = secret,
        .secret_size = strlen(secret),
        .framings = side->framings,
        .shards = shards,
        .log_level = PTL_LOG_DEBUG,
        .log = keep_quiet,
    };
    struct ptl_node *node;

    assert_int_equal(ptl_node_start(&options, &node), 0);
    return node;
}

static struct wire_opening opening_of(const struct recording *recording, enum recorded_end end)
{
    const struct recorded_side *side = &recording->sides[end];

    return (struct wire_opening){
        .node_id = side->node_id,
        .secret = recording->secret,
        .framings = side->framings,
        .lines = side->lines,
        .third = strncmp(side->third, "cleartext;", 10) == 0 ? side->third : NULL,
    };
}

/* Open it as the recorded end did; the framings that the two chose must be those of then. */
static void open_as(struct wire *wire, int socket, const struct recording *recording,
                    enum recorded_end end, struct sim_random *cuts)
{
    const struct wire_opening opening = opening_of(recording, end);
    enum recorded_end other = end == RECORDED_CLIENT ? RECORDED_SERVER : RECORDED_CLIENT;

    wire_open(wire, socket, &opening, cuts);
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&wire->handshake);
    assert_true(ptl_span_equal(peer->node_id, ptl_span_text(recording->sides[other].node_id)));
    assert_int_equal(wire->framing, recording->sides[end].framing);
    assert_int_equal(peer->receive_framing, recording->sides[other].framing);
}

/* The link is up, and all that was said before has been taken. */
static void fence(struct wire *wire, const char *self)
{
    char json[256];

    snprintf(json, sizeof json, "[\"\",\"time\",\"%s#fence\",\"fence\"]", self);
    wire_say(wire, json);
    (void)wire_wait(wire, "fence");
}

/* ---- The recorded client speaks -------------------------------------------------------------- */

/* Whether an answer of the recorded server's tells us nothing about ours. */
static bool beyond_us(const struct packet *packet)
{
    /* A function of the Perl program was called by its name. */
    return meaning_none(packet) || (packet->name_size > 0 && ptl_msg_is(packet->msg, "sum"));
}

/* A packet in another list, which does not own it. */
static void list_add(struct packets *list, const struct packet *packet)
{
    list->at = realloc(list->at, (list->count + 1) * sizeof *list->at);
    assert_non_null(list->at);
    list->at[list->count++] = *packet;
}

static bool said_before(const struct packets *list, const struct packet *packet)
{
    for (size_t i = 0; i < list->count; i++) {
        if (meaning_ordered(&list->at[i], packet) &&
            meaning_same_values(list->at[i].msg, packet->msg)) {
            return true;
        }
    }
    return false;
}

/*
 * What came from our node, without what it may say as often as it likes: how long it monitors one
 * port of ours is its own affair, as long as it does when it should.
 */
static struct packets meant(const struct packets *got)
{
    struct packets list = {0};

    for (size_t i = 0; i < got->count; i++) {
        const struct packet *packet = &got->at[i];
        bool again = packet_requests(packet, "mon1") && said_before(&list, packet);
        if (!meaning_none(packet) && !again && !packet_requests(packet, "mon0") &&
            strcmp(packet->name, "fence") != 0) {
            list_add(&list, packet);
        }
    }
    return list;
}

static void wait_for(struct wire *wire, const struct packets *expected)
{
    int64_t until_ms = wire_patience();

    for (;;) {
        struct packets list = meant(&wire->got);
        free(list.at);
        if (list.count >= expected->count || !wire_take(wire, until_ms)) {
            return; /* what is missing is found when the two are compared */
        }
    }
}

/* What the real node's program did by itself; the peer has its port killed to the same effect. */
static void cue(struct wire *wire, const struct packet *packet)
{
    if (packet_requests(packet, "kil0") &&
        ptl_span_equal(packet_string(packet, 2), ptl_span_text("some"))) {
        wire_say(wire, "[\"\",\"kil1\",\"target\",\"some\",\"reason\",42]");
    }
}

static int64_t sunk(struct wire *wire, const char *self)
{
    char json[256];
    int64_t count;

    snprintf(json, sizeof json, "[\"sink\",\"count\",\"%s#sunk\"]", self);
    wire_say(wire, json);
    const struct packet *answer = wire_wait(wire, "sunk");
    assert_int_equal(ptl_msg_read(NULL, answer->msg, "i.", &count), 0);
    wire_forget(wire);
    return count;
}

/* No node monitors a port a second time before it was told of its end. */
static bool monitors_again(const struct packet *packet, const struct packets *expected)
{
    for (size_t i = 0; packet_requests(packet, "mon1") && i < expected->count; i++) {
        if (packet_requests(&expected->at[i], "kil0") &&
            meaning_ordered(&expected->at[i], packet)) {
            return true;
        }
    }
    return false;
}

/* Say what the client said; collect what the server answered. */
static void speak(struct wire *wire, const struct recording *recording, bool in_turn,
                  struct packets *expected)
{
    const struct packets *packets = &recording->packets;

    for (size_t i = 0; i < packets->count; i++) {
        const struct packet *packet = &packets->at[i];
        struct ptl_span raw = packet->raw;
        bool wait = in_turn;
        if (packet->from == RECORDED_SERVER) {
            if (!beyond_us(packet)) {
                cue(wire, packet);
                list_add(expected, packet);
            }
            continue;
        }
        for (; i + 1 < packets->count && packets->at[i + 1].from == RECORDED_CLIENT; i++) {
            raw.size += packets->at[i + 1].raw.size;
            wait = wait || monitors_again(&packets->at[i], expected);
        }
        if (wait || monitors_again(&packets->at[i], expected)) {
            wait_for(wire, expected);
        }
        wire_send(wire, raw);
    }
    wait_for(wire, expected);
}

static void play_client(const struct recording *recording, void *data)
{
    const struct manner *manner = data;
    const char *self = recording->sides[RECORDED_CLIENT].node_id;
    const char *other = recording->sides[RECORDED_SERVER].node_id;
    struct ptl_node *node =
        start_node(recording->secret, &recording->sides[RECORDED_SERVER], manner->shards, NULL);
    struct packets expected = {0};
    struct wire wire;

    assert_int_equal(peer_stage_make(node), 0);
    open_as(&wire, wire_dial(ptl_node_address(node, 0)), recording, RECORDED_CLIENT, manner->cuts);
    int64_t sunk_before = sunk(&wire, self);
    speak(&wire, recording, manner->in_turn, &expected);
    fence(&wire, self);
    struct packets got = meant(&wire.got);
    meaning_compare(recording->name, &expected, &got, other, manner->in_turn);
    int64_t sunk_by_it = sunk(&wire, self) - sunk_before;
    assert_int_equal(sunk_by_it, strstr(recording->name, "burst") != NULL ? 1000 : 0);
    wire_part(&wire);
    assert_int_equal(ptl_node_stop(node, 5000), 0);
    free(expected.at);
    free(got.at);
    wire_close(&wire);
}

static void play_clients(unsigned shards, bool in_turn, uint64_t seed)
{
    struct manner manner = {.shards = shards, .in_turn = in_turn};

    assert_int_equal(recordings_play(play_client, manner, seed), RECORDINGS);
}

static void recorded_clients_get_the_same_answers_from_one_shard(void **state)
{
    (void)state;
    play_clients(1, true, 0);
}

static void recorded_clients_get_the_same_answers_from_four_shards(void **state)
{
    (void)state;
    play_clients(4, true, 0);
}

static void recorded_clients_cut_anywhere_get_the_same_answers(void **state)
{
    (void)state;
    play_clients(1, true, 1);
    play_clients(4, true, 2);
}

static void recorded_clients_that_wait_for_nothing_get_the_same_answers(void **state)
{
    (void)state;
    play_clients(1, false, 0);
    play_clients(4, false, 0);
    play_clients(4, false, 3);
}

/* ---- The recorded server speaks -------------------------------------------------------------- */

/* What our node's program was told: messages under its ports' names, deaths as "gone NAME". */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct packets told;
} journal = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void journal_add(const char *name, const struct ptl_msg *msg)
{
    const struct ptl_packet packet = {
        .name = ptl_span_text(name),
        .body = ptl_msg_body(msg),
        .count = msg->count,
    };

    pthread_mutex_lock(&journal.lock);
    packets_add(&journal.told, &packet);
    pthread_cond_signal(&journal.changed);
    pthread_mutex_unlock(&journal.lock);
}

/* Wait until so much was told; if it never is, the comparison says what is missing. */
static void journal_wait(size_t count)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_WAIT_MS / 1000;
    pthread_mutex_lock(&journal.lock);
    while (journal.told.count < count &&
           pthread_cond_timedwait(&journal.changed, &journal.lock, &until) == 0) {
    }
    pthread_mutex_unlock(&journal.lock);
}

static int hear(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    journal_add(data, msg);
    return PTL_OK;
}

/* A port of the other node, as it was called then and as it is now: we choose spawned names. */
struct known_port {
    char recorded[64];
    char ours[64];
    char gone[80];
    struct ptl_monitor monitor;
    bool monitored; /* by our program, which was not told yet */
};

struct program {
    const struct recording *recording;
    struct ptl_node *node;
    struct wire wire;
    struct known_port ports[64];
    unsigned port_count;
    struct packets requests; /* what the other end is to get */
    struct packets tidings;  /* what the program is to be told */
};

static struct known_port *port_of(struct program *program, struct ptl_span name)
{
    for (unsigned i = 0; i < program->port_count; i++) {
        if (ptl_span_equal(ptl_span_text(program->ports[i].recorded), name)) {
            return &program->ports[i];
        }
    }
    assert_true(program->port_count < 64 && name.size < 64);
    struct known_port *port = &program->ports[program->port_count++];
    memcpy(port->recorded, name.bytes, name.size); /* all zero behind it */
    memcpy(port->ours, name.bytes, name.size);
    memcpy(port->gone, "gone ", 5);
    memcpy(port->gone + 5, name.bytes, name.size);
    return port;
}

/* The port of that name at the recorded end. */
static struct ptl_port at_end(const struct program *program, enum recorded_end end,
                              const char *name)
{
    struct ptl_port port;
    char id[256];

    int size = snprintf(id, sizeof id, "%s#%s", program->recording->sides[end].node_id, name);
    assert_int_equal(ptl_port_parse(program->node, id, (size_t)size, &port), 0);
    return port;
}

static bool names_a_port(const struct packet *packet)
{
    static const char *const requests[] = {"mon1", "mon0", "kil0", "kil1", "AnyEvent::MP::_spawn"};

    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (packet_requests(packet, requests[i])) {
            return true;
        }
    }
    return false;
}

/* A recorded packet with the names of now. */
static void renamed(struct program *program, const struct packet *packet, struct packets *to)
{
    struct ptl_cursor cursor = ptl_msg_begin(packet->msg);
    struct ptl_writer writer;
    uint32_t count = packet->msg->count;

    ptl_writer_init(&writer, NULL);
    if (names_a_port(packet)) {
        const char *name = port_of(program, packet_string(packet, 1))->ours;
        (void)peer_put_values(&writer, &cursor, 1);
        ptl_put_text(&writer, name, strlen(name));
        (void)ptl_skip(&cursor);
        count -= 2;
    }
    assert_int_equal(peer_put_values(&writer, &cursor, count), 0);
    struct ptl_span name = ptl_span(packet->name, packet->name_size);
    const struct ptl_packet made = {
        .name = name.size == 0 ? name : ptl_span_text(port_of(program, name)->ours),
        .body = ptl_writer_body(&writer),
        .count = writer.count,
    };
    packets_add(to, &made);
    ptl_writer_drop(&writer);
}

static int tell_gone(struct ptl_node *node, const struct ptl_port *port,
                     const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    journal_add(data, reason);
    return 0;
}

/* The values from the `skip`th on.  Owns: the caller. */
static struct ptl_msg *rest_of(const struct program *program, const struct packet *packet,
                               uint32_t skip)
{
    struct ptl_msg *rest;

    assert_int_equal(peer_rest_of(program->node, NULL, packet->msg, skip, &rest), 0);
    return rest;
}

static void do_spawn(struct program *program, const struct packet *packet, struct known_port *known)
{
    struct ptl_msg *values = rest_of(program, packet, 3);
    struct ptl_span function = packet_string(packet, 2);
    struct ptl_port port;
    char name[64];

    snprintf(name, sizeof name, "%.*s", (int)function.size, (const char *)function.bytes);
    assert_int_equal(ptl_spawn(program->node, program->recording->sides[RECORDED_SERVER].node_id,
                               name, values, &port),
                     0);
    snprintf(known->ours, sizeof known->ours, "%s", strchr(ptl_port_id(&port), '#') + 1);
    ptl_msg_free(values);
}

static void do_kill(struct program *program, const struct packet *packet,
                    const struct known_port *known)
{
    struct ptl_port port = at_end(program, RECORDED_SERVER, known->ours);
    struct ptl_msg *reason = rest_of(program, packet, 2);

    assert_int_equal(ptl_kill(program->node, &port, reason), 0);
    ptl_msg_free(reason);
}

/* A request about one port of the other node, by the function that makes it. */
static void do_request(struct program *program, const struct packet *packet)
{
    struct known_port *known = port_of(program, packet_string(packet, 1));
    struct ptl_port port = at_end(program, RECORDED_SERVER, known->ours);

    if (packet_requests(packet, "mon1")) {
        assert_int_equal(ptl_monitor(program->node, &port, tell_gone, known->gone, &known->monitor),
                         0);
        known->monitored = true;
    } else if (packet_requests(packet, "mon0")) {
        ptl_unmonitor(program->node, &known->monitor);
        known->monitored = false;
    } else if (packet_requests(packet, "kil1")) {
        do_kill(program, packet, known);
    } else {
        assert_true(packet_requests(packet, "AnyEvent::MP::_spawn"));
        do_spawn(program, packet, known);
    }
}

/* Do what the recorded client's program did, so that our node says what the client said. */
static void act(struct program *program, const struct packet *packet)
{
    struct ptl_span name = ptl_span(packet->name, packet->name_size);

    if (meaning_none(packet) || (names_a_port(packet) && packet_string(packet, 1).size == 0)) {
        return; /* monitors on a whole node say nothing on the wire */
    }
    if (names_a_port(packet)) {
        do_request(program, packet);
    } else {
        const char *ours = name.size == 0 ? "" : port_of(program, name)->ours;
        struct ptl_port port = at_end(program, RECORDED_SERVER, ours);
        assert_int_equal(ptl_send(program->node, &port, packet->msg), 0);
    }
    renamed(program, packet, &program->requests);
}

/* Our program must be told that a port of the other node is gone. */
static void expect_gone(struct program *program, struct known_port *known,
                        const struct ptl_msg *reason)
{
    const struct ptl_packet tiding = {
        .name = ptl_span_text(known->gone),
        .body = ptl_msg_body(reason),
        .count = reason->count,
    };

    packets_add(&program->tidings, &tiding);
    known->monitored = false;
}

/* Say what the recorded server said, and note what our program must hear of it. */
static void answer(struct program *program, const struct packet *packet)
{
    if (packet->name_size > 0) {
        renamed(program, packet, &program->tidings);
        wire_send(&program->wire, packet->raw);
    } else if (packet_requests(packet, "kil0")) {
        struct packets kill = {0};
        struct ptl_msg *reason = rest_of(program, packet, 2);
        expect_gone(program, port_of(program, packet_string(packet, 1)), reason);
        ptl_msg_free(reason);
        renamed(program, packet, &kill);
        wire_packet(&program->wire, ptl_span("", 0), kill.at[0].msg);
        packets_drop(&kill);
    } else {
        wire_send(&program->wire, packet->raw);
    }
}

/* The ports that the recorded server sent to. */
static void make_ports(struct program *program)
{
    const struct packets *packets = &program->recording->packets;

    for (size_t i = 0; i < packets->count; i++) {
        const struct packet *packet = &packets->at[i];
        const struct ptl_port_options options = {
            .size = sizeof options,
            .name = packet->name,
            .handler = hear,
            .data = packet->name,
        };
        struct ptl_port port;
        if (packet->from == RECORDED_SERVER && packet->name_size > 0) {
            int err = ptl_port_new(program->node, &options, &port);
            assert_true(err == 0 || err == PTL_EEXIST);
        }
    }
}

static struct packets requested(const struct program *program)
{
    struct packets list = {0};

    for (size_t i = 0; i < program->wire.got.count; i++) {
        const struct packet *packet = &program->wire.got.at[i];
        if (!meaning_none(packet) && strcmp(packet->name, "fence") != 0) {
            list_add(&list, packet);
        }
    }
    return list;
}

static void wait_for_requests(struct program *program)
{
    int64_t until_ms = wire_patience();

    for (;;) {
        struct packets list = requested(program);
        free(list.at);
        if (list.count >= program->requests.count || !wire_take(&program->wire, until_ms)) {
            return;
        }
    }
}

/* The server watched ports of ours: now they end. */
static void end_watched(struct program *program)
{
    const struct packets *packets = &program->recording->packets;

    for (size_t i = 0; i < packets->count; i++) {
        const struct packet *packet = &packets->at[i];
        if (packet->from == RECORDED_CLIENT || !packet_requests(packet, "mon1")) {
            continue;
        }
        struct ptl_span name = packet_string(packet, 1);
        struct packets said = {0};
        struct ptl_msg *msg;
        /* What comes behind the monitor has been heard: so the monitor is there. */
        assert_int_equal(ptl_msg_make(NULL, &msg, "t", "over"), 0);
        const struct ptl_packet last = {
            .name = name, .body = ptl_msg_body(msg), .count = msg->count};
        packets_add(&program->tidings, &last);
        wire_packet(&program->wire, name, msg);
        journal_wait(program->tidings.count);
        const char *text = packets_add(&said, &last)->name;
        struct ptl_port port = at_end(program, RECORDED_CLIENT, text);
        assert_int_equal(ptl_kill(program->node, &port, msg), 0);
        ptl_msg_free(msg);
        assert_int_equal(ptl_msg_make(NULL, &msg, "ttt", "kil0", text, "over"), 0);
        const struct ptl_packet notice = {.body = ptl_msg_body(msg), .count = msg->count};
        packets_add(&program->requests, &notice);
        ptl_msg_free(msg);
        packets_drop(&said);
    }
    wait_for_requests(program);
}

static void converse(struct program *program)
{
    const struct packets *packets = &program->recording->packets;

    for (size_t i = 0; i < packets->count; i++) {
        const struct packet *packet = &packets->at[i];
        if (packet->from == RECORDED_CLIENT) {
            journal_wait(program->tidings.count);
            act(program, packet);
        } else {
            wait_for_requests(program);
            answer(program, packet);
        }
    }
    journal_wait(program->tidings.count);
    wait_for_requests(program);
    end_watched(program);
}

/* What the program monitors still, it is told of when its node stops. */
static void stop(struct program *program)
{
    struct ptl_msg *reason;

    wire_part(&program->wire);
    assert_int_equal(ptl_node_stop(program->node, 5000), 0);
    assert_int_equal(ptl_msg_make(NULL, &reason, "t", "node_stopped"), 0);
    for (unsigned i = 0; i < program->port_count; i++) {
        if (program->ports[i].monitored) {
            expect_gone(program, &program->ports[i], reason);
        }
    }
    ptl_msg_free(reason);
}

static void play_server(const struct recording *recording, void *data)
{
    const struct manner *manner = data;
    struct program *program = calloc(1, sizeof *program);
    char address[32];
    int listener = listener_open(address);

    assert_non_null(program);
    program->recording = recording;
    program->node =
        start_node(recording->secret, &recording->sides[RECORDED_CLIENT], manner->shards, address);
    make_ports(program);
    open_as(&program->wire, wire_accept(listener), recording, RECORDED_SERVER, manner->cuts);
    fence(&program->wire, recording->sides[RECORDED_SERVER].node_id);
    converse(program);
    fence(&program->wire, recording->sides[RECORDED_SERVER].node_id);
    struct packets got = requested(program);
    meaning_compare(recording->name, &program->requests, &got, NULL, true);
    stop(program);
    meaning_compare(recording->name, &program->tidings, &journal.told, NULL, true);
    free(got.at);
    packets_drop(&program->requests);
    packets_drop(&program->tidings);
    packets_drop(&journal.told);
    wire_close(&program->wire);
    close(listener);
    free(program);
}

static void play_servers(unsigned shards, uint64_t seed)
{
    struct manner manner = {.shards = shards};

    assert_int_equal(recordings_play(play_server, manner, seed), RECORDINGS);
}

static void recorded_servers_get_the_same_requests_from_one_shard(void **state)
{
    (void)state;
    play_servers(1, 0);
}

static void recorded_servers_get_the_same_requests_from_four_shards(void **state)
{
    (void)state;
    play_servers(4, 0);
}

static void recorded_servers_cut_anywhere_get_the_same_requests(void **state)
{
    (void)state;
    play_servers(1, 4);
    play_servers(4, 5);
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_clients_get_the_same_answers_from_one_shard),
        cmocka_unit_test(recorded_clients_get_the_same_answers_from_four_shards),
        cmocka_unit_test(recorded_clients_cut_anywhere_get_the_same_answers),
        cmocka_unit_test(recorded_clients_that_wait_for_nothing_get_the_same_answers),
        cmocka_unit_test(recorded_servers_get_the_same_requests_from_one_shard),
        cmocka_unit_test(recorded_servers_get_the_same_requests_from_four_shards),
        cmocka_unit_test(recorded_servers_cut_anywhere_get_the_same_requests),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
