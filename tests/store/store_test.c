#include "tests/common/collision.h"
#include "tests/common/store_world.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 100000
#define COLLIDING 120000

/* ---- Entries ------------------------------------------------------------------------------ */

static void store_shows_what_was_set_and_no_longer_what_was_deleted(void **state)
{
    struct world *world = *state;

    assert_int_equal(attach(world, "rain", 1), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", NULL);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "1"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "b", ""), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "other", "a", "2"), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", "1");
    assert_shows(world, "fam", "b", "");
    assert_shows(world, "other", "a", "2");
    assert_int_equal(set(world, "rain", 1, "fam", "a", "7"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "b", "longer"), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", "7");
    assert_shows(world, "fam", "b", "longer");
    assert_int_equal(del(world, "rain", 1, "fam", "a"), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", NULL);
    assert_int_equal(ptl_store_family_count(world->store, text("fam")), 1);
    assert_int_equal(ptl_store_owner_count(world->store, text("rain")), 2);
}

static void store_tells_that_there_was_nothing_to_do(void **state)
{
    struct world *world = *state;

    assert_int_equal(attach(world, "rain", 1), PTL_STORE_DONE);
    assert_int_equal(attach(world, "rain", 1), PTL_STORE_SAME);
    assert_int_equal(del(world, "rain", 1, "fam", "a"), PTL_STORE_SAME);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "1"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "1"), PTL_STORE_SAME);
    assert_int_equal(del(world, "rain", 1, "fam", "b"), PTL_STORE_SAME);
    assert_int_equal(drop(world, "snow", 1), PTL_STORE_SAME);
    assert_int_equal(ptl_store_drop_via(world->store, text("snow")), 0);
}

static void store_takes_families_of_any_name_and_programs_those_of_the_allowed_form(void **state)
{
    struct world *world = *state;
    static const char *const good[] = {"a", "Fam", "a1", "a_b", "My::Mod", "'l", "'g"};
    static const char *const bad[] = {"1a", "_a", ":a", "a b", "a-b", "'", "'x", "'ll", "a\xc3"};
    char longest[PTL_FAMILY_MAX + 2] = "";

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(ptl_family_valid(text(good[i])));
    }
    assert_int_equal(attach(world, "rain", 1), PTL_STORE_DONE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ptl_family_valid(text(bad[i])));
        assert_int_equal(set(world, "rain", 1, bad[i], "a", "1"), PTL_STORE_DONE);
        assert_shows(world, bad[i], "a", "1"); /* others may call it so */
        assert_int_equal(del(world, "rain", 1, bad[i], "a"), PTL_STORE_DONE);
    }
    assert_int_equal(set(world, "rain", 1, "", "a", "1"), PTL_EINVAL);
    assert_int_equal(del(world, "rain", 1, "", "a"), PTL_EINVAL);
    assert_null(ptl_watch_family(world->store, text(""), NULL, NULL));
    assert_int_equal(set(world, "rain", 1, "fam", "", "1"), PTL_EINVAL);
    assert_int_equal(del(world, "rain", 1, "fam", ""), PTL_EINVAL);
    memset(longest, 'a', PTL_FAMILY_MAX);
    assert_true(ptl_family_valid(text(longest)));
    longest[PTL_FAMILY_MAX] = 'a';
    assert_false(ptl_family_valid(ptl_span(longest, sizeof(longest) - 1)));
    assert_int_equal(set(world, "rain", 1, longest, "a", "1"), PTL_EINVAL);
}

static void store_refuses_what_is_over_a_limit_and_stays_as_it_was(void **state)
{
    struct world *world = *state;

    assert_int_equal(attach(world, "rain", 1), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "1"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "123456789", "1"), PTL_ESIZE);
    assert_int_equal(set(world, "rain", 1, "fam", "a", "12345678901234567"), PTL_ESIZE);
    assert_int_equal(set(world, "rain", 1, "fam", "", "1"), PTL_EINVAL);
    assert_shows(world, "fam", "a", "1");
    assert_int_equal(REPLACE(world, "rain", 1, "b=1", "c=2", "d=3"), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", NULL);
    assert_int_equal(set(world, "rain", 1, "fam", "e", "4"), PTL_STORE_DONE);
    assert_int_equal(set(world, "rain", 1, "fam", "f", "5"), PTL_ELIMIT);
    assert_shows(world, "fam", "f", NULL);
    assert_int_equal(set(world, "rain", 1, "fam", "e", "longer"), PTL_STORE_DONE);
    assert_int_equal(ptl_store_owner_count(world->store, text("rain")), 4);
}

/* ---- Who wins ----------------------------------------------------------------------------- */

