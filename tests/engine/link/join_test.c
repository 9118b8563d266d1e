/*
 * What the operator is told of a node that cannot join the network, at the level that there is when
 * nobody asks for another.
 */
#include "tests/common/listener.h"
#include "tests/common/raw_peer.h"
#include "tests/common/sealed.h"
#include "tests/common/witness.h"

#include <unistd.h>

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static struct ptl_node *start(const char *id, const char *bind, const char *const seeds[],
                              enum ptl_log_level level)
{
    struct ptl_node_options options = witness_options(id);
    const char *binds[] = {bind, NULL};

    options.binds = bind != NULL ? binds : NULL;
    options.seeds = seeds;
    options.log_level = level;
    return witness_start(&options);
}

static void assert_told(const char *id, const char *address, const char *cause)
{
    const char *line = witness_next(id);

    if (strstr(line, "error: cannot join at ") == NULL || strstr(line, address) == NULL ||
        strstr(line, cause) == NULL) {
        fail_msg("told: %s", line);
    }
}

static void seed_that_cannot_be_reached_is_an_error(void **state)
{
    char address[32];
    const char *const seeds[] = {address, NULL};

    (void)state;
    listener_unused(address);
    start("snow", NULL, seeds, PTL_LOG_ERROR);
    assert_told("snow", address, "Connection refused");
}

static void seed_whose_name_means_nothing_is_an_error(void **state)
{
    static const char *const seeds[] = {"a..b:4040", NULL};

    (void)state;
    start("snow", NULL, seeds, PTL_LOG_ERROR);
    assert_told("snow", "a..b:4040", "cannot be resolved");
}

static void seed_with_another_secret_is_an_error(void **state)
{
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    sealed_skip_secrets();
    options.binds = loopback;
    options.secret = "quite another secret";
    options.secret_size = strlen(options.secret);
    const char *const seeds[] = {ptl_node_address(witness_start(&options), 0), NULL};
    start("snow", NULL, seeds, PTL_LOG_ERROR);
    assert_told("snow", seeds[0], "another secret");
}

/* It shows its proof at once, so we can tell that it is a wrong one. */
static void real_seed_with_another_secret_is_an_error(void **state)
{
    char address[32];
    int listener = listener_open(address);
    const char *const seeds[] = {address, NULL};

    (void)state;
    start("snow", NULL, seeds, PTL_LOG_ERROR);
    int seed = raw_accept(listener);
    raw_say(seed, "aemp;1;rain;hmac_sha3_512;cbor\nany nonce\ncleartext;00;cbor\n");
    assert_told("snow", address, "different secrets");
    close(seed);
    close(listener);
}

static void seed_that_goes_on_failing_is_told_once_and_then_that_it_is_joined(void **state)
{
    char address[32];
    const char *const seeds[] = {address, NULL};
    unsigned told = 0, attempts = 0;

    (void)state;
    listener_unused(address);
    struct ptl_node *snow = start("snow", NULL, seeds, PTL_LOG_DEBUG);
    while (attempts < 3) {
        const char *line = witness_next("snow");
        told += strstr(line, "cannot join at") != NULL;
        attempts += strstr(line, "connection to") != NULL;
    }
    assert_int_equal(told, 1);
    assert_int_equal(ptl_on_link(snow, on_link, "link"), 0);
    start("rain", address, NULL, PTL_LOG_INFO);
    assert_next("link", "up rain");
    assert_non_null(strstr(witness_until("snow", "joined at"), address));
}

static void seed_that_cannot_be_reached_is_a_warning_where_another_is_joined(void **state)
{
    char address[32];

    (void)state;
    listener_unused(address);
    struct ptl_node *rain = start("rain", loopback[0], NULL, PTL_LOG_INFO);
    const char *const good[] = {ptl_node_address(rain, 0), NULL};
    const char *const both[] = {good[0], address, NULL};
    struct ptl_node *snow = start("snow", NULL, both, PTL_LOG_INFO);
    assert_int_equal(ptl_on_link(snow, on_link, "link"), 0);
    const char *line = witness_until("snow", "cannot join at");
    assert_non_null(strstr(line, address));
    assert_non_null(strstr(line, "warning: "));
    assert_next("link", "up rain");
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(seed_that_cannot_be_reached_is_an_error),
        WITNESSED(seed_whose_name_means_nothing_is_an_error),
        WITNESSED(seed_with_another_secret_is_an_error),
        WITNESSED(real_seed_with_another_secret_is_an_error),
        WITNESSED(seed_that_goes_on_failing_is_told_once_and_then_that_it_is_joined),
        WITNESSED(seed_that_cannot_be_reached_is_a_warning_where_another_is_joined),
    };

    return witness_main(argc, argv, "joining", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
