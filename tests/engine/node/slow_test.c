/*
 * One slow port among fast ones (G6), between the shards of a node and over a link.
 *
 *   senders, ports on every shard and threads --full speed--> slow port, or a relay --> slow port
 *                                             --full speed--> fast ports
 *
 * While they run, memory stays under a limit that follows from the node's options; what was
 * accepted arrives in order and is all there at the end; whoever was refused is told once that
 * there is room; no monitor fires and no link is lost.
 *
 * PTL_SLOW_SECONDS in the environment sets the length of a run.
 */
#include "engine/link/connection.h"
#include "engine/portolan.h"
#include "engine/shard/op.h"
#include "engine/shard/ring.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define SECONDS 10
#define SECONDS_RELAY 5
#else
#define SECONDS 20
#define SECONDS_RELAY 8
#endif

#define BATCH 32
#define SHARDS 3
#define FASTS 2
#define PORT_SENDERS (SHARDS * (1 + FASTS))
#define SENDERS (PORT_SENDERS + 2)
#define SIZE_MAX_SENT 20000 /* bytes of padding in the runs with a relay ... */
#define SIZE_SMALL 900      /* ... and in those without: no shard holds such a message elsewhere */

_Static_assert(SIZE_SMALL + 32 <= PTL_OP_INLINE_MAX, "goes through a ring in place");

#define PORT_ROOM ((size_t)128 << 10)
#define LINK_ROOM ((size_t)1 << 20)
#define INBOX_ROOM ((size_t)512 << 10)
#define RING_BYTES ((size_t)64 << 10)

/* ---- Memory --------------------------------------------------------------------------------- */

static _Atomic size_t bytes_out, bytes_most;
static size_t size_most; /* of a message's padding, in this run */

static void *count(void *user, void *block, size_t old_size, size_t new_size)
{
    (void)user;
    if (new_size == 0) {
        free(block);
        atomic_fetch_sub(&bytes_out, old_size);
        return NULL;
    }
    void *moved = realloc(block, new_size);
    if (moved == NULL) {
        return NULL;
    }
    size_t out = atomic_fetch_add(&bytes_out, new_size - old_size) + new_size - old_size;
    size_t most = atomic_load(&bytes_most);
    while (out > most && !atomic_compare_exchange_weak(&bytes_most, &most, out)) {
    }
    return moved;
}

static const struct ptl_allocator counting = {.resize = count};

/* What the kernel holds of one connection at most, in both directions. */
static size_t in_sockets(void)
{
    static const char *const files[] = {"/proc/sys/net/ipv4/tcp_rmem",
                                        "/proc/sys/net/ipv4/tcp_wmem"};
    size_t sum = 0, most = 0;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        FILE *file = fopen(files[i], "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%*u %*u %zu", &most), 1);
        fclose(file);
        sum += most;
    }
    return sum;
}

/*
 * What a node may need beyond what it needs when idle, by what its options say: each port that is
 * slow has its room, and behind it what each shard had sent before it was told; each inbox and each
 * link has its room; each connection what it has read and not yet delivered.  A port that another
 * node is told of too late takes what was under way in the sockets.
 */
static size_t limit_of_node(unsigned slow_ports, unsigned links)
{
    size_t held = size_most > SIZE_SMALL ? PTL_RING_HELD_MAX + size_most : 0;
    size_t way = RING_BYTES + held;
    size_t port = PORT_ROOM + SHARDS * RING_BYTES;
    size_t link = LINK_ROOM + SHARDS * RING_BYTES + PTL_UNREAD_MAX + size_most;

    if (links != 0) {
        link += in_sockets();
    }

    return SHARDS * SHARDS * way + slow_ports * port + SHARDS * INBOX_ROOM + links * link;
}

/* ---- Ports and senders ---------------------------------------------------------------------- */

/* What was accepted for a port, and what its handler has taken. */
struct flow {
    _Atomic uint64_t accepted, handled;
    bool slow;
    uint64_t tries;
    uint64_t next[SENDERS]; /* the number that is due, by sender */
    struct ptl_port port;
    struct ptl_port onward; /* a relay's */
};