static void store_shows_the_lowest_owner_and_the_next_when_it_goes(void **state)
{
    struct world *world = *state;
    static const char *const owners[] = {"snow", "b", "rain", "ba"};
    struct ptl_item item;

    for (int i = 0; i < 4; i++) {
        assert_int_equal(attach(world, owners[i], 1), PTL_STORE_DONE);
        assert_int_equal(set(world, owners[i], 1, "fam", "a", owners[i]), PTL_STORE_DONE);
    }
    assert_int_equal(ptl_store_family_count(world->store, text("fam")), 1);
    assert_shows(world, "fam", "a", "b");
    assert_int_equal(del(world, "rain", 1, "fam", "a"), PTL_STORE_DONE); /* one that is hidden */
    assert_shows(world, "fam", "a", "b");
    assert_int_equal(drop(world, "b", 1), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", "ba");
    assert_int_equal(del(world, "ba", 1, "fam", "a"), PTL_STORE_DONE);
    assert_true(ptl_store_get(world->store, text("fam"), text("a"), &item));
    assert_span(item.owner, "snow");
    assert_int_equal(del(world, "snow", 1, "fam", "a"), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", NULL);
    assert_int_equal(ptl_store_family_count(world->store, text("fam")), 0);
}

static void store_shows_a_nodes_own_addresses_before_mirrors_of_them(void **state)
{
    struct world *world = *state;

    assert_int_equal(attach(world, "a", 1), PTL_STORE_DONE);
    assert_int_equal(attach(world, "snow", 1), PTL_STORE_DONE);
    assert_int_equal(set(world, "a", 1, "'l", "snow", "mirror"), PTL_STORE_DONE);
    assert_shows(world, "'l", "snow", "mirror");
    assert_int_equal(set(world, "snow", 1, "'l", "snow", "own"), PTL_STORE_DONE);
    assert_shows(world, "'l", "snow", "own");
    assert_int_equal(set(world, "a", 1, "fam", "snow", "a's"), PTL_STORE_DONE);
    assert_int_equal(set(world, "snow", 1, "fam", "snow", "own"), PTL_STORE_DONE);
    assert_shows(world, "fam", "snow", "a's"); /* in no other family */
    assert_int_equal(drop(world, "snow", 1), PTL_STORE_DONE);
    assert_shows(world, "'l", "snow", "mirror");
}

static void store_shows_what_a_node_says_of_its_own_ports_before_what_others_say(void **state)
{
    struct world *world = *state;

    assert_int_equal(attach(world, "a", 1), PTL_STORE_DONE);
    assert_int_equal(attach(world, "snow", 1), PTL_STORE_DONE);
    assert_int_equal(attach(world, "snow2", 1), PTL_STORE_DONE);
    assert_int_equal(set(world, "snow2", 1, "echo", "snow#e", "two's"), PTL_STORE_DONE);
    assert_int_equal(set(world, "a", 1, "echo", "snow#e", "a's"), PTL_STORE_DONE);
    assert_shows(world, "echo", "snow#e", "a's");
    assert_int_equal(set(world, "snow", 1, "echo", "snow#e", "own"), PTL_STORE_DONE);
    assert_shows(world, "echo", "snow#e", "own");
    assert_int_equal(set(world, "a", 1, "echo", "snow#e", "a's 2"), PTL_STORE_DONE);
    assert_shows(world, "echo", "snow#e", "own");
    assert_int_equal(set(world, "a", 1, "echo", "snow", "a's"), PTL_STORE_DONE);
    assert_int_equal(set(world, "snow", 1, "echo", "snow", "own"), PTL_STORE_DONE);
    assert_shows(world, "echo", "snow", "a's"); /* which names no port */
    assert_int_equal(del(world, "snow", 1, "echo", "snow#e"), PTL_STORE_DONE);
    assert_shows(world, "echo", "snow#e", "a's 2");
}

/* ---- Attachments -------------------------------------------------------------------------- */

static void store_ignores_what_comes_through_an_older_attachment(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/rain", 4, "a=1", "b=2"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "leaf/snow", 5, "a=3"), PTL_STORE_DONE);
    assert_shows(world, "fam", "b", NULL);
    assert_int_equal(set(world, "leaf/rain", 4, "fam", "a", "9"), PTL_STORE_OLD);
    assert_int_equal(del(world, "leaf/rain", 4, "fam", "a"), PTL_STORE_OLD);
    assert_int_equal(REPLACE(world, "leaf/rain", 4, "b=9"), PTL_STORE_OLD);
    assert_int_equal(attach(world, "leaf/rain", 4), PTL_STORE_OLD);
    assert_int_equal(drop(world, "leaf/rain", 4), PTL_STORE_OLD);
    assert_int_equal(ptl_store_drop_via(world->store, text("rain")), 0);
    assert_shows(world, "fam", "a", "3");
    assert_shows(world, "fam", "b", NULL);
}

static void store_settles_equal_attachments_by_who_brings_them(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf/snow", 1, "a=1"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=2"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "leaf/snow", 1, "a=1"), PTL_STORE_OLD);
    assert_shows(world, "fam", "a", "2");
}

