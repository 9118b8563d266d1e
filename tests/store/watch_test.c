/*
 * Watches and feeds: what takes tell, and when they wake.
 */
#include "tests/common/store_world.h"

#include <stdlib.h>

/* ---- Watches ------------------------------------------------------------------------------ */

static void watch_tells_the_content_first_and_then_every_change(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_int_equal(set(world, "rain", 1, "fam", "b", "2"), PTL_STORE_DONE);
    assert_int_equal(world->wakes, 0);
    assert_int_equal(ptl_watch_pending(watch), 1);
    assert_string_equal(take(watch), "all");
    assert_string_equal(take(watch), "added fam/b=2");
    assert_string_equal(take(watch), "added fam/a=1");
    assert_string_equal(take(watch), "");
    assert_int_equal(set(world, "rain", 1, "fam", "c", "3"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "9"), PTL_STORE_DONE);
    assert_int_equal(del(world, "rain", 1, "fam", "b"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "other", "b", "2"), PTL_STORE_DONE);
    assert_int_equal(world->wakes, 1);
    assert_string_equal(take(watch), "added fam/c=3");
    assert_string_equal(take(watch), "changed fam/a=9");
    assert_string_equal(take(watch), "deleted fam/b");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

static void watch_merges_what_was_not_taken_by_key(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1", "b=1"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_int_equal(drain(watch, PTL_CHANGE_ADDED), 2);
    for (const char *digit = "23456"; *digit != '\0'; digit++) {
        char value[] = {*digit, '\0'};
        assert_int_equal(set(world, "rain", 1, "fam", "a", value), PTL_STORE_DONE);
        assert_int_equal(set(world, "rain", 1, "fam", "c", value), PTL_STORE_DONE);
        assert_int_equal(del(world, "rain", 1, "fam", "c"), PTL_STORE_DONE);
        assert_int_equal(ptl_watch_pending(watch), 1);
    }
    assert_int_equal(del(world, "rain", 1, "fam", "b"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "b", "7"), PTL_STORE_DONE);
    assert_string_equal(take(watch), "changed fam/a=6");
    assert_string_equal(take(watch), "changed fam/b=7");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

static void watch_tells_nothing_when_nothing_shows_differently(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "b", 1, "a=1"), PTL_STORE_DONE);
    assert_int_equal(attach(world, "a", 1), PTL_STORE_DONE);
    assert_int_equal(attach(world, "c", 1), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_int_equal(drain(watch, PTL_CHANGE_ADDED), 1);
    assert_int_equal(set(world, "b", 1, "fam", "a", "1"), PTL_STORE_SAME);
    assert_int_equal(set(world, "c", 1, "fam", "a", "2"), PTL_STORE_DONE); /* hidden */
    assert_int_equal(set(world, "a", 1, "fam", "a", "1"), PTL_STORE_DONE); /* the same value */
    assert_int_equal(REPLACE(world, "b", 1, "a=1"), PTL_STORE_DONE);
    assert_string_equal(take(watch), "");
    assert_int_equal(drop(world, "a", 1), PTL_STORE_DONE);
    assert_string_equal(take(watch), "");
    assert_int_equal(drop(world, "b", 1), PTL_STORE_DONE);
    assert_string_equal(take(watch), "changed fam/a=2");
    assert_int_equal(world->wakes, 1);
    ptl_watch_free(watch);
}

static void watch_of_a_key_or_a_prefix_tells_of_nothing_else(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1", "ab=2", "b=3"), PTL_STORE_DONE);
    struct ptl_watch *key = ptl_watch_key(world->store, text("fam"), text("a"), NULL, NULL);
    struct ptl_watch *prefix = ptl_watch_prefix(world->store, text("fam"), text("a"), NULL, NULL);
    assert_string_equal(take(key), "all");
    assert_string_equal(take(prefix), "all");
    assert_string_equal(take(key), "added fam/a=1");
    assert_string_equal(take(key), "");
    assert_string_equal(take(prefix), "added fam/ab=2");
    assert_string_equal(take(prefix), "added fam/a=1");
    assert_string_equal(take(prefix), "");
    assert_int_equal(REPLACE(world, "rain", 1, "ab=7", "b=8"), PTL_STORE_DONE);
    assert_string_equal(take(key), "deleted fam/a");
    assert_string_equal(take(key), "");
    assert_string_equal(take(prefix), "changed fam/ab=7");
    assert_string_equal(take(prefix), "deleted fam/a");
    assert_string_equal(take(prefix), "");
    ptl_watch_free(key);
    ptl_watch_free(prefix);
}

static void watch_that_finds_no_memory_is_told_to_copy_anew(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1", "b=1"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_int_equal(drain(watch, PTL_CHANGE_ADDED), 2);
    test_memory_fail(&world->memory, 1);
    assert_int_equal(del(world, "rain", 1, "fam", "a"), PTL_STORE_DONE);
    test_memory_fail(&world->memory, 0);
    assert_int_equal(world->wakes, 1);
    assert_int_equal(set(world, "rain", 1, "fam", "b", "2"), PTL_STORE_DONE);
    assert_string_equal(take(watch), "all");
    assert_string_equal(take(watch), "added fam/b=2");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

/* Of what is put into one part, what came last comes first. */
static void watch_copies_what_changes_where_it_has_not_been_without_a_mark(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1", "b=2", "c=3", "d=4"), PTL_STORE_DONE);
    assert_int_equal(attach(world, "snow", 1), PTL_STORE_DONE);
    assert_int_equal(set(world, "snow", 1, "fam", "e", "5"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_string_equal(take(watch), "all");
    assert_int_equal(ptl_watch_pending(watch), 1);
    assert_int_equal(del(world, "rain", 1, "fam", "c"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "f", "6"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "7"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "b", "longer"), PTL_STORE_DONE);
    assert_int_equal(ptl_watch_pending(watch), 1);
    assert_string_equal(take(watch), "added fam/e=5");
    assert_string_equal(take(watch), "added fam/f=6");
    assert_int_equal(del(world, "rain", 1, "fam", "d"), PTL_STORE_DONE); /* where it stands */
    assert_int_equal(set(world, "rain", 1, "fam", "b", "short"), PTL_STORE_DONE);
    assert_int_equal(ptl_watch_pending(watch), 1);
    assert_true(ptl_watch_copies(watch));
    assert_string_equal(take(watch), "added fam/b=short");
    assert_string_equal(take(watch), "added fam/a=7");
    assert_false(ptl_watch_copies(watch));
    assert_string_equal(take(watch), "");
    assert_int_equal(world->wakes, 0);
    ptl_watch_free(watch);
}

static void watch_tells_when_it_has_copied_of_what_changed_where_it_has_been(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1", "b=2", "c=3"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_string_equal(take(watch), "all");
    assert_string_equal(take(watch), "added fam/c=3");
    assert_string_equal(take(watch), "added fam/b=2");
    assert_int_equal(set(world, "rain", 1, "fam", "d", "4"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "c", "longer"), PTL_STORE_DONE);
    assert_int_equal(del(world, "rain", 1, "fam", "b"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "e", "5"), PTL_STORE_DONE);
    assert_int_equal(del(world, "rain", 1, "fam", "e"), PTL_STORE_DONE);
    assert_int_equal(ptl_watch_pending(watch), 4); /* the copy, d, c and b */
    assert_string_equal(take(watch), "added fam/a=1");
    assert_string_equal(take(watch), "added fam/d=4");
    assert_string_equal(take(watch), "changed fam/c=longer");
    assert_string_equal(take(watch), "deleted fam/b");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

/* From a place that the copy has passed to one that it comes to, and the other way round. */
static void watch_that_copies_tells_once_of_a_key_that_changes_hands(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "b", 1, "k=b", "m=b"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "c", 1, "l=c", "k=b"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "a", 1, "l=a"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_string_equal(take(watch), "all"); /* a's l; c's hidden k and l; b's m and k */
    assert_string_equal(take(watch), "added fam/l=a");
    assert_int_equal(del(world, "a", 1, "fam", "l"), PTL_STORE_DONE); /* to c, which is to come */
    assert_string_equal(take(watch), "added fam/m=b");
    assert_int_equal(del(world, "b", 1, "fam", "k"), PTL_STORE_DONE); /* to c, which it passed */
    assert_string_equal(take(watch), "changed fam/l=c");
    assert_string_equal(take(watch), "added fam/k=b");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

static void watch_of_a_key_that_changes_hands_before_it_is_taken_tells_of_it(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "b", 1, "k=b"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "a", 1, "k=a"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_key(world->store, text("fam"), text("k"), NULL, NULL);
    assert_string_equal(take(watch), "all");
    assert_int_equal(del(world, "a", 1, "fam", "k"), PTL_STORE_DONE);
    assert_string_equal(take(watch), "added fam/k=b");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

static void watch_that_copies_and_finds_no_memory_begins_anew(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_string_equal(take(watch), "all");
    assert_string_equal(take(watch), "added fam/b=2");
    test_memory_fail(&world->memory, 1);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "7"), PTL_STORE_DONE); /* it is to come */
    assert_int_equal(set(world, "rain", 1, "fam", "b", "8"), PTL_STORE_DONE);
    test_memory_fail(&world->memory, 0);
    assert_int_equal(ptl_watch_pending(watch), 1);
    assert_string_equal(take(watch), "all");
    assert_string_equal(take(watch), "added fam/b=8");
    assert_string_equal(take(watch), "added fam/a=7");
    assert_string_equal(take(watch), "");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

static void watch_wakes_once_until_all_is_taken(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1"), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), wake, world);
    assert_string_equal(take(watch), "all");
    assert_string_equal(take(watch), "added fam/a=1");
    assert_int_equal(set(world, "rain", 1, "fam", "a", "2"), PTL_STORE_DONE);
    assert_string_equal(take(watch), "changed fam/a=2");
    assert_int_equal(set(world, "rain", 1, "fam", "a", "3"), PTL_STORE_DONE);
    assert_int_equal(world->wakes, 0); /* nobody has been told yet that there is nothing */
    assert_string_equal(take(watch), "changed fam/a=3");
    assert_string_equal(take(watch), "");
    assert_int_equal(set(world, "rain", 1, "fam", "b", "4"), PTL_STORE_DONE);
    assert_int_equal(del(world, "rain", 1, "fam", "b"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "c", "5"), PTL_STORE_DONE);
    assert_int_equal(world->wakes, 1);
    assert_string_equal(take(watch), "added fam/c=5");
    assert_string_equal(take(watch), "");
    ptl_watch_free(watch);
}

/* ---- Feeds -------------------------------------------------------------------------------- */

static void feed_tells_of_owners_and_entries_that_one_node_brings(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), wake, world);
    assert_string_equal(take(feed), "all");
    assert_string_equal(take(feed), "owner leaf 1");
    assert_string_equal(take(feed), "added fam/a=1");
    assert_int_equal(REPLACE(world, "other/snow", 1, "a=2"), PTL_STORE_DONE);
    assert_string_equal(take(feed), "");
    assert_int_equal(set(world, "leaf/rain", 1, "fam", "b", "3"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "twig/rain", 7, "c=1"), PTL_STORE_DONE);
    assert_int_equal(set(world, "twig/rain", 7, "fam", "c", "2"), PTL_STORE_DONE);
    assert_int_equal(del(world, "leaf/rain", 1, "fam", "a"), PTL_STORE_DONE);
    assert_string_equal(take(feed), "added fam/b=3");
    assert_string_equal(take(feed), "owner twig 7");
    assert_string_equal(take(feed), "added fam/c=2"); /* what it has by now */
    assert_string_equal(take(feed), "deleted fam/a");
    assert_string_equal(take(feed), "");
    assert_int_equal(world->wakes, 1);
    ptl_watch_free(feed);
}

static void feed_tells_of_an_owner_that_moves_away_once(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    struct ptl_watch *rain = ptl_feed_via(world->store, text("rain"), wake, world);
    struct ptl_watch *snow = ptl_feed_via(world->store, text("snow"), wake, world);
    assert_int_equal(drain(rain, PTL_CHANGE_ADDED), 2);
    assert_string_equal(take(snow), "all");
    assert_int_equal(set(world, "leaf/rain", 1, "fam", "a", "7"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "leaf/snow", 2, "a=1"), PTL_STORE_DONE);
    assert_string_equal(take(rain), "lost leaf 1"); /* and not its keys */
    assert_string_equal(take(rain), "");
    assert_string_equal(take(snow), "owner leaf 2");
    assert_string_equal(take(snow), "added fam/a=1");
    assert_string_equal(take(snow), "");
    /* There and gone again between two takes is nothing. */
    assert_int_equal(REPLACE(world, "twig/rain", 1, "t=1"), PTL_STORE_DONE);
    assert_int_equal(drop(world, "twig/rain", 1), PTL_STORE_DONE);
    assert_string_equal(take(rain), "");
    ptl_watch_free(rain);
    ptl_watch_free(snow);
}

static void feed_steps_over_what_is_removed_where_it_stands(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2", "c=3"), PTL_STORE_DONE);
    assert_int_equal(set(world, "leaf/rain", 1, "other", "d", "4"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), wake, world);
    assert_string_equal(take(feed), "all");
    assert_string_equal(take(feed), "owner leaf 1");
    assert_string_equal(take(feed), "added other/d=4"); /* what came last comes first */
    assert_int_equal(ptl_watch_pending(feed), 1);
    struct ptl_item item;
    struct ptl_walk walk = ptl_store_walk_owner(world->store, text("leaf"));
    do {
        assert_true(ptl_store_next(&walk, &item));
    } while (item.family.size != 3);
    char next[] = {(char)item.key.bytes[0], '\0'};
    assert_int_equal(del(world, "leaf/rain", 1, "fam", next), PTL_STORE_DONE);
    assert_int_equal(ptl_watch_pending(feed), 2); /* the copy, and the key that it may have */
    assert_int_equal(drain(feed, PTL_CHANGE_ADDED), 2);
    ptl_watch_free(feed);
}

static void feed_begins_an_owner_again_that_attaches_anew(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), wake, world);
    assert_string_equal(take(feed), "all");
    assert_int_equal(REPLACE(world, "leaf/rain", 2, "c=3", "d=4"), PTL_STORE_DONE);
    assert_int_equal(ptl_watch_pending(feed), 1); /* its copy has not begun */
    assert_string_equal(take(feed), "owner leaf 2");
    assert_int_equal(drop(world, "leaf/rain", 2), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "leaf/rain", 3, "e=5"), PTL_STORE_DONE);
    assert_string_equal(take(feed), "owner leaf 3");
    assert_string_equal(take(feed), "added fam/e=5");
    assert_string_equal(take(feed), "");
    ptl_watch_free(feed);
}

/* Whoever keeps what it was told before misses nothing that goes meanwhile. */
static void feed_told_again_tells_what_is_deleted_where_its_copy_has_not_been(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2", "c=3"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "twig/rain", 1, "t=1"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "stem/rain", 1, "s=1"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), wake, world);
    struct ptl_watch *merged = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
    assert_int_equal(drain(feed, PTL_CHANGE_ADDED), 5);
    assert_int_equal(drain(merged, PTL_CHANGE_ADDED), 5);

    world->wakes = 0;
    ptl_feed_again(feed);
    ptl_feed_again(merged);
    assert_int_equal(world->wakes, 1);
    assert_int_equal(del(world, "leaf/rain", 1, "fam", "a"), PTL_STORE_DONE);
    assert_int_equal(drop(world, "twig/rain", 1), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "stem/rain", 2, "r=2"), PTL_STORE_DONE);
    assert_string_equal(take(feed), "owner leaf 1");
    assert_string_equal(take(feed), "added fam/c=3");
    assert_string_equal(take(feed), "added fam/b=2");
    assert_string_equal(take(feed), "deleted fam/a");
    assert_string_equal(take(feed), "lost twig 1");
    assert_string_equal(take(feed), "owner stem 2"); /* once, by what has become of it */
    assert_string_equal(take(feed), "added fam/r=2");
    assert_string_equal(take(feed), "");
    assert_string_equal(take(merged), "added fam/r=2");
    assert_string_equal(take(merged), "added fam/c=3");
    assert_string_equal(take(merged), "added fam/b=2");
    assert_string_equal(take(merged), "deleted fam/a");
    assert_string_equal(take(merged), "deleted fam/t");
    assert_string_equal(take(merged), "changed fam/r=2");
    assert_string_equal(take(merged), "deleted fam/s");
    assert_string_equal(take(merged), "");
    ptl_watch_free(feed);
    ptl_watch_free(merged);
}

