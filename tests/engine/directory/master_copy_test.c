/*
 * What a master has said of a family that is watched here ranks before what is set here, until this
 * node is global.  Then it goes slice by slice, and hides nothing from whoever asks.  The node is
 * stepped by hand.
 */
#include "engine/directory/database.h"
#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/shard/belonging.h"
#include "engine/shard/shard.h"
#include "tests/common/stepped.h"
#include "tests/common/witness.h"

#ifdef PTL_QUICK
#define KEYS 12000
#else
#define KEYS 100000
#endif

/* A turn may do two slices of 4096 of one work: when it hears of it, and again at its end. */
#define TURN_MAX (2 * 4096)

/* ---- The master ------------------------------------------------------------------------------ */

static void attach_to_snow(struct ptl_node *node)
{
    const struct ptl_dir_words words = {.kind = PTL_DIR_MASTER, .attachment.number = 1000000};

    stepped_tell_msg(node, "snow", &words, NULL);
}

static void become_global(struct ptl_node *node)
{
    stepped_tell_msg(node, "", &(struct ptl_dir_words){.kind = PTL_DIR_GLOBAL}, NULL);
}

/* The master's first copy: each of KEYS keys is "old". */
static void take_copy(struct ptl_node *node, const char *family)
{
    struct ptl_writer writer;
    struct ptl_msg *msg;
    char key[16];

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, family, strlen(family));
    ptl_put_map(&writer, KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        int size = snprintf(key, sizeof key, "%u", i);
        ptl_put_text(&writer, key, (size_t)size);
        ptl_put_text(&writer, "old", 3);
    }
    assert_int_equal(ptl_writer_finish(&writer, &msg), 0);
    stepped_tell_msg(node, "snow", &(struct ptl_dir_words){.kind = PTL_DIR_COPY}, msg);
    ptl_msg_free(msg);
}

static uint32_t keys_of(const struct ptl_node *node, const char *family)
{
    return ptl_store_family_count(node->shards[0].directory->store, ptl_span_text(family));
}

/* ---- This node ------------------------------------------------------------------------------- */

static int ignore_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    (void)change;
    (void)data;
    return PTL_OK;
}

/* It has been asked for the family, and all that it has of that has come. */
static void watch(struct ptl_node *node, const char *family)
{
    assert_int_equal(ptl_db_watch(node, family, ignore_change, NULL, NULL), 0);
    stepped_settle(node);
    take_copy(node, family);
    while (keys_of(node, family) < KEYS) {
        stepped_turn(node);
    }
    stepped_settle(node);
}

static void set_here(struct ptl_node *node, const char *family, const char *key)
{
    struct ptl_msg *msg;

    assert_int_equal(ptl_msg_make(node, &msg, "t", "new"), 0);
    assert_int_equal(ptl_db_set(node, family, key, msg), 0);
    ptl_msg_free(msg);
}

static void node_that_becomes_global_answers_with_what_was_set_here_last(void **state)
{
    struct ptl_node *node = stepped_make(1, true);
    uint32_t left = 2 * KEYS;

    (void)state;
    attach_to_snow(node);
    watch(node, "fam");
    watch(node, "other");
    set_here(node, "fam", "7");
    set_here(node, "other", "5");
    assert_int_equal(ptl_db_get(node, "fam", "7", on_reply, "before"), 0);
    stepped_settle(node);
    assert_silent("before"); /* snow would have to say it */
    become_global(node);
    assert_int_equal(ptl_db_get(node, "other", "5", on_reply, "after"), 0);
    assert_int_equal(ptl_db_keys(node, "other", on_reply, "keys"), 0);
    while (left > 2) {
        uint32_t before = left;
        stepped_turn(node);
        left = keys_of(node, "fam") + keys_of(node, "other");
        assert_true(before - left <= TURN_MAX);
        assert_int_equal(ptl_db_get(node, "fam", "7", on_reply, "meanwhile"), 0);
    }
    stepped_settle(node);
    assert_next("before", "[\"new\"]");
    assert_next("after", "[\"new\"]");
    assert_next("keys", "[[\"5\"]]");
    for (size_t i = witness_count("meanwhile"); i > 0; i--) {
        assert_next("meanwhile", "[\"new\"]");
    }
    ptl_node_crash(node);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(node_that_becomes_global_answers_with_what_was_set_here_last),
    };

    stepped_begin();
    return witness_main(argc, argv, "master_copy", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
