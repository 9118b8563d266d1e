/*
 * Real nodes that flood one port, each through a connection of its own: who of them gets how much
 * of it, counted at the port.
 */
#include "engine/message/name.h"
#include "engine/port/send.h"
#include "tests/common/witness.h"
#include "tests/replay/wire.h"

#include <sys/socket.h>
#include <unistd.h>

#define SHARDS 2
#define PEERS_A_SHARD 4
#define PEERS (SHARDS * PEERS_A_SHARD)
/* What is on its way by the time all have begun is more than what one of them may be ahead by. */
#define WARM 200000
#ifdef PTL_QUICK
#define COUNTED 500000
#else
#define COUNTED 2000000
#endif
#define CALLS 11
/* What a call may wait for: a port's room of the flood, a ring's, what is read in some turns. */
#define AHEAD_MAX 300000

struct flooder {
    struct wire wire;
    char id[16];
    pthread_t thread;
    uint8_t packets[1 << 16];
    size_t size;
};

static struct flooder flooders[PEERS];
static struct flooder callers[SHARDS];
static _Atomic uint64_t total, came[PEERS], calls, called_at;
static _Atomic bool over;

/* A little work for each, so that the port is what everybody waits for. */
static int count(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;
    static volatile uint64_t work;

    (void)node;
    (void)data;
    if (ptl_next(&cursor, &value) < 0 || value.type != PTL_INT) {
        return PTL_EINVAL;
    }
    for (int i = 0; i < 500; i++) {
        work += (uint64_t)i;
    }
    uint64_t before = atomic_fetch_add(&total, 1);
    if (value.integer >= PEERS) {
        atomic_store(&called_at, before);
        atomic_fetch_add(&calls, 1);
    } else if (before >= WARM) {
        atomic_fetch_add(&came[value.integer], 1);
    }
    return PTL_OK;
}

/* Whole packets, again and again, until the node closes or the test shuts the socket down. */
static void *flood(void *data)
{
    struct flooder *flooder = data;
    size_t at = 0;

    while (!atomic_load(&over)) {
        ssize_t sent =
            send(flooder->wire.socket, flooder->packets + at, flooder->size - at, MSG_NOSIGNAL);
        if (sent <= 0) {
            break;
        }
        at = (at + (size_t)sent) % flooder->size;
    }
    return NULL;
}

/* An ID whose link the shard owns. */
static void name_for(struct flooder *flooder, unsigned number, unsigned shard)
{
    for (unsigned i = 0;; i++) {
        snprintf(flooder->id, sizeof flooder->id, "p%u-%u", number, i);
        if (ptl_shard_of(ptl_name_hash(ptl_span_text(flooder->id)), SHARDS) == shard) {
            return;
        }
    }
}

/* At least one packet, and as many as there is room for in so many bytes. */
static void fill(struct flooder *flooder, unsigned number, size_t bytes)
{
    struct ptl_buffer out;
    struct ptl_msg *msg;

    assert_int_equal(ptl_msg_make(NULL, &msg, "it", (int64_t)number, "flood"), 0);
    ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX);
    while (out.size == 0 || out.size + 256 < bytes) {
        assert_int_equal(ptl_packet_encode(PTL_FRAMING_CBOR, &out, ptl_span_text("sink"),
                                           ptl_msg_body(msg), msg->count),
                         0);
    }
    memcpy(flooder->packets, out.bytes, out.size);
    flooder->size = out.size;
    ptl_buffer_drop(&out);
    ptl_msg_free(msg);
}

static void join(struct ptl_node *node, struct flooder *flooder)
{
    const struct ptl_node_options options = witness_options(flooder->id);
    char lines[128], secret[64];

    snprintf(lines, sizeof lines, "aemp;1;%s;hmac_sha3_512;cbor\nnonce\n", flooder->id);
    snprintf(secret, sizeof secret, "%.*s", (int)options.secret_size, (const char *)options.secret);
    const struct wire_opening opening = {
        .node_id = flooder->id, .secret = secret, .framings = "cbor", .lines = lines};
    wire_open(&flooder->wire, wire_dial(ptl_node_address(node, 0)), &opening, NULL);
}

