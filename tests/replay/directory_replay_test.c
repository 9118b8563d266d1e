/*
 * The database as real nodes were recorded sharing it: a node of ours takes the part of one of
 * them, the test that of the other, and what ours says in the global protocol must come to the
 * same as what the real one said.
 *
 *   the recorded client speaks:   its very packets --> our node, with the guests of then around it
 *   the recorded server speaks:   our node, whose program sets, asks and watches --> requests
 *
 * Compared is what the packets come to (tests/replay/database.h), whenever the other end goes on
 * to speak.  Ours may say things in other packets, and less often.
 */
#include "engine/portolan.h"
#include "tests/common/listener.h"
#include "tests/peer/stage.h"
#include "tests/replay/guests.h"
#include "tests/replay/meaning.h"
#include "tests/replay/program.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORDINGS 33 /* 4 and 29 */

/* How a recording is played. */
/* ---- One recording -------------------------------------------------------------------------- */

struct play {
    const struct recording *recording;
    enum recorded_end ours, theirs;
    const char *our_id, *their_id;
    struct ptl_node *node;
    struct guests guests;
    struct wire wire;
    bool acts;            /* our program does what the recorded one did */
    bool is_global;       /* ours, in the recording */
    struct said expected; /* what ours said then, without ghosts */
    struct said got;      /* what it says now */
    struct said theirs_said;
    struct entries lately[SAID_KINDS]; /* which entries our end has spoken of */
    bool told_by_us;                   /* the last packet was of our end: the other waits */
    size_t next;                       /* packet */
};

static void keep_quiet(void *data, enum ptl_log_level level, const char *line)
{
    if (getenv("REPLAY_LOG") != NULL) {
        fprintf(stderr, "%d %s\n", (int)level, line);
    }
    (void)data;
}

/* Whether our end of the recording said this. */
static bool said_then(const struct play *play, const char *request)
{
    for (size_t i = 0; i < play->recording->packets.count; i++) {
        const struct packet *packet = &play->recording->packets.at[i];
        if (packet->from == play->ours && packet_requests(packet, request)) {
            return true;
        }
    }
    return false;
}

/* The recorded addresses of our node as options have them. */
static void read_addresses(const struct play *play, char texts[4][64], const char *announces[5])
{
    struct ptl_msg *recorded = recorded_addresses(play->recording, play->our_id);
    struct ptl_cursor cursor;
    struct ptl_value head;
    struct ptl_span text;

    if (recorded == NULL) {
        return;
    }
    cursor = ptl_msg_begin(recorded);
    assert_int_equal(ptl_next(&cursor, &head), 0);
    assert_true(head.type == PTL_ARRAY && head.count <= 4);
    for (uint32_t i = 0; i < head.count; i++) {
        assert_int_equal(ptl_next_string(&cursor, &text), 0);
        snprintf(texts[i], sizeof texts[i], "%.*s", (int)text.size, (const char *)text.bytes);
        announces[i] = texts[i];
    }
    ptl_msg_free(recorded);
}

/* A node that takes the part of our end, and joins the network by these seeds (NULL: none). */
static void start_node(struct play *play, unsigned shards, const char *seed,
                       const char *second_seed)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    const char *const seeds[] = {seed, second_seed, NULL};
    const char *announces[5] = {NULL};
    char texts[4][64];
    const struct recorded_side *side = &play->recording->sides[play->ours];
    struct ptl_node_options options = {
        .size = sizeof options,
        .id = side->node_id,
        .binds = binds,
        .seeds = seeds,
        .secret = play->recording->secret,
        .secret_size = strlen(play->recording->secret),
        .framings = side->framings,
        .shards = shards,
        .log_level = PTL_LOG_DEBUG,
        .log = keep_quiet,
        .announces = announces,
        /* One that has a seed becomes global when it is asked to: see the recording "upgrade". */
        .ordinary = !play->is_global || (play->ours == RECORDED_SERVER && seed != NULL),
    };

    read_addresses(play, texts, announces);
    assert_int_equal(ptl_node_start(&options, &play->node), 0);
}

static void begin_play(struct play *play, const struct recording *recording, enum recorded_end ours)
{
    enum recorded_end theirs = ours == RECORDED_CLIENT ? RECORDED_SERVER : RECORDED_CLIENT;

    *play = (struct play){
        .recording = recording,
        .ours = ours,
        .theirs = theirs,
        .our_id = recording->sides[ours].node_id,
        .their_id = recording->sides[theirs].node_id,
        .acts = ours == RECORDED_CLIENT,
    };
    play->is_global = said_then(play, "g_global");
    guests_invite(&play->guests, recording, play->our_id);
}