struct sender {
    struct ptl_node *node;
    struct flow *flow;
    struct ptl_port to; /* where it sends: the flow's port, or the relay before it */
    struct ptl_port self;
    unsigned index;
    uint64_t number;
    _Atomic bool waits; /* has asked to be told of room */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t told;
};

static struct flow slow, relay, fast[FASTS];
static struct sender senders[SENDERS];
static _Atomic bool over, hurry;
static sem_t progress; /* once `over`: something was counted that the end waits for */
static _Atomic uint64_t refused, asked, told, wrong, gone;
static char padding[SIZE_MAX_SENT];

static void counted(void)
{
    if (atomic_load(&over)) {
        sem_post(&progress);
    }
}

static int take(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct flow *flow = data;
    uint64_t sender, number;

    if (flow->slow && !atomic_load(&hurry) && ++flow->tries % 4 != 0) {
        return PTL_LATER;
    }
    if (ptl_msg_read(node, msg, "uu*.", &sender, &number) < 0 || sender >= SENDERS ||
        number != flow->next[sender]++) {
        atomic_fetch_add(&wrong, 1);
    }
    atomic_fetch_add(&flow->handled, 1);
    counted();
    return 0;
}

static int pass_on(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct flow *flow = data;

    int err = ptl_send(node, &flow->onward, msg);
    return err == PTL_EFULL ? PTL_LATER : err;
}

static int send_one(struct sender *sender)
{
    uint64_t mixed = (sender->number * 2654435761u + sender->index) >> 4;
    size_t size = mixed % 64 == 0 ? (mixed >> 8) % size_most : mixed % 400;

    int err = ptl_sendf(sender->node, &sender->to, "uuy", (uint64_t)sender->index, sender->number,
                        (const void *)padding, size);
    if (err == 0) {
        sender->number++;
        atomic_fetch_add(&sender->flow->accepted, 1);
        counted();
    }
    return err;
}

static int on_gone(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason,
                   void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    (void)data;
    atomic_fetch_add(&gone, !atomic_load(&over));
    return 0;
}

static void on_link(struct ptl_node *node, const char *node_id, bool up,
                    const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)node_id;
    (void)reason;
    (void)data;
    atomic_fetch_add(&gone, !up && !atomic_load(&over));
}

static void count_told(struct sender *sender)
{
    atomic_fetch_add(&told, 1);
    if (!atomic_exchange(&sender->waits, false)) {
        atomic_fetch_add(&wrong, 1); /* told twice */
    }
    counted();
}

static int ask_for_room(struct sender *sender, ptl_room_fn *tell)
{
    atomic_fetch_add(&refused, 1);
    atomic_fetch_add(&asked, 1);
    atomic_store(&sender->waits, true);
    return ptl_on_room(sender->node, &sender->to, tell, sender);
}

static void port_has_room(struct ptl_node *node, const struct ptl_port *to, void *data);

/* A sender's turn; the message is its own "go on". */
static int go_on(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct sender *sender = data;

    for (int i = 0; i < BATCH && !atomic_load(&over); i++) {
        int err = send_one(sender);
        if (err == PTL_EFULL) {
            return ask_for_room(sender, port_has_room);
        }
        if (err < 0) {
            return err;
        }
    }
    if (atomic_load(&over)) {
        return 0;
    }
    int err = ptl_send(node, &sender->self, msg);
    return err == PTL_EFULL ? PTL_LATER : err;
}

static int port_goes_on(struct ptl_node *node, void *data)
{
    struct sender *sender = data;

    if (ptl_sendf(node, &sender->self, "n") < 0 &&
        ptl_after(node, 1, port_goes_on, sender, NULL) < 0) {
        atomic_fetch_add(&wrong, 1);
    }
    return 0;
}

static void port_has_room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    (void)to;
    count_told(data);
    port_goes_on(node, data);
}

static void thread_has_room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct sender *sender = data;

    (void)node;
    (void)to;
    pthread_mutex_lock(&sender->lock);
    count_told(sender);
    pthread_cond_signal(&sender->told);
    pthread_mutex_unlock(&sender->lock);
}

