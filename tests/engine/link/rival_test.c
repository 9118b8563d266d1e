/*
 * Two nodes of one ID: a second one that was given it by mistake, and the same one, restarted.
 */
#include "tests/common/raw_peer.h"
#include "tests/common/witness.h"

#include <unistd.h>

#define SILENCE_MS 4000 /* on a busy machine, too, a node says something in that time */

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static struct ptl_node *start_rain(void)
{
    struct ptl_node_options options = witness_options("rain");

    options.binds = loopback;
    options.silence_ms = SILENCE_MS;
    struct ptl_node *rain = witness_start(&options);
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    return rain;
}

static struct ptl_node *start_snow(struct ptl_node *rain, const char *label)
{
    struct ptl_node_options options = witness_options("snow");
    const char *seeds[] = {ptl_node_address(rain, 0), NULL};

    options.seeds = seeds;
    options.silence_ms = SILENCE_MS;
    options.log_data = (void *)(uintptr_t)label;
    return witness_start(&options);
}

static unsigned count_of(const char *line, const char *part)
{
    unsigned count = 0;

    for (const char *at = line; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

static void second_node_of_an_id_is_refused_while_the_first_answers(void **state)
{
    struct ptl_node *rain = start_rain(), *first = start_snow(rain, "first");
    struct ptl_port port = witness_port(first, "port", on_message, "port");

    (void)state;
    assert_next("link", "up snow");
    start_snow(rain, "second");
    char *line = strdup(witness_until("rain", "two nodes use the ID snow"));
    assert_non_null(strstr(line, "error: "));
    assert_int_equal(count_of(line, "127.0.0.1:"), 2);
    free(line);
    /* It comes again and again, and nothing happens to the first, nor is it told again. */
    for (unsigned i = 0; i < 2; i++) {
        witness_until("rain", "another node of the same ID is linked");
    }
    tell(rain, &port, "t", "for the first");
    assert_next("port", "[\"for the first\"]");
    assert_silent("link");
    assert_silent("port");
    for (const char *more; (more = witness_next_if_any("rain")) != NULL;) {
        assert_null(strstr(more, "two nodes"));
    }
}

static void second_node_of_an_id_is_linked_when_the_first_has_gone(void **state)
{
    struct ptl_node *rain = start_rain(), *first = start_snow(rain, "first");

    (void)state;
    assert_next("link", "up snow");
    start_snow(rain, "second");
    witness_until("rain", "two nodes use the ID snow");
    assert_silent("link");
    witness_stop(first, 1000);
    assert_non_null(strstr(witness_next("link"), "down snow"));
    assert_next("link", "up snow");
}

/* Its machine has lost power: nobody has said that the old connection is dead. */
static void node_restarted_replaces_the_one_that_is_silent(void **state)
{
    struct ptl_node *rain = start_rain();
    struct raw_peer before, after;

    (void)state;
    raw_greet(&before, raw_connect(rain), "peer", ";portolan=abc.0");
    raw_gather(&before, "port", "1"); /* the lower ID picks this connection */
    raw_send(&before);
    assert_next("link", "up peer");
    raw_greet(&after, raw_connect(rain), "peer", ";portolan=def.0");
    raw_gather(&after, "port", "1");
    raw_send(&after);
    assert_non_null(strstr(witness_next("link"), "down peer"));
    assert_next("link", "up peer");
    raw_close(&before);
    raw_close(&after);
}

static void node_whose_connection_is_closed_is_replaced_at_once(void **state)
{
    struct ptl_node *rain = start_rain();
    struct raw_peer peer;
    char process[32];

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        snprintf(process, sizeof(process), ";portolan=%u.0", 1 + i);
        raw_greet(&peer, raw_connect(rain), "peer", process);
        raw_gather(&peer, "port", "1");
        raw_send(&peer);
        assert_next("link", "up peer");
        raw_close(&peer);
        assert_non_null(strstr(witness_next("link"), "down peer"));
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(second_node_of_an_id_is_refused_while_the_first_answers),
        WITNESSED(second_node_of_an_id_is_linked_when_the_first_has_gone),
        WITNESSED(node_restarted_replaces_the_one_that_is_silent),
        WITNESSED(node_whose_connection_is_closed_is_replaced_at_once),
    };

    return witness_main(argc, argv, "rivals", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
