#include "engine/message/message.h"

#include "engine/message/name.h"
#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define ROUNDS 2000
#else
#define ROUNDS 20000
#endif

/* Messages need no more of a node than what it begins with. */
static const struct ptl_node *rain(void)
{
    static struct ptl_identity self;

    assert_int_equal(ptl_identity_init(&self, "rain", 1, 1, ptl_allocator_libc()), 0);
    return (const struct ptl_node *)&self;
}

struct world {
    struct test_memory memory;
    struct ptl_writer writer;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    test_memory_init(&world->memory);
    ptl_writer_begin(&world->writer, &world->memory.allocator);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    ptl_writer_drop(&world->writer);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static void assert_json(const struct ptl_msg *msg, const char *json)
{
    char *text = ptl_msg_json(msg);

    assert_non_null(text);
    assert_string_equal(text, json);
    free(text);
}

static struct ptl_msg *finish(struct world *world)
{
    struct ptl_msg *msg = NULL;

    assert_int_equal(ptl_writer_finish(&world->writer, &msg), 0);
    const uint8_t *end = msg->body + msg->size;
    assert_true(msg->count == 0 || ptl_cbor_plain_end(msg->body, end, msg->count, 500) == end);
    return msg;
}

/* A message of JSON values, the brackets around it left out. */
static struct ptl_msg *message_of(struct world *world, const char *json)
{
    char text[1024];
    struct ptl_value value;
    struct ptl_cursor cursor;
    struct ptl_msg *msg;

