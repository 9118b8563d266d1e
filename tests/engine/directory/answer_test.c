/*
 * What answers may cost: whoever asks and does not take them, or asks for what is too large, costs
 * the node a bounded number of bytes, and nobody else their answers.
 */
#include "tests/common/db_witness.h"
#include "tests/replay/wire.h"

#include "engine/link/outbox.h"
#include "engine/message/message.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define ROOM ((size_t)256 << 10) /* of a link */
#define ENTRY ((size_t)60000)
#define ENTRIES 5 /* together they are more than a link's room */

#ifdef PTL_QUICK
#define QUESTIONS 200
#else
#define QUESTIONS 500
#endif

/* Rings hold 4 MiB of answers each, then the link its room: far less than is asked for. */
#define BYTES_MAX ((size_t)24 << 20)
_Static_assert(QUESTIONS *ENTRIES *ENTRY > 2 * BYTES_MAX, "asked for more than may be held");

/* ---- Memory, with its peak ------------------------------------------------------------------ */

static _Atomic size_t bytes, peak, largest;

static void raise_to(_Atomic size_t *most, size_t value)
{
    size_t before = atomic_load(most);

    while (value > before && !atomic_compare_exchange_weak(most, &before, value)) {
    }
}

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    const struct ptl_allocator *below = witness_allocator();

    (void)user;
    void *moved = below->resize(below->user, block, old_size, new_size);
    if (moved != NULL || new_size == 0) {
        raise_to(&peak, atomic_fetch_add(&bytes, new_size - old_size) + new_size - old_size);
        raise_to(&largest, new_size);
    }
    return moved;
}

static const struct ptl_allocator counting = {.resize = resize};

static void count_from_now(void)
{
    atomic_store(&peak, atomic_load(&bytes));
    atomic_store(&largest, 0);
}

/* ---- The node ------------------------------------------------------------------------------- */

static struct ptl_node_options options_of(const char *id, const char *framings)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options(id);

    options.binds = binds;
    options.framings = framings;
    options.allocator = &counting;
    options.link_room = ROOM;
    return options;
}

static void fill_family(struct ptl_node *node, unsigned entries)
{
    struct ptl_msg *value = witness_text(ENTRY);
    char key[16];

    for (unsigned i = 0; i < entries; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        while (ptl_db_set(node, "fam", key, value) == PTL_EFULL) {
            poll(NULL, 0, 1);
        }
    }
    ptl_msg_free(value);
    db_set(node, "other", "key", "1");
    assert_string_equal(db_get(node, "other", "key"), "1");
}

/* A peer that receives into little memory of the kernel's. */
static void join(struct wire *wire, struct ptl_node *node, const char *id, const char *keys)
{
    const struct ptl_node_options options = witness_options(id);
    char lines[128], secret[64];
    const int small = 32768;

    snprintf(lines, sizeof lines, "aemp;1;%s;hmac_sha3_512;cbor;mproto=1%s\nnonce\n", id, keys);
    snprintf(secret, sizeof secret, "%.*s", (int)options.secret_size, (const char *)options.secret);
    const struct wire_opening opening = {
        .node_id = id, .secret = secret, .framings = "cbor", .lines = lines};
    int socket = wire_dial(ptl_node_address(node, 0));
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    wire_open(wire, socket, &opening, NULL);
}

/* Packets under way to one who may not read them: written as far as the other side takes them. */
static struct ptl_buffer packets_of(const struct wire *wire, const struct ptl_msg *msg,
                                    unsigned count)
{
    struct ptl_buffer out;

    ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(ptl_packet_encode(wire->framing, &out, ptl_span(NULL, 0),
                                           ptl_msg_body(msg), msg->count),
                         0);
    }
    return out;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void say_to_other(struct wire *wire, struct ptl_node *node)
{
    wire_say(wire, "[\"\",\"g_db_family\",\"other\",\"id\"]");
    (void)node;
    const struct packet *packet = wire_wait_request(wire, "g_reply");
    char *json = ptl_msg_json(packet->msg);
    assert_string_equal(json, "[\"g_reply\",\"id\",{\"key\":1}]");
    free(json);
    wire_forget(wire);
}

/* Ask for one key of that family and read until its answer comes.  False: it was refused, as too
 * questions wait. */
