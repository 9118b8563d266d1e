/*
 * Out of memory: a script of everything a node does is run again and again, and each time another
 * request for memory is refused.  Never a crash, a hang or a leak; what was accepted is kept or its
 * loss is told; and when memory is there again the node goes on.
 */
#include "tests/common/witness.h"

#include <poll.h>

#ifdef PTL_QUICK
#define STEP 7 /* every so many requests */
#else
#define STEP 1
#endif

#define REQUESTS_MAX 3000 /* of one script; it ends long before */

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static _Atomic uint64_t told;

static int count_gone(struct ptl_node *node, const struct ptl_port *port,
                      const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    (void)data;
    atomic_fetch_add(&told, 1);
    return 0;
}

static void count_reply(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)err;
    count_gone(node, NULL, reply, data);
}

static int swallow(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return 0;
}

static int pass_time(struct ptl_node *node, void *data)
{
    (void)node;
    (void)data;
    return 0;
}

/* Makes and sends all it can; whatever is refused is refused. */
static int do_much(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port_options options = {.size = sizeof(options), .handler = swallow};
    struct ptl_port port, self;
    struct ptl_timer timer;
    struct ptl_monitor monitor;

    (void)data;
    if (ptl_port_new(node, &options, &port) < 0 || !ptl_self(node, &self)) {
        return 0;
    }
    void *resource = malloc(1);
    int ignored = ptl_port_own(node, free, resource);
    if (ignored < 0) {
        free(resource); /* it stays the caller's */
    }
    ignored += ptl_port_on(node, &port, "tag", swallow, NULL);
    ignored += ptl_monitor(node, &port, count_gone, NULL, &monitor);
    ignored += ptl_send(node, &port, msg);
    ignored += ptl_after(node, 0, pass_time, NULL, &timer);
    ignored += ptl_after_send(node, 0, &port, msg, NULL);
    ignored += ptl_call(node, &port, msg, 1, false, count_reply, NULL);
    ignored += ptl_spawn(node, "rain", "test::init", msg, &port);
    (void)ignored;
    return 0;
}

static int init(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)msg;
    return ptl_self(node, &self) ? ptl_port_on(node, &self, "tag", swallow, data) : PTL_EHANDLER;
}

/* How many of those who were promised an answer. */
struct promises {
    uint64_t made;
};

static void promise(struct promises *promises, int err)
{
    promises->made += err == 0;
}

static bool given_back; /* all memory, since even a kill was refused */

/* What threads do with one port; it is killed in the end, so every monitor on it is to be told. */
static void use_port(struct ptl_node *node, const struct ptl_port *port, struct promises *promises)
{
    static char bytes[5000];
    struct ptl_msg *large = NULL, *small = NULL;
    struct ptl_monitor monitor = {.id = 0};
    struct ptl_port spawned;

    promise(promises, ptl_monitor(node, port, count_gone, NULL, NULL));
    if (ptl_msg_make(node, &large, "ty", "large", bytes, sizeof(bytes)) < 0) {
        large = NULL;
    }
    if (ptl_msg_make(NULL, &small, "ti", "small", INT64_C(1)) == 0) {
        int ignored = ptl_send(node, port, small);
        ignored += large == NULL ? 0 : ptl_send(node, port, large);
        ignored += ptl_sendf(node, port, "ty", "more", bytes, sizeof(bytes));
        promise(promises, ptl_call(node, port, small, 1, true, count_reply, NULL));
        if (ptl_spawn(node, "snow", "test::init", small, &spawned) == 0) {
            ignored += ptl_kill(node, &spawned, small);
        }
        if (ptl_monitor(node, port, count_gone, NULL, &monitor) == 0) {
            ptl_unmonitor(node, &monitor);
        }
        promise(promises, ptl_monitor(node, port, count_gone, NULL, NULL));
        (void)ignored;
    }
    ptl_msg_free(large);
    /* Tried until it is accepted, or the monitors would wait for ever. */
    for (int tries = 1; ptl_kill(node, port, small) < 0; tries++) {
        if (tries == 2) {
            witness_fail_memory(0, false);
            given_back = true;
        }
    }
    ptl_msg_free(small);
}

/* At least all that was promised is told: a monitor that was taken back may have fired before. */
static void assert_told(const struct promises *promises)
{
    witness_reach(&told, promises->made);
}

/* Does a node that has lacked memory go on? */
static void assert_alive(struct ptl_node *node)
{
    struct ptl_port port = witness_listener(node, "alive");

    tell(node, &port, "t", "alive");
    assert_next("alive", "[\"alive\"]");
    witness_kill(node, &port, "");
}

static struct ptl_node *try_to_start(const char *id, int *err)
{
    struct ptl_node_options options = witness_options(id);
    struct ptl_node *node = NULL;

