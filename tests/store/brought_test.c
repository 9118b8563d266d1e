/*
 * What one node brings for others: it is counted, bounded, and goes piece by piece.
 */
#include "tests/common/store_world.h"

#include <stdio.h>

#define MANY 100000

/* A node that has spoken for many costs nobody more than a piece of it at a time: each of its
 * owners counts as much as an entry. */
static void store_lets_who_has_brought_many_owners_go_in_pieces(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 100, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source again = from("n1500/snow", 1), other = from("n1600/wind", 1);
    struct ptl_source source;
    unsigned pieces = 0;
    char names[32];

    for (unsigned i = 1000; i < 2000; i++) {
        snprintf(names, sizeof(names), "n%u/snow", i);
        source = from(names, 1);
        assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
        assert_int_equal(ptl_store_set(store, &source, text("fam"), text(names), text("v")),
                         PTL_STORE_DONE);
    }
    assert_int_equal(ptl_store_brought(store, text("snow")).owners, 1000);
    assert_int_equal(ptl_store_brought(store, text("snow")).entries, 1000);
    assert_int_equal(ptl_store_drop_via(store, text("snow")), 1000);
    assert_true(ptl_store_family_count(store, text("fam")) >= 1000 - 50);
    assert_int_equal(ptl_store_brought(store, text("snow")).owners, 0);
    assert_false(ptl_store_owner(store, text("n1500"), &source)); /* gone for who asks */
    assert_int_equal(ptl_store_owner_count(store, text("n1500")), 0);
    assert_int_equal(ptl_store_drop(store, &again), PTL_STORE_SAME);
    assert_int_equal(ptl_store_set(store, &again, text("fam"), text("key"), text("no")),
                     PTL_EOWNER);
    assert_int_equal(ptl_store_attach(store, &again), PTL_STORE_DONE);
    assert_int_equal(ptl_store_set(store, &again, text("fam"), text("key"), text("new")),
                     PTL_STORE_DONE);
    assert_int_equal(ptl_store_attach(store, &other), PTL_STORE_DONE);
    while (ptl_store_work(store, 100)) {
        pieces++;
        uint32_t left = ptl_store_family_count(store, text("fam"));
        assert_true(left + 100 * pieces + 52 >= 1001); /* no piece takes more than it may */
    }
    assert_in_range(pieces, 15, 20);
    assert_int_equal(ptl_store_family_count(store, text("fam")), 1);
    assert_int_equal(ptl_store_brought(store, text("snow")).owners, 1);
    assert_int_equal(ptl_store_brought(store, text("snow")).entries, 1);
    assert_int_equal(ptl_store_brought(store, text("wind")).owners, 1);
    ptl_store_free(store);
}

static uint64_t bytes_of(const struct ptl_store *store, const char *via)
{
    return ptl_store_brought(store, text(via)).bytes;
}

static void put(struct ptl_store *store, const struct ptl_source *source, const char *family,
                const char *key, const char *value)
{
    assert_int_equal(ptl_store_set(store, source, text(family), text(key), text(value)),
                     PTL_STORE_DONE);
}

/* Of keys and values, whether they are set, set anew, replaced, moved or deleted. */
static void store_counts_bytes_as_they_come_and_go(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 10, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source rain = from("rain/snow", 1), moved = from("rain/wind", 2);
    uint32_t many = MANY;

    assert_int_equal(ptl_store_owner_bytes(store, text("rain")), 0);
    assert_int_equal(ptl_store_attach(store, &rain), PTL_STORE_DONE);
    put(store, &rain, "fam", "one", "1");
    put(store, &rain, "other", "two", "22");
    assert_int_equal(ptl_store_owner_bytes(store, text("rain")), 3 + 1 + 3 + 2);
    put(store, &rain, "fam", "one", "2");    /* in place */
    put(store, &rain, "fam", "one", "1111"); /* longer */
    assert_int_equal(bytes_of(store, "snow"), 3 + 4 + 3 + 2);
    put(store, &rain, "fam", "one", ""); /* shorter */
    assert_int_equal(bytes_of(store, "snow"), 3 + 3 + 2);
    assert_int_equal(ptl_store_del(store, &rain, text("fam"), text("one")), PTL_STORE_DONE);
    assert_int_equal(bytes_of(store, "snow"), 3 + 2);
    assert_int_equal(ptl_store_replace_begin(store, &moved), PTL_STORE_DONE);
    assert_int_equal(bytes_of(store, "snow"), 0);
    assert_int_equal(bytes_of(store, "wind"), 3 + 2);
    put(store, &moved, "fam", "three", "333");
    assert_false(ptl_store_replace_end(store, &moved, &many));
    assert_int_equal(ptl_store_owner_bytes(store, text("rain")), 5 + 3);
    assert_int_equal(ptl_store_drop(store, &moved), PTL_STORE_DONE);
    assert_int_equal(bytes_of(store, "wind"), 0);
    ptl_store_free(store);
}

