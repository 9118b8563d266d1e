#include "io/tls.h"

#include "tests/common/tls_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const in_force[] = {"harbour-revoked.crl", "quay.crl", NULL};
static const unsigned versions[] = {12, 13};

/* What `judge` says of a peer with the context `peer`, and `peer` of that; either may be client. */
static void expect(struct ptl_tls_context *judge, struct ptl_tls_context *peer, const char *wants,
                   bool judge_is_client, int verdict)
{
    struct tls_ends ends;
    struct ptl_tls_context *client = judge_is_client ? judge : peer;
    struct ptl_tls_context *server = judge_is_client ? peer : judge;
    const struct tls_end *judging = &ends.ends[judge_is_client ? 0 : 1];
    const struct tls_end *judged = &ends.ends[judge_is_client ? 1 : 0];

    tls_ends_make(&ends, client, server, judge_is_client ? wants : NULL,
                  judge_is_client ? NULL : wants);
    tls_run(&ends, SIZE_MAX);
    assert_int_equal(judging->err, verdict);
    assert_int_equal(ptl_tls_is_verified(judging->tls), verdict == 0);
    assert_int_equal(ptl_tls_state(judging->tls), verdict == 0 ? PTL_TLS_UP : PTL_TLS_FAILED);
    /* The other one is told that it is refused, and not let believe anything else. */
    assert_int_equal(judged->err, verdict == 0 ? 0 : PTL_ECERTREFUSED);
    tls_ends_free(&ends);
}

struct story {
    const char *peer;
    const char *wants;
    bool lists; /* of what is revoked */
    int verdict;
};

static void expect_stories(const struct story stories[], size_t count)
{
    for (size_t v = 0; v < OF(versions); v++) {
        struct ptl_tls_context *judges[] = {tls_node("rain", NULL, versions[v]),
                                            tls_node("rain", in_force, versions[v])};
        for (size_t i = 0; i < count; i++) {
            struct ptl_tls_context *peer = tls_node(stories[i].peer, NULL, versions[v]);
            for (unsigned client = 0; client < 2; client++) {
                expect(judges[stories[i].lists], peer, stories[i].wants, client != 0,
                       stories[i].verdict);
            }
            ptl_tls_context_release(peer);
        }
        ptl_tls_context_release(judges[0]);
        ptl_tls_context_release(judges[1]);
    }
}

static void trust_goes_by_authority_dates_and_lists(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"snow", NULL, false, 0},
        {"snow", NULL, true, 0},
        {"rsa", NULL, false, 0},
        {"edwards", NULL, false, 0},
        {"fog", NULL, false, 0},
        {"fog", NULL, true, 0},
        {"thief", NULL, false, PTL_EAUTHORITY},
        {"forged", NULL, false, PTL_EAUTHORITY},
        {"forged", NULL, true, PTL_EAUTHORITY},
        {"expired", NULL, false, PTL_EEXPIRED},
        {"early", NULL, false, PTL_EEARLY},
        {"revoked", NULL, false, 0},
        {"revoked", NULL, true, PTL_EREVOKED},
    };

    expect_stories(stories, OF(stories));
}

static void trust_compares_names_byte_by_byte(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"snow", "snow", false, 0},
        {"snow", "rain", false, PTL_ECERTNAME},
        {"snow", "Snow", false, PTL_ECERTNAME},
        {"snow", "sno", false, PTL_ECERTNAME},
        {"snow", "snow.", false, PTL_ECERTNAME},
        {"named", "named", false, 0},
        {"named", "hail", false, 0},
        {"named", "elsewhere", false, 0},
        {"named", "name", false, PTL_ECERTNAME},
        {"many", "berth-1", false, 0},
        {"many", "berth-40", false, 0},
        {"many", "berth-41", false, PTL_ECERTNAME},
        {"wild", "rain", false, PTL_ECERTNAME},
        {"wild", "a.example", false, PTL_ECERTNAME},
        {"wild", "r*", false, 0},
        {"fog", "fog", false, 0},
        {"fog", "quay authority", false, PTL_ECERTNAME},
        {"thief", "rain", false, PTL_EAUTHORITY},
    };

    expect_stories(stories, OF(stories));
}