    snprintf(text, sizeof text, "[%s]", json);
    ptl_put_json(&world->writer, text, strlen(text));
    struct ptl_msg *array = finish(world);
    cursor = ptl_msg_begin(array);
    assert_int_equal(ptl_next(&cursor, &value), 0);
    struct ptl_span body = ptl_span(cursor.at, (size_t)(cursor.end - cursor.at));
    assert_int_equal(ptl_msg_from(&world->memory.allocator, body, value.count, &msg), 0);
    ptl_msg_free(array);
    return msg;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static void message_takes_values_one_after_another(void **state)
{
    struct world *world = *state;
    struct ptl_writer *writer = &world->writer;

    ptl_put_text(writer, "tag", 3);
    ptl_put_null(writer);
    ptl_put_bool(writer, true);
    ptl_put_int(writer, -42);
    ptl_put_int(writer, INT64_MIN);
    ptl_put_uint(writer, UINT64_MAX);
    ptl_put_float(writer, 0.1);
    ptl_put_bytes(writer, "\xff\0", 2);
    ptl_put_array(writer, 2);
    ptl_put_array(writer, 0);
    ptl_put_map(writer, 1);
    ptl_put_text(writer, "key", 3);
    ptl_put_array(writer, 1);
    ptl_put_int(writer, 1);
    ptl_put_map(writer, 0);
    struct ptl_msg *msg = finish(world);
    assert_int_equal(ptl_msg_count(msg), 10);
    assert_json(msg, "[\"tag\",null,true,-42,-9223372036854775808,18446744073709551615,0.1,"
                     "\"\xc3\xbf\\u0000\",[[],{\"key\":[1]}],{}]");
    ptl_msg_free(msg);
}

static void message_with_no_values_is_a_message(void **state)
{
    struct ptl_msg *msg = finish(*state);

    assert_int_equal(ptl_msg_count(msg), 0);
    assert_int_equal(ptl_msg_size(msg), 0);
    assert_json(msg, "[]");
    assert_false(ptl_msg_is(msg, ""));
    ptl_msg_free(msg);
}

static void message_writer_allocates_nothing_while_all_fits_in_its_scratch(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 4; i++) {
        ptl_put_text(&world->writer, "0123456789", 10);
    }
    ptl_put_array(&world->writer, 1);
    ptl_put_map(&world->writer, 1);
    ptl_put_text(&world->writer, "k", 1);
    ptl_put_array(&world->writer, 1);
    ptl_put_int(&world->writer, 1);
    assert_int_equal(world->memory.calls, 0);
    struct ptl_msg *msg = finish(world);
    assert_int_equal(world->memory.calls, 1);
    ptl_msg_free(msg);
}

static void message_writer_may_be_moved(void **state)
{
    struct world *world = *state;
    struct ptl_msg *msg;

    for (int values = 1; values < 100; values *= 5) {
        struct ptl_writer first;
        ptl_writer_begin(&first, &world->memory.allocator);
        ptl_put_array(&first, (uint32_t)values + 1);
        for (int i = 0; i < values; i++) {
            ptl_put_text(&first, "0123456789", 10);
        }
        struct ptl_writer second = first;
        memset(&first, 0xee, sizeof first);
        ptl_put_null(&second);
        assert_int_equal(ptl_writer_finish(&second, &msg), 0);
        assert_int_equal(msg->size, (size_t)values * 11 + 1 + ptl_cbor_head_size(values + 1U));
        ptl_msg_free(msg);
    }
}

static void message_grows_out_of_the_scratch_at_every_size(void **state)
{
    static const char filler[2000];

    for (size_t size = 0; size < sizeof filler; size += size < 260 ? 1 : 97) {
        for (uint32_t depth = 0; depth <= 30; depth += 5) {
            struct world *world = *state;
            for (uint32_t i = 0; i < depth; i++) {
                ptl_put_array(&world->writer, 1);
            }
            if (depth > 0) {
                ptl_put_array(&world->writer, 2);
            }
            ptl_put_bytes(&world->writer, filler, size);
            ptl_put_int(&world->writer, 7);
            struct ptl_msg *msg = finish(world);
            assert_int_equal(msg->size, depth + (depth > 0) + ptl_cbor_head_size(size) + size + 1);
            assert_int_equal(msg->count, depth > 0 ? 1 : 2);
            ptl_msg_free(msg);
        }
    }
}

static void message_nests_500_deep_and_no_deeper(void **state)
{
    for (int map = 0; map < 2; map++) {
        for (int depth = 499; depth <= 501; depth++) {
            struct world *world = *state;
            struct ptl_msg *msg = NULL;
            for (int i = 0; i < depth; i++) {
                if (map) {
                    ptl_put_map(&world->writer, 1);
                    ptl_put_text(&world->writer, "k", 1);
                } else {
                    ptl_put_array(&world->writer, 1);
                }
            }
            ptl_put_null(&world->writer);
            int err = ptl_writer_finish(&world->writer, &msg);
            assert_int_equal(err, depth <= 500 ? 0 : PTL_EDEPTH);
            ptl_msg_free(msg);
        }
    }
    struct world *world = *state;
    for (int i = 0; i < 500; i++) {
        ptl_put_array(&world->writer, 1);
    }
    assert_int_equal(ptl_put_array(&world->writer, 0), PTL_EDEPTH);
}

static void message_writer_keeps_the_first_error(void **state)
{
    struct world *world = *state;
    struct ptl_msg *msg = NULL;

    assert_int_equal(ptl_put_text(&world->writer, "\xff", 1), PTL_ESYNTAX);
    assert_int_equal(ptl_put_array(&world->writer, 3), PTL_ESYNTAX);
    assert_int_equal(ptl_put_int(&world->writer, 1), PTL_ESYNTAX);
    assert_int_equal(ptl_put_json(&world->writer, "[", 1), PTL_ESYNTAX);
    assert_int_equal(ptl_writer_finish(&world->writer, &msg), PTL_ESYNTAX);
    assert_null(msg);
    assert_int_equal(ptl_put_int(&world->writer, 1), 0); /* a finished writer begins anew */
}

static void message_with_an_unfilled_container_is_refused(void **state)
{
    struct world *world = *state;
    struct ptl_msg *msg = NULL;

    ptl_put_array(&world->writer, 2);
    ptl_put_int(&world->writer, 1);
    assert_int_equal(ptl_writer_finish(&world->writer, &msg), PTL_EINVAL);
    ptl_put_map(&world->writer, 1);
    ptl_put_text(&world->writer, "k", 1);
    assert_int_equal(ptl_writer_finish(&world->writer, &msg), PTL_EINVAL);
}

static void message_keys_are_strings(void **state)
{
    struct world *world = *state;

    ptl_put_map(&world->writer, 2);
    ptl_put_bytes(&world->writer, "k", 1);
    ptl_put_int(&world->writer, 1);
    assert_int_equal(ptl_put_int(&world->writer, 2), PTL_EINVAL);
    ptl_writer_drop(&world->writer);
    ptl_put_map(&world->writer, 1);
    assert_int_equal(ptl_put_array(&world->writer, 0), PTL_EINVAL);
    ptl_writer_drop(&world->writer);
    ptl_put_map(&world->writer, 1);
    assert_int_equal(ptl_put_json(&world->writer, "1", 1), PTL_EINVAL);
}

static void message_takes_in_the_values_of_another(void **state)
{
    struct world *world = *state;
    struct ptl_msg *inner = message_of(world, "\"k\",[1,{\"a\":null}],\"l\",2");

    ptl_put_values(&world->writer, inner);
    ptl_put_array(&world->writer, 5);
    ptl_put_int(&world->writer, 0);
    ptl_put_values(&world->writer, inner);
    ptl_put_map(&world->writer, 2);
    ptl_put_values(&world->writer, inner);
    struct ptl_msg *msg = finish(world);
    assert_json(msg, "[\"k\",[1,{\"a\":null}],\"l\",2,[0,\"k\",[1,{\"a\":null}],\"l\",2],"
                     "{\"k\":[1,{\"a\":null}],\"l\":2}]");
    ptl_msg_free(msg);

    for (int i = 0; i < 499; i++) {
        ptl_put_array(&world->writer, 1);
    }
    ptl_put_array(&world->writer, 4);
    assert_int_equal(ptl_put_values(&world->writer, inner), PTL_EDEPTH);
    ptl_msg_free(inner);
}

static void message_takes_json(void **state)
{
    static const char *const broken[] = {"", "[", "1 2", "[1]]", "x", "\"\xff\""};
    struct world *world = *state;

    assert_int_equal(ptl_put_json(&world->writer, " {\"a\": [1, 2.5]} ", 17), 0);
    ptl_put_array(&world->writer, 1);
    assert_int_equal(ptl_put_json(&world->writer, "42", 2), 0);
    struct ptl_msg *msg = finish(world);
    assert_json(msg, "[{\"a\":[1,2.5]},[42]]");
    ptl_msg_free(msg);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        assert_int_equal(ptl_put_json(&world->writer, broken[i], strlen(broken[i])), PTL_ESYNTAX);
        ptl_writer_drop(&world->writer);
    }
    char deep[1001];
    memset(deep, '[', 500);
    memset(deep + 500, ']', 500);
    assert_int_equal(ptl_put_json(&world->writer, deep, 1000), 0);
    ptl_put_array(&world->writer, 1);
    assert_int_equal(ptl_put_json(&world->writer, deep, 1000), PTL_EDEPTH);
}