/* Open the connection as the recorded end did. */
static void open_wire(struct play *play, int socket, struct sim_random *cuts)
{
    const struct recorded_side *side = &play->recording->sides[play->theirs];
    const struct wire_opening opening = {
        .node_id = side->node_id,
        .secret = play->recording->secret,
        .framings = side->framings,
        .lines = side->lines,
        .third = strncmp(side->third, "cleartext;", 10) == 0 ? side->third : NULL,
    };

    wire_open(&play->wire, socket, &opening, cuts);
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&play->wire.handshake);
    assert_true(ptl_span_equal(peer->node_id, ptl_span_text(play->our_id)));
}

static void stop_node(struct play *play)
{
    guests_leave(&play->guests);
    wire_part(&play->wire);
    /* Whoever parted may have been owed an answer: that is lost, and told. */
    int err = ptl_node_stop(play->node, 5000);
    assert_true(err == 0 || err == PTL_ETIMEOUT);
    program_forget();
}

/* Behind stop_node(), or without it where another play has the same node. */
static void end_play(struct play *play)
{
    wire_close(&play->wire);
    said_drop(&play->expected);
    said_drop(&play->got);
    said_drop(&play->theirs_said);
    for (unsigned kind = 0; kind < SAID_KINDS; kind++) {
        entries_drop(&play->lately[kind]);
    }
}

/* ---- Comparing ------------------------------------------------------------------------------ */

/* Every key of `some` is in `all`; but for nodes that are sought only as seeds. */
static bool has_keys(const struct entries *all, const struct entries *some)
{
    for (size_t i = 0; i < some->count; i++) {
        const struct entry *entry = &some->at[i];
        if (!program_has_seed(entry->key) && entries_find(all, entry->family, entry->key) == NULL) {
            return false;
        }
    }
    return true;
}

/* Whether what our end asks and does of itself is what the recorded one did. */
static bool same_acts(const struct play *play)
{
    const struct said *expected = &play->expected, *got = &play->got;

    return has_keys(&got->of[SAID_ASKED], &expected->of[SAID_ASKED]) &&
           has_keys(&got->of[SAID_SOUGHT], &expected->of[SAID_SOUGHT]) &&
           /* A real global node watches 'g at the others; ours need not. */
           (play->is_global ||
            entries_same(&expected->of[SAID_WATCHING], &got->of[SAID_WATCHING])) &&
           (play->ours == RECORDED_SERVER || play->is_global ||
            program_knows(&play->theirs_said, &play->expected));
}

static const enum said_kind statements[] = {SAID_GIVEN, SAID_TOLD, SAID_COPIED, SAID_ANSWERED,
                                            SAID_FOUND};

/* Whether all that our end said then is said now. */
static bool same_all(const struct play *play)
{
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        enum said_kind kind = statements[i];
        if (!entries_same(&play->expected.of[kind], &play->got.of[kind])) {
            return false;
        }
    }
    return same_acts(play);
}

/*
 * The same, but only of what our end has spoken of since it was looked at last: the rest may be
 * said earlier now than it was then.
 */
static bool same_lately(const struct play *play)
{
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        enum said_kind kind = statements[i];
        if (!entries_same_at(&play->expected.of[kind], &play->got.of[kind], &play->lately[kind])) {
            return false;
        }
    }
    return same_acts(play);
}

static bool same_flags(const struct play *play)
{
    const char *greeting = play->recording->sides[play->theirs].lines;
    /* A greeting without keys promises nothing, so nothing of the database is said there. */
    bool is_asked_for = strstr(greeting, "gproto=1") != NULL;

    return play->got.global == (play->expected.global && is_asked_for) &&
           play->got.slave == play->expected.slave &&
           /* A global node of ours never gives its database away as an ordinary one. */
           play->got.attached == (play->expected.attached && !play->is_global);
}