static void trust_needs_a_list_of_every_authority(void **state)
{
    (void)state;
    static const char *const lists[][3] = {
        {"harbour.crl", NULL},             /* but fog is the quay's */
        {"harbour.crl", "quay.crl", NULL}, /* so that is all */
    };
    static const int verdicts[] = {PTL_ENOLIST, 0};

    for (size_t i = 0; i < OF(lists); i++) {
        struct ptl_tls_context *judge = tls_node("rain", lists[i], 0);
        struct ptl_tls_context *peer = tls_node("fog", NULL, 0);
        expect(judge, peer, NULL, true, verdicts[i]);
        expect(judge, peer, NULL, false, verdicts[i]);
        ptl_tls_context_release(judge);
        ptl_tls_context_release(peer);
    }
}

/* A pair trusts itself alone, whether it may sign others or not; and no authority trusts a pair. */
static void trust_of_a_pair_is_in_that_pair_alone(void **state)
{
    (void)state;
    for (size_t v = 0; v < OF(versions); v++) {
        struct ptl_tls_context *a = tls_pair("pair-a.pem", versions[v]);
        struct ptl_tls_context *b = tls_pair("pair-b.pem", versions[v]);
        struct ptl_tls_context *old = tls_pair("pair-old.pem", versions[v]);
        struct ptl_tls_context *snow = tls_node("snow", NULL, versions[v]);
        struct ptl_tls_context *fog = tls_node("fog", NULL, versions[v]);
        for (unsigned client = 0; client < 2; client++) {
            expect(a, a, NULL, client != 0, 0);
            expect(b, b, NULL, client != 0, 0);
            expect(a, a, "aemp", client != 0, 0);
            expect(a, a, "rain", client != 0, PTL_ECERTNAME);
        }
        /* Of two that refuse each other the client is the first to say so. */
        expect(a, b, NULL, true, PTL_EAUTHORITY);
        expect(b, a, NULL, true, PTL_EAUTHORITY);
        expect(a, snow, NULL, true, PTL_EAUTHORITY);
        expect(a, fog, NULL, true, PTL_EAUTHORITY);
        expect(snow, a, NULL, true, PTL_EAUTHORITY);
        expect(old, old, NULL, true, PTL_EEXPIRED);
        ptl_tls_context_release(a);
        ptl_tls_context_release(b);
        ptl_tls_context_release(old);
        ptl_tls_context_release(snow);
        ptl_tls_context_release(fog);
    }
}

/* ---- Contexts ------------------------------------------------------------------------------ */

static void expect_context(const struct ptl_tls_options *options, int expected)
{
    struct ptl_tls_context *context = NULL;
    int err = ptl_tls_context_make(ptl_allocator_libc(), options, &context);

    assert_int_equal(err, expected);
    assert_true((context != NULL) == (expected == 0));
    ptl_tls_context_release(context);
}

static void context_says_which_file_is_not_usable(void **state)
{
    (void)state;
    const struct ptl_span junk = ptl_span_text("-----BEGIN CERTIFICATE-----\nMIIBrain\n");
    const struct ptl_tls_options good = {.chain = tls_file("rain.pem"),
                                         .key = tls_file("rain.key"),
                                         .authorities = tls_file("harbour.pem"),
                                         .revoked = tls_file("harbour.crl")};
    struct ptl_tls_options options = good;

    expect_context(&options, 0);
    options.chain = junk;
    expect_context(&options, PTL_ECERT);
    options.chain = tls_file("rain.key");
    expect_context(&options, PTL_ECERT);
    options = good;
    options.key = tls_file("snow.key"); /* of another certificate */
    expect_context(&options, PTL_EKEY);
    options.key = tls_file("rsa.key"); /* and of another kind */
    expect_context(&options, PTL_EKEY);
    options.key = tls_file("rain.pem");
    expect_context(&options, PTL_EKEY);
    options.chain = tls_file("edwards.pem");
    options.key = tls_file("edwards-other.key");
    expect_context(&options, PTL_EKEY);
    options = good;
    options.authorities = junk;
    expect_context(&options, PTL_EAUTHORITIES);
    options.authorities = tls_file("snow.pem"); /* which is none */
    expect_context(&options, PTL_EAUTHORITIES);
    options = good;
    options.revoked = junk;
    expect_context(&options, PTL_ELIST);
    options.revoked = tls_file("harbour-old.crl"); /* whose time is over */
    expect_context(&options, PTL_ELIST);
    options.revoked = tls_file("pirates.crl"); /* of an authority that is not there */
    expect_context(&options, PTL_ELIST);
}

