#include "engine/message/name.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define INCARNATION UINT64_C(0xfedcba9876543210)

static struct ptl_identity identity_of(const char *id, unsigned shards)
{
    struct ptl_identity self;

    assert_int_equal(ptl_identity_init(&self, id, INCARNATION, shards, ptl_allocator_libc()), 0);
    return self;
}

static struct ptl_port read_port(const struct ptl_identity *self, const char *id)
{
    struct ptl_port port;

    assert_int_equal(ptl_port_read(self, ptl_span_text(id), &port), 0);
    return port;
}

static void assert_text(struct ptl_span span, const char *text)
{
    assert_true(ptl_span_equal(span, ptl_span_text(text)));
}

static void name_of_a_made_port_tells_where_it_is(void **state)
{
    static const struct {
        unsigned shard;
        uint32_t slot, generation;
    } cases[] = {{0, 0, 0}, {0, 1, 1}, {3, 12345, 678}, {63, PTL_SLOTS_MAX - 1, UINT32_MAX}};
    struct ptl_identity self = identity_of("rain", 64);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ptl_port made, read;
        ptl_port_make(&self, cases[i].shard, cases[i].slot, cases[i].generation, &made);
        assert_int_equal(ptl_port_name(&made).size, PTL_NAME_MADE_SIZE);
        assert_text(ptl_port_node(&made), "rain");
        for (const char *c = ptl_port_id(&made) + 5; *c != 0; c++) {
            assert_true((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= 'a' && *c <= 'z'));
        }
        read = read_port(&self, ptl_port_id(&made));
        assert_int_equal(read.kind, PTL_PORT_SLOT);
        assert_int_equal(read.shard, cases[i].shard);
        assert_int_equal(read.slot, cases[i].slot);
        assert_int_equal(read.generation, cases[i].generation);
        assert_true(ptl_port_equal(&made, &read));
    }
}

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Add 2^64 to a number of eleven digits; false: it has no room for that. */
static bool add_two_to_the_64th(char number[PTL_BASE62_64])
{
    static const char more[] = "LygHa16AHYG";
    long carry = 0;

    for (int i = PTL_BASE62_64 - 1; i >= 0; i--) {
        carry += strchr(digits, number[i]) - digits + (strchr(digits, more[i]) - digits);
        number[i] = digits[carry % 62];
        carry /= 62;
    }
    return carry == 0;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

static void name_of_a_made_port_has_one_spelling(void **state)
{
    struct ptl_identity self = identity_of("rain", PTL_SHARDS_MAX);
    uint64_t random = 1, others = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct ptl_port made;
        uint64_t number = next_random(&random);
        ptl_port_make(&self, (unsigned)(number % PTL_SHARDS_MAX),
                      (uint32_t)(number >> 32) % PTL_SLOTS_MAX, (uint32_t)next_random(&random),
                      &made);
        char other[PTL_PORT_ID_MAX + 1];
        snprintf(other, sizeof(other), "%s", ptl_port_id(&made));
        while (add_two_to_the_64th(other + strlen(other) - PTL_BASE62_64)) {
            others++;
            assert_int_equal(read_port(&self, other).kind, PTL_PORT_NAMED);
        }
    }
    assert_in_range(others, 10000, 30000);
}

static void name_that_reads_as_a_made_one_is_written_so(void **state)
{
    struct ptl_identity self = identity_of("rain", PTL_SHARDS_MAX);
    uint64_t random = 2;
    int read_as_made = 0;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char text[5 + PTL_NAME_MADE_SIZE + 1] = "rain#";
        memcpy(text + 5, self.incarnation_text, PTL_BASE62_64);
        for (int j = 0; j < PTL_BASE62_64; j++) {
            text[5 + PTL_BASE62_64 + j] = digits[(next_random(&random) >> 32) % 62];
        }
        struct ptl_port read = read_port(&self, text), made;
        if (read.kind != PTL_PORT_SLOT) {
            continue;
        }
        ptl_port_make(&self, read.shard, read.slot, read.generation, &made);
        assert_string_equal(ptl_port_id(&made), text);
        read_as_made++;
    }
    assert_true(read_as_made > 1000);
}

