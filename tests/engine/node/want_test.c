/*
 * What happens without memory to what was accepted before: it is kept, or what it was about fails,
 * so that whoever watches is told (G2, G4).
 */
#include "engine/directory/directory.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/link/peer_room.h"
#include "engine/node/node.h"
#include "tests/common/witness.h"

/* ---- The database -------------------------------------------------------------------------- */

/* A node that does not run: the test is all of its shards. */
static struct ptl_node *still_node(void)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node;

    options.shards = 1;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    return node;
}

static void fill_ring(struct ptl_ring *ring)
{
    while (ptl_ring_reserve(ring, 8, 0, true) != NULL) {
        ptl_ring_commit(ring, 8, 0);
    }
}

static void empty_ring(struct ptl_ring *ring)
{
    ptl_ring_publish(ring);
    while (ptl_ring_take(ring, ptl_ring_tail(ring)) != NULL) {
    }
    ptl_ring_release(ring);
}

/* The next op in the ring is the failure of that node's link, and the last. */
static void assert_fails(struct ptl_ring *ring, const char *node)
{
    struct ptl_op op;

    ptl_ring_publish(ring);
    void *record = ptl_ring_take(ring, ptl_ring_tail(ring));
    assert_non_null(record);
    ptl_op_unpack(record, &op);
    assert_int_equal(op.kind, PTL_OP_DIRECTORY);
    assert_int_equal(ptl_dir_kind(&op), PTL_DIR_FAIL);
    assert_int_equal(ptl_dir_words(&op).err, PTL_ENOMEM);
    assert_int_equal(op.node.size, strlen(node));
    assert_memory_equal(op.node.size == 0 ? "" : (const char *)op.node.bytes, node, op.node.size);
    assert_null(ptl_ring_take(ring, ptl_ring_tail(ring)));
    ptl_ring_release(ring);
}

static void link_whose_database_is_lost_fails_though_there_is_neither_room_nor_memory(void **state)
{
    struct ptl_node *node = still_node();
    struct ptl_shard *shard = &node->shards[0];
    struct ptl_ring *ring = ptl_shard_ring(shard, 0);
    struct ptl_op about = ptl_dir_op(PTL_DIR_KEEP);

    (void)state;
    about.node = ptl_span_text("snow");
    shard->stop_step = PTL_STOP_TELL; /* nothing of the database is of interest but this */
    assert_non_null(ptl_peer_get(shard, ptl_span_text("snow")));
    for (int i = 0; i < 3; i++) {
        fill_ring(ring);
        witness_fail_memory(1, true);
        if (i == 0) {
            ptl_directory_fail(shard, ptl_span_text("snow"), PTL_ENOMEM);
        } else if (i == 1) {
            ptl_directory_post(shard, 0, &about);
        } else {
            ptl_directory_fail(shard, ptl_span_text("wind"), PTL_ENOMEM); /* no peer yet */
        }
        ptl_untold_work(shard);
        assert_true(ptl_untold_any(&shard->untold)); /* still no room */
        empty_ring(ring);
        ptl_untold_work(shard);
        assert_false(ptl_untold_any(&shard->untold)); /* still no memory */
        witness_fail_memory(0, false);
        assert_fails(ring, i == 2 ? "" : "snow");
    }
    ptl_node_free(node);
}

/* ---- Timers -------------------------------------------------------------------------------- */

static struct ptl_node *start(const char *id)
{
    static const char *const loopback[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    options.shards = 1;
    return witness_start(&options);
}

static void message_for_which_memory_lacks_at_its_time_is_sent_when_there_is_some(void **state)
{
    struct ptl_node *rain = start("rain"), *snow = start("snow");
    struct ptl_msg *first = witness_values("1"), *second = witness_values("2");
    struct ptl_port port = witness_port(snow, "port", on_message, "port");
    size_t requests;

    (void)state;
    port = witness_parse(rain, "snow#port");
    assert_int_equal(ptl_node_known(rain, "snow", ptl_node_address(snow, 0)), 0);
    assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
    tell(rain, &port, "i", (int64_t)0);
    assert_next("port", "[0]");
    /* Far more than any buffer has free: sending asks for memory. */
    char *text = malloc(4 << 20);
    memset(text, 'x', 4 << 20);
    struct ptl_writer writer;
    struct ptl_msg *large;
    ptl_writer_init(&writer, rain);
    ptl_put_text(&writer, text, 4 << 20);
    free(text);
    assert_int_equal(ptl_writer_finish(&writer, &large), 0);
    assert_int_equal(ptl_after_send(rain, 200, &port, large, NULL), 0);
    assert_int_equal(ptl_after_send(rain, 201, &port, first, NULL), 0);
    assert_int_equal(ptl_after(rain, 1, on_time, "begun", NULL), 0);
    assert_next("begun", "time"); /* all are with their shard */
    witness_fail_memory(1, true);
    for (requests = 0; requests < 10;) {
        requests = witness_memory_requests();
    }
    witness_fail_memory(0, false);
    /* Long after the first, however late the shard has taken that from this thread. */
    assert_int_equal(ptl_after_send(rain, 1000, &port, second, NULL), 0);
    witness_until("port", "xxx");
    witness_until("port", "[1]");
    witness_until("port", "[2]");
    assert_silent("gone");
    ptl_msg_free(first);
    ptl_msg_free(second);
    ptl_msg_free(large);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(link_whose_database_is_lost_fails_though_there_is_neither_room_nor_memory),
        WITNESSED(message_for_which_memory_lacks_at_its_time_is_sent_when_there_is_some),
    };

    return witness_main(argc, argv, "want", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