static void feed_told_again_tells_of_a_key_that_comes_and_goes_around_its_copy(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), wake, world);
    assert_int_equal(drain(feed, PTL_CHANGE_ADDED), 1);
    ptl_feed_again(feed);
    assert_int_equal(set(world, "leaf/rain", 1, "fam", "b", "2"), PTL_STORE_DONE);
    assert_string_equal(take(feed), "owner leaf 1");
    assert_string_equal(take(feed), "added fam/b=2");
    assert_int_equal(del(world, "leaf/rain", 1, "fam", "b"), PTL_STORE_DONE);
    assert_string_equal(take(feed), "added fam/a=1");
    assert_string_equal(take(feed), "deleted fam/b");
    assert_string_equal(take(feed), "");
    ptl_watch_free(feed);
}

static void feed_that_ends_half_way_leaves_nothing_behind(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), NULL, NULL);
    struct ptl_watch *merged = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
    for (int i = 0; i < 3; i++) {
        assert_string_not_equal(take(feed), "");
        assert_string_not_equal(take(merged), "");
    }
    ptl_watch_free(feed);
    ptl_watch_free(merged);
    assert_int_equal(REPLACE(world, "leaf/rain", 2, "c=1"), PTL_STORE_DONE);
    assert_int_equal(drop(world, "leaf/rain", 2), PTL_STORE_DONE);
}