static void show_all(const struct play *play)
{
    static const char *const names[SAID_KINDS] = {"given", "told",     "copied", "watching",
                                                  "asked", "answered", "sought", "found"};

    fprintf(stderr, "%s, ours is %s, before packet %zu\n", play->recording->name, play->our_id,
            play->next);
    fprintf(stderr, "  expected: global %d slave %d attached %d; said: %d %d %d\n",
            play->expected.global, play->expected.slave, play->expected.attached, play->got.global,
            play->got.slave, play->got.attached);
    for (unsigned kind = 0; kind < SAID_KINDS; kind++) {
        if (!entries_same(&play->expected.of[kind], &play->got.of[kind])) {
            fprintf(stderr, " %s\n", names[kind]);
            entries_show("expected", &play->expected.of[kind]);
            entries_show("said", &play->got.of[kind]);
        }
    }
    program_show();
    fail();
}

static void take(struct play *play, int64_t until_ms)
{
    (void)wire_take(&play->wire, until_ms);
    for (size_t i = 0; i < play->wire.got.count; i++) {
        said_take(&play->got, &play->wire.got.at[i]);
    }
    wire_forget(&play->wire);
    guests_listen(&play->guests);
}

static void settle(struct play *play, bool (*same)(const struct play *))
{
    for (unsigned looks = 0; !same(play); looks++) {
        if (looks == WIRE_WAIT_MS / 5) {
            show_all(play);
        }
        take(play, wire_patience() - WIRE_WAIT_MS + 5);
    }
    for (unsigned kind = 0; kind < SAID_KINDS; kind++) {
        entries_drop(&play->lately[kind]);
    }
}

/* ---- Playing -------------------------------------------------------------------------------- */

/* Entries that the other end had said before ours did: real nodes send them back (ghosts). */
struct ghosts {
    struct play *play;
    struct entries before;
};

static void drop_ghost(const char *family, const char *key, const struct ptl_msg *value, void *data)
{
    struct ghosts *ghosts = data;
    struct play *play = ghosts->play;
    const struct entry *theirs = entries_find(&play->theirs_said.of[SAID_GIVEN], family, key);
    bool is_mirror =
        family[0] == '\'' && (strcmp(key, play->our_id) == 0 || strcmp(key, play->their_id) == 0);

    if (value != NULL && theirs != NULL && !is_mirror &&
        meaning_same_values(theirs->value, value) &&
        entries_find(&ghosts->before, family, key) == NULL) {
        entries_del(&play->expected.of[SAID_GIVEN], family, key);
    }
}

static void note_given(const char *family, const char *key, const struct ptl_msg *value, void *data)
{
    struct play *play = data;

    entries_set(&play->lately[SAID_GIVEN], family, key, value);
}

static void note_told(const char *family, const char *key, const struct ptl_msg *value, void *data)
{
    struct play *play = data;

    entries_set(&play->lately[SAID_TOLD], family, key, value);
}

static void note_name(struct play *play, const struct packet *packet, enum said_kind kind)
{
    char *name = packet_text(packet, 1);

    if (kind == SAID_COPIED) {
        entries_set(&play->lately[kind], name, "", NULL);
    } else {
        entries_set(&play->lately[kind], "", name, NULL);
    }
    free(name);
}

/* What is looked at next. */
static void note_lately(struct play *play, const struct packet *packet)
{
    if (packet_requests(packet, "g_reply")) {
        note_name(play, packet, SAID_ANSWERED);
    } else if (packet_requests(packet, "g_found")) {
        note_name(play, packet, SAID_FOUND);
    } else if (packet_requests(packet, "g_chg1")) {
        note_name(play, packet, SAID_COPIED);
        packet_entries(packet, note_told, play);
    } else if (packet_requests(packet, "g_chg2")) {
        packet_entries(packet, note_told, play);
    } else {
        packet_entries(packet, note_given, play);
    }
}

static void expect(struct play *play, const struct packet *packet)
{
    struct ghosts ghosts = {.play = play};
    bool gives = packet_requests(packet, "g_set") || packet_requests(packet, "g_upd");

    if (play->is_global && packet_requests(packet, "g_slave") && packet->msg->count > 1) {
        play->expected.attached = true;
        return; /* it gives its database away as a global node only */
    }
    note_lately(play, packet);
    entries_copy(&ghosts.before, &play->expected.of[SAID_GIVEN]);
    said_take(&play->expected, packet);
    if (gives) {
        packet_entries(packet, drop_ghost, &ghosts);
    }
    entries_drop(&ghosts.before);
}

