/*
 * Whom the end of a connection concerns, also where that end is what fails something else: on the
 * virtual network, with the hands in the links of one node.
 */
#include "engine/link/candidate.h"
#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/shard_links.h"
#include "tests/common/village.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SNOW, RAIN };

static void log_nothing(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level, (void)line;
}

static struct ptl_node *start(const char *id, const char *const *seeds)
{
    struct ptl_node_options options = {
        .size = sizeof(options), .id = id, .log = log_nothing, .shards = 1, .seeds = seeds};

    return village_start(&options);
}

/* One more connection to snow, made for the seed: a candidate of the link, to which rain has proved
 * itself and which has proved nothing yet. */
static struct ptl_connection *make_candidate(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_address address = link->connection->peer;
    struct ptl_connection *made;

    assert_int_equal(ptl_connection_open(shard, &address, village_address(SNOW), 0, NULL, &made),
                     PTL_OK);
    for (int i = 0; i < 100000 && !(made->link == link && made->proof_sent); i++) {
        village_run(SIM_SECOND / 100000);
    }
    assert_ptr_equal(link->candidates, made);
    assert_false(ptl_connection_is_proved(made));
    return made;
}

/* No memory any more, and what the link has in reserve is used up. */
static void starve(struct ptl_shard *shard, struct ptl_link *link)
{
    village_starve(RAIN, true);
    for (int i = 0; i < 1 << 20; i++) {
        if (ptl_link_packet(shard, link, ptl_span(NULL, 0), ptl_span(NULL, 0), 0, NULL) < 0) {
            return;
        }
    }
    fail_msg("there is memory for ever");
}

/*
 * Its seed leads to the linked node, which is told that it is one; without memory for that the link
 * fails, and closes its candidates.
 */
static void candidate_whose_end_fails_its_link_is_no_candidate_any_more(void **state)
{
    (void)state;
    village_begin();
    const char *seeds[] = {village_address(SNOW), NULL};
    (void)start("snow", NULL);
    struct ptl_shard *shard = &start("rain", seeds)->shards[0];
    village_run(SIM_SECOND);
    struct ptl_link *link = ptl_link_find(shard, ptl_span_text("snow"));
    assert_non_null(link);
    assert_int_equal(link->state, PTL_LINK_UP);
    struct ptl_connection *candidate = make_candidate(shard, link);
    link->db.told_seed = false; /* as if snow had called us, and the seed were tried only now */
    starve(shard, link);
    ptl_connection_close(candidate, PTL_ETIMEOUT, PTL_LOG_DEBUG);
    assert_int_equal(link->state, PTL_LINK_FAILING);
    assert_null(link->candidates);
    village_starve(RAIN, false);
    /* And with memory it goes on. */
    village_run(10 * SIM_SECOND);
    link = ptl_link_find(shard, ptl_span_text("snow"));
    assert_true(link != NULL && link->state == PTL_LINK_UP && link->candidates == NULL);
    village_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidate_whose_end_fails_its_link_is_no_candidate_any_more),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
