/*
 * Two nodes that do not take messages of the same size: what is too large is refused, lost or left
 * out by itself, and their link goes on.
 */
#include "tests/common/db_witness.h"

#define SMALL ((size_t)65536)
#define TOO_LARGE 100000

static const char *framings;
static const char *const loopback[] = {"127.0.0.1:0", NULL};
static struct db_copy copy;
static _Atomic uint64_t linked;   /* how often snow was, to rain */
static _Atomic uint64_t left_out; /* lines of rain's log that say so */

static void count_lines(void *data, enum ptl_log_level level, const char *line)
{
    (void)level;
    witness_note(data, "%s", line);
    if (strstr(line, "is left out") != NULL) {
        atomic_fetch_add(&left_out, 1);
    }
}

static void count_links(struct ptl_node *node, const char *node_id, bool up,
                        const struct ptl_msg *reason, void *data)
{
    (void)node, (void)node_id, (void)reason, (void)data;
    atomic_fetch_add(&linked, up);
}

static struct ptl_node *start_rain(void)
{
    struct ptl_node_options options = witness_options("rain");

    atomic_store(&linked, 0);
    atomic_store(&left_out, 0);
    options.binds = loopback;
    options.framings = framings;
    options.log = count_lines;
    options.log_data = "rain's log";
    struct ptl_node *rain = witness_start(&options);
    assert_int_equal(ptl_on_link(rain, count_links, NULL), 0);
    return rain;
}

/* snow takes less than rain does. */
static struct ptl_node *start_snow(struct ptl_node *rain, bool ordinary)
{
    struct ptl_node_options options = witness_options("snow");
    const char *seeds[] = {ptl_node_address(rain, 0), NULL};

    options.binds = loopback;
    options.seeds = seeds;
    options.framings = framings;
    options.message_bytes_max = SMALL;
    options.ordinary = ordinary;
    return witness_start(&options);
}

static void set_large(struct ptl_node *node, const char *key, size_t size)
{
    struct ptl_msg *value = witness_text(size);

    assert_int_equal(ptl_db_set(node, "fam", key, value), 0);
    ptl_msg_free(value);
}

/* ---- The database --------------------------------------------------------------------------- */

static void leave_out(bool ordinary)
{
    struct ptl_node *rain = start_rain();

    db_set(rain, "fam", "before", "1");
    db_set(rain, "fam", "grows", "2");
    set_large(rain, "poison", TOO_LARGE);
    set_large(rain, "venom", TOO_LARGE);
    struct ptl_node *snow = start_snow(rain, ordinary);
    db_copy_watch(&copy, snow, "fam");
    db_copy_until(&copy, "before=1 grows=2");
    db_set(rain, "fam", "after", "3");
    db_copy_until(&copy, "after=3 before=1 grows=2");
    set_large(rain, "grows", TOO_LARGE); /* its old value is none any more */
    db_copy_until(&copy, "after=3 before=1");
    db_set(rain, "fam", "poison", "4");
    db_copy_until(&copy, "after=3 before=1 poison=4");
    assert_int_equal(atomic_load(&linked), 1);
    assert_int_equal(atomic_load(&left_out), 1);
    assert_int_equal(witness_stop(snow, 5000), 0);
    db_copy_drop(&copy);
}

static void entry_that_a_global_node_cannot_take_is_left_out_and_later_ones_arrive(void **state)
{
    (void)state;
    leave_out(false);
}

static void entry_that_an_ordinary_node_cannot_take_is_left_out_and_later_ones_arrive(void **state)
{
    (void)state;
    leave_out(true);
}

static void answer_that_the_asking_node_cannot_take_is_an_error(void **state)
{
    struct ptl_node *rain = start_rain(), *snow = start_snow(rain, true);
    char key[16];

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        set_large(rain, key, 10000);
    }
    db_set(rain, "other", "key", "1");
    db_until(snow, "other", "key=1");
    assert_string_equal(db_family(snow, "fam"), "PTL_ESIZE");
    assert_string_equal(db_get(snow, "other", "key"), "1");
    assert_int_equal(atomic_load(&linked), 1);
}

/* ---- Messages ------------------------------------------------------------------------------- */

