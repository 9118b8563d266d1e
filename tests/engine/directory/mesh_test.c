/*
 * A global node's own mirror of where its peers listen, as they say it themselves, whatever else
 * stands in 'l under their IDs.  The node is stepped by hand.
 */
#include "engine/directory/database.h"
#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/shard/belonging.h"
#include "engine/shard/shard.h"
#include "tests/common/stepped.h"
#include "tests/common/witness.h"

/* ---- What peers say -------------------------------------------------------------------------- */

static void put(struct ptl_writer *writer, const char *text)
{
    ptl_put_text(writer, text, strlen(text));
}

/* Global, of ours, and it has told nothing yet. */
static void is_global(struct ptl_node *node, const char *peer)
{
    struct ptl_writer writer;

    stepped_tell_global(node, peer);
    ptl_writer_init(&writer, NULL);
    put(&writer, peer);
    ptl_put_int(&writer, 1);
    stepped_tell(node, peer, &(struct ptl_dir_words){.kind = PTL_DIR_OWNER}, &writer);
    ptl_writer_drop(&writer);
}

/* An array of one address, or NULL: none any more. */
static void put_change(struct ptl_writer *writer, const char *of, const char *address)
{
    put(writer, "'l");
    ptl_put_map(writer, address != NULL);
    if (address != NULL) {
        put(writer, of);
        ptl_put_array(writer, 1);
        put(writer, address);
    }
    ptl_put_array(writer, address == NULL);
    if (address == NULL) {
        put(writer, of);
    }
}

/* It has set in 'l where `of` listens. */
static void says(struct ptl_node *node, const char *peer, const char *of, const char *address)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    put(&writer, peer);
    ptl_put_int(&writer, 1);
    put_change(&writer, of, address);
    stepped_tell(node, peer, &(struct ptl_dir_words){.kind = PTL_DIR_OWNED}, &writer);
    ptl_writer_drop(&writer);
}

/* The same of a real global node, which knows no owners. */
static void sets(struct ptl_node *node, const char *peer, const char *of, const char *address)
{
    const struct ptl_dir_words words = {.kind = PTL_DIR_UPDATE, .by.global = true};
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    put_change(&writer, of, address);
    stepped_tell(node, peer, &words, &writer);
    ptl_writer_drop(&writer);
}

/* ---- What is mirrored ------------------------------------------------------------------------ */

static void assert_mirrors(struct ptl_node *node, const char *peer, const char *address)
{
    struct ptl_walk walk =
        ptl_store_walk_owner(node->shards[0].directory->store, ptl_span_text("rain"));
    struct ptl_item item, found = {0};

    while (ptl_store_next(&walk, &item)) {
        if (ptl_span_equal(item.family, ptl_span_text("'l")) &&
            ptl_span_equal(item.key, ptl_span_text(peer))) {
            found = item;
        }
    }
    if (address == NULL) {
        assert_null(found.value.bytes);
        return;
    }
    assert_non_null(found.value.bytes);
    assert_int_equal(found.value.size, 2 + strlen(address)); /* one head each: they are short */
    assert_memory_equal(found.value.bytes + 2, address, strlen(address));
}

static void what_a_peer_says_of_itself_is_mirrored_as_long_as_it_says_so(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    is_global(node, "snow");
    stepped_settle(node);
    assert_mirrors(node, "snow", NULL);
    says(node, "snow", "snow", "127.0.0.1:1");
    stepped_settle(node);
    assert_mirrors(node, "snow", "127.0.0.1:1");
    says(node, "snow", "snow", "127.0.0.1:2");
    says(node, "snow", "hail", "127.0.0.1:3");
    stepped_settle(node);
    assert_mirrors(node, "snow", "127.0.0.1:2");
    assert_mirrors(node, "hail", NULL);
    says(node, "snow", "snow", NULL);
    stepped_settle(node);
    assert_mirrors(node, "snow", NULL);
    ptl_node_crash(node);
}