    options.log_level = PTL_LOG_ERROR;
    options.binds = loopback;
    options.ring_bytes = (size_t)32 << 10;
    *err = ptl_node_start(&options, &node);
    return *err == 0 ? node : NULL;
}

/* ---- Starting ------------------------------------------------------------------------------ */

static void node_that_lacks_memory_does_not_start(void **state)
{
    int err = PTL_ENOMEM;

    (void)state;
    for (size_t nth = 1; err != 0 && nth < REQUESTS_MAX; nth += STEP) {
        witness_fail_memory(nth, false);
        struct ptl_node *node = try_to_start("rain", &err);
        witness_fail_memory(0, false);
        if (node != NULL) {
            assert_int_equal(ptl_node_stop(node, 2000), 0);
        } else {
            assert_int_equal(err, PTL_ENOMEM);
        }
        assert_int_equal(witness_bytes(), 0);
    }
    assert_int_equal(err, 0);
}

/* ---- One node ------------------------------------------------------------------------------ */

static void play_alone(struct ptl_node *node, struct promises *promises)
{
    struct ptl_port_options options = {.size = sizeof(options), .handler = do_much};
    struct ptl_port port;

    int err = ptl_register(node, "test::init", init, NULL);
    (void)err;
    if (ptl_port_new(node, &options, &port) == 0) {
        use_port(node, &port, promises);
    }
    options.name = "chosen";
    if (ptl_port_new(node, &options, &port) == 0) {
        use_port(node, &port, promises);
    }
}

/* Returns whether the request that was to be refused came. */
static bool play_alone_without(size_t nth, bool for_good)
{
    struct promises promises = {.made = 0};
    int err;
    struct ptl_node *node = try_to_start("rain", &err);

    assert_int_equal(err, 0);
    given_back = false;
    atomic_store(&told, 0);
    witness_note("memory", "request %zu is refused", nth);
    witness_fail_memory(nth, for_good);
    play_alone(node, &promises);
    if (!for_good) {
        assert_told(&promises);
    }
    bool came = given_back || witness_memory_requests() >= nth;
    witness_fail_memory(0, false);
    assert_told(&promises);
    assert_alive(node);
    ptl_node_stop(node, 2000);
    assert_int_equal(witness_bytes(), 0);
    return came;
}

static void node_that_lacks_memory_once_goes_on(void **state)
{
    bool came = true;

    (void)state;
    for (size_t nth = 1; came && nth < REQUESTS_MAX; nth += STEP) {
        came = play_alone_without(nth, false);
    }
    assert_false(came);
}

static void node_that_lacks_memory_for_a_while_goes_on(void **state)
{
    bool came = true;

    (void)state;
    for (size_t nth = 1; came && nth < REQUESTS_MAX; nth += STEP) {
        came = play_alone_without(nth, true);
    }
    assert_false(came);
}

/* ---- Two nodes ----------------------------------------------------------------------------- */

static bool play_together_without(size_t nth)
{
    struct promises promises = {.made = 0};
    struct ptl_node *rain, *snow;
    struct ptl_port_options options = {.size = sizeof(options), .handler = do_much};
    struct ptl_port port;
    int err;

    rain = try_to_start("rain", &err);
    assert_int_equal(err, 0);
    snow = try_to_start("snow", &err);
    assert_int_equal(err, 0);
    assert_int_equal(ptl_register(snow, "test::init", init, NULL), 0);
    assert_int_equal(ptl_port_new(snow, &options, &port), 0);
    atomic_store(&told, 0);
    witness_note("memory", "request %zu is refused", nth);
    witness_fail_memory(nth, false);
    err = ptl_node_known(rain, "snow", ptl_node_address(snow, 0));
    use_port(rain, &port, &promises);
    assert_told(&promises); /* the port's death, or the link's */
    bool came = witness_memory_requests() >= nth;
    witness_fail_memory(0, false);
    assert_alive(rain);
    assert_alive(snow);
    ptl_node_stop(rain, 2000);
    ptl_node_stop(snow, 2000);
    assert_int_equal(witness_bytes(), 0);
    return came;
}

static void linked_nodes_that_lack_memory_once_tell_and_go_on(void **state)
{
    bool came = true;

    (void)state;
    for (size_t nth = 1; came && nth < REQUESTS_MAX; nth += STEP) {
        came = play_together_without(nth);
    }
    assert_false(came);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(node_that_lacks_memory_does_not_start),
        WITNESSED(node_that_lacks_memory_once_goes_on),
        WITNESSED(node_that_lacks_memory_for_a_while_goes_on),
        WITNESSED(linked_nodes_that_lack_memory_once_tell_and_go_on),
    };

    return witness_main(argc, argv, "memory", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