static bool take_last(struct wire *wire, size_t *whole)
{
    wire_say(wire, "[\"\",\"g_db_family\",\"fam\",\"last\",\"key0\"]");
    for (;;) {
        assert_true(wire_take(wire, wire_patience()));
        for (size_t i = 0; i < wire->got.count; i++) {
            const struct packet *packet = &wire->got.at[i];
            *whole += packet->msg->size > ENTRIES * ENTRY;
            if (ptl_span_equal(packet_string(packet, 1), ptl_span_text("last"))) {
                bool refused = packet->msg->body[packet->msg->size - 1] == PTL_CBOR_NULL;
                wire_forget(wire);
                return !refused;
            }
        }
        wire_forget(wire);
    }
}

static void peer_that_asks_500_times_and_reads_nothing_holds_few_answers(void **state)
{
    struct ptl_node_options options = options_of("rain", "cbor");
    struct ptl_node *node = witness_start(&options);
    struct wire greedy, other;

    (void)state;
    fill_family(node, ENTRIES);
    join(&greedy, node, "greedy", "");
    join(&other, node, "other", "");
    count_from_now();
    for (int i = 0; i < QUESTIONS; i++) {
        wire_say(&greedy, "[\"\",\"g_db_family\",\"fam\",\"id\"]");
    }
    for (int i = 0; i < 20; i++) {
        say_to_other(&other, node);
    }
    assert_in_range(atomic_load(&peak), 0, BYTES_MAX);
    /* Now it reads: what was not refused comes whole, and in the end so does a small one. */
    size_t whole = 0;
    const int large = 4 << 20;
    setsockopt(greedy.socket, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
    while (!take_last(&greedy, &whole)) {
    }
    assert_in_range(whole, 20, QUESTIONS);
    assert_in_range(atomic_load(&peak), 0, BYTES_MAX);
    wire_close(&greedy);
    wire_close(&other);
}

static void peer_that_asks_for_the_time_and_reads_nothing_loses_its_link(void **state)
{
    struct ptl_node_options options = options_of("rain", "cbor");
    struct ptl_node *node = witness_start(&options);
    struct wire greedy, other;
    struct ptl_msg *request;

    (void)state;
    join(&greedy, node, "greedy", ";portolan=ff.3");
    join(&other, node, "other", "");
    struct ptl_msg *text = witness_text(100000);
    assert_int_equal(ptl_msg_make(node, &request, "ttm", "time", "greedy#x", text), 0);
    struct ptl_buffer packets = packets_of(&greedy, request, 20);
    count_from_now();
    ssize_t sent = 0;
    for (size_t at = 0; sent >= 0 || errno == EAGAIN;) {
        struct ptl_span rest = ptl_span_skip(ptl_buffer_span(&packets), at);
        sent = send(greedy.socket, rest.bytes, rest.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        at = sent > 0 ? (at + (size_t)sent) % packets.size : at;
        poll(NULL, 0, sent > 0 ? 0 : 1);
    }
    witness_until("rain", "lost the link to greedy: the peer asks and takes no answers");
    wire_say(&other, "[\"\",\"time\",\"other#x\"]");
    (void)wire_wait(&other, "x");
    assert_in_range(atomic_load(&peak), 0, BYTES_MAX);
    ptl_buffer_drop(&packets);
    ptl_msg_free(request);
    ptl_msg_free(text);
    wire_close(&greedy);
    wire_close(&other);
}

static struct ptl_node *start_below(const struct ptl_node *master)
{
    const char *seeds[] = {ptl_node_address(master, 0), NULL};
    struct ptl_node_options options = options_of("hail", "cbor");

    options.seeds = seeds;
    options.ordinary = true;
    return witness_start(&options);
}

/* An ordinary node asks its master for both; what one takes not is no hindrance to the other. */
static void peer_that_takes_nothing_leaves_places_at_the_master_to_others(void **state)
{
    struct ptl_node_options options = options_of("rain", "cbor");
    struct ptl_node *rain = witness_start(&options), *hail;
    struct wire greedy, other;

    (void)state;
    fill_family(rain, ENTRIES);
    hail = start_below(rain);
    assert_string_equal(db_get(hail, "other", "key"), "1");
    join(&greedy, hail, "greedy", "");
    join(&other, hail, "other", "");
    for (int i = 0; i < QUESTIONS; i++) {
        wire_say(&greedy, "[\"\",\"g_db_family\",\"fam\",\"id\"]");
    }
    for (int i = 0; i < 20; i++) {
        say_to_other(&other, hail);
        assert_string_equal(db_get(hail, "other", "key"), "1");
    }
    wire_close(&greedy);
    say_to_other(&other, hail);
    wire_close(&other);
}

static _Atomic uint64_t answered;

static void count_answer(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node, (void)reply, (void)data;
    atomic_fetch_add(&answered, err == 0);
}

static void thread_that_asks_500_times_holds_few_answers(void **state)
{
    struct ptl_node_options options = options_of("rain", "cbor");
    struct ptl_node *node = witness_start(&options);

    (void)state;
    fill_family(node, ENTRIES);
    atomic_store(&answered, 0);
    count_from_now();
    for (int i = 0; i < QUESTIONS; i++) {
        int err;
        while ((err = ptl_db_family(node, "fam", count_answer, NULL)) == PTL_EFULL) {
            poll(NULL, 0, 1);
        }
        assert_int_equal(err, 0);
    }
    witness_reach(&answered, QUESTIONS);
    assert_in_range(atomic_load(&peak), 0, BYTES_MAX);
}

static void family_too_large_for_an_answer_is_measured_and_not_copied(void **state)
{
    struct ptl_node_options options = options_of("rain", "cbor");
    struct ptl_node *node;

    (void)state;
    options.message_bytes_max = 4 * ENTRY;
    node = witness_start(&options);
    fill_family(node, 50);
    count_from_now();
    assert_string_equal(db_family(node, "fam"), "PTL_ESIZE");
    assert_string_equal(db_values(node, "fam"), "PTL_ESIZE");
    assert_in_range(atomic_load(&largest), 0, 2 * ENTRY);
    struct wire peer;
    join(&peer, node, "peer", "");
    atomic_store(&largest, 0);
    wire_say(&peer, "[\"\",\"g_db_family\",\"fam\",\"id\"]");
    const struct packet *packet = wire_wait_request(&peer, "g_reply");
    char *json = ptl_msg_json(packet->msg);
    assert_string_equal(json, "[\"g_reply\",\"id\",null]");
    free(json);
    assert_in_range(atomic_load(&largest), 0, 2 * PTL_OUTBOX_CHUNK);
    wire_close(&peer);
}

static void wait_until_few(size_t most)
{
    for (int i = 0; atomic_load(&bytes) > most; i++) {
        assert_in_range(i, 0, 20000);
        poll(NULL, 0, 1);
    }
}

static void large_message_in_json_leaves_nothing_of_its_size_behind(void **state)
{
    struct ptl_node_options options = options_of("rain", "json");
    struct ptl_node *rain = witness_start(&options);
    const char *seeds[] = {ptl_node_address(rain, 0), NULL};

    (void)state;
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    options = options_of("snow", "json");
    options.seeds = seeds;
    struct ptl_node *snow = witness_start(&options);
    (void)witness_port(snow, "hut", on_message, "heard");
    assert_next("link", "up snow");
    struct ptl_port hut = witness_parse(rain, "snow#hut");
    tell(rain, &hut, "t", "small");
    assert_next("heard", "[\"small\"]");
    size_t before = atomic_load(&bytes);
    struct ptl_msg *large = witness_text((size_t)8 << 20);
    assert_int_equal(ptl_send(rain, &hut, large), 0);
    ptl_msg_free(large);
    (void)witness_next("heard");
    wait_until_few(before + ((size_t)1 << 20));
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(peer_that_asks_500_times_and_reads_nothing_holds_few_answers),
        WITNESSED(peer_that_takes_nothing_leaves_places_at_the_master_to_others),
        WITNESSED(peer_that_asks_for_the_time_and_reads_nothing_loses_its_link),
        WITNESSED(thread_that_asks_500_times_holds_few_answers),
        WITNESSED(family_too_large_for_an_answer_is_measured_and_not_copied),
        WITNESSED(large_message_in_json_leaves_nothing_of_its_size_behind),
    };
    size_t count = sizeof(tests) / sizeof(tests[0]);

    return witness_main(argc, argv, "answers", tests, count, shards);
}
