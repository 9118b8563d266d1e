/*
 * What a node that listens on 0.0.0.0 tells others to reach it at, as interfaces come and go.
 *
 * Its loop is a real one, but for the interfaces, the address that others seem to come from, and a
 * clock that can be put forward.  What stands for an address of the network is one of 127.0.0.0/8
 * all the same, so that nobody else is bothered.
 */
#include "tests/common/any_loop.h"
#include "tests/common/db_witness.h"

#include "io/address.h"
#include "io/loop.h"

#define LOOK_NS UINT64_C(6000000000) /* rain has looked again by then */
#define NETWORK "127.0.0.5"
#define FAR "203.0.113.9:1234"

static const char *const loopback[] = {"127.0.0.1:0", NULL};
static const char *const everywhere[] = {"0.0.0.0:0", NULL};

/* ---- A machine ------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock; /* while a loop is opened */
    struct ptl_loop_ops ops;
    struct ptl_loop_hooks hooks;
    const struct ptl_loop_ops *real_ops;
    const struct ptl_loop_hooks *real_hooks;
    struct ptl_loop *first; /* shard 0's */
    _Atomic bool has_network;
    _Atomic bool peers_are_far;
    _Atomic uint64_t ahead; /* ns: of the real clock */
    _Atomic unsigned looks;
} machine = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned interfaces(struct ptl_loop *loop, const struct ptl_address *address, bool local,
                           struct ptl_address out[static PTL_INTERFACES_MAX])
{
    const char *port = strrchr(address->text, ':');

    if (!ptl_address_is_any(address)) {
        return machine.real_ops->interfaces(loop, address, local, out);
    }
    atomic_fetch_add(&machine.looks, 1);
    if (!local && !atomic_load(&machine.has_network)) {
        return 0;
    }
    snprintf(out[0].text, sizeof(out[0].text), "%s%s", local ? "127.0.0.1" : NETWORK, port);
    return 1;
}

static uint64_t now(struct ptl_loop *loop)
{
    return machine.real_ops->now(loop) + atomic_load(&machine.ahead);
}

static uint64_t coarse(struct ptl_loop *loop)
{
    return machine.real_ops->coarse(loop) + atomic_load(&machine.ahead);
}

static void turn(struct ptl_loop *loop, uint64_t until_ns)
{
    uint64_t ahead = atomic_load(&machine.ahead);

    if (until_ns != UINT64_MAX) {
        until_ns = until_ns > ahead ? until_ns - ahead : 0;
    }
    machine.real_ops->poll(loop, until_ns);
}

static void accepted(void *user, struct ptl_listener *listener, struct ptl_stream *stream,
                     const struct ptl_address *peer)
{
    const struct ptl_address far = {FAR};

    machine.real_hooks->accepted(user, listener, stream,
                                 atomic_load(&machine.peers_are_far) ? &far : peer);
}

/* Once: loops that are open use them already. */
static void change_ops(const struct ptl_loop_ops *ops)
{
    if (machine.real_ops == NULL) {
        machine.real_ops = ops;
        machine.ops = *ops;
        machine.ops.interfaces = interfaces;
        machine.ops.now = now;
        machine.ops.coarse = coarse;
        machine.ops.poll = turn;
    }
}

static int open_loop(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                     const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop)
{
    const struct ptl_loop_maker *real = any_loop();

    (void)maker;
    pthread_mutex_lock(&machine.lock);
    if (machine.real_hooks == NULL) {
        machine.real_hooks = hooks;
        machine.hooks = *hooks;
        machine.hooks.accepted = accepted;
    }
    int err = real->open(real->maker, shard, allocator, &machine.hooks, user, loop);
    if (err == PTL_OK) {
        change_ops((*loop)->ops);
        (*loop)->ops = &machine.ops;
        machine.first = shard == 0 ? *loop : machine.first;
    }
    pthread_mutex_unlock(&machine.lock);
    return err;
}

static const struct ptl_loop_maker loops = {.open = open_loop, .random = any_loop_random};

