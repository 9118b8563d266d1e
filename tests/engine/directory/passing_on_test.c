/*
 * Which questions of its peers a node that has just become global passes on to the master that it
 * had, and which it answers itself.  The node is stepped by hand; "snow" was its master.
 */
#include "engine/directory/body.h"
#include "engine/directory/database.h"
#include "engine/directory/question_book.h"
#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/shard/belonging.h"
#include "engine/shard/shard.h"
#include "tests/common/stepped.h"
#include "tests/common/witness.h"

/* ---- What peers say -------------------------------------------------------------------------- */

static void asks(struct ptl_node *node, const char *peer, enum ptl_ask what)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_body_put_question(&writer, what, ptl_span_text("fam"), ptl_span_text("key"));
    ptl_put_text(&writer, "tag", 3);
    stepped_tell(node, peer, &(struct ptl_dir_words){.kind = PTL_DIR_PEER_ASKS}, &writer);
    ptl_writer_drop(&writer);
}

/* ---- Who answers ----------------------------------------------------------------------------- */

static uint32_t questions_of(struct ptl_node *node, const char *peer)
{
    const struct ptl_asker *asker = ptl_asker_find(&node->shards[0], ptl_span_text(peer));

    return asker == NULL ? 0 : asker->waiting;
}

/* What it has set it has told snow itself, and no link is behind another one: only we have it. */
static void global_peer_is_answered_by_whom_it_asks(void **state)
{
    static const enum ptl_ask asked[] = {PTL_ASK_FAMILY, PTL_ASK_KEYS, PTL_ASK_VALUES};
    struct ptl_node *node = stepped_make_becoming();

    (void)state;
    stepped_tell_global(node, "hail");
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        asks(node, "hail", asked[i]);
        stepped_settle(node);
        assert_true(ptl_list_empty(&node->shards[0].directory->questions_sent));
        assert_int_equal(questions_of(node, "hail"), 0);
    }
    ptl_node_crash(node);
}

/* What it has set comes to snow through us, and the question behind it. */
static void question_of_an_attached_peer_is_passed_on(void **state)
{
    struct ptl_node *node = stepped_make_becoming();

    (void)state;
    stepped_tell_attached(node, "hail");
    asks(node, "hail", PTL_ASK_FAMILY);
    stepped_settle(node);
    assert_false(ptl_list_empty(&node->shards[0].directory->questions_sent));
    assert_int_equal(questions_of(node, "hail"), 1);
    ptl_node_crash(node);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(global_peer_is_answered_by_whom_it_asks),
        WITNESSED(question_of_an_attached_peer_is_passed_on),
    };

    stepped_begin();
    return witness_main(argc, argv, "passing_on", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