static void *thread_main(void *data)
{
    struct sender *sender = data;

    while (!atomic_load(&over)) {
        int err = send_one(sender);
        if (err == 0) {
            continue;
        }
        pthread_mutex_lock(&sender->lock);
        if (err != PTL_EFULL || ask_for_room(sender, thread_has_room) < 0) {
            atomic_fetch_add(&wrong, 1);
            atomic_store(&sender->waits, false);
        }
        while (atomic_load(&sender->waits)) {
            pthread_cond_wait(&sender->told, &sender->lock);
        }
        pthread_mutex_unlock(&sender->lock);
    }
    return NULL;
}

/* ---- The stage ------------------------------------------------------------------------------ */

static struct ptl_node *start_node(const char *id)
{
    const char *binds[] = {"127.0.0.1:0", NULL};
    const struct ptl_node_options options = {
        .size = sizeof(options),
        .id = id,
        .binds = binds,
        .secret = "slow and steady wins",
        .secret_size = 20,
        .shards = SHARDS,
        .allocator = &counting,
        .port_room = PORT_ROOM,
        .link_room = LINK_ROOM,
        .inbox_room = INBOX_ROOM,
        .ring_bytes = RING_BYTES,
    };
    struct ptl_node *node;

    assert_int_equal(ptl_node_start(&options, &node), 0);
    return node;
}

static struct ptl_port make_port(struct ptl_node *node, unsigned shard, ptl_handler_fn *handler,
                                 void *data)
{
    const struct ptl_port_options options = {
        .size = sizeof(options),
        .handler = handler,
        .data = data,
        .shard_plus_one = shard % SHARDS + 1,
    };
    struct ptl_port port;

    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    return port;
}

static struct ptl_port seen_from(struct ptl_node *node, const struct ptl_port *port)
{
    const char *id = ptl_port_id(port);
    struct ptl_port seen;

    assert_int_equal(ptl_port_parse(node, id, strlen(id), &seen), 0);
    return seen;
}

static void make_flows(struct ptl_node *node, bool relayed)
{
    memset(&slow, 0, sizeof(slow));
    memset(&relay, 0, sizeof(relay));
    memset(fast, 0, sizeof(fast));
    slow.slow = true;
    slow.port = make_port(node, 0, take, &slow);
    relay.onward = slow.port;
    relay.port = relayed ? make_port(node, 1, pass_on, &relay) : slow.port;
    for (unsigned i = 0; i < FASTS; i++) {
        fast[i].port = make_port(node, i, take, &fast[i]); /* one beside the slow one */
    }
}

static void make_sender(struct ptl_node *node, unsigned index, struct flow *flow,
                        const struct ptl_port *to)
{
    struct sender *sender = &senders[index];

    memset(sender, 0, sizeof(*sender));
    sender->node = node;
    sender->flow = flow;
    sender->index = index;
    sender->to = seen_from(node, to);
    pthread_mutex_init(&sender->lock, NULL);
    pthread_cond_init(&sender->told, NULL);
    assert_int_equal(ptl_monitor(node, &sender->to, on_gone, NULL, NULL), 0);
}

static void start_senders(struct ptl_node *node)
{
    for (unsigned i = 0; i < PORT_SENDERS; i++) {
        unsigned target = i / SHARDS;
        struct flow *flow = target == 0 ? &slow : &fast[target - 1];
        make_sender(node, i, flow, target == 0 ? &relay.port : &flow->port);
        senders[i].self = make_port(node, i, go_on, &senders[i]);
    }
    make_sender(node, PORT_SENDERS, &slow, &relay.port);
    make_sender(node, PORT_SENDERS + 1, &fast[0], &fast[0].port);
    for (unsigned i = 0; i < PORT_SENDERS; i++) {
        assert_int_equal(ptl_sendf(node, &senders[i].self, "n"), 0);
    }
    for (unsigned i = PORT_SENDERS; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&senders[i].thread, NULL, thread_main, &senders[i]), 0);
    }
}

static uint64_t fast_handled(void)
{
    return atomic_load(&fast[0].handled) + atomic_load(&fast[1].handled);
}

static bool all_handled(void)
{
    bool all = atomic_load(&slow.handled) == atomic_load(&slow.accepted) &&
               atomic_load(&asked) == atomic_load(&told);

    for (unsigned i = 0; i < FASTS; i++) {
        all = all && atomic_load(&fast[i].handled) == atomic_load(&fast[i].accepted);
    }
    return all;
}