static void message_is_made_by_a_format(void **state)
{
    struct world *world = *state;
    struct ptl_msg *inner = message_of(world, "\"x\",1");
    struct ptl_msg *msg = NULL;

    int err = ptl_msg_make(NULL, &msg, "tniufbTy[i[]m]{ti}{m}m", "tag", -1, UINT64_MAX, 1.5, 7,
                           "text!", 4, "\x80", 1, 5, inner, "key", 6, inner, inner);
    assert_int_equal(err, 0);
    assert_int_equal(ptl_msg_count(msg), 13);
    assert_json(msg, "[\"tag\",null,-1,18446744073709551615,1.5,true,\"text\",\"\xc2\x80\","
                     "[5,[],\"x\",1],{\"key\":6},{\"x\":1},\"x\",1]");
    ptl_msg_free(msg);
    ptl_msg_free(inner);
}

static void message_of_a_bad_format_is_refused(void **state)
{
    static const char *const formats[] = {"[",   "]",    "{]", "[}",  "n}", "[n",
                                          "{n}", "{nn}", "q",  "[q]", "n n"};

    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct ptl_msg *msg = NULL;
        assert_int_equal(ptl_msg_make(NULL, &msg, formats[i]), PTL_EINVAL);
        assert_null(msg);
    }
}

static void message_names_ports_as_text(void **state)
{
    struct world *world = *state;
    struct ptl_port port;
    struct ptl_port again;

    assert_int_equal(ptl_port_parse(rain(), "rain#echo", 9, &port), 0);
    ptl_put_port(&world->writer, &port);
    struct ptl_msg *msg = finish(world);
    assert_json(msg, "[\"rain#echo\"]");
    assert_int_equal(ptl_msg_read(rain(), msg, "p.", &again), 0);
    assert_true(ptl_port_equal(&again, &port));
    ptl_msg_free(msg);
}