static void message_larger_than_the_linked_node_takes_is_refused_at_once(void **state)
{
    struct ptl_node *rain = start_rain(), *snow = start_snow(rain, false);
    struct ptl_msg *large = witness_text(TOO_LARGE);
    struct ptl_port self;

    (void)state;
    (void)witness_port(snow, "hut", on_message, "heard");
    struct ptl_port hut = witness_parse(rain, "snow#hut");
    witness_reach(&linked, 1);
    assert_int_equal(ptl_monitor(rain, &hut, on_gone, "gone", NULL), 0);
    tell(rain, &hut, "t", "first");
    assert_next("heard", "[\"first\"]");
    assert_int_equal(ptl_send(rain, &hut, large), PTL_ESIZE);
    assert_int_equal(ptl_kill(rain, &hut, large), PTL_ESIZE);
    assert_int_equal(ptl_spawn(rain, "snow", "any", large, &self), PTL_ESIZE);
    tell(rain, &hut, "t", "second");
    assert_next("heard", "[\"second\"]");
    assert_silent("gone");
    assert_int_equal(atomic_load(&linked), 1);
    ptl_msg_free(large);
}

static void message_that_waited_and_is_too_large_is_told_as_a_loss_once(void **state)
{
    struct ptl_node *rain = start_rain(), *snow = start_snow(rain, false);
    const char *address = ptl_node_address(snow, 0);

    (void)state;
    witness_reach(&linked, 1);
    assert_int_equal(witness_stop(rain, 5000), 0);
    rain = start_rain();
    struct ptl_port hut = witness_parse(rain, "snow#hut");
    (void)witness_port(snow, "hut", on_message, "heard");
    struct ptl_msg *large = witness_text(TOO_LARGE);
    /* Nobody has told it of snow's limit yet. */
    assert_int_equal(ptl_node_known(rain, "snow", address), 0);
    assert_int_equal(ptl_monitor(rain, &hut, on_gone, "gone", NULL), 0);
    int err = ptl_send(rain, &hut, large);
    if (err == PTL_OK) {
        witness_until("gone", "larger than the limit");
    } else {
        assert_int_equal(err, PTL_ESIZE); /* the link was quicker, which is rare */
    }
    assert_int_equal(ptl_send(rain, &hut, large), PTL_ESIZE); /* now it knows, linked or not */
    tell(rain, &hut, "t", "small");
    assert_next("heard", "[\"small\"]");
    ptl_msg_free(large);
}

/* snow's port dies of a reason that rain takes and snow does not. */
static void reason_that_the_node_cannot_take_is_told_in_other_words(void **state)
{
    struct ptl_node *rain = start_rain(), *snow = start_snow(rain, false);
    struct ptl_msg *large = witness_text(TOO_LARGE);

    (void)state;
    struct ptl_port house = witness_port(rain, "house", on_message, "house");
    struct ptl_port far_house = witness_parse(snow, "rain#house");
    assert_int_equal(ptl_monitor(snow, &far_house, on_gone, "gone", NULL), 0);
    tell(snow, &far_house, "t", "monitored");
    assert_next("house", "[\"monitored\"]");
    assert_int_equal(ptl_kill(rain, &house, large), 0);
    assert_next("gone",
                "[\"die\",\"larger than the limit allows: raise --max-message or send less\"]");
    assert_int_equal(atomic_load(&linked), 1);
    ptl_msg_free(large);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(entry_that_a_global_node_cannot_take_is_left_out_and_later_ones_arrive),
        WITNESSED(entry_that_an_ordinary_node_cannot_take_is_left_out_and_later_ones_arrive),
        WITNESSED(answer_that_the_asking_node_cannot_take_is_an_error),
        WITNESSED(message_larger_than_the_linked_node_takes_is_refused_at_once),
        WITNESSED(message_that_waited_and_is_too_large_is_told_as_a_loss_once),
        WITNESSED(reason_that_the_node_cannot_take_is_told_in_other_words),
    };
    size_t count = sizeof(tests) / sizeof(tests[0]);

    framings = "cbor";
    int failed = witness_main(argc, argv, "peer limits in CBOR", tests, count, shards);
    framings = "json";
    failed += witness_main(argc, argv, "peer limits in JSON", tests, count, shards);
    framings = "portolan";
    return failed + witness_main(argc, argv, "peer limits in frames", tests, count, shards);
}