/* A node, and peers of which each is linked and ready: the first callers at home and elsewhere. */
static void begin(void)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options("rain");

    options.binds = binds;
    options.shards = SHARDS;
    options.log_level = PTL_LOG_WARN;
    struct ptl_node *node = witness_start(&options);
    struct ptl_port sink = witness_port(node, "sink", count, NULL);
    unsigned home = ptl_place_of(node, &sink);
    atomic_store(&over, false);
    atomic_store(&total, 0);
    atomic_store(&calls, 0);
    for (unsigned i = 0; i < PEERS; i++) {
        atomic_store(&came[i], 0);
        name_for(&flooders[i], i, (home + i) % SHARDS);
        fill(&flooders[i], i, sizeof flooders[i].packets);
        join(node, &flooders[i]);
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        name_for(&callers[i], PEERS + i, (home + i) % SHARDS);
        fill(&callers[i], PEERS, 0);
        join(node, &callers[i]);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(pthread_create(&flooders[i].thread, NULL, flood, &flooders[i]), 0);
    }
}

static void end(void)
{
    atomic_store(&over, true);
    for (unsigned i = 0; i < PEERS; i++) {
        shutdown(flooders[i].wire.socket, SHUT_RDWR);
        pthread_join(flooders[i].thread, NULL);
        wire_close(&flooders[i].wire);
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        wire_close(&callers[i].wire);
    }
}

static void links_that_flood_a_port_share_it_whichever_shard_they_are_on(void **state)
{
    (void)state;
    begin();
    witness_reach(&total, WARM + COUNTED);
    uint64_t by_shard[SHARDS] = {0}, least = UINT64_MAX, most = 0;
    for (unsigned i = 0; i < PEERS; i++) {
        uint64_t of_it = atomic_load(&came[i]);
        by_shard[i % SHARDS] += of_it;
        least = of_it < least ? of_it : least;
        most = of_it > most ? of_it : most;
    }
    end();
    if (by_shard[0] > 3 * by_shard[1] || by_shard[1] > 3 * by_shard[0] || most > 5 * least) {
        fail_msg("at home %llu, elsewhere %llu; most %llu, least %llu",
                 (unsigned long long)by_shard[0], (unsigned long long)by_shard[1],
                 (unsigned long long)most, (unsigned long long)least);
    }
}

/* One message to the port that all others flood: so many of theirs were handled before it. */
static uint64_t call(const struct flooder *caller)
{
    uint64_t number = atomic_load(&calls), before = atomic_load(&total);

    assert_int_equal(send(caller->wire.socket, caller->packets, caller->size, MSG_NOSIGNAL),
                     caller->size);
    witness_reach(&calls, number + 1);
    return atomic_load(&called_at) - before;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* Counted in messages of the flood and not in time: however slow the machine, no call waits for
 * more of them than there is room for ahead of it. */
static void calls_wait_for_a_bounded_part_of_a_flood_whichever_shard_they_come_from(void **state)
{
    uint64_t waits[CALLS];

    (void)state;
    begin();
    witness_reach(&total, WARM);
    for (unsigned i = 0; i < SHARDS; i++) {
        for (unsigned j = 0; j < CALLS; j++) {
            waits[j] = call(&callers[i]);
        }
        /* Half of them: this thread may be put off between looking at the count and sending. */
        qsort(waits, CALLS, sizeof waits[0], by_size);
        print_message("%s: %llu of the flood ahead of a call\n", i == 0 ? "at home" : "elsewhere",
                      (unsigned long long)waits[CALLS / 2]);
        assert_true(waits[CALLS / 2] < AHEAD_MAX);
    }
    end();
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {SHARDS, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(links_that_flood_a_port_share_it_whichever_shard_they_are_on),
        WITNESSED(calls_wait_for_a_bounded_part_of_a_flood_whichever_shard_they_come_from),
    };

    return witness_main(argc, argv, "fair", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