static int set_up(void **state)
{
    atomic_store(&machine.has_network, false);
    atomic_store(&machine.peers_are_far, false);
    atomic_store(&machine.ahead, 0);
    return witness_set_up(state);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static char seed[PTL_ADDRESS_TEXT_MAX]; /* rain, as those on this machine reach it */

static struct ptl_node *start_rain(const char *const binds[])
{
    struct ptl_node_options options = witness_options("rain");

    options.binds = binds;
    options.loops = &loops;
    struct ptl_node *rain = witness_start(&options);
    snprintf(seed, sizeof(seed), "127.0.0.1%s", strrchr(ptl_node_address(rain, 0), ':'));
    return rain;
}

/* A node that rain is the seed of, and that notes all that it is told of rain. */
/* The first copy may be whole before the entry has come, or with it. */
static int on_entry(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    return change->event == PTL_DB_COPIED ? 0 : on_change(node, change, data);
}

static struct ptl_node *start_watcher(const char *id)
{
    const char *const seeds[] = {seed, NULL};
    struct ptl_node_options options = witness_options(id);

    options.seeds = seeds;
    struct ptl_node *node = witness_make(&options);
    assert_int_equal(ptl_db_watch_key(node, "'l", "rain", on_entry, "told", NULL), 0);
    assert_int_equal(ptl_node_open(node), 0);
    return node;
}

static void assert_told(const char *event, const char *host)
{
    char text[128];

    snprintf(text, sizeof(text), "%s rain [\"%s%s\"]", event, host, strrchr(seed, ':'));
    assert_next("told", text);
}

static void announces(struct ptl_node *rain, const char *host)
{
    char text[128];

    snprintf(text, sizeof(text), "rain=[\"%s%s\"]", host, strrchr(seed, ':'));
    db_until(rain, "'l", text);
}

/* The machine gets an address or loses it, and time passes. */
static void change_network(bool there)
{
    atomic_store(&machine.has_network, there);
    atomic_fetch_add(&machine.ahead, LOOK_NS);
    ptl_loop_wake(machine.first, NULL);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void node_announces_an_address_that_its_machine_gets_later(void **state)
{
    struct ptl_node *rain = start_rain(everywhere);

    (void)state;
    announces(rain, "127.0.0.1"); /* nobody but this machine can read it */
    change_network(true);
    announces(rain, NETWORK);
    change_network(false);
    announces(rain, "127.0.0.1");
}

static void node_tells_those_who_are_linked_that_its_addresses_have_changed(void **state)
{
    (void)state;
    start_rain(everywhere);
    start_watcher("snow");
    assert_told("added", "127.0.0.1"); /* snow is on the same machine */
    change_network(true);
    assert_told("changed", NETWORK);
}

static void node_never_announces_loopback_to_another_machine(void **state)
{
    struct ptl_node *rain = start_rain(everywhere);

    (void)state;
    announces(rain, "127.0.0.1");
    atomic_store(&machine.peers_are_far, true);
    start_watcher("snow");
    assert_next("told", "added rain []");
    change_network(true);
    assert_told("changed", NETWORK);
}

static void node_looks_before_it_tells_another_machine_its_addresses(void **state)
{
    struct ptl_node *rain = start_rain(everywhere);

    (void)state;
    announces(rain, "127.0.0.1");
    atomic_store(&machine.has_network, true);
    atomic_store(&machine.peers_are_far, true);
    start_watcher("snow");
    assert_told("added", NETWORK); /* though it was not yet time to look */
}

static void node_that_listens_on_loopback_alone_announces_just_that(void **state)
{
    (void)state;
    start_rain(loopback);
    atomic_store(&machine.has_network, true);
    atomic_store(&machine.peers_are_far, true);
    start_watcher("snow");
    assert_told("added", "127.0.0.1");
}

static void node_looks_once_a_second_however_many_links_come_up(void **state)
{
    enum { PEERS = 20 };
    struct ptl_node *rain = start_rain(everywhere);
    char id[16];

    (void)state;
    announces(rain, "127.0.0.1");
    unsigned before = atomic_load(&machine.looks);
    uint64_t begun = machine.real_ops->now(NULL);
    for (unsigned i = 0; i < PEERS; i++) {
        snprintf(id, sizeof(id), "snow%u", i);
        struct ptl_node *snow = start_watcher(id);
        assert_told("added", "127.0.0.1");
        assert_int_equal(witness_stop(snow, 5000), 0);
    }
    uint64_t seconds = (machine.real_ops->now(NULL) - begun) / 1000000000 + 1;
    /* For links once a second, for itself once in five, each time asking for both kinds. */
    assert_true(atomic_load(&machine.looks) - before <= 2 * (2 * seconds + 1));
}

#define ALONE(name) cmocka_unit_test_setup_teardown(name, set_up, witness_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ALONE(node_announces_an_address_that_its_machine_gets_later),
        ALONE(node_tells_those_who_are_linked_that_its_addresses_have_changed),
        ALONE(node_never_announces_loopback_to_another_machine),
        ALONE(node_looks_before_it_tells_another_machine_its_addresses),
        ALONE(node_that_listens_on_loopback_alone_announces_just_that),
        ALONE(node_looks_once_a_second_however_many_links_come_up),
    };

    return witness_main(argc, argv, "whereabouts", tests, sizeof(tests) / sizeof(tests[0]),
                        (const unsigned[]){1, 2, 4, 0});
}
