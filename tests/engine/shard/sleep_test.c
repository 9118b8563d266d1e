/*
 * When a shard sleeps, and when it looks around for a moment first.  Its loop is a script: a sleep
 * takes as long as the test says, and nothing ever comes.
 */
#include "engine/node/node.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "io/loop.h"
#include "tests/common/witness.h"

#define BRIEF UINT64_C(5000) /* ns */
#define LONG UINT64_C(50000)

static struct {
    struct ptl_loop loop;
    uint64_t now;
    uint64_t nap; /* how long the next sleep takes */
    unsigned naps, looks;
} script;

/* ---- The loop ------------------------------------------------------------------------------- */

static bool ready(struct ptl_loop *loop)
{
    (void)loop;
    script.looks++;
    return false;
}

static void poll(struct ptl_loop *loop, uint64_t until)
{
    (void)loop;
    if (until != 0) {
        script.naps++;
        script.now += script.nap;
    }
}

static void wake(struct ptl_loop *loop, struct ptl_loop *from)
{
    (void)loop;
    (void)from;
}

static uint64_t now(struct ptl_loop *loop)
{
    (void)loop;
    return script.now;
}

static double wall(struct ptl_loop *loop)
{
    (void)loop;
    return 1e9;
}

static void fill(void *bytes, size_t size)
{
    static uint8_t next;

    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)bytes)[i] = next++;
    }
}

static void loop_random(struct ptl_loop *loop, void *bytes, size_t size)
{
    (void)loop;
    fill(bytes, size);
}

static void maker_random(void *maker, void *bytes, size_t size)
{
    (void)maker;
    fill(bytes, size);
}

static const char *remark(struct ptl_loop *loop)
{
    (void)loop;
    return NULL;
}

static unsigned interfaces(struct ptl_loop *loop, const struct ptl_address *address, bool loopback,
                           struct ptl_address out[static PTL_INTERFACES_MAX])
{
    (void)loop;
    (void)address;
    (void)loopback;
    (void)out;
    return 0;
}

static void free_loop(struct ptl_loop *loop)
{
    (void)loop;
}

static const struct ptl_loop_ops ops = {
    .ready = ready,
    .poll = poll,
    .wake = wake,
    .now = now,
    .coarse = now,
    .wall = wall,
    .random = loop_random,
    .remark = remark,
    .interfaces = interfaces,
    .free = free_loop,
};

static int open_loop(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                     const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop)
{
    (void)maker;
    (void)shard;
    (void)allocator;
    (void)hooks;
    (void)user;
    script.loop.ops = &ops;
    *loop = &script.loop;
    return PTL_OK;
}

/* ---- The shard ------------------------------------------------------------------------------ */

/* Until its first sleep, which takes so long. */
static struct ptl_node *make_node(uint64_t nap)
{
    static const struct ptl_loop_maker maker = {.open = open_loop, .random = maker_random};
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node;

    memset(&script, 0, sizeof script);
    script.now = UINT64_C(1000000000000);
    script.nap = nap;
    options.shards = 1;
    options.loops = &maker;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    assert_int_equal(ptl_node_open_shard(node, 0), 0);
    while (script.naps == 0) {
        ptl_shard_turn(&node->shards[0], true);
    }
    return node;
}

/* Looks before the next sleep, which takes so long. */
static unsigned looks_before(struct ptl_node *node, uint64_t nap)
{
    unsigned naps = script.naps, looks = script.looks;

    script.nap = nap;
    while (script.naps == naps) {
        ptl_shard_turn(&node->shards[0], true);
    }
    return script.looks - looks;
}

static void shard_looks_around_after_a_brief_sleep_only(void **state)
{
    struct ptl_node *node = make_node(LONG);

    (void)state;
    assert_int_equal(looks_before(node, LONG), 0);
    assert_int_equal(looks_before(node, BRIEF), 0);
    assert_in_range(looks_before(node, BRIEF), 1, 1000);
    assert_in_range(looks_before(node, LONG), 1, 1000);
    assert_int_equal(looks_before(node, LONG), 0);
    ptl_node_crash(node);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(shard_looks_around_after_a_brief_sleep_only),
    };

    return witness_main(argc, argv, "sleep", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