/* Nothing changes for who looks at the family: it is another's word, and the same. */
static void what_another_has_said_of_a_peer_before_is_mirrored_when_the_peer_says_so(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    is_global(node, "hail");
    says(node, "hail", "snow", "127.0.0.1:1");
    stepped_settle(node);
    assert_mirrors(node, "snow", NULL);
    is_global(node, "snow");
    says(node, "snow", "snow", "127.0.0.1:1");
    stepped_settle(node);
    assert_mirrors(node, "snow", "127.0.0.1:1");
    says(node, "snow", "snow", NULL); /* hail still says so */
    stepped_settle(node);
    assert_mirrors(node, "snow", NULL);
    ptl_node_crash(node);
}

static void what_a_real_peer_says_is_mirrored_as_well(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    const struct ptl_dir_words words = {.kind = PTL_DIR_REPLACE, .by.global = true};
    struct ptl_writer writer;

    (void)state;
    is_global(node, "hail");
    says(node, "hail", "snow", "127.0.0.1:1");
    stepped_tell(node, "snow", &(struct ptl_dir_words){.kind = PTL_DIR_PEER_GLOBAL}, NULL);
    stepped_settle(node);
    ptl_writer_init(&writer, NULL);
    ptl_put_map(&writer, 1);
    put(&writer, "'l");
    ptl_put_map(&writer, 1);
    put(&writer, "snow");
    ptl_put_array(&writer, 1);
    put(&writer, "127.0.0.1:1");
    stepped_tell(node, "snow", &words, &writer);
    ptl_writer_drop(&writer);
    stepped_settle(node);
    assert_mirrors(node, "snow", "127.0.0.1:1");
    says(node, "hail", "snow", "127.0.0.1:2");
    stepped_settle(node);
    sets(node, "snow", "snow", "127.0.0.1:2");
    stepped_settle(node);
    assert_mirrors(node, "snow", "127.0.0.1:2");
    ptl_node_crash(node);
}

static int ignore_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    (void)change;
    (void)data;
    return PTL_OK;
}

/* It was ordinary, and its master's copy of 'l goes only when the peer's own word has come. */
static void what_a_masters_copy_has_said_of_a_peer_is_mirrored_when_the_peer_says_so(void **state)
{
    struct ptl_node *node = stepped_make(1, true);
    const struct ptl_dir_words master = {
        .kind = PTL_DIR_MASTER,
        .attachment = {.number = 1000000, .knows_owners = true},
    };
    struct ptl_writer writer;

    (void)state;
    stepped_tell(node, "hail", &master, NULL);
    assert_int_equal(ptl_db_watch(node, "'l", ignore_change, NULL, NULL), 0);
    stepped_settle(node);
    ptl_writer_init(&writer, NULL);
    put(&writer, "'l");
    ptl_put_map(&writer, 1);
    put(&writer, "snow");
    ptl_put_array(&writer, 1);
    put(&writer, "127.0.0.1:1");
    stepped_tell(node, "hail", &(struct ptl_dir_words){.kind = PTL_DIR_COPY}, &writer);
    ptl_writer_drop(&writer);
    stepped_settle(node);
    is_global(node, "snow");
    stepped_tell(node, "", &(struct ptl_dir_words){.kind = PTL_DIR_GLOBAL}, NULL);
    says(node, "snow", "snow", "127.0.0.1:1");
    stepped_settle(node);
    assert_mirrors(node, "snow", "127.0.0.1:1");
    ptl_node_crash(node);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(what_a_peer_says_of_itself_is_mirrored_as_long_as_it_says_so),
        WITNESSED(what_another_has_said_of_a_peer_before_is_mirrored_when_the_peer_says_so),
        WITNESSED(what_a_real_peer_says_is_mirrored_as_well),
        WITNESSED(what_a_masters_copy_has_said_of_a_peer_is_mirrored_when_the_peer_says_so),
    };

    stepped_begin();
    return witness_main(argc, argv, "mesh", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