static void name_of_another_incarnation_is_just_a_chosen_name(void **state)
{
    struct ptl_identity before = identity_of("rain", 4), after;
    struct ptl_port port;

    (void)state;
    ptl_port_make(&before, 1, 2, 3, &port);
    assert_int_equal(ptl_identity_init(&after, "rain", INCARNATION + 1, 4, ptl_allocator_libc()),
                     0);
    assert_int_equal(read_port(&after, ptl_port_id(&port)).kind, PTL_PORT_NAMED);
}

static void name_of_a_shard_that_is_not_there_is_just_a_chosen_name(void **state)
{
    struct ptl_identity large = identity_of("rain", 8), small = identity_of("rain", 2);
    struct ptl_port port;

    (void)state;
    ptl_port_make(&large, 7, 2, 3, &port);
    struct ptl_port read = read_port(&small, ptl_port_id(&port));
    assert_int_equal(read.kind, PTL_PORT_NAMED);
    assert_true(read.shard < 2);
}

static void name_that_is_chosen_lives_where_its_hash_says(void **state)
{
    struct ptl_identity self = identity_of("rain", 4);
    unsigned count[4] = {0};

    (void)state;
    for (int i = 0; i < 4000; i++) {
        char id[32];
        snprintf(id, sizeof(id), "rain#port%d", i);
        struct ptl_port port = read_port(&self, id);
        assert_int_equal(port.kind, PTL_PORT_NAMED);
        assert_string_equal(ptl_port_id(&port), id);
        count[port.shard]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(count[i], 800, 1200);
    }
}

static void name_of_the_node_port_may_be_written_in_two_ways(void **state)
{
    struct ptl_identity self = identity_of("rain", 1);
    struct ptl_port plain = read_port(&self, "rain"), hashed = read_port(&self, "rain#");

    (void)state;
    assert_int_equal(plain.kind, PTL_PORT_NODE);
    assert_int_equal(hashed.kind, PTL_PORT_NODE);
    assert_true(ptl_port_equal(&plain, &hashed));
    assert_int_equal(read_port(&self, "snow").kind, PTL_PORT_REMOTE);
    assert_int_equal(ptl_port_name(&(struct ptl_port){.id_size = 1}).size, 0);
}

static void name_of_a_remote_port_may_have_any_bytes_after_the_first_hash_sign(void **state)
{
    struct ptl_identity self = identity_of("rain", 1);
    struct ptl_port port = read_port(&self, "snow#a#b c\xc3\xa4\xff");

    (void)state;
    assert_int_equal(port.kind, PTL_PORT_REMOTE);
    assert_text(ptl_port_node(&port), "snow");
    assert_text(ptl_port_name(&port), "a#b c\xc3\xa4\xff");
    assert_text(ptl_port_span(&port), ptl_port_id(&port));
    assert_true(port.node_hash == ptl_name_hash(ptl_span_text("snow")));
}

static void name_that_is_bad_is_refused(void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {{"", 0},    {"#", 1},    {"#echo", 5},    {"a\nb#c", 5},
                 {"a\r", 2}, {"a\0b", 3}, {"rain#a\0b", 8}};
    struct ptl_identity self = identity_of("rain", 1);
    struct ptl_port port;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int err = ptl_port_read(&self, ptl_span(cases[i].text, cases[i].size), &port);
        assert_int_equal(err, PTL_ENAME);
        assert_int_equal(port.kind, PTL_PORT_NONE);
    }
    assert_int_equal(ptl_identity_init(&self, "a#b", 1, 1, ptl_allocator_libc()), PTL_ENAME);
    assert_int_equal(ptl_identity_init(&self, "", 1, 1, ptl_allocator_libc()), PTL_ENAME);
}