/* What is leaving is counted until it has left: whoever comes again and again is found out. */
static void store_counts_what_came_through_a_node_and_what_of_it_is_leaving(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 10, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_brought brought;
    char key[16];

    for (uint64_t attachment = 1; attachment <= 3; attachment++) {
        struct ptl_source source = from("rain/snow", attachment);
        assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
        for (unsigned i = 0; i < 100; i++) {
            snprintf(key, sizeof(key), "key%u", i);
            assert_int_equal(ptl_store_set(store, &source, text("fam"), text(key), text("v")),
                             PTL_STORE_DONE);
        }
    }
    brought = ptl_store_brought(store, text("snow"));
    assert_int_equal(brought.owners, 1);
    assert_int_equal(brought.entries, 100);
    assert_int_equal(brought.leaving_owners, 2);
    assert_int_equal(brought.leaving_entries, 200);
    assert_int_equal(brought.bytes, 90 * 6 + 10 * 5);
    assert_int_equal(brought.leaving_bytes, 2 * brought.bytes);
    ptl_store_work(store, 50);
    assert_int_equal(ptl_store_brought(store, text("snow")).leaving_entries, 150);
    while (ptl_store_work(store, 50)) {
    }
    struct ptl_source moved = from("rain/wind", 4);
    assert_int_equal(ptl_store_replace_begin(store, &moved), PTL_STORE_DONE);
    brought = ptl_store_brought(store, text("snow"));
    assert_int_equal(brought.owners + brought.leaving_owners, 1);
    assert_int_equal(brought.entries + brought.leaving_entries, 100);
    while (ptl_store_work(store, 50)) {
    }
    assert_int_equal(ptl_store_brought(store, text("snow")).leaving_entries, 0);
    assert_int_equal(ptl_store_brought(store, text("wind")).owners, 1);
    ptl_store_free(store);
}

static void store_takes_so_many_global_nodes_of_one_owner_and_no_more(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 0, 2};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source rain = from("rain", 1), snow = from("snow", 1);

    assert_int_equal(ptl_store_attach(store, &rain), PTL_STORE_DONE);
    assert_int_equal(ptl_store_attach(store, &snow), PTL_STORE_DONE);
    assert_int_equal(ptl_store_set(store, &rain, text("'g"), text("a"), text("v")), PTL_STORE_DONE);
    assert_int_equal(ptl_store_set(store, &rain, text("'g"), text("b"), text("v")), PTL_STORE_DONE);
    assert_int_equal(ptl_store_set(store, &rain, text("'g"), text("c"), text("v")), PTL_ELIMIT);
    assert_int_equal(ptl_store_set(store, &rain, text("'g"), text("b"), text("w")), PTL_STORE_DONE);
    assert_int_equal(ptl_store_set(store, &rain, text("fam"), text("c"), text("v")),
                     PTL_STORE_DONE);
    assert_int_equal(ptl_store_set(store, &snow, text("'g"), text("c"), text("v")), PTL_STORE_DONE);
    assert_int_equal(ptl_store_del(store, &rain, text("'g"), text("a")), PTL_STORE_DONE);
    assert_int_equal(ptl_store_set(store, &rain, text("'g"), text("c"), text("v")), PTL_STORE_DONE);
    ptl_store_free(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(store_lets_who_has_brought_many_owners_go_in_pieces),
        TEST(store_counts_bytes_as_they_come_and_go),
        TEST(store_counts_what_came_through_a_node_and_what_of_it_is_leaving),
        TEST(store_takes_so_many_global_nodes_of_one_owner_and_no_more),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