/* Our end said this: make it so. */
static void play_ours(struct play *play, const struct packet *packet)
{
    expect(play, packet);
    if (play->node != NULL) {
        guests_act(&play->guests, packet, &play->theirs_said.of[SAID_GIVEN], program_sets,
                   play->node);
    }
    if (play->acts && !play->is_global) {
        program_acts(play->node, packet);
    }
    if (packet_requests(packet, "g_reply") || packet_requests(packet, "g_found")) {
        settle(play, same_lately); /* before the world changes again */
    }
}

/* The server's answer, under the ID of our node's own question. */
static void answer(struct play *play, const struct packet *packet)
{
    const struct entries *asked = &play->expected.of[SAID_ASKED];
    struct ptl_msg *rest = packet_rest(packet, 2), *msg;
    struct ptl_span id = packet_string(packet, 1);
    const struct entry *ours = NULL;
    struct ptl_writer writer;

    for (size_t i = 0; i < asked->count; i++) {
        struct ptl_cursor cursor = ptl_msg_begin(asked->at[i].value);
        struct ptl_span recorded;
        if (ptl_next_string(&cursor, &recorded) == 0 && ptl_span_equal(recorded, id)) {
            ours = entries_find(&play->got.of[SAID_ASKED], asked->at[i].family, asked->at[i].key);
        }
    }
    assert_non_null(ours);
    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "g_reply", 7);
    ptl_put_values(&writer, ours->value);
    ptl_put_values(&writer, rest);
    assert_int_equal(ptl_writer_finish(&writer, &msg), 0);
    wire_packet(&play->wire, ptl_span("", 0), msg);
    ptl_msg_free(msg);
    ptl_msg_free(rest);
}

static bool is_question(const struct packet *packet)
{
    return packet_requests(packet, "g_db_family") || packet_requests(packet, "g_db_keys") ||
           packet_requests(packet, "g_db_values") || packet_requests(packet, "g_mon1");
}

/* The other end said this. */
static void play_theirs(struct play *play, const struct packet *packet)
{
    said_take(&play->theirs_said, packet);
    if (play->node != NULL && is_question(packet)) {
        guests_be_known(&play->guests);
    }
    if (play->ours == RECORDED_CLIENT && packet_requests(packet, "g_reply")) {
        answer(play, packet);
    } else {
        wire_send(&play->wire, packet->raw);
    }
}

/* Play on up to the first packet of theirs that is this request, which is played too; NULL: all. */
static void converse(struct play *play, const char *last)
{
    const struct packets *packets = &play->recording->packets;

    while (play->next < packets->count) {
        const struct packet *packet = &packets->at[play->next];
        if (packet->from == play->ours) {
            play_ours(play, packet);
        } else {
            if (play->told_by_us) {
                settle(play, same_lately);
            }
            play_theirs(play, packet);
        }
        play->told_by_us = packet->from == play->ours;
        play->next++;
        if (last != NULL && packet->from == play->theirs && packet_requests(packet, last)) {
            return;
        }
    }
    settle(play, same_all);
}

/* What our node sends behind all that it had to say. */
static void fence(struct play *play)
{
    char json[128];
    bool passed = false;

    snprintf(json, sizeof json, "[\"\",\"time\",\"%s#fence\",\"fence\"]", play->their_id);
    wire_say(&play->wire, json);
    for (int64_t until_ms = wire_patience(); !passed;) {
        assert_true(wire_take(&play->wire, until_ms));
        for (size_t i = 0; i < play->wire.got.count; i++) {
            passed = passed || strcmp(play->wire.got.at[i].name, "fence") == 0;
            said_take(&play->got, &play->wire.got.at[i]);
        }
        wire_forget(&play->wire);
    }
}

/* All has been said, and nothing too much. */
static void finish(struct play *play)
{
    fence(play);
    settle(play, same_all);
    if (!same_flags(play)) {
        show_all(play);
    }
}

/* ---- Ghosts --------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the answers */

static void on_ghost(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    const struct ptl_packet packet = {
        .name = ptl_span("", 0),
        .body = reply != NULL ? ptl_msg_body(reply) : ptl_span("", 0),
        .count = reply != NULL ? reply->count : 0,
    };

    (void)node;
    (void)err;
    pthread_mutex_lock(&lock);
    packets_add(data, &packet);
    pthread_mutex_unlock(&lock);
}