/* ---- Holding ------------------------------------------------------------------------------ */

static void message_is_shared_when_made_and_copied_when_borrowed(void **state)
{
    struct world *world = *state;
    struct ptl_msg *made = message_of(world, "1,2");

    struct ptl_msg *kept = ptl_msg_keep(made);
    assert_ptr_equal(kept, made);
    ptl_msg_free(made);
    assert_json(kept, "[1,2]");
    ptl_msg_free(kept);

    uint8_t bytes[] = {1, 2};
    struct ptl_msg borrowed = ptl_msg_borrow(ptl_span(bytes, 2), 2);
    borrowed.allocator = &world->memory.allocator;
    kept = ptl_msg_keep(&borrowed);
    bytes[0] = 9;
    assert_json(kept, "[1,2]");
    assert_true(world->memory.out_bytes > 0);
    ptl_msg_free(kept);
    ptl_msg_free(NULL);
}

/* ---- Reading ------------------------------------------------------------------------------ */

static void message_is_read_value_by_value(void **state)
{
    struct ptl_msg *msg =
        message_of(*state, "null,true,-5,18446744073709551615,-18446744073709551616,"
                           "1.5,\"text\",[1,2],{\"k\":[]}");
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    static const enum ptl_type types[] = {PTL_NULL,  PTL_BOOL, PTL_INT,   PTL_UINT, PTL_FLOAT,
                                          PTL_FLOAT, PTL_TEXT, PTL_ARRAY, PTL_INT,  PTL_INT,
                                          PTL_MAP,   PTL_TEXT, PTL_ARRAY};
    struct ptl_value values[13];

    for (size_t i = 0; i < 13; i++) {
        assert_int_equal(ptl_next(&cursor, &values[i]), 0);
        assert_int_equal(values[i].type, types[i]);
    }
    assert_int_equal(ptl_next(&cursor, &values[0]), PTL_EEND);
    assert_int_equal(values[2].integer, -5);
    assert_true(values[3].natural == UINT64_MAX);
    assert_true(values[4].real == -0x1p64);
    assert_int_equal(values[7].count, 2);
    assert_memory_equal(values[6].string.chars, "text", 4);

    cursor = ptl_msg_begin(msg);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(ptl_skip(&cursor), 0);
    }
    assert_int_equal(ptl_skip(&cursor), PTL_EEND);
    ptl_msg_free(msg);
}

static void message_tags_are_the_same_as_bytes_and_as_text(void **state)
{
    struct world *world = *state;

    ptl_put_bytes(&world->writer, "caf\xe9", 4);
    struct ptl_msg *bytes = finish(world);
    ptl_put_text(&world->writer, "caf\xc3\xa9", 5);
    struct ptl_msg *text = finish(world);
    struct ptl_msg *number = message_of(world, "42");
    assert_true(ptl_msg_is(bytes, "caf\xc3\xa9"));
    assert_true(ptl_msg_is(text, "caf\xc3\xa9"));
    assert_false(ptl_msg_is(text, "caf"));
    assert_false(ptl_msg_is(text, "caf\xc3\xa9s"));
    assert_false(ptl_msg_is(bytes, "cafe"));
    assert_false(ptl_msg_is(number, "42"));
    ptl_msg_free(bytes);
    ptl_msg_free(text);
    ptl_msg_free(number);
}

static void message_is_read_by_a_format(void **state)
{
    struct ptl_msg *msg =
        message_of(*state, "\"tag\",true,-5,5,2.5,[1,[2]],{\"a\":1},\"rain#x\",7");
    const char *chars;
    size_t size;
    bool truth;
    int64_t integer;
    uint64_t natural;
    double real;
    struct ptl_value value;
    struct ptl_port port;

    assert_int_equal(ptl_msg_read(rain(), msg, "sbiuf*vp*.", &chars, &size, &truth, &integer,
                                  &natural, &real, &value, &port),
                     0);
    assert_memory_equal(chars, "tag", 3);
    assert_int_equal(size, 3);
    assert_true(truth);
    assert_int_equal(integer, -5);
    assert_int_equal(natural, 5);
    assert_true(real == 2.5);
    assert_int_equal(value.type, PTL_MAP);
    assert_string_equal(ptl_port_id(&port), "rain#x");
    assert_int_equal(ptl_msg_read(NULL, msg, "s", &chars, &size), 0);
    assert_int_equal(ptl_msg_read(NULL, msg, "s.", &chars, &size), PTL_ETYPE);
    assert_int_equal(ptl_msg_read(NULL, msg, "*********."), 0);
    assert_int_equal(ptl_msg_read(NULL, msg, "**********"), PTL_EEND);
    assert_int_equal(ptl_msg_read(NULL, msg, "q"), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "i", &integer), PTL_ETYPE);
    assert_int_equal(ptl_msg_read(NULL, msg, "*s", &chars, &size), PTL_ETYPE);
    assert_int_equal(ptl_msg_read(rain(), msg, "*****p", &port), PTL_ETYPE);
    ptl_msg_free(msg);
}