static void feed_needs_no_memory_for_what_is_there(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "twig/rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), NULL, NULL);
    struct ptl_watch *merged = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
    test_memory_fail(&world->memory, 1);
    assert_int_equal(drain(feed, PTL_CHANGE_ADDED), 4);
    assert_int_equal(drain(merged, PTL_CHANGE_ADDED), 4);
    assert_int_equal(world->memory.calls, 0);
    test_memory_fail(&world->memory, 0);
    ptl_watch_free(feed);
    ptl_watch_free(merged);
}

static void feed_that_finds_no_memory_tells_all_again(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), NULL, NULL);
    struct ptl_watch *merged = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
    for (int i = 0; i < 2; i++) { /* half-way, both of them */
        assert_string_not_equal(take(feed), "");
        assert_string_not_equal(take(merged), "");
    }
    test_memory_fail(&world->memory, 1);
    assert_int_equal(set(world, "leaf/rain", 1, "fam", "a", "7"), PTL_STORE_DONE);
    test_memory_fail(&world->memory, 0);
    assert_string_equal(take(feed), "all");
    assert_string_equal(take(merged), "all");
    assert_int_equal(drain(feed, PTL_CHANGE_ADDED), 2);
    assert_int_equal(drain(merged, PTL_CHANGE_ADDED), 2);
    ptl_watch_free(feed);
    ptl_watch_free(merged);
}

