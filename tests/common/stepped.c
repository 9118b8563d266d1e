#include "tests/common/stepped.h"

#include "engine/directory/database.h"
#include "engine/link/known.h"
#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "tests/common/listener.h"
#include "tests/common/witness.h"

static char silent_address[32];

void stepped_begin(void)
{
    (void)listener_open(silent_address);
}

struct ptl_node *stepped_make(unsigned shards, bool ordinary)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node;

    options.shards = shards;
    options.ordinary = ordinary;
    options.inbox_room = options.link_room = (size_t)1 << 30;
    options.globals_max = UINT32_MAX;
    options.log_level = PTL_LOG_ERROR;
    options.handshake_ms = 600000;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    for (unsigned i = 0; i < shards; i++) {
        assert_int_equal(ptl_node_open_shard(node, i), 0);
    }
    assert_int_equal(ptl_node_learn(node, ptl_span_text("snow"), silent_address), 0);
    assert_int_equal(ptl_node_learn(node, ptl_span_text("hail"), silent_address), 0);
    return node;
}

bool stepped_turn(struct ptl_node *node)
{
    bool any = false;

    for (unsigned i = 0; i < node->shard_count; i++) {
        if (ptl_node_next(node, i) == 0) {
            ptl_node_turn(node, i);
            any = true;
        }
    }
    return any;
}

void stepped_settle(struct ptl_node *node)
{
    while (stepped_turn(node)) {
    }
}

static void post(struct ptl_node *node, const char *peer, struct ptl_op *op)
{
    op->node = ptl_span_text(peer);
    assert_int_equal(ptl_shard_post(&node->shards[0], 0, op, true), 0);
    node->shards[0].unfinished = true;
}

void stepped_tell(struct ptl_node *node, const char *peer, const struct ptl_dir_words *words,
                  const struct ptl_writer *writer)
{
    struct ptl_op op = ptl_dir_say(words);

    if (writer != NULL) {
        op.body = ptl_writer_body(writer);
        op.count = writer->count;
    }
    post(node, peer, &op);
}

void stepped_tell_msg(struct ptl_node *node, const char *peer, const struct ptl_dir_words *words,
                      const struct ptl_msg *msg)
{
    struct ptl_op op = ptl_dir_say(words);

    if (msg != NULL) {
        op.body = ptl_msg_body(msg);
        op.count = msg->count;
        op.whole = msg;
    }
    post(node, peer, &op);
}

void stepped_tell_global(struct ptl_node *node, const char *peer)
{
    stepped_tell(node, peer,
                 &(struct ptl_dir_words){.kind = PTL_DIR_PEER_GLOBAL, .knows_owners = true}, NULL);
}

void stepped_tell_attached(struct ptl_node *node, const char *peer)
{
    const struct ptl_dir_words words = {
        .kind = PTL_DIR_REPLACE,
        .by = {.attachment = 1, .ours = true},
    };
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_put_map(&writer, 0);
    stepped_tell(node, peer, &words, &writer);
    ptl_writer_drop(&writer);
}

struct ptl_node *stepped_make_becoming(void)
{
    const struct ptl_dir_words master = {
        .kind = PTL_DIR_MASTER,
        .attachment = {.number = 1000000, .knows_owners = true},
    };
    struct ptl_node *node = stepped_make(1, true);

    stepped_tell_global(node, "snow");
    stepped_tell(node, "snow", &master, NULL);
    stepped_settle(node);
    stepped_tell(node, "", &(struct ptl_dir_words){.kind = PTL_DIR_GLOBAL}, NULL);
    stepped_settle(node);
    assert_int_equal(node->shards[0].directory->role, PTL_ROLE_BECOMING);
    return node;
}