static int read_int(struct world *world, const char *json, int64_t *out)
{
    struct ptl_msg *msg = message_of(world, json);
    int err = ptl_msg_read(NULL, msg, "i.", out);

    ptl_msg_free(msg);
    return err;
}

static int read_uint(struct world *world, const char *json, uint64_t *out)
{
    struct ptl_msg *msg = message_of(world, json);
    int err = ptl_msg_read(NULL, msg, "u.", out);

    ptl_msg_free(msg);
    return err;
}

static int read_float(struct world *world, const char *json, double *out)
{
    struct ptl_msg *msg = message_of(world, json);
    int err = ptl_msg_read(NULL, msg, "f.", out);

    ptl_msg_free(msg);
    return err;
}

static int read_bool(struct world *world, const char *json, bool *out)
{
    struct ptl_msg *msg = message_of(world, json);
    int err = ptl_msg_read(NULL, msg, "b.", out);

    ptl_msg_free(msg);
    return err;
}

static void message_numbers_may_come_as_strings(void **state)
{
    static const char *const no_integers[] = {"\"\"",
                                              "\"4x\"",
                                              "null",
                                              "true",
                                              "1.5",
                                              "\"1.5\"",
                                              "[]",
                                              "\"[]\"",
                                              "1e300",
                                              "\"null\"",
                                              "9223372036854775808",
                                              "\"\\\"4\\\"\"",
                                              "\"--4\""};
    int64_t integer;
    uint64_t natural;
    double real;

    assert_int_equal(read_int(*state, "\"42\"", &integer), 0);
    assert_int_equal(integer, 42);
    assert_int_equal(read_int(*state, "\"-9223372036854775808\"", &integer), 0);
    assert_true(integer == INT64_MIN);
    assert_int_equal(read_int(*state, "3.0", &integer), 0);
    assert_int_equal(integer, 3);
    for (size_t i = 0; i < sizeof no_integers / sizeof no_integers[0]; i++) {
        assert_int_equal(read_int(*state, no_integers[i], &integer), PTL_ETYPE);
    }
    assert_int_equal(read_uint(*state, "\"18446744073709551615\"", &natural), 0);
    assert_true(natural == UINT64_MAX);
    assert_int_equal(read_uint(*state, "-1", &natural), PTL_ETYPE);
    assert_int_equal(read_uint(*state, "\"-1\"", &natural), PTL_ETYPE);
    assert_int_equal(read_float(*state, "\"1795437696.43062\"", &real), 0);
    assert_true(real == 1795437696.43062);
    assert_int_equal(read_float(*state, "\"inf\"", &real), 0);
    assert_true(isinf(real));
    assert_int_equal(read_float(*state, "18446744073709551615", &real), 0);
    assert_true(real == 0x1p64);
    assert_int_equal(read_float(*state, "\"x\"", &real), PTL_ETYPE);
}

static void message_truth_values_are_what_perl_takes_for_them(void **state)
{
    static const char *const trues[] = {"true", "\"1\"", "1"};
    static const char *const falses[] = {"false", "\"\"", "0", "\"0\""};
    static const char *const neither[] = {"null", "2", "\"yes\"", "[]", "1.5", "-1"};
    bool truth;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(read_bool(*state, trues[i], &truth), 0);
        assert_true(truth);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(read_bool(*state, falses[i], &truth), 0);
        assert_false(truth);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(read_bool(*state, neither[i], &truth), PTL_ETYPE);
    }
}

