/*
 * What is changed on a node that runs: its secrets, its seeds, what it announces.
 */
#include "tests/common/db_witness.h"
#include "tests/common/village.h"

#define MINUTE (60 * SIM_SECOND)
#define FIRST "the first of the secrets"
#define SECOND "another secret, the second"

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static struct ptl_node *start(const char *id, const char *secret, const char *seed)
{
    struct ptl_node_options options = witness_options(id);
    const char *seeds[] = {seed, NULL};

    options.binds = loopback;
    options.seeds = seeds;
    options.secret = secret;
    options.secret_size = strlen(secret);
    struct ptl_node *node = witness_start(&options);
    assert_int_equal(ptl_on_link(node, on_link, (void *)ptl_node_id(node)), 0);
    return node;
}

static void set_secrets(struct ptl_node *node, const char *secret, const char *other)
{
    size_t other_size = other != NULL ? strlen(other) : 0;

    assert_int_equal(ptl_node_set_secrets(node, secret, strlen(secret), other, other_size), 0);
}

/* ---- Secrets ------------------------------------------------------------------------------- */

/* Who has the first one, and who has the second, joins a node that takes both. */
static void secrets_two_of_them_let_in_who_has_either(void **state)
{
    struct ptl_node *rain = start("rain", FIRST, NULL);
    const char *seed = ptl_node_address(rain, 0);

    (void)state;
    set_secrets(rain, FIRST, SECOND);
    start("snow", FIRST, seed);
    witness_until("snow", "up rain");
    start("hail", SECOND, seed);
    witness_until("hail", "up rain");
}

/* Whoever dials proves first, with its own; so both have to take the new one before any has it. */
static void secrets_change_node_by_node_and_links_stay(void **state)
{
    struct ptl_node *rain = start("rain", FIRST, NULL);
    const char *seed = ptl_node_address(rain, 0);
    struct ptl_node *snow = start("snow", FIRST, seed);

    (void)state;
    witness_until("rain", "up snow");
    set_secrets(rain, FIRST, SECOND);
    set_secrets(snow, FIRST, SECOND);
    set_secrets(rain, SECOND, FIRST);
    struct ptl_node *hail = start("hail", FIRST, seed);
    witness_until("hail", "up rain");
    witness_stop(hail, 1000);
    set_secrets(snow, SECOND, FIRST);
    set_secrets(rain, SECOND, NULL);
    set_secrets(snow, SECOND, NULL);
    struct ptl_node *fog = start("fog", FIRST, seed);
    witness_until("fog", "cannot join");
    witness_stop(fog, 1000);
    start("mist", SECOND, seed);
    witness_until("mist", "up rain");
    /* snow has been linked all the time. */
    struct ptl_port port = witness_listener(rain, "port");
    tell(snow, &port, "t", "still here");
    assert_next("port", "[\"still here\"]");
    for (const char *line; (line = witness_next_if_any("snow")) != NULL;) {
        assert_null(strstr(line, "down rain"));
    }
}

static void secrets_that_will_not_do_change_nothing(void **state)
{
    struct ptl_node *rain = start("rain", FIRST, NULL);

    (void)state;
    assert_int_equal(ptl_node_set_secrets(rain, NULL, 5, NULL, 0), PTL_EINVAL);
    assert_int_equal(ptl_node_set_secrets(rain, NULL, 0, SECOND, 5), PTL_EINVAL);
    assert_int_equal(ptl_node_set_secrets(rain, FIRST, 20, NULL, 5), PTL_EINVAL);
    witness_fail_memory(1, false);
    assert_int_equal(ptl_node_set_secrets(rain, SECOND, 20, NULL, 0), PTL_ENOMEM);
    witness_fail_memory(0, false);
    start("snow", FIRST, ptl_node_address(rain, 0));
    witness_until("snow", "up rain");
}

/* A short one is good for loopback, and with it no other seed is. */
static void secrets_that_are_short_forbid_open_seeds(void **state)
{
    static const char *const open[] = {"192.0.2.1:4040", NULL};
    struct ptl_node *rain = start("rain", "short", NULL);

    (void)state;
    assert_int_equal(ptl_node_set_seeds(rain, open), PTL_ESECRET);
    set_secrets(rain, FIRST, NULL);
    assert_int_equal(ptl_node_set_seeds(rain, open), 0);
    assert_int_equal(ptl_node_set_secrets(rain, "short", 5, NULL, 0), PTL_ESECRET);
    assert_int_equal(ptl_node_set_secrets(rain, FIRST, strlen(FIRST), "short", 5), PTL_ESECRET);
}

/* ---- Seeds --------------------------------------------------------------------------------- */

