/*
 * In which order an asker is answered, when there was no room for its answers for a while.  The
 * node is stepped by hand; "hail" is a peer that asks, and the link to it has no connection: what
 * is sent to it waits there, and can be read.
 */
#include "engine/directory/body.h"
#include "engine/directory/database.h"
#include "engine/directory/question_book.h"
#include "engine/link/link.h"
#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/port/fullness.h"
#include "engine/shard/belonging.h"
#include "engine/shard/shard.h"
#include "tests/common/stepped.h"
#include "tests/common/witness.h"

#define QUESTIONS 8

static void asks(struct ptl_node *node, int64_t tag)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_body_put_question(&writer, PTL_ASK_KEYS, ptl_span_text("fam"), ptl_span_text(""));
    ptl_put_int(&writer, tag);
    stepped_tell(node, "hail", &(struct ptl_dir_words){.kind = PTL_DIR_PEER_ASKS}, &writer);
    ptl_writer_drop(&writer);
}

/* The link to it is full, or no longer. */
static void set_full(struct ptl_node *node, bool full)
{
    struct ptl_shard *shard = &node->shards[0];
    struct ptl_link *link = ptl_link_get(shard, ptl_span_text("hail"));

    assert_non_null(link);
    ptl_fullness_set(shard, &link->fullness, full);
    shard->unfinished = true; /* it hears of that in its next turn */
}

/* The tag of an answer that waits at the link, or 0: it is none. */
static int64_t tag_of(const struct ptl_parcel *parcel)
{
    struct ptl_value value;
    struct ptl_op op;

    ptl_op_unpack(parcel->bytes, &op);
    struct ptl_msg msg = ptl_msg_borrow(op.body, op.count);
    if (!ptl_msg_is(&msg, "g_reply")) {
        return 0;
    }
    struct ptl_cursor cursor = ptl_msg_begin(&msg);
    assert_int_equal(ptl_next(&cursor, &value), 0);
    assert_int_equal(ptl_next(&cursor, &value), 0);
    return value.integer;
}

static unsigned count_answers(struct ptl_node *node)
{
    const struct ptl_link *link = ptl_link_find(&node->shards[0], ptl_span_text("hail"));
    int64_t expected = 1;

    for (const struct ptl_parcel *at = link->waiting_first; at != NULL; at = at->next) {
        int64_t tag = tag_of(at);
        assert_true(tag == 0 || tag == expected);
        expected += tag != 0;
    }
    return (unsigned)expected - 1;
}

/* There is room again at any moment: before or behind what the node does in a turn. */
static void questions_are_answered_in_their_order_when_there_is_room_again(void **state)
{
    (void)state;
    for (unsigned room_at = 1; room_at < 2 * QUESTIONS; room_at++) {
        struct ptl_node *node = stepped_make(1, false);
        stepped_tell_global(node, "hail");
        stepped_settle(node);
        for (unsigned i = 0; i < QUESTIONS; i++) {
            set_full(node, 2 * i < room_at);
            asks(node, i + 1);
            stepped_turn(node);
            set_full(node, 2 * i + 1 < room_at);
            stepped_turn(node);
        }
        set_full(node, false);
        stepped_settle(node);
        assert_int_equal(count_answers(node), QUESTIONS);
        ptl_node_crash(node);
    }
}

/* ---- What the master answers ----------------------------------------------------------------- */

/* To the question that it has had longest.  False: it has none. */
static bool master_answers(struct ptl_node *node)
{
    const struct ptl_list *sent = &node->shards[0].directory->questions_sent;
    struct ptl_dir_words words = {.kind = PTL_DIR_ANSWER};
    struct ptl_writer writer;

    if (ptl_list_empty(sent)) {
        return false;
    }
    words.question = ptl_question_of(sent->next)->id;
    ptl_writer_init(&writer, NULL);
    ptl_put_array(&writer, 0);
    stepped_tell(node, "snow", &words, &writer);
    ptl_writer_drop(&writer);
    return true;
}

static void answers_of_the_master_keep_their_order_when_there_is_room_again(void **state)
{
    (void)state;
    for (unsigned room_at = 1; room_at < 2 * QUESTIONS; room_at++) {
        struct ptl_node *node = stepped_make_becoming();
        stepped_tell_attached(node, "hail"); /* what it asks is passed on */
        for (unsigned i = 0; i < QUESTIONS; i++) {
            asks(node, i + 1);
        }
        stepped_settle(node);
        for (unsigned i = 0; i < QUESTIONS; i++) {
            set_full(node, 2 * i < room_at);
            (void)master_answers(node);
            stepped_turn(node);
            set_full(node, 2 * i + 1 < room_at);
            stepped_turn(node);
        }
        set_full(node, false);
        do {
            stepped_settle(node);
        } while (master_answers(node));
        assert_int_equal(count_answers(node), QUESTIONS);
        ptl_node_crash(node);
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(questions_are_answered_in_their_order_when_there_is_room_again),
        WITNESSED(answers_of_the_master_keep_their_order_when_there_is_room_again),
    };

    stepped_begin();
    return witness_main(argc, argv, "question_order", tests, sizeof(tests) / sizeof(tests[0]),
                        shards);
}