/* ---- Merged feeds ------------------------------------------------------------------------- */

static void merged_feed_tells_what_ranks_first_among_the_owners_of_one_node(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "a/snow", 1, "k=snow"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "b/rain", 1, "k=b"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_merged(world->store, text("rain"), wake, world);
    assert_string_equal(take(feed), "all");
    assert_string_equal(take(feed), "added fam/k=b");
    assert_string_equal(take(feed), "");
    assert_int_equal(REPLACE(world, "c/rain", 1, "k=c", "l=c"), PTL_STORE_DONE);
    assert_int_equal(world->wakes, 1);
    assert_int_equal(ptl_watch_pending(feed), 2);
    unsigned told = 0;
    for (int i = 0; i < 2; i++) {
        const char *line = take(feed);
        told += strcmp(line, "changed fam/k=b") == 0 || strcmp(line, "changed fam/l=c") == 0;
    }
    assert_int_equal(told, 2);
    assert_int_equal(drop(world, "b/rain", 1), PTL_STORE_DONE);
    assert_string_equal(take(feed), "changed fam/k=c");
    assert_int_equal(del(world, "c/rain", 1, "fam", "k"), PTL_STORE_DONE);
    assert_string_equal(take(feed), "deleted fam/k"); /* though another node's shows */
    assert_string_equal(take(feed), "");
    ptl_watch_free(feed);
}

