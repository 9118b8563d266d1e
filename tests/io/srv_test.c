/* io/srv.c: what DNS answers of a service, good and bad, and which host comes first. */
#include "io/srv.h"

#include <arpa/nameser.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- Answers, written byte by byte ---------------------------------------------------------- */

struct answer {
    uint8_t bytes[4096];
    size_t size;
};

static void put(struct answer *answer, const void *bytes, size_t size)
{
    assert_true(answer->size + size <= sizeof(answer->bytes));
    memcpy(answer->bytes + answer->size, bytes, size);
    answer->size += size;
}

static void put_16(struct answer *answer, unsigned value)
{
    put(answer, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

/* "rain.example" as DNS writes it; "" is the root. */
static void put_name(struct answer *answer, const char *name)
{
    while (*name != '\0') {
        size_t size = strcspn(name, ".");
        put(answer, (uint8_t[]){(uint8_t)size}, 1);
        put(answer, name, size);
        name += size + (name[size] == '.');
    }
    put(answer, "", 1);
}

static struct answer begin(unsigned records)
{
    struct answer answer = {.size = 0};

    put_16(&answer, 1);      /* its number */
    put_16(&answer, 0x8180); /* an answer */
    put_16(&answer, 1);
    put_16(&answer, records);
    put_16(&answer, 0);
    put_16(&answer, 0);
    put_name(&answer, "_portolan._tcp.example");
    put_16(&answer, ns_t_srv);
    put_16(&answer, ns_c_in);
    return answer;
}

static void add(struct answer *answer, unsigned type, unsigned priority, unsigned weight,
                unsigned port, const char *host)
{
    put_16(answer, 0xc00c); /* the name is that of the question */
    put_16(answer, type);
    put_16(answer, ns_c_in);
    put_16(answer, 0);
    put_16(answer, 60); /* seconds that it may be kept */
    put_16(answer, (unsigned)(6 + strlen(host) + (host[0] == '\0' ? 1 : 2)));
    put_16(answer, priority);
    put_16(answer, weight);
    put_16(answer, port);
    put_name(answer, host);
}

static unsigned read_answer(const struct answer *answer, struct ptl_srv records[PTL_SRV_MAX])
{
    return ptl_srv_read(ptl_span(answer->bytes, answer->size), records);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static void srv_reads_priorities_weights_ports_and_hosts(void **state)
{
    struct answer answer = begin(2);
    struct ptl_srv records[PTL_SRV_MAX];

    (void)state;
    add(&answer, ns_t_srv, 1, 60, 4040, "rain.example");
    add(&answer, ns_t_srv, 0, 65535, 65535, "snow.example");
    assert_int_equal(read_answer(&answer, records), 2);
    assert_int_equal(records[0].priority, 1);
    assert_int_equal(records[0].weight, 60);
    assert_int_equal(records[0].host.port, 4040);
    assert_string_equal(records[0].host.name, "rain.example."); /* whole: of no other domain */
    assert_int_equal(records[1].weight, 65535);
    assert_int_equal(records[1].host.port, 65535);
}

static void srv_leaves_out_what_names_no_host(void **state)
{
    struct answer answer = begin(5);
    struct ptl_srv records[PTL_SRV_MAX];

    (void)state;
    add(&answer, ns_t_srv, 0, 0, 4040, ""); /* there is no such service */
    add(&answer, ns_t_srv, 0, 0, 0, "rain.example");
    add(&answer, ns_t_cname, 0, 0, 4040, "rain.example");
    add(&answer, ns_t_srv, 0, 0, 4040, "a,b.example");
    add(&answer, ns_t_srv, 0, 0, 4040, "snow.example");
    assert_int_equal(read_answer(&answer, records), 1);
    assert_string_equal(records[0].host.name, "snow.example.");
}

static void srv_takes_16_records_and_no_more(void **state)
{
    struct answer answer = begin(40);
    struct ptl_srv records[PTL_SRV_MAX];

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        add(&answer, ns_t_srv, i, 0, 4040, "rain.example");
    }
    assert_int_equal(read_answer(&answer, records), PTL_SRV_MAX);
    assert_int_equal(records[PTL_SRV_MAX - 1].priority, PTL_SRV_MAX - 1);
}

static void srv_bears_answers_that_are_cut_or_changed_anywhere(void **state)
{
    struct answer answer = begin(2);
    struct ptl_srv records[PTL_SRV_MAX];

    (void)state;
    add(&answer, ns_t_srv, 0, 1, 4040, "rain.example");
    add(&answer, ns_t_srv, 0, 1, 4040, "snow.example");
    for (size_t size = 0; size < answer.size; size++) {
        uint8_t *cut = malloc(size + 1); /* so that a sanitizer sees who reads on */
        memcpy(cut, answer.bytes, size);
        assert_in_range(ptl_srv_read(ptl_span(cut, size), records), 0, 1);
        free(cut);
    }
    for (size_t at = 0; at < answer.size; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            struct answer changed = answer;
            changed.bytes[at] = (uint8_t)byte;
            assert_in_range(read_answer(&changed, records), 0, 2);
        }
    }
}

/* ---- Order --------------------------------------------------------------------------------- */

static struct ptl_srv record(unsigned priority, unsigned weight, const char *name)
{
    struct ptl_srv srv = {.priority = (uint16_t)priority, .weight = (uint16_t)weight};

    snprintf(srv.host.name, sizeof(srv.host.name), "%s", name);
    return srv;
}

static void srv_tries_lower_priorities_first_whatever_chance_says(void **state)
{
    (void)state;
    for (uint32_t draw = 0; draw < 200; draw++) {
        uint32_t chance[PTL_SRV_MAX] = {draw, draw / 2, draw / 3, draw};
        struct ptl_srv records[] = {record(2, 9, "d"), record(0, 5, "a"), record(0, 5, "b"),
                                    record(1, 0, "c")};
        ptl_srv_order(records, 4, chance);
        assert_true(records[0].priority == 0 && records[1].priority == 0);
        assert_string_not_equal(records[0].host.name, records[1].host.name);
        assert_string_equal(records[2].host.name, "c");
        assert_string_equal(records[3].host.name, "d");
    }
}

static void srv_of_one_priority_comes_first_as_often_as_it_weighs(void **state)
{
    unsigned heavy = 0, light = 0, weightless = 0;

    (void)state;
    for (uint32_t draw = 0; draw < 4 * 101; draw++) { /* chance falls everywhere four times */
        uint32_t chance[PTL_SRV_MAX] = {draw};
        struct ptl_srv records[] = {record(0, 70, "heavy"), record(0, 0, "none"),
                                    record(0, 30, "light")};
        ptl_srv_order(records, 3, chance);
        heavy += strcmp(records[0].host.name, "heavy") == 0;
        light += strcmp(records[0].host.name, "light") == 0;
        weightless += strcmp(records[0].host.name, "none") == 0;
    }
    assert_int_equal(heavy, 4 * 70);
    assert_int_equal(light, 4 * 30);
    assert_int_equal(weightless, 4);
}

static void srv_without_any_weight_is_ordered_all_the_same(void **state)
{
    uint32_t chance[PTL_SRV_MAX] = {UINT32_MAX, 7};
    struct ptl_srv records[PTL_SRV_MAX];

    (void)state;
    for (unsigned i = 0; i < PTL_SRV_MAX; i++) {
        records[i] = record(0, 0, "rain");
    }
    ptl_srv_order(records, PTL_SRV_MAX, chance);
    ptl_srv_order(records, 1, chance);
    ptl_srv_order(records, 0, chance);
    assert_string_equal(records[PTL_SRV_MAX - 1].host.name, "rain");
}

int main(int count, char *arguments[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(srv_reads_priorities_weights_ports_and_hosts),
        cmocka_unit_test(srv_leaves_out_what_names_no_host),
        cmocka_unit_test(srv_takes_16_records_and_no_more),
        cmocka_unit_test(srv_bears_answers_that_are_cut_or_changed_anywhere),
        cmocka_unit_test(srv_tries_lower_priorities_first_whatever_chance_says),
        cmocka_unit_test(srv_of_one_priority_comes_first_as_often_as_it_weighs),
        cmocka_unit_test(srv_without_any_weight_is_ordered_all_the_same),
    };

    cmocka_set_test_filter(count > 1 ? arguments[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