static void store_refuses_updates_that_nobody_announced(void **state)
{
    struct world *world = *state;

    assert_int_equal(set(world, "leaf/rain", 1, "fam", "a", "1"), PTL_EOWNER);
    assert_int_equal(del(world, "leaf/rain", 1, "fam", "a"), PTL_EOWNER);
    assert_int_equal(attach(world, "leaf/rain", 1), PTL_STORE_DONE);
    assert_int_equal(set(world, "leaf/rain", 2, "fam", "a", "1"), PTL_EOWNER);
    assert_int_equal(attach(world, "/rain", 1), PTL_EINVAL);
    assert_int_equal(attach(world, "leaf/", 1), PTL_EINVAL);
    assert_shows(world, "fam", "a", NULL);
}

static void store_takes_ids_of_256_bytes_and_no_more(void **state)
{
    struct world *world = *state;
    char id[PTL_OWNER_MAX + 2] = "";

    memset(id, 'a', PTL_OWNER_MAX);
    assert_int_equal(PTL_OWNER_MAX, 256);
    assert_int_equal(attach(world, id, 1), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(world->store, text(id), NULL, NULL);
    assert_int_equal(drain(feed, PTL_CHANGE_OWNER), 1);
    ptl_watch_free(feed);
    id[PTL_OWNER_MAX] = 'a';
    assert_int_equal(attach(world, id, 1), PTL_EINVAL);
    assert_null(ptl_feed_via(world->store, text(id), NULL, NULL));
}

static void store_begins_a_later_attachment_empty(void **state)
{
    struct world *world = *state;
    struct ptl_source source;

    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1"), PTL_STORE_DONE);
    assert_int_equal(attach(world, "leaf/rain", 2), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", NULL);
    assert_true(ptl_store_owner(world->store, text("leaf"), &source));
    assert_int_equal(source.attachment, 2);
    assert_span(source.via, "rain");
}

static void store_lets_vanish_what_is_not_in_a_whole_database(void **state)
{
    struct world *world = *state;

    assert_int_equal(REPLACE(world, "leaf", 1, "a=1", "b=2"), PTL_STORE_DONE);
    assert_int_equal(set(world, "leaf", 1, "other", "k", "v"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "leaf", 1, "b=2", "c=3", "c=4"), PTL_STORE_DONE);
    assert_shows(world, "fam", "a", NULL);
    assert_shows(world, "fam", "b", "2");
    assert_shows(world, "fam", "c", "4"); /* the later of two items for one key */
    assert_shows(world, "other", "k", NULL);
    assert_int_equal(ptl_store_owner_count(world->store, text("leaf")), 2);
}

static void store_drops_all_owners_that_a_lost_node_brought(void **state)
{
    struct world *world = *state;
    struct ptl_source source;
    const void *place = NULL;

    assert_int_equal(REPLACE(world, "rain", 1, "r=1"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "leaf/rain", 1, "a=1"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "twig/rain", 1, "b=1"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "twig/snow", 2, "b=2"), PTL_STORE_DONE);
    unsigned owners = 0;
    while (ptl_store_owner_next(world->store, text("rain"), &place, &source)) {
        owners++;
    }
    assert_int_equal(owners, 2);
    assert_int_equal(ptl_store_drop_via(world->store, text("rain")), 2);
    assert_shows(world, "fam", "r", NULL);
    assert_shows(world, "fam", "a", NULL);
    assert_shows(world, "fam", "b", "2");
}

/* ---- Reading ------------------------------------------------------------------------------ */

static void store_walks_show_every_key_once_and_allocate_nothing(void **state)
{
    struct world *world = *state;
    struct ptl_item item;
    unsigned sum = 0;

    assert_int_equal(REPLACE(world, "rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
    assert_int_equal(REPLACE(world, "snow", 1, "b=8", "c=4"), PTL_STORE_DONE);
    test_memory_fail(&world->memory, 1);
    struct ptl_walk walk = ptl_store_walk_family(world->store, text("fam"));
    while (ptl_store_next(&walk, &item)) {
        sum += (unsigned)(item.value.bytes[0] - '0');
    }
    assert_int_equal(sum, 1 + 2 + 4);
    walk = ptl_store_walk_owner(world->store, text("snow"));
    while (ptl_store_next(&walk, &item)) {
        sum += (unsigned)(item.value.bytes[0] - '0');
    }
    assert_int_equal(sum, 1 + 2 + 4 + 8 + 4);
    walk = ptl_store_walk_family(world->store, text("none"));
    assert_false(ptl_store_next(&walk, &item));
    walk = ptl_store_walk_owner(world->store, text("none"));
    assert_false(ptl_store_next(&walk, &item));
    assert_int_equal(world->memory.calls, 0);
    test_memory_fail(&world->memory, 0);
}

static void store_caps_limits_at_what_an_entry_can_hold(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits endless = {SIZE_MAX, SIZE_MAX, UINT32_MAX, 0, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &endless);
    struct ptl_source source = from("rain", 1);
    struct ptl_item item;
    const void *place = NULL;
    uint8_t *key = calloc(1, PTL_KEY_MAX + 1);

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    assert_int_equal(
        ptl_store_set(store, &source, text("fam"), ptl_span(key, PTL_KEY_MAX + 1), text("1")),
        PTL_ESIZE);
    assert_int_equal(
        ptl_store_set(store, &source, text("fam"), ptl_span(key, PTL_KEY_MAX), text("1")),
        PTL_STORE_DONE);
    assert_true(ptl_store_get(store, text("fam"), ptl_span(key, PTL_KEY_MAX), &item));
    assert_int_equal(item.key.size, PTL_KEY_MAX);
    assert_false(ptl_store_owner_next(store, text("snow"), &place, &source));
    free(key);
    ptl_store_free(store);
    ptl_store_free(NULL);
    ptl_watch_free(NULL);
}

/* ---- Memory ------------------------------------------------------------------------------- */

/* One operation of several; refused for want of memory it has changed nothing. */
static void run_operation(struct world *world, unsigned number, size_t fail_from)
{
    struct ptl_source twig = from("twig/rain", 3);
    int result;

    test_memory_fail(&world->memory, fail_from);
    switch (number) {
    case 0:
        result = attach(world, "new/via", 1);
        break;
    case 1:
        result = set(world, "rain", 1, "new", "k", "1");
        break;
    case 2:
        result = set(world, "rain", 1, "fam", "a", "longer");
        break;
    case 3:
        result = ptl_store_replace_begin(world->store, &twig);
        break;
    default:
        result = attach(world, "rain/other", 2);
    }
    bool failed = fail_from != 0 && world->memory.calls >= fail_from;
    test_memory_fail(&world->memory, 0);
    if (result == PTL_ENOMEM) {
        assert_true(failed);
        assert_shows(world, "fam", "a", "1");
        assert_shows(world, "fam", "b", "2");
        assert_shows(world, "fam", "x", NULL);
        assert_shows(world, "new", "k", NULL);
        assert_int_equal(ptl_store_owner_count(world->store, text("rain")), 2);
        assert_false(ptl_store_owner(world->store, text("twig"), &(struct ptl_source){0}));
        assert_false(ptl_store_owner(world->store, text("new"), &(struct ptl_source){0}));
    } else {
        assert_int_equal(result, PTL_STORE_DONE);
    }
}

static void store_stays_as_it_was_whichever_allocation_fails(void **state)
{
    for (unsigned number = 0; number < 5; number++) {
        for (size_t fail_from = 1; fail_from < 12; fail_from++) {
            struct world *world;
            assert_int_equal(store_world_set_up((void **)&world), 0);
            assert_int_equal(REPLACE(world, "rain", 1, "a=1", "b=2"), PTL_STORE_DONE);
            size_t before_bytes = world->memory.out_bytes;
            struct ptl_watch *feed = ptl_feed_via(world->store, text("rain"), NULL, NULL);
            struct ptl_watch *watch = ptl_watch_family(world->store, text("fam"), NULL, NULL);
            struct ptl_watch *merged = ptl_feed_merged(world->store, text("rain"), NULL, NULL);
            assert_int_equal(drain(feed, PTL_CHANGE_ADDED), 2);
            assert_int_equal(drain(merged, PTL_CHANGE_ADDED), 2);
            assert_string_equal(take(watch), "all");
            size_t open_bytes = world->memory.out_bytes;
            run_operation(world, number, fail_from);
            if (ptl_store_owner_count(world->store, text("rain")) == 2 && number == 3 &&
                !ptl_store_owner(world->store, text("twig"), &(struct ptl_source){0})) {
                assert_int_equal(world->memory.out_bytes, open_bytes); /* nothing is left over */
            }
            ptl_watch_free(feed);
            ptl_watch_free(merged);
            ptl_watch_free(watch);
            assert_true(before_bytes <= open_bytes);
            void *gone = world;
            assert_int_equal(store_world_tear_down(&gone), 0);
        }
    }
    (void)state;
}

static void store_opens_nothing_without_memory(void **state)
{
    struct world *world = *state;

    for (size_t fail_from = 1; fail_from <= 2; fail_from++) {
        test_memory_fail(&world->memory, fail_from);
        assert_null(ptl_watch_family(world->store, text("fam"), NULL, NULL));
        test_memory_fail(&world->memory, fail_from);
        assert_null(ptl_feed_via(world->store, text("rain"), NULL, NULL));
        test_memory_fail(&world->memory, fail_from);
        assert_null(ptl_feed_merged(world->store, text("rain"), NULL, NULL));
    }
    test_memory_fail(&world->memory, 1);
    assert_null(ptl_store_new(&world->memory.allocator, &limits));
    test_memory_fail(&world->memory, 0);
    assert_null(ptl_feed_via(world->store, text(""), NULL, NULL));
    assert_null(ptl_feed_merged(world->store, text(""), NULL, NULL));
}

/* The figures of store/store.h and store/watch.h, from here to the end. */
static void store_takes_at_most_66_bytes_an_entry_beside_key_and_value(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, MANY, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain", 1);
    size_t payload_bytes = 0;
    size_t empty_bytes = world->memory.out_bytes;
    size_t cost_bytes = 0;
    char key[16];

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(store, text("fam"), NULL, NULL);
    for (unsigned i = 1; i <= MANY; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(ptl_store_set(store, &source, text("fam"), text(key), text("value")),
                         PTL_STORE_DONE);
        payload_bytes += strlen(key) + 5;
        cost_bytes = world->memory.out_bytes - empty_bytes - payload_bytes;
        assert_true(i < 1000 || cost_bytes <= 67 * (size_t)i);
    }
    print_message("an entry takes %.1f bytes beside key and value", (double)cost_bytes / MANY);
    assert_int_equal(drain(watch, PTL_CHANGE_ADDED), MANY);
    assert_int_equal(ptl_store_drop_via(store, text("rain")), 1);
    assert_int_equal(ptl_watch_pending(watch), MANY);
    size_t marks_bytes = world->memory.out_bytes - empty_bytes - (payload_bytes - 5 * MANY);
    print_message(", a mark %.1f beside its key\n", (double)marks_bytes / MANY);
    assert_true(marks_bytes <= 70 * (size_t)MANY);
    while (take(watch)[0] != '\0') {
    }
    ptl_watch_free(watch);
    assert_int_equal(world->memory.out_bytes, empty_bytes + 480); /* the table of entries */
    ptl_store_free(store);
}

static void store_takes_what_its_header_says_for_an_owner_and_a_family(void **state)
{
    struct world *world = *state;
    size_t before_bytes = world->memory.out_bytes;
    char name[16];

    for (int i = 1000; i < 2000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(attach(world, name, 1), PTL_STORE_DONE);
    }
    /* Each is its own via here, 112 to 120 bytes and the ID once more. */
    size_t owners_bytes = world->memory.out_bytes - before_bytes - 2000 * 5;
    assert_true(owners_bytes <= 1000 * (108 + 120));
    before_bytes = world->memory.out_bytes;
    for (int i = 1000; i < 2000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(set(world, name, 1, name, "k", "v"), PTL_STORE_DONE);
    }
    size_t families_bytes = world->memory.out_bytes - before_bytes - 1000 * (5 + 2);
    assert_true(families_bytes <= 1000 * (61 + 104 + 66));
    struct ptl_watch *watch = ptl_watch_family(world->store, text("n1000"), NULL, NULL);
    before_bytes = world->memory.out_bytes;
    ptl_watch_free(watch);
    assert_true(before_bytes - world->memory.out_bytes <= 360);
}

/* In one chain they would be 7 billion comparisons. */
static void store_finds_keys_at_once_that_were_made_to_collide(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {COLLISION_LONG, 16, COLLIDING, 0, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain", 1);
    uint8_t key[COLLISION_LONG];

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    for (uint32_t i = 0; i < COLLIDING; i++) {
        collision_make(key, sizeof(key), i);
        assert_int_equal(
            ptl_store_set(store, &source, text("fam"), ptl_span(key, sizeof(key)), text("value")),
            PTL_STORE_DONE);
    }
    assert_int_equal(ptl_store_family_count(store, text("fam")), COLLIDING);
    ptl_store_free(store);
}

/* A node that has died, or has gone elsewhere, costs nobody more than a piece of it at a time. */
static void store_lets_an_owner_with_many_entries_go_in_pieces(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 100, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source first = from("rain/snow", 1), second = from("rain/wind", 2);
    unsigned pieces = 0;
    char key[16];

    assert_int_equal(ptl_store_attach(store, &first), PTL_STORE_DONE);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(ptl_store_set(store, &first, text("fam"), text(key), text("old")),
                         PTL_STORE_DONE);
    }
    assert_false(ptl_store_has_work(store));
    assert_int_equal(ptl_store_attach(store, &second), PTL_STORE_DONE);
    assert_int_equal(ptl_store_owner_count(store, text("rain")), 0);
    assert_int_equal(ptl_store_set(store, &first, text("fam"), text("key5"), text("no")),
                     PTL_STORE_OLD);
    assert_int_equal(ptl_store_set(store, &second, text("fam"), text("key5"), text("new")),
                     PTL_STORE_DONE);
    assert_int_equal(ptl_store_family_count(store, text("fam")), 1000);
    while (ptl_store_work(store, 100)) {
        pieces++;
        uint32_t left = ptl_store_family_count(store, text("fam"));
        assert_true(left >= 1000 - 100 * pieces && left <= 1001 - 100 * pieces);
    }
    assert_true(pieces == 9 || pieces == 10);
    assert_int_equal(ptl_store_family_count(store, text("fam")), 1);
    struct ptl_item item;
    assert_true(ptl_store_get(store, text("fam"), text("key5"), &item));
    assert_span(item.value, "new");
    assert_int_equal(ptl_store_drop_via(store, text("wind")), 1);
    ptl_store_free(store);
}

static void store_lets_the_marks_of_a_watch_go_in_pieces(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 100, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1);
    struct ptl_change change;
    unsigned pieces = 1;
    char key[16];

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(store, text("fam"), NULL, NULL);
    struct ptl_watch *feed = ptl_feed_via(store, text("snow"), NULL, NULL);
    while (ptl_watch_take(watch, &change) || ptl_watch_take(feed, &change)) {
    }
    for (unsigned i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(ptl_store_set(store, &source, text("fam"), text(key), text("old")),
                         PTL_STORE_DONE);
    }
    assert_int_equal(ptl_watch_pending(watch) + ptl_watch_pending(feed), 1000);
    ptl_watch_free(watch);
    ptl_watch_free(feed);
    assert_int_equal(ptl_store_drop_via(store, text("snow")), 1);
    while (ptl_store_work(store, 100)) {
        pieces++;
    }
    assert_int_equal(pieces, 15); /* of the marks ten, of the entries five */
    ptl_store_free(store);
}

/* "Everything" takes their place at once, however many they are. */
static void store_forgets_what_a_watch_has_not_taken_in_pieces(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 100, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1);
    char key[16];

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(store, text("fam"), NULL, NULL);
    drain(watch, PTL_CHANGE_ALL);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(ptl_store_set(store, &source, text("fam"), text(key), text("old")), 0);
    }
    assert_int_equal(ptl_watch_pending(watch), 1000);
    size_t before_bytes = world->memory.out_bytes;
    test_memory_fail(&world->memory, 2); /* for the entry there is some, for its mark none */
    assert_int_equal(ptl_store_set(store, &source, text("fam"), text("one more"), text("new")), 0);
    test_memory_fail(&world->memory, 0);
    assert_int_equal(ptl_watch_pending(watch), 1); /* all */
    /* What its table had has gone; its marks are still there. */
    assert_true(world->memory.out_bytes > before_bytes - 20000);
    for (unsigned pieces = 0; pieces < 10; pieces++) {
        before_bytes = world->memory.out_bytes;
        assert_int_equal(ptl_store_work(store, 100), pieces < 9);
        assert_in_range(before_bytes - world->memory.out_bytes, 1, 100 * 80);
    }
    assert_int_equal(drain(watch, PTL_CHANGE_ALL), 1);
    ptl_watch_free(watch);
    assert_int_equal(ptl_store_drop_via(store, text("snow")), 1);
    while (ptl_store_work(store, 100)) {
    }
    ptl_store_free(store);
}

/* An owner that comes anew makes void what its feed has not taken, and is told of by one change. */
static void store_looks_at_one_change_a_take(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 0, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1), later = from("rain/snow", 2);
    struct ptl_change change;
    unsigned takes = 0, nones = 0;
    char key[16];

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(store, text("snow"), NULL, NULL);
    drain(feed, PTL_CHANGE_OWNER);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(ptl_store_set(store, &source, text("fam"), text(key), text("old")), 0);
    }
    assert_int_equal(ptl_store_attach(store, &later), PTL_STORE_DONE);
    assert_int_equal(ptl_watch_pending(feed), 1001);
    for (; ptl_watch_take(feed, &change); takes++) {
        nones += change.kind == PTL_CHANGE_NONE;
        assert_int_equal(ptl_watch_pending(feed), 1000 - takes);
    }
    assert_int_equal(takes, 1001);
    assert_int_equal(nones, 1000);
    ptl_watch_free(feed);
    ptl_store_free(store);
}

