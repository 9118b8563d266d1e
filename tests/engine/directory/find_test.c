/*
 * How much looking for other nodes may cost, counted in virtual time: names that nobody has,
 * addresses where nobody is, and peers that have us look.
 */
#include "engine/directory/addresses.h"
#include "engine/directory/database.h"
#include "engine/link/known.h"
#include "engine/link/link.h"
#include "engine/link/links_end.h"
#include "engine/link/node_links.h"
#include "engine/link/relay_allowance.h"
#include "engine/link/shard_links.h"
#include "io/cbor.h"
#include "tests/common/village.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOBODIES 20000
#define LIARS 20
#define NAMES 1000 /* that each of them has made up */

static unsigned gone;

static void log_nothing(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level, (void)line;
}

static struct ptl_node *start_rain(void)
{
    struct ptl_node_options options = {
        .size = sizeof(options), .id = "rain", .log = log_nothing, .shards = 1};

    village_begin();
    struct ptl_node *rain = village_start(&options);
    village_run(SIM_SECOND);
    return rain;
}

static struct ptl_port nobody(struct ptl_node *node, int number)
{
    struct ptl_port port;
    char id[32];

    int size = snprintf(id, sizeof(id), "nobody%d#x", number);
    assert_int_equal(ptl_port_parse(node, id, (size_t)size, &port), 0);
    return port;
}

static int count_gone(struct ptl_node *node, const struct ptl_port *port,
                      const struct ptl_msg *reason, void *data)
{
    (void)node, (void)port, (void)reason, (void)data;
    gone++;
    return 0;
}

static void names_that_nobody_has_make_a_bounded_number_of_links(void **state)
{
    struct ptl_node *rain = start_rain();
    uint32_t most = 0;

    (void)state;
    gone = 0;
    for (int i = 0; i < NOBODIES; i++) {
        struct ptl_port port = nobody(rain, i);
        while (ptl_monitor(rain, &port, count_gone, NULL, NULL) == PTL_EFULL ||
               ptl_sendf(rain, &port, "t", "hello") == PTL_EFULL) {
            village_run(SIM_MILLISECOND);
        }
        if (i % 1000 == 999) {
            village_run(SIM_MILLISECOND);
        }
        uint32_t count = rain->shards[0].links->by_id.count;
        most = count > most ? count : most;
    }
    village_run(20 * SIM_SECOND);
    assert_in_range(gone, NOBODIES, 2 * NOBODIES); /* every monitor has been told */
    assert_in_range(most, 100, PTL_LINKS_MAX);
    village_end();
}

/* ---- Nodes that others name as global ones --------------------------------------------------- */

static void start_snow(void)
{
    const char *const seeds[] = {village_address(0), NULL};
    struct ptl_node_options options = {
        .size = sizeof(options), .id = "snow", .log = log_nothing, .shards = 1, .seeds = seeds};

    village_start(&options);
    village_run(SIM_SECOND);
}

static struct ptl_source liar(int number)
{
    static char id[16];
    struct ptl_span span = ptl_span(id, (size_t)snprintf(id, sizeof(id), "liar%d", number));

    return (struct ptl_source){.owner = span, .via = span, .attachment = 1};
}

/* As if that global node had brought them. */
static void make_up_names(struct ptl_store *store, int number)
{
    const uint8_t null_value = PTL_CBOR_NULL;
    struct ptl_source source = liar(number);
    char name[32];

    assert_int_equal(ptl_store_attach(store, &source), 0);
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "nobody%d-%d", number, i);
        assert_int_equal(ptl_store_set(store, &source, ptl_span_text("'g"), ptl_span_text(name),
                                       ptl_span(&null_value, 1)),
                         0);
    }
}

static void assert_snow_is_linked(struct ptl_node *rain)
{
    const struct ptl_link *link = ptl_link_find(&rain->shards[0], ptl_span_text("snow"));

    assert_non_null(link);
    assert_int_equal(link->state, PTL_LINK_UP);
    assert_true(link->keep_until == UINT64_MAX);
}

static void global_nodes_that_are_made_up_make_a_bounded_number_of_links(void **state)
{
    struct ptl_node *rain = start_rain();
    const struct ptl_shard_links *links = rain->shards[0].links;
    struct ptl_store *store = rain->shards[0].directory->store;

    (void)state;
    start_snow();
    for (int i = 0; i < LIARS; i++) {
        make_up_names(store, i);
        village_run(100 * SIM_MILLISECOND);
        assert_true(links->by_id.count <= PTL_NAMED_MAX + 1);
    }
    assert_int_equal(links->named, PTL_NAMED_MAX);
    /* What is sent to any other name has its places all the same. */
    struct ptl_port port = nobody(rain, 0);
    gone = 0;
    assert_int_equal(ptl_monitor(rain, &port, count_gone, NULL, NULL), 0);
    village_run(SIM_SECOND);
    assert_int_equal(gone, 1);
    assert_non_null(ptl_link_find(&rain->shards[0], ptl_span_text("nobody0")));
    for (int i = 0; i < LIARS; i++) {
        ptl_store_drop_via(store, liar(i).via);
    }
    village_run(SIM_SECOND);
    assert_int_equal(links->named, 1);
    assert_in_range(links->lost, 1, PTL_LOST_MAX / 2);
    assert_true(links->by_id.count <= 3 + PTL_LOST_MAX / 2);
    assert_snow_is_linked(rain);
    village_run(700 * SIM_SECOND); /* by then they are given up, too */
    assert_int_equal(links->by_id.count, 1);
    assert_snow_is_linked(rain);
    village_end();
}