static void let_run(unsigned seconds)
{
    const char *wanted = getenv("PTL_SLOW_SECONDS");

    sleep(wanted != NULL ? (unsigned)atoi(wanted) : seconds);
}

/* Senders stop; the slow port takes the rest; then everything must be there. */
static void end_and_count(void)
{
    atomic_store(&over, true);
    atomic_store(&hurry, true);
    for (unsigned i = PORT_SENDERS; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    while (!all_handled()) {
        sem_wait(&progress);
    }
}

static void reset(bool relayed)
{
    size_most = relayed ? SIZE_MAX_SENT : SIZE_SMALL;
    atomic_store(&over, false);
    atomic_store(&hurry, false);
    atomic_store(&refused, 0);
    atomic_store(&asked, 0);
    atomic_store(&told, 0);
    atomic_store(&wrong, 0);
    atomic_store(&gone, 0);
}

/* What holds in every run. */
static void check(size_t idle, size_t limit)
{
    size_t most = atomic_load(&bytes_most) - idle;

    printf("slow %llu, fast %llu, refused %llu, told %llu, memory %zu of %zu KiB\n",
           (unsigned long long)atomic_load(&slow.handled), (unsigned long long)fast_handled(),
           (unsigned long long)refused, (unsigned long long)told, most >> 10, limit >> 10);
    fflush(stdout);
    assert_true(most <= limit);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(atomic_load(&gone), 0);
    assert_true(atomic_load(&refused) != 0);
    assert_int_equal(atomic_load(&told), atomic_load(&asked));
}

static void run_between_shards(bool relayed, unsigned seconds)
{
    reset(relayed);
    struct ptl_node *node = start_node("slow/one");
    make_flows(node, relayed);
    size_t idle = atomic_load(&bytes_out);
    atomic_store(&bytes_most, idle);
    start_senders(node);
    let_run(seconds);
    /* Nobody is held up by the slow port but who sends to it. */
    assert_true(fast_handled() / 10 > atomic_load(&slow.handled));
    end_and_count();
    check(idle, limit_of_node(1 + relayed, 0));
    assert_int_equal(ptl_node_stop(node, 5000), 0);
    assert_int_equal(atomic_load(&bytes_out), 0);
}

static void run_over_a_link(bool relayed, unsigned seconds)
{
    reset(relayed);
    struct ptl_node *near = start_node("slow/near");
    struct ptl_node *far = start_node("slow/far");
    assert_int_equal(ptl_node_known(near, "slow/far", ptl_node_address(far, 0)), 0);
    assert_int_equal(ptl_on_link(near, on_link, NULL), 0);
    assert_int_equal(ptl_on_link(far, on_link, NULL), 0);
    make_flows(far, relayed);
    size_t idle = atomic_load(&bytes_out);
    atomic_store(&bytes_most, idle);
    start_senders(near);
    let_run(seconds);
    end_and_count();
    check(idle, limit_of_node(0, 1) + limit_of_node(1 + relayed, 1));
    assert_int_equal(ptl_node_stop(near, 5000), 0);
    assert_int_equal(ptl_node_stop(far, 5000), 0);
    assert_int_equal(atomic_load(&bytes_out), 0);
}

static void slow_port_holds_up_nobody_else_between_shards(void **state)
{
    (void)state;
    run_between_shards(false, SECONDS);
}

static void slow_port_behind_a_relay_holds_up_nobody_else_between_shards(void **state)
{
    (void)state;
    run_between_shards(true, SECONDS_RELAY);
}

static void slow_port_over_a_link_costs_bounded_memory_and_no_message(void **state)
{
    (void)state;
    run_over_a_link(false, SECONDS);
}

static void slow_port_behind_a_relay_over_a_link_costs_bounded_memory_and_no_message(void **state)
{
    (void)state;
    run_over_a_link(true, SECONDS_RELAY);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_port_holds_up_nobody_else_between_shards),
        cmocka_unit_test(slow_port_behind_a_relay_holds_up_nobody_else_between_shards),
        cmocka_unit_test(slow_port_over_a_link_costs_bounded_memory_and_no_message),
        cmocka_unit_test(slow_port_behind_a_relay_over_a_link_costs_bounded_memory_and_no_message),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