static char *numbered(unsigned number, char room[static 16])
{
    snprintf(room, 16, "key%u", number);
    return room;
}

static void set_numbered(struct ptl_store *store, const struct ptl_source *source, unsigned first,
                         unsigned end, int expected)
{
    char key[16];

    for (unsigned i = first; i < end; i++) {
        assert_int_equal(
            ptl_store_set(store, source, text("fam"), text(numbered(i, key)), text("value")),
            expected);
    }
}

/* What is in it unchanged is no change, and what is not goes a piece at a time. */
static void store_replaces_a_database_of_many_entries_in_pieces(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 100, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1);
    unsigned looks = 0;

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    set_numbered(store, &source, 0, 1000, PTL_STORE_DONE);
    struct ptl_watch *watch = ptl_watch_family(store, text("fam"), NULL, NULL);
    drain(watch, PTL_CHANGE_ALL);

    assert_int_equal(ptl_store_replace_begin(store, &source), PTL_STORE_DONE);
    set_numbered(store, &source, 700, 1000, PTL_STORE_SAME);
    set_numbered(store, &source, 1000, 1500, PTL_STORE_DONE);
    assert_int_equal(ptl_store_family_count(store, text("fam")), 1500);
    for (uint32_t left = 1500; ptl_store_replace_end(store, &source, &(uint32_t){100}); looks++) {
        uint32_t now = ptl_store_family_count(store, text("fam"));
        assert_true(left - now <= 100);
        left = now;
    }
    assert_int_equal(looks, 14);
    assert_int_equal(ptl_store_family_count(store, text("fam")), 800);
    assert_int_equal(ptl_watch_pending(watch), 700 + 500);
    assert_false(ptl_store_replace_end(store, &source, &(uint32_t){100}));
    ptl_watch_free(watch);
    assert_int_equal(ptl_store_drop_via(store, text("snow")), 1);
    while (ptl_store_work(store, 100)) {
    }
    ptl_store_free(store);
}