static void context_takes_a_pair_or_all_the_rest(void **state)
{
    (void)state;
    struct ptl_tls_options options = {.pair = tls_file("pair-a.pem")};

    expect_context(&options, 0);
    options.authorities = tls_file("harbour.pem");
    expect_context(&options, PTL_EINVAL);
    options = (struct ptl_tls_options){.pair = tls_file("rain.pem")}; /* without a key */
    expect_context(&options, PTL_EKEY);
    options = (struct ptl_tls_options){.pair = tls_file("rain.key")};
    expect_context(&options, PTL_ECERT);
    options = (struct ptl_tls_options){.chain = tls_file("rain.pem")};
    expect_context(&options, PTL_EINVAL);
    options = (struct ptl_tls_options){.pair = tls_file("pair-a.pem"), .version_min = 11};
    expect_context(&options, PTL_EINVAL);
    options.version_min = 13;
    options.version_max = 12;
    expect_context(&options, PTL_EINVAL);
    options = (struct ptl_tls_options){.pair = ptl_span("", PTL_TLS_PEM_MAX + 1)};
    expect_context(&options, PTL_ESIZE);
    options = (struct ptl_tls_options){.version_max = 13};
    expect_context(&options, PTL_EINVAL);
}

static void context_without_memory_holds_nothing(void **state)
{
    (void)state;
    struct test_memory memory;
    struct ptl_tls_options options = {.pair = tls_file("pair-a.pem")};
    struct ptl_tls_context *context = NULL;
    int err = PTL_ENOMEM;

    test_memory_init(&memory);
    for (size_t fail_from = 1; err == PTL_ENOMEM; fail_from++) {
        assert_true(fail_from < 100);
        test_memory_fail(&memory, fail_from);
        err = ptl_tls_context_make(&memory.allocator, &options, &context);
        assert_true(err == 0 || memory.out_bytes == 0);
    }
    assert_int_equal(err, 0);
    ptl_tls_context_release(context);
    assert_int_equal(memory.out_bytes, 0);
}

/* Sessions hold it: other certificates may take its place meanwhile. */
static void context_lives_as_long_as_its_sessions(void **state)
{
    (void)state;
    struct ptl_tls_context *snow = tls_node("snow", NULL, 0);
    struct ptl_tls_context *rain = tls_node("rain", NULL, 0);
    struct tls_ends ends;

    tls_ends_make(&ends, snow, rain, NULL, NULL);
    ptl_tls_context_release(snow);
    ptl_tls_context_release(rain);
    tls_run(&ends, SIZE_MAX);
    assert_true(ptl_tls_is_verified(ends.ends[0].tls));
    assert_true(ptl_tls_is_verified(ends.ends[1].tls));
    tls_ends_free(&ends);
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(trust_goes_by_authority_dates_and_lists),
        cmocka_unit_test(trust_compares_names_byte_by_byte),
        cmocka_unit_test(trust_needs_a_list_of_every_authority),
        cmocka_unit_test(trust_of_a_pair_is_in_that_pair_alone),
        cmocka_unit_test(context_says_which_file_is_not_usable),
        cmocka_unit_test(context_takes_a_pair_or_all_the_rest),
        cmocka_unit_test(context_without_memory_holds_nothing),
        cmocka_unit_test(context_lives_as_long_as_its_sessions),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
