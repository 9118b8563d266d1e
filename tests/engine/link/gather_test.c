/*
 * What is sent in many short turns leaves together; and it leaves, though the turns have no end.
 *
 * The sender's loop is a real one, but that its sends are counted, and that its clock goes a
 * million times slower: so it is turns and bytes that end the gathering, however busy the machine.
 */
#include "io/loop.h"
#include "tests/common/any_loop.h"
#include "tests/common/witness.h"

#define MESSAGES 20000u
#define IN_A_TURN 16u

/* ---- The loop -------------------------------------------------------------------------------- */

static struct {
    const struct ptl_loop_ops *real;
    struct ptl_loop_ops ops;
    _Atomic uint64_t sends;
} machine;

static uint64_t slow_now(struct ptl_loop *loop)
{
    return machine.real->now(loop) / 1000000;
}

static uint64_t slow_coarse(struct ptl_loop *loop)
{
    return machine.real->coarse(loop) / 1000000;
}

/* Nothing of this test is due at a time. */
static void slow_poll(struct ptl_loop *loop, uint64_t until_ns)
{
    machine.real->poll(loop, until_ns == 0 ? 0 : UINT64_MAX);
}

static int counted_send(struct ptl_loop *loop, struct ptl_stream *stream,
                        const struct ptl_span spans[], unsigned count)
{
    atomic_fetch_add(&machine.sends, 1);
    return machine.real->send(loop, stream, spans, count);
}

static int open_loop(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                     const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop)
{
    const struct ptl_loop_maker *real = any_loop();

    (void)maker;
    int err = real->open(real->maker, shard, allocator, hooks, user, loop);
    if (err < 0) {
        return err;
    }
    if (machine.real == NULL) {
        machine.real = (*loop)->ops;
        machine.ops = *machine.real;
        machine.ops.now = slow_now;
        machine.ops.coarse = slow_coarse;
        machine.ops.poll = slow_poll;
        machine.ops.send = counted_send;
    }
    (*loop)->ops = &machine.ops;
    return PTL_OK;
}

static const struct ptl_loop_maker slow_loop = {.open = open_loop, .random = any_loop_random};

/* ---- Two nodes ------------------------------------------------------------------------------- */

struct stream {
    struct ptl_port sink;
    uint64_t sent;
    _Atomic uint64_t come;
};

static struct ptl_node *near, *far;

static int take(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    atomic_fetch_add(&((struct stream *)data)->come, 1);
    return 0;
}

/* The near node's clock is the slow one. */
static void make_linked(struct stream *stream)
{
    struct ptl_node_options options = witness_options("near");
    const char *binds[] = {"127.0.0.1:0", NULL};

    options.shards = 1;
    options.binds = binds;
    options.loops = &slow_loop;
    near = witness_start(&options);
    options = witness_options("far");
    options.shards = 1;
    options.silence_ms = 3600000; /* a slow clock's heartbeats are as slow */
    far = witness_start(&options);
    assert_int_equal(ptl_node_known(far, "near", ptl_node_address(near, 0)), 0);
    struct ptl_port hello = witness_listener(near, "hello");
    hello = witness_parse(far, ptl_port_id(&hello));
    tell(far, &hello, "t", "linked");
    assert_next("hello", "[\"linked\"]");
    stream->sink = witness_port(far, NULL, take, stream);
    stream->sink = witness_parse(near, ptl_port_id(&stream->sink));
}

/* ---- Tests ----------------------------------------------------------------------------------- */

/* A few in each turn, and another turn to come until all are sent. */
static int send_some(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct stream *stream = data;
    struct ptl_port self;

    for (unsigned i = 0; i < IN_A_TURN && stream->sent < MESSAGES; i++) {
        int err = ptl_sendf(node, &stream->sink, "y", "0123456789abcdef", 16);
        if (err < 0) {
            return err == PTL_EFULL ? PTL_LATER : err;
        }
        stream->sent++;
    }
    assert_true(ptl_self(node, &self));
    return stream->sent == MESSAGES ? 0 : ptl_send(node, &self, msg);
}

static void messages_of_many_short_turns_leave_together(void **state)
{
    struct stream stream = {.sent = 0};

    (void)state;
    make_linked(&stream);
    atomic_store(&machine.sends, 0);
    struct ptl_port source = witness_port(near, NULL, send_some, &stream);
    tell(near, &source, "i", 0);
    witness_reach(&stream.come, MESSAGES);
    assert_in_range(atomic_load(&machine.sends), 1, MESSAGES / IN_A_TURN / 4);
}

static int go_round(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    assert_true(ptl_self(node, &self));
    return atomic_load((_Atomic bool *)data) ? 0 : ptl_send(node, &self, msg);
}

static void message_of_a_shard_that_never_rests_leaves_all_the_same(void **state)
{
    struct stream stream = {.sent = 0};
    _Atomic bool over = false;

    (void)state;
    make_linked(&stream);
    struct ptl_port round = witness_port(near, NULL, go_round, &over);
    tell(near, &round, "i", 0);
    for (uint64_t i = 1; i <= 100; i++) {
        tell(near, &stream.sink, "u", i);
        witness_reach(&stream.come, i);
    }
    atomic_store(&over, true);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(messages_of_many_short_turns_leave_together),
        WITNESSED(message_of_a_shard_that_never_rests_leaves_all_the_same),
    };

    return witness_main(argc, argv, "gather", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