/* What is set while stale entries are taken stays, and one that was not ended begins anew. */
static void store_keeps_what_is_set_while_a_replacement_ends(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 0, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1), later = from("rain/wind", 2);

    assert_int_equal(ptl_store_replace_begin(store, &source), PTL_STORE_DONE);
    for (unsigned i = 0; i < 300; i++) { /* more often than there are ages */
        set_numbered(store, &source, i, i + 1, PTL_STORE_DONE);
        assert_int_equal(ptl_store_replace_begin(store, &source), PTL_STORE_DONE);
    }
    set_numbered(store, &source, 290, 300, PTL_STORE_SAME);
    assert_true(ptl_store_replace_end(store, &source, &(uint32_t){50}));
    set_numbered(store, &source, 0, 5, PTL_STORE_SAME);
    while (ptl_store_replace_end(store, &source, &(uint32_t){50})) {
    }
    assert_int_equal(ptl_store_owner_count(store, text("rain")), 15);

    assert_int_equal(ptl_store_replace_begin(store, &source), PTL_STORE_DONE);
    assert_true(ptl_store_replace_end(store, &source, &(uint32_t){1}));
    assert_int_equal(ptl_store_replace_begin(store, &later), PTL_STORE_DONE);
    assert_false(ptl_store_replace_end(store, &source, &(uint32_t){50}));
    set_numbered(store, &source, 0, 5, PTL_STORE_OLD);
    set_numbered(store, &later, 0, 1, PTL_STORE_SAME);
    assert_false(ptl_store_replace_end(store, &later, &(uint32_t){50}));
    assert_int_equal(ptl_store_family_count(store, text("fam")), 1);
    assert_int_equal(ptl_store_replace_begin(store, &source), PTL_STORE_OLD);
    ptl_store_free(store);
}