static void seed_that_is_named_later_is_joined_at_once(void **state)
{
    struct ptl_node *rain = start("rain", FIRST, NULL), *snow = start("snow", FIRST, NULL);
    const char *const seeds[] = {ptl_node_address(rain, 0), NULL};

    (void)state;
    assert_int_equal(ptl_node_set_seeds(snow, seeds), 0);
    witness_until("snow", "up rain");
    assert_int_equal(ptl_node_set_seeds(snow, NULL), 0); /* and the link stays */
    struct ptl_port port = witness_listener(rain, "port");
    tell(snow, &port, "t", "still here");
    assert_next("port", "[\"still here\"]");
}

static unsigned refused; /* lines that say that a seed cannot be joined */

static void count_refused(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level;
    refused += strstr(line, "cannot join") != NULL;
}

static void seed_that_is_named_no_more_is_tried_no_more(void **state)
{
    struct ptl_node_options options = {
        .size = sizeof(options), .id = "rain", .log = count_refused, .shards = 1};

    (void)state;
    refused = 0;
    village_begin();
    struct ptl_node *rain = village_start(&options);
    const char *const dark[] = {village_dark_address(), NULL};
    assert_int_equal(ptl_node_set_seeds(rain, dark), 0);
    village_run(5 * MINUTE);
    assert_in_range(refused, 2, 6); /* once a minute */
    assert_int_equal(ptl_node_set_seeds(rain, NULL), 0);
    village_run(MINUTE);
    refused = 0;
    uint64_t turns = village_turns(0);
    village_run(10 * MINUTE);
    assert_int_equal(refused, 0);
    assert_true(village_turns(0) - turns < 100); /* and nothing looks for it */
    assert_int_equal(ptl_node_set_seeds(rain, dark), 0);
    village_run(MINUTE);
    assert_in_range(refused, 1, 2);
    village_end();
}

static void seeds_are_64_in_the_life_of_a_node(void **state)
{
    char texts[65][24];
    const char *seeds[66];
    struct ptl_node *rain = start("rain", FIRST, NULL);

    (void)state;
    for (int i = 0; i < 65; i++) {
        snprintf(texts[i], sizeof(texts[i]), "127.0.0.2:%d", 1 + i);
        seeds[i] = texts[i];
    }
    seeds[65] = NULL;
    assert_int_equal(ptl_node_set_seeds(rain, seeds), PTL_ELIMIT);
    assert_int_equal(ptl_node_set_seeds(rain, seeds + 1), PTL_ELIMIT); /* the first has a place */
    seeds[64] = NULL;
    assert_int_equal(ptl_node_set_seeds(rain, seeds), 0);
    static const char *const none[] = {"no address", NULL};
    assert_int_equal(ptl_node_set_seeds(rain, none), PTL_EADDRESS);
    assert_int_equal(ptl_node_set_seeds(rain, NULL), 0);
}

/* ---- What is announced --------------------------------------------------------------------- */

static void addresses_that_are_set_later_are_told_to_all(void **state)
{
    static const char *const far[] = {"rain.example:4040", "10.0.0.9:4041", NULL};
    static const char *const none[] = {"no address", NULL};
    struct ptl_node *rain = start("rain", FIRST, NULL);
    struct ptl_node *snow = start("snow", FIRST, ptl_node_address(rain, 0));
    struct db_copy copy;
    char text[200];

    (void)state;
    db_copy_watch(&copy, snow, "'l");
    snprintf(text, sizeof(text), "rain=[\"%s\"] snow=[\"%s\"]", ptl_node_address(rain, 0),
             ptl_node_address(snow, 0));
    db_copy_until(&copy, text);
    assert_int_equal(ptl_node_set_announces(rain, far), 0);
    assert_int_equal(ptl_node_set_announces(rain, none), PTL_EADDRESS);
    char changed[200];
    snprintf(changed, sizeof(changed),
             "rain=[\"rain.example:4040\",\"10.0.0.9:4041\"] snow=[\"%s\"]",
             ptl_node_address(snow, 0));
    db_copy_until(&copy, changed);
    assert_int_equal(ptl_node_set_announces(rain, NULL), 0);
    db_copy_until(&copy, text);
    witness_stop(snow, 1000);
    db_copy_drop(&copy);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        WITNESSED(secrets_two_of_them_let_in_who_has_either),
        WITNESSED(secrets_change_node_by_node_and_links_stay),
        WITNESSED(secrets_that_will_not_do_change_nothing),
        WITNESSED(secrets_that_are_short_forbid_open_seeds),
        WITNESSED(seed_that_is_named_later_is_joined_at_once),
        cmocka_unit_test(seed_that_is_named_no_more_is_tried_no_more),
        WITNESSED(seeds_are_64_in_the_life_of_a_node),
        WITNESSED(addresses_that_are_set_later_are_told_to_all),
    };
    static const unsigned shards[] = {1, 2, 0};

    return witness_main(argc, argv, "change", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