static void message_port_ids_of_bytes_are_latin1(void **state)
{
    struct world *world = *state;
    struct ptl_port port;
    char long_id[232];

    ptl_put_bytes(&world->writer, "caf\xe9#x", 6);
    struct ptl_msg *msg = finish(world);
    assert_int_equal(ptl_msg_read(rain(), msg, "p", &port), 0);
    assert_string_equal(ptl_port_id(&port), "caf\xc3\xa9#x");
    ptl_msg_free(msg);

    memset(long_id, '\xe9', sizeof long_id);
    ptl_put_bytes(&world->writer, long_id, 200);
    msg = finish(world);
    assert_int_equal(ptl_msg_read(rain(), msg, "p", &port), PTL_ENAME);
    ptl_msg_free(msg);
}

static void message_reading_survives_any_bytes(void **state)
{
    struct sim_random random;

    (void)state;
    sim_random_seed(&random, 111);
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = sim_random_between(&random, 1, 40);
        uint8_t *bytes = malloc(size); /* so that a sanitizer sees a byte too far */
        sim_random_bytes(&random, bytes, size);
        struct ptl_msg msg = ptl_msg_borrow(ptl_span(bytes, size), 3);
        struct ptl_cursor cursor = ptl_msg_begin(&msg);
        struct ptl_value value;
        struct ptl_port port;
        while (ptl_next(&cursor, &value) == 0) {
            assert_true(cursor.at <= cursor.end);
        }
        cursor = ptl_msg_begin(&msg);
        while (ptl_skip(&cursor) == 0) {
            assert_true(cursor.at <= cursor.end);
        }
        (void)ptl_msg_is(&msg, "tag");
        (void)!ptl_msg_read(rain(), &msg, "pvv", &port, &value, &value);
        free(ptl_msg_json(&msg));
        free(bytes);
    }
}

static void message_without_memory_is_refused_and_nothing_leaks(void **state)
{
    static const char filler[1000];
    struct world *world = *state;
    struct ptl_msg *msg = NULL;
    int err = PTL_ENOMEM;

    for (size_t calls = 1; err != 0; calls++) {
        test_memory_fail(&world->memory, calls);
        for (int i = 0; i < 40; i++) {
            ptl_put_array(&world->writer, 2);
            ptl_put_bytes(&world->writer, filler, sizeof filler);
        }
        ptl_put_json(&world->writer, "{\"a\":[\"\\n\"]}", 12);
        err = ptl_writer_finish(&world->writer, &msg);
        assert_true(err == 0 || err == PTL_ENOMEM);
        assert_true(calls < 50);
        if (err != 0) {
            assert_null(msg);
            assert_int_equal(world->memory.out_bytes, 0);
        }
    }
    struct ptl_msg borrowed = ptl_msg_borrow(ptl_msg_body(msg), msg->count);
    borrowed.allocator = &world->memory.allocator;
    test_memory_fail(&world->memory, 1);
    assert_null(ptl_msg_keep(&borrowed));
    test_memory_fail(&world->memory, 0);
    ptl_msg_free(msg);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(message_takes_values_one_after_another),
        TEST(message_with_no_values_is_a_message),
        TEST(message_writer_allocates_nothing_while_all_fits_in_its_scratch),
        TEST(message_writer_may_be_moved),
        TEST(message_grows_out_of_the_scratch_at_every_size),
        TEST(message_nests_500_deep_and_no_deeper),
        TEST(message_writer_keeps_the_first_error),
        TEST(message_with_an_unfilled_container_is_refused),
        TEST(message_keys_are_strings),
        TEST(message_takes_in_the_values_of_another),
        TEST(message_takes_json),
        TEST(message_is_made_by_a_format),
        TEST(message_of_a_bad_format_is_refused),
        TEST(message_names_ports_as_text),
        TEST(message_is_shared_when_made_and_copied_when_borrowed),
        TEST(message_is_read_value_by_value),
        TEST(message_tags_are_the_same_as_bytes_and_as_text),
        TEST(message_is_read_by_a_format),
        TEST(message_numbers_may_come_as_strings),
        TEST(message_truth_values_are_what_perl_takes_for_them),
        TEST(message_port_ids_of_bytes_are_latin1),
        TEST(message_reading_survives_any_bytes),
        TEST(message_without_memory_is_refused_and_nothing_leaks),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