/* A look at all of them, with each change, would take longer than any test may. */
static void store_finds_the_watches_of_a_key_among_many_at_once(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, MANY, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1);
    struct ptl_watch **watches = calloc(MANY, sizeof(struct ptl_watch *));
    char key[16];

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    for (unsigned i = 0; i < MANY; i++) {
        watches[i] = ptl_watch_key(store, text("fam"), text(numbered(i % 50000, key)), NULL, NULL);
        assert_int_equal(drain(watches[i], PTL_CHANGE_ADDED), 0);
    }
    set_numbered(store, &source, 0, MANY, PTL_STORE_DONE);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ptl_watch_pending(watches[i]), 1);
        assert_int_equal(drain(watches[i], PTL_CHANGE_ADDED), 1);
        ptl_watch_free(watches[i]);
    }
    free(watches);
    assert_int_equal(ptl_store_drop_via(store, text("snow")), 1);
    ptl_store_free(store);
}

/* To make all of its entries as old as each other takes a walk: it leaves with them instead. */
static void store_replaces_a_database_of_many_entries_again_and_again_in_pieces(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, MANY, 100, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1);
    unsigned left = 0;

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    set_numbered(store, &source, 0, 1000, PTL_STORE_DONE);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(ptl_store_replace_begin(store, &source), PTL_STORE_DONE);
        if (ptl_store_has_work(store)) {
            left++;
            assert_int_equal(ptl_store_owner_count(store, text("rain")), 0);
            assert_int_equal(ptl_store_family_count(store, text("fam")), 1000);
            set_numbered(store, &source, 500, 1500, PTL_STORE_DONE);
            while (ptl_store_work(store, 100)) {
            }
        }
    }
    assert_int_equal(left, 2);
    assert_int_equal(ptl_store_family_count(store, text("fam")), 1000);
    while (ptl_store_replace_end(store, &source, &(uint32_t){100})) {
    }
    assert_int_equal(ptl_store_family_count(store, text("fam")), 0);
    ptl_store_free(store);
}