static void addresses_where_nobody_is_are_tried_a_few_at_a_time(void **state)
{
    struct ptl_node *rain = start_rain();
    const char *address = village_dark_address();
    uint32_t most = 0;
    char id[32];

    (void)state;
    for (int i = 0; i < 500; i++) {
        struct ptl_port port = nobody(rain, i);
        snprintf(id, sizeof(id), "nobody%d", i);
        assert_int_equal(ptl_node_known(rain, id, address), 0);
        assert_int_equal(ptl_sendf(rain, &port, "t", "hello"), 0);
    }
    for (int i = 0; i < 3000; i++) {
        village_run(10 * SIM_MILLISECOND);
        uint32_t count = rain->shards[0].links->dial_count;
        most = count > most ? count : most;
    }
    assert_in_range(most, 1, PTL_DIALS_MAX);
    assert_int_equal(rain->shards[0].links->dial_count, 0);
    village_end();
}

/* Of those whose links are forgotten; what the program has told stays. */
static void addresses_of_many_nodes_that_have_gone_are_forgotten(void **state)
{
    struct ptl_node *rain = start_rain();
    struct ptl_shard *shard = &rain->shards[0];
    uint32_t size;
    char id[32];

    (void)state;
    for (int i = 0; i < NOBODIES; i++) {
        snprintf(id, sizeof(id), "gone%d", i);
        assert_int_equal(ptl_node_learn(rain, ptl_span_text(id), "127.0.0.1:1"), 0);
        ptl_link_forget(shard, ptl_link_get(shard, ptl_span_text(id)));
        assert_true(rain->links->known.count <= PTL_LEARNT_MAX);
    }
    assert_int_equal(ptl_node_known(rain, "told", "127.0.0.1:1"), 0);
    ptl_link_forget(shard, ptl_link_get(shard, ptl_span_text("told")));
    char *told = ptl_node_known_addresses(rain, ptl_span_text("told"), &size);
    assert_non_null(told);
    ptl_free(rain->allocator, told, size);
    village_end();
}

static void addresses_of_one_node_are_the_first_16(void **state)
{
    struct ptl_buffer array, list;
    char text[32];
    unsigned count = 1;

    (void)state;
    ptl_buffer_init(&array, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_init(&list, ptl_allocator_libc(), SIZE_MAX);
    ptl_cbor_put_head(&array, PTL_CBOR_ARRAY, 20000);
    for (int i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "127.0.0.1:%d", 1 + i);
        ptl_cbor_put_string(&array, PTL_CBOR_TEXT, ptl_span_text(text));
    }
    assert_true(ptl_addresses_list(&list, ptl_buffer_span(&array)));
    for (size_t i = 0; i < list.size; i++) {
        count += list.bytes[i] == ',';
    }
    assert_in_range(count, 16, 17); /* a comma may stand at the end */
    ptl_buffer_drop(&array);
    ptl_buffer_drop(&list);
}

static void peer_has_us_look_for_a_bounded_number_of_nodes(void **state)
{
    struct ptl_link link = {.relay_until = 0};
    uint64_t now = 5 * SIM_SECOND;
    unsigned found = 0;

    (void)state;
    for (uint64_t i = 1; i <= 100000; i++) {
        found += ptl_relay_allowed(&link, now, i);
    }
    assert_int_equal(found, 64);
    assert_true(ptl_relay_allowed(&link, now, 64)); /* the last one again */
    for (uint64_t i = 1; i <= 1000; i++) {
        now += 10 * SIM_MILLISECOND;
        found += ptl_relay_allowed(&link, now, 200000 + i);
    }
    assert_in_range(found, 64 + 150, 64 + 170);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_nobody_has_make_a_bounded_number_of_links),
        cmocka_unit_test(global_nodes_that_are_made_up_make_a_bounded_number_of_links),
        cmocka_unit_test(addresses_where_nobody_is_are_tried_a_few_at_a_time),
        cmocka_unit_test(addresses_of_many_nodes_that_have_gone_are_forgotten),
        cmocka_unit_test(addresses_of_one_node_are_the_first_16),
        cmocka_unit_test(peer_has_us_look_for_a_bounded_number_of_nodes),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
