/*
 * Which of two masters an ordinary node is attached to, when its clock says the wrong thing and the
 * one it has left does not know of that yet.
 */
#include "tests/common/any_loop.h"
#include "tests/common/db_witness.h"

#include "io/loop.h"

#include <semaphore.h>
#include <time.h>

static const char *const loopback[] = {"127.0.0.1:0", NULL};

/* ---- A clock that is behind ------------------------------------------------------------------ */

#define BEHIND_S 5.0

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct ptl_loop_ops *real_ops;
static struct ptl_loop_ops late_ops;

static double late_wall(struct ptl_loop *loop)
{
    return real_ops->wall(loop) - BEHIND_S;
}

static int late_open(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                     const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop)
{
    const struct ptl_loop_maker *real = any_loop();
    int err = real->open(real->maker, shard, allocator, hooks, user, loop);

    (void)maker;
    if (err == PTL_OK) {
        pthread_mutex_lock(&lock);
        if (real_ops == NULL) {
            real_ops = (*loop)->ops;
            late_ops = *real_ops;
            late_ops.wall = late_wall;
        }
        pthread_mutex_unlock(&lock);
        (*loop)->ops = &late_ops;
    }
    return err;
}

static const struct ptl_loop_maker late_loops = {.open = late_open, .random = any_loop_random};

/* ---- A node that hangs ----------------------------------------------------------------------- */

static sem_t hanging, go_on;

static int hang(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    sem_post(&hanging);
    while (sem_wait(&go_on) != 0) {
    }
    return PTL_OK;
}

static void hang_all_shards(struct ptl_node *node)
{
    for (unsigned i = 0; i < ptl_node_shards(node); i++) {
        struct ptl_port_options options = {
            .size = sizeof(options), .handler = hang, .shard_plus_one = i + 1};
        struct ptl_port port;
        assert_int_equal(ptl_port_new(node, &options, &port), 0);
        assert_int_equal(ptl_sendf(node, &port, "i", INT64_C(1)), 0);
    }
    for (unsigned i = 0; i < ptl_node_shards(node); i++) {
        while (sem_wait(&hanging) != 0) {
        }
    }
}

static void let_go_on(struct ptl_node *node)
{
    for (unsigned i = 0; i < ptl_node_shards(node); i++) {
        sem_post(&go_on);
    }
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static struct ptl_node *start(const char *id, bool ordinary, struct ptl_node *seed,
                              const struct ptl_loop_maker *loops)
{
    const char *const seeds[] = {seed != NULL ? ptl_node_address(seed, 0) : NULL, NULL};
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    options.seeds = seeds;
    options.ordinary = ordinary;
    options.loops = loops;
    options.silence_ms = 20000; /* nobody is lost because it hangs */
    return witness_start(&options);
}

static void node_whose_clock_was_set_back_is_known_through_its_new_master(void **state)
{
    struct ptl_node *aa = start("aa", false, NULL, NULL);
    struct ptl_node *bb = start("bb", false, aa, NULL);
    struct ptl_node *cc = start("cc", false, aa, NULL);

    (void)state;
    struct ptl_node *leaf = start("leaf", true, aa, NULL);
    db_set(leaf, "fam", "life", "1");
    db_until(aa, "fam", "life=1");
    db_until(bb, "fam", "life=1");
    db_until(cc, "fam", "life=1");
    hang_all_shards(aa);
    assert_int_equal(witness_stop(leaf, 5000), 0);
    leaf = start("leaf", true, bb, &late_loops);
    db_set(leaf, "fam", "life", "2");
    db_until(leaf, "fam", "life=2"); /* as its new master says */
    db_until(cc, "fam", "life=2");
    let_go_on(aa);
    db_until(aa, "fam", "life=2");
    db_until(bb, "fam", "life=2");
    db_set(leaf, "fam", "more", "3");
    db_until(aa, "fam", "life=2 more=3");
    db_until(cc, "fam", "life=2 more=3");
    assert_int_equal(witness_stop(leaf, 5000), 0);
    db_until(aa, "fam", "");
    db_until(bb, "fam", "");
    db_until(cc, "fam", "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(node_whose_clock_was_set_back_is_known_through_its_new_master),
    };

    sem_init(&hanging, 0, 0);
    sem_init(&go_on, 0, 0);
    return witness_main(argc, argv, "attachments", tests, sizeof(tests) / sizeof(tests[0]),
                        (const unsigned[]){1, 2, 0});
}