static void merged_feeds_tell_at_both_ends_what_an_owner_takes_along(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    struct ptl_watch *rain = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
    struct ptl_watch *snow = ptl_feed_merged(world->store, text("snow"), NULL, NULL);
    assert_int_equal(drain(rain, PTL_CHANGE_ADDED), 2);
    assert_string_equal(take(snow), "all");
    assert_string_equal(take(snow), "");
    assert_int_equal(REPLACE(world, "leaf/snow", 2, "a=1"), PTL_STORE_DONE);
    assert_int_equal(drain(rain, PTL_CHANGE_DELETED), 2);
    assert_string_equal(take(snow), "deleted fam/b"); /* it came along, and showed for a while */
    assert_string_equal(take(snow), "changed fam/a=1");
    assert_string_equal(take(snow), "");
    assert_int_equal(attach(world, "leaf/rain", 3), PTL_STORE_DONE);
    assert_string_equal(take(rain), "");
    assert_string_equal(take(snow), "deleted fam/a");
    ptl_watch_free(rain);
    ptl_watch_free(snow);
}

static void merged_feed_puts_a_nodes_own_addresses_first(void **state)
{
    struct world *world = *state;

    assert_int_equal(attach(world, "a/rain", 1), PTL_STORE_DONE);
    assert_int_equal(attach(world, "leaf/rain", 1), PTL_STORE_DONE);
    assert_int_equal(set(world, "a/rain", 1, "'l", "leaf", "mirror"), PTL_STORE_DONE);
    assert_int_equal(set(world, "leaf/rain", 1, "'l", "leaf", "own"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
    assert_string_equal(take(feed), "all");
    assert_string_equal(take(feed), "added 'l/leaf=own");
    assert_string_equal(take(feed), "added 'l/leaf=own"); /* for each owner that has the key */
    assert_string_equal(take(feed), "");
    assert_int_equal(drop(world, "leaf/rain", 1), PTL_STORE_DONE);
    assert_string_equal(take(feed), "changed 'l/leaf=mirror");
    ptl_watch_free(feed);
}

static void merged_feed_tells_of_a_family_that_is_gone(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1"), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
    assert_int_equal(drain(feed, PTL_CHANGE_ADDED), 1);
    assert_int_equal(drop(world, "leaf/rain", 1), PTL_STORE_DONE);
    assert_string_equal(take(feed), "deleted fam/a");
    assert_string_equal(take(feed), "");
    ptl_watch_free(feed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(watch_tells_the_content_first_and_then_every_change),
        TEST(watch_merges_what_was_not_taken_by_key),
        TEST(watch_tells_nothing_when_nothing_shows_differently),
        TEST(watch_of_a_key_or_a_prefix_tells_of_nothing_else),
        TEST(watch_that_finds_no_memory_is_told_to_copy_anew),
        TEST(watch_copies_what_changes_where_it_has_not_been_without_a_mark),
        TEST(watch_tells_when_it_has_copied_of_what_changed_where_it_has_been),
        TEST(watch_that_copies_tells_once_of_a_key_that_changes_hands),
        TEST(watch_of_a_key_that_changes_hands_before_it_is_taken_tells_of_it),
        TEST(watch_that_copies_and_finds_no_memory_begins_anew),
        TEST(watch_wakes_once_until_all_is_taken),
        TEST(feed_tells_of_owners_and_entries_that_one_node_brings),
        TEST(feed_tells_of_an_owner_that_moves_away_once),
        TEST(feed_steps_over_what_is_removed_where_it_stands),
        TEST(feed_begins_an_owner_again_that_attaches_anew),
        TEST(feed_told_again_tells_what_is_deleted_where_its_copy_has_not_been),
        TEST(feed_told_again_tells_of_a_key_that_comes_and_goes_around_its_copy),
        TEST(feed_that_ends_half_way_leaves_nothing_behind),
        TEST(feed_needs_no_memory_for_what_is_there),
        TEST(feed_that_finds_no_memory_tells_all_again),
        TEST(merged_feed_tells_what_ranks_first_among_the_owners_of_one_node),
        TEST(merged_feeds_tell_at_both_ends_what_an_owner_takes_along),
        TEST(merged_feed_puts_a_nodes_own_addresses_first),
        TEST(merged_feed_tells_of_a_family_that_is_gone),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