/* Whether the node shows an entry of "echo" that belongs to that node. */
static bool shows_echo_of(struct ptl_node *node, const char *node_id)
{
    struct packets answers = {0};
    char prefix[32];

    snprintf(prefix, sizeof prefix, "\"%s#", node_id);
    assert_int_equal(ptl_db_family(node, "echo", on_ghost, &answers), 0);
    for (size_t count = 0; count == 0;) {
        poll(NULL, 0, 1);
        pthread_mutex_lock(&lock);
        count = answers.count;
        pthread_mutex_unlock(&lock);
    }
    char *json = ptl_msg_json(answers.at[0].msg);
    assert_non_null(json);
    bool shows = strstr(json, prefix) != NULL;
    free(json);
    packets_drop(&answers);
    return shows;
}

static void wait_for_echo(struct ptl_node *node, const char *node_id, bool shown)
{
    for (unsigned looks = 0; shows_echo_of(node, node_id) != shown; looks++) {
        if (looks == WIRE_WAIT_MS) {
            fail_msg("%s's echo should be %s", node_id, shown ? "there" : "gone");
        }
        poll(NULL, 0, 1);
    }
}

/* Another node of ours beside the one that plays; what came to that only the attached see. */
static struct ptl_node *start_witness(const struct play *play)
{
    const char *const seeds[] = {ptl_node_address(play->node, 0), NULL};
    const struct ptl_node_options options = {
        .size = sizeof options,
        .id = "witness",
        .seeds = seeds,
        .secret = play->recording->secret,
        .secret_size = strlen(play->recording->secret),
        .shards = 1,
        .log_level = PTL_LOG_DEBUG,
        .log = keep_quiet,
        .ordinary = play->ours == RECORDED_SERVER,
    };
    struct ptl_node *node;

    assert_int_equal(ptl_node_start(&options, &node), 0);
    return node;
}

/* Drops a key of the program's, or of the other end: [KEY of "echo"]. */
static void drop_echo(const char *family, const char *key, const struct ptl_msg *value, void *data)
{
    struct play *play = data;
    char json[128];

    if (value == NULL || strcmp(family, "echo") != 0 || strncmp(key, "snow#", 5) != 0) {
        return;
    }
    if (play->ours == RECORDED_CLIENT) {
        assert_int_equal(ptl_db_del(play->node, family, key), 0);
        return;
    }
    snprintf(json, sizeof json, "[\"\",\"g_upd\",\"echo\",{},[\"%s\"]]", key);
    wire_say(&play->wire, json);
}

/* Snow drops its own key, which the real rain had sent back to it: nobody shows it any more. */
static void look_for_ghosts(struct play *play)
{
    struct ptl_node *witness = start_witness(play);

    wait_for_echo(witness, "snow", true);
    assert_true(shows_echo_of(play->node, "snow"));
    for (size_t i = 0; i < play->recording->packets.count; i++) {
        const struct packet *packet = &play->recording->packets.at[i];
        if (packet->from == RECORDED_CLIENT && packet_requests(packet, "g_set")) {
            packet_entries(packet, drop_echo, play);
        }
    }
    wait_for_echo(play->node, "snow", false);
    wait_for_echo(witness, "snow", false);
    assert_int_equal(ptl_node_stop(witness, 5000), 0);
}

/* ---- The recorded client speaks ------------------------------------------------------------- */

static void play_client(const struct recording *recording, void *data)
{
    const struct manner *manner = data;
    struct play play;

    begin_play(&play, recording, RECORDED_SERVER);
    const char *seed = play.guests.seed_address[0] != 0 ? play.guests.seed_address : NULL;
    start_node(&play, manner->shards, seed, NULL);
    assert_int_equal(peer_stage_make(play.node), 0);
    guests_come(&play.guests, play.node);
    open_wire(&play, wire_dial(ptl_node_address(play.node, 0)), manner->cuts);
    converse(&play, NULL);
    finish(&play);
    if (strncmp(recording->name, "mesh_", 5) == 0) {
        look_for_ghosts(&play);
    }
    stop_node(&play);
    end_play(&play);
}

static void play_clients(unsigned shards, uint64_t seed)
{
    struct manner manner = {.shards = shards};

    assert_int_equal(recordings_play(play_client, manner, seed), RECORDINGS);
}

static void recorded_clients_share_one_shards_database(void **state)
{
    (void)state;
    play_clients(1, 0);
}

static void recorded_clients_share_four_shards_database(void **state)
{
    (void)state;
    play_clients(4, 0);
}

static void recorded_clients_cut_anywhere_share_the_database(void **state)
{
    (void)state;
    play_clients(1, 1);
    play_clients(4, 2);
}

/* ---- The recorded server speaks ------------------------------------------------------------- */