/* A walk that stepped over all of them, each time, would take longer than any test may. */
static void store_walks_step_over_no_family_of_which_only_marks_are_left(void **state)
{
    struct world *world = *state;
    struct ptl_store_limits wide = {16, 16, 2 * MANY, MANY, 0};
    struct ptl_store *store = ptl_store_new(&world->memory.allocator, &wide);
    struct ptl_source source = from("rain/snow", 1);
    char name[16];

    assert_int_equal(ptl_store_attach(store, &source), PTL_STORE_DONE);
    struct ptl_watch *feed = ptl_feed_via(store, text("snow"), NULL, NULL);
    assert_int_equal(ptl_store_set(store, &source, text("first"), text("k"), text("v")), 0);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "fam%u", i);
        assert_int_equal(ptl_store_set(store, &source, text(name), text("k"), text("v")), 0);
    }
    drain(feed, PTL_CHANGE_ADDED);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "fam%u", i);
        assert_int_equal(ptl_store_del(store, &source, text(name), text("k")), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct ptl_walk walk = ptl_store_walk_owner(store, text("rain"));
        struct ptl_item item;
        assert_true(ptl_store_next(&walk, &item));
        assert_span(item.family, "first");
    }
    assert_int_equal(ptl_store_set(store, &source, text("fam7"), text("k"), text("v")), 0);
    assert_int_equal(drain(feed, PTL_CHANGE_DELETED), MANY - 1);
    ptl_watch_free(feed);
    ptl_store_free(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(store_shows_what_was_set_and_no_longer_what_was_deleted),
        TEST(store_tells_that_there_was_nothing_to_do),
        TEST(store_takes_families_of_any_name_and_programs_those_of_the_allowed_form),
        TEST(store_refuses_what_is_over_a_limit_and_stays_as_it_was),
        TEST(store_shows_the_lowest_owner_and_the_next_when_it_goes),
        TEST(store_shows_a_nodes_own_addresses_before_mirrors_of_them),
        TEST(store_shows_what_a_node_says_of_its_own_ports_before_what_others_say),
        TEST(store_ignores_what_comes_through_an_older_attachment),
        TEST(store_settles_equal_attachments_by_who_brings_them),
        TEST(store_refuses_updates_that_nobody_announced),
        TEST(store_takes_ids_of_256_bytes_and_no_more),
        TEST(store_begins_a_later_attachment_empty),
        TEST(store_lets_vanish_what_is_not_in_a_whole_database),
        TEST(store_drops_all_owners_that_a_lost_node_brought),
        TEST(store_walks_show_every_key_once_and_allocate_nothing),
        TEST(store_caps_limits_at_what_an_entry_can_hold),
        cmocka_unit_test(store_stays_as_it_was_whichever_allocation_fails),
        TEST(store_opens_nothing_without_memory),
        TEST(store_takes_at_most_66_bytes_an_entry_beside_key_and_value),
        TEST(store_takes_what_its_header_says_for_an_owner_and_a_family),
        TEST(store_lets_an_owner_with_many_entries_go_in_pieces),
        TEST(store_replaces_a_database_of_many_entries_in_pieces),
        TEST(store_keeps_what_is_set_while_a_replacement_ends),
        TEST(store_replaces_a_database_of_many_entries_again_and_again_in_pieces),
        TEST(store_finds_the_watches_of_a_key_among_many_at_once),
        TEST(store_walks_step_over_no_family_of_which_only_marks_are_left),
        TEST(store_lets_the_marks_of_a_watch_go_in_pieces),
        TEST(store_forgets_what_a_watch_has_not_taken_in_pieces),
        TEST(store_looks_at_one_change_a_take),
        TEST(store_finds_keys_at_once_that_were_made_to_collide),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