static void name_that_is_too_long_is_refused_and_the_longest_is_not(void **state)
{
    struct ptl_identity self = identity_of("rain", 1);
    char text[400];
    struct ptl_port port;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "rain#", 5);
    assert_int_equal(ptl_port_read(&self, ptl_span(text, PTL_PORT_ID_MAX), &port), 0);
    assert_int_equal(strlen(ptl_port_id(&port)), PTL_PORT_ID_MAX);
    assert_int_equal(ptl_port_read(&self, ptl_span(text, PTL_PORT_ID_MAX + 1), &port), PTL_ENAME);
    assert_int_equal(ptl_port_read(&self, ptl_span(text, sizeof(text)), &port), PTL_ENAME);

    memset(text, 'x', sizeof(text));
    assert_int_equal(ptl_port_read(&self, ptl_span(text, PTL_NODE_ID_MAX), &port), 0);
    assert_int_equal(ptl_port_read(&self, ptl_span(text, PTL_NODE_ID_MAX + 1), &port), PTL_ENAME);
}

static void name_of_a_spawned_port_is_never_made_twice(void **state)
{
    struct ptl_identity self = identity_of("rain", 4);
    static const struct {
        unsigned shard;
        uint64_t counter;
    } cases[] = {{0, 1}, {0, 2}, {1, 1}, {1, 2}, {PTL_SHARDS_MAX, 1}, {PTL_SHARDS_MAX, 1 << 30}};
    char names[6][PTL_NAME_SPAWNED_SIZE];

    (void)state;
    for (int i = 0; i < 6; i++) {
        ptl_name_spawned(&self, cases[i].shard, cases[i].counter, names[i]);
        assert_int_equal(names[i][0], 'R');
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(names[i], names[j], sizeof(names[i]));
        }
    }
    struct ptl_port port;
    assert_int_equal(
        ptl_port_at(&self, ptl_span_text("rain"), ptl_span(names[0], sizeof(names[0])), &port), 0);
    assert_int_equal(port.kind, PTL_PORT_NAMED);
}

static void port_parsed_by_another_node_is_seen_anew(void **state)
{
    struct ptl_identity rain = identity_of("rain", 4), snow = identity_of("snow", 1);
    struct ptl_port made, own;

    (void)state;
    ptl_port_make(&rain, 3, 4, 5, &made);
    assert_ptr_equal(ptl_port_own_view(&rain, &made, &own), &made);
    assert_ptr_equal(ptl_port_own_view(&snow, &made, &own), &own);
    assert_int_equal(own.kind, PTL_PORT_REMOTE);
    struct ptl_port back, *remote = &own;
    assert_ptr_equal(ptl_port_own_view(&rain, remote, &back), &back);
    assert_int_equal(back.kind, PTL_PORT_SLOT);
    assert_int_equal(back.slot, 4);
    struct ptl_port none = {.kind = PTL_PORT_NONE};
    assert_null(ptl_port_own_view(&rain, &none, &own));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_of_a_made_port_tells_where_it_is),
        cmocka_unit_test(name_of_a_made_port_has_one_spelling),
        cmocka_unit_test(name_that_reads_as_a_made_one_is_written_so),
        cmocka_unit_test(name_of_another_incarnation_is_just_a_chosen_name),
        cmocka_unit_test(name_of_a_shard_that_is_not_there_is_just_a_chosen_name),
        cmocka_unit_test(name_that_is_chosen_lives_where_its_hash_says),
        cmocka_unit_test(name_of_the_node_port_may_be_written_in_two_ways),
        cmocka_unit_test(name_of_a_remote_port_may_have_any_bytes_after_the_first_hash_sign),
        cmocka_unit_test(name_that_is_bad_is_refused),
        cmocka_unit_test(name_that_is_too_long_is_refused_and_the_longest_is_not),
        cmocka_unit_test(name_of_a_spawned_port_is_never_made_twice),
        cmocka_unit_test(port_parsed_by_another_node_is_seen_anew),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