/* A node that had no seed sends to the other one, so that it connects. */
static void connect_without_seed(struct play *play, const char *address)
{
    assert_int_equal(ptl_node_known(play->node, play->their_id, address), 0);
    program_calls(play->node, play->their_id);
}

static void play_server(const struct recording *recording, void *data)
{
    const struct manner *manner = data;
    struct play play;
    char address[32];

    if (strstr(recording->name, "simple.") != NULL) {
        return; /* the client was a script */
    }
    begin_play(&play, recording, RECORDED_CLIENT);
    int listener = listener_open(address);
    bool has_seed = said_then(&play, "g_slave");
    start_node(&play, manner->shards, has_seed ? address : NULL, NULL);
    if (!has_seed) {
        connect_without_seed(&play, address);
    }
    guests_come(&play.guests, play.node);
    open_wire(&play, wire_accept(listener), manner->cuts);
    converse(&play, NULL);
    finish(&play);
    if (strncmp(recording->name, "mesh_", 5) == 0) {
        look_for_ghosts(&play);
    }
    stop_node(&play);
    end_play(&play);
    close(listener);
}

static void play_servers(unsigned shards, uint64_t seed)
{
    struct manner manner = {.shards = shards};

    assert_int_equal(recordings_play(play_server, manner, seed), RECORDINGS);
}

static void recorded_servers_get_what_one_shard_shares(void **state)
{
    (void)state;
    play_servers(1, 0);
}

static void recorded_servers_get_what_four_shards_share(void **state)
{
    (void)state;
    play_servers(4, 0);
}

static void recorded_servers_cut_anywhere_get_what_is_shared(void **state)
{
    (void)state;
    play_servers(1, 3);
    play_servers(4, 4);
}

/* ---- The master is lost --------------------------------------------------------------------- */

struct failover {
    unsigned shards;
    const struct recording *first; /* of the node that was the master first */
    unsigned played;
};

static bool is_of_master(const struct recording *recording)
{
    struct play play = {.recording = recording, .ours = RECORDED_CLIENT};

    return said_then(&play, "g_upd");
}

/* Both seeds are linked; the one that our node is attached to goes. */
static void play_failover(const struct recording *second, void *data)
{
    struct failover *failover = data;
    struct play plays[2];
    char addresses[2][32];
    int listeners[2];

    if (strstr(second->name, "failover.") == NULL || is_of_master(second) ||
        strncmp(second->name, failover->first->name, 4) != 0) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        listeners[i] = listener_open(addresses[i]);
        begin_play(&plays[i], i == 0 ? failover->first : second, RECORDED_CLIENT);
    }
    plays[1].acts = false; /* it is all done by then */
    start_node(&plays[0], failover->shards, addresses[0], addresses[1]);
    open_wire(&plays[0], wire_accept(listeners[0]), NULL);
    converse(&plays[0], "g_global");
    open_wire(&plays[1], wire_accept(listeners[1]), NULL);
    converse(&plays[1], "g_global");
    converse(&plays[0], NULL);
    finish(&plays[0]);
    finish(&plays[1]);
    end_play(&plays[0]);
    converse(&plays[1], NULL);
    finish(&plays[1]);
    plays[1].node = plays[0].node;
    stop_node(&plays[1]);
    end_play(&plays[1]);
    close(listeners[0]);
    close(listeners[1]);
    failover->played++;
}

static void play_failovers(const struct recording *first, void *data)
{
    struct failover *failover = data;

    if (strstr(first->name, "failover.") != NULL && is_of_master(first)) {
        failover->first = first;
        assert_int_equal(recordings_each(play_failover, failover), RECORDINGS);
    }
}

static void node_whose_master_goes_tells_its_next_seed_all(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= 4; shards *= 4) {
        struct failover failover = {.shards = shards};
        recordings_each(play_failovers, &failover);
        assert_int_equal(failover.played, 2);
    }
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_clients_share_one_shards_database),
        cmocka_unit_test(recorded_clients_share_four_shards_database),
        cmocka_unit_test(recorded_clients_cut_anywhere_share_the_database),
        cmocka_unit_test(recorded_servers_get_what_one_shard_shares),
        cmocka_unit_test(recorded_servers_get_what_four_shards_share),
        cmocka_unit_test(recorded_servers_cut_anywhere_get_what_is_shared),
        cmocka_unit_test(node_whose_master_goes_tells_its_next_seed_all),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
