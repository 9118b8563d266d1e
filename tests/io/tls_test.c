#include "io/tls.h"

#include "io/tls_inside.h"
#include "tests/common/random.h"
#include "tests/common/tls_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OF(array) (sizeof(array) / sizeof((array)[0]))

#ifdef PTL_QUICK
#define CUTS 4
#define CHANGES 8
#else
#define CUTS 24
#define CHANGES 48
#endif
#ifdef SESSION_CERTS
#define IDLE_BYTES PTL_TLS_IDLE_BYTES
#else /* a library that has no more than we use */
#define IDLE_BYTES 16384
#endif
#define SESSIONS 32
#define THREADS 4

static const unsigned versions[] = {12, 13};

/* Two nodes that believe each other, by version. */
static struct ptl_tls_context *rain[2], *snow[2];

static int free_nodes(void **state)
{
    (void)state;
    for (size_t v = 0; v < OF(versions); v++) {
        ptl_tls_context_release(rain[v]);
        ptl_tls_context_release(snow[v]);
    }
    return 0;
}

static bool both_are_up(const struct tls_ends *ends)
{
    return ends->ends[0].err == 0 && ends->ends[1].err == 0 &&
           ptl_tls_is_verified(ends->ends[0].tls) && ptl_tls_is_verified(ends->ends[1].tls);
}

static void make_up(struct tls_ends *ends, size_t v)
{
    tls_ends_make(ends, rain[v], snow[v], "snow", "rain");
    tls_run(ends, SIZE_MAX);
    assert_true(both_are_up(ends));
}

/* What the library keeps of points that it has met twice is made before anything is counted. */
static int make_nodes(void **state)
{
    (void)state;
    struct tls_ends ends;

    tls_count_memory();
    for (size_t v = 0; v < OF(versions); v++) {
        rain[v] = tls_node("rain", NULL, versions[v]);
        snow[v] = tls_node("snow", NULL, versions[v]);
        for (unsigned i = 0; i < 4; i++) {
            make_up(&ends, v);
            tls_ends_free(&ends);
        }
    }
    return 0;
}

static void say(struct tls_end *end, struct ptl_span words)
{
    assert_int_equal(ptl_tls_seal(end->tls, words, &end->out), 0);
}

static void expect_heard(struct tls_end *end, struct ptl_span words)
{
    assert_int_equal(end->err, 0);
    assert_int_equal(end->heard.size, words.size);
    assert_memory_equal(end->heard.bytes, words.bytes, words.size);
    ptl_buffer_clear(&end->heard);
}

/* ---- What it carries ----------------------------------------------------------------------- */

static void tls_agrees_on_the_newest_version_of_both(void **state)
{
    (void)state;
#if defined(WOLFSSL_AESNI) || defined(WOLFSSL_ARMASM) /* a library that is quick at AES */
    static const char *const words[] = {
        "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLSv1.3 TLS13-AES128-GCM-SHA256",
    };
#else
    static const char *const words[] = {
        "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLSv1.3 TLS13-CHACHA20-POLY1305-SHA256",
    };
#endif
    struct ptl_tls_context *any = tls_node("rain", NULL, 0);
    struct tls_ends ends;

    for (size_t v = 0; v < OF(versions); v++) {
        for (unsigned client = 0; client < 2; client++) {
            tls_ends_make(&ends, client ? any : snow[v], client ? snow[v] : any, NULL, NULL);
            tls_run(&ends, SIZE_MAX);
            assert_true(both_are_up(&ends));
            assert_string_equal(ptl_tls_text(ends.ends[0].tls), words[v]);
            assert_string_equal(ptl_tls_text(ends.ends[1].tls), words[v]);
            tls_ends_free(&ends);
        }
    }
    ptl_tls_context_release(any);
}

/* A server of TLS 1.2 only finds out when the client has hung up. */
static void tls_without_a_common_version_is_up_on_neither_side(void **state)
{
    (void)state;
    struct tls_ends ends;

    for (size_t v = 0; v < OF(versions); v++) {
        tls_ends_make(&ends, rain[v], snow[1 - v], NULL, NULL);
        tls_run(&ends, SIZE_MAX);
        assert_int_equal(ends.ends[0].err, PTL_ETLSVERSION);
        assert_int_equal(ends.ends[1].err, v == 0 ? PTL_ETLSVERSION : 0);
        assert_int_equal(ptl_tls_state(ends.ends[1].tls),
                         v == 0 ? PTL_TLS_FAILED : PTL_TLS_SHAKING);
        tls_ends_free(&ends);
    }
}

static void tls_carries_any_size_both_ways(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 100000};
    struct sim_random random;
    uint8_t *bytes = malloc(100000);
    struct tls_ends ends;

    assert_non_null(bytes);
    sim_random_seed(&random, 1);
    sim_random_bytes(&random, bytes, 100000);
    for (size_t v = 0; v < OF(versions); v++) {
        make_up(&ends, v);
        for (size_t i = 0; i < OF(sizes); i++) {
            say(&ends.ends[0], ptl_span(bytes, sizes[i]));
            say(&ends.ends[1], ptl_span(bytes, sizes[OF(sizes) - 1 - i]));
            tls_run(&ends, i % 2 == 0 ? SIZE_MAX : 1000);
            expect_heard(&ends.ends[1], ptl_span(bytes, sizes[i]));
            expect_heard(&ends.ends[0], ptl_span(bytes, sizes[OF(sizes) - 1 - i]));
        }
        tls_ends_free(&ends);
    }
    free(bytes);
}

/* Whoever is up may speak at once, and so one end speaks while the other still shakes hands. */
static void shake_in_random_pieces(struct sim_random *random, size_t v)
{
    static const char words[] = "the first words";
    struct tls_ends ends;
    bool said[2] = {false, false};

    tls_ends_make(&ends, rain[v], snow[v], "snow", "rain");
    for (unsigned quiet = 0; quiet < 64;) {
        unsigned from = (unsigned)sim_random_below(random, 2);
        size_t size = (size_t)sim_random_scale(random, 1, 2000);
        quiet = tls_move(&ends, from, size) ? 0 : quiet + 1;
        for (unsigned i = 0; i < 2; i++) {
            if (!said[i] && ptl_tls_state(ends.ends[i].tls) == PTL_TLS_UP) {
                say(&ends.ends[i], ptl_span(words, sizeof(words)));
                said[i] = true;
            }
        }
    }
    assert_true(both_are_up(&ends));
    expect_heard(&ends.ends[0], ptl_span(words, sizeof(words)));
    expect_heard(&ends.ends[1], ptl_span(words, sizeof(words)));
    tls_ends_free(&ends);
}

static void tls_stands_any_cut_and_any_order_of_pieces(void **state)
{
    (void)state;
    struct sim_random random;

    for (unsigned seed = 0; seed < CUTS; seed++) {
        sim_random_seed(&random, seed);
        shake_in_random_pieces(&random, seed % 2);
    }
}

static void tls_says_when_the_other_has_finished(void **state)
{
    (void)state;
    struct tls_ends ends;

    for (size_t v = 0; v < OF(versions); v++) {
        make_up(&ends, v);
        say(&ends.ends[0], ptl_span_text("bye"));
        assert_int_equal(ptl_tls_finish(ends.ends[0].tls, &ends.ends[0].out), 0);
        tls_run(&ends, 1);
        assert_int_equal(ends.ends[1].err, PTL_ECLOSED);
        assert_int_equal(ptl_tls_state(ends.ends[1].tls), PTL_TLS_ENDED);
        assert_int_equal(ends.ends[1].heard.size, 3);
        /* The other direction is still open. */
        say(&ends.ends[1], ptl_span_text("farewell"));
        assert_int_equal(ptl_tls_finish(ends.ends[1].tls, &ends.ends[1].out), 0);
        tls_run(&ends, 1);
        assert_int_equal(ends.ends[0].heard.size, 8);
        assert_int_equal(ends.ends[0].err, PTL_ECLOSED);
        tls_ends_free(&ends);
    }
}

/* ---- What comes behind the handshake ------------------------------------------------------- */

/* A peer that the library plays alone, and that can so do what our sessions never do. */
struct strange {
    WOLFSSL *wolf;
    struct ptl_tls_trust trust;
    struct ptl_buffer in; /* for it */
    struct tls_end ours;
};

static int strange_hear(WOLFSSL *wolf, char *room, int size, void *user)
{
    struct strange *strange = user;
    size_t count = strange->in.size < (size_t)size ? strange->in.size : (size_t)size;

    (void)wolf;
    ptl_copy((uint8_t *)room, strange->in.bytes, count);
    memmove(strange->in.bytes, strange->in.bytes + count, strange->in.size - count);
    strange->in.size -= count;
    return count > 0 ? (int)count : WOLFSSL_CBIO_ERR_WANT_READ;
}

/* Ours hears it at once, and what it answers waits. */
static int strange_say(WOLFSSL *wolf, char *bytes, int size, void *user)
{
    struct strange *strange = user;
    struct ptl_span input = ptl_span(bytes, (size_t)size);
    struct tls_end *ours = &strange->ours;
    uint8_t room[64];

    (void)wolf;
    for (int count = 1; ours->err == 0 && count != 0;) {
        count = ptl_tls_open(ours->tls, &input, room, sizeof(room), &strange->in);
        ours->err = count < 0 ? count : 0;
        if (count > 0) {
            ptl_buffer_append(&ours->heard, room, (size_t)count);
        }
    }
    return size;
}

static void strange_shake(struct strange *strange, bool is_client)
{
    struct ptl_span nothing = ptl_span(NULL, 0);
    uint8_t room[1];

    *strange = (struct strange){.wolf = wolfSSL_new(snow[1]->wolf), .trust = {.context = snow[1]}};
    ptl_buffer_init(&strange->in, ptl_allocator_libc(), 1 << 16);
    ptl_buffer_init(&strange->ours.heard, ptl_allocator_libc(), 1 << 16);
    assert_int_equal(ptl_tls_make(ptl_allocator_libc(), rain[1],
                                  is_client ? PTL_TLS_SERVER : PTL_TLS_CLIENT, PTL_TLS_MUST_PROVE,
                                  ptl_span_text("snow"), &strange->ours.tls),
                     0);
    assert_non_null(strange->wolf);
    if (is_client) {
        wolfSSL_set_connect_state(strange->wolf);
    } else {
        wolfSSL_set_accept_state(strange->wolf);
    }
    wolfSSL_SSLSetIORecv(strange->wolf, strange_hear);
    wolfSSL_SSLSetIOSend(strange->wolf, strange_say);
    wolfSSL_SetIOReadCtx(strange->wolf, strange);
    wolfSSL_SetIOWriteCtx(strange->wolf, strange);
    wolfSSL_SetCertCbCtx(strange->wolf, &strange->trust);
    assert_int_equal(ptl_tls_open(strange->ours.tls, &nothing, room, sizeof(room), &strange->in),
                     0);
    for (unsigned i = 0; i < 4 && wolfSSL_negotiate(strange->wolf) != WOLFSSL_SUCCESS; i++) {
    }
    assert_int_equal(ptl_tls_state(strange->ours.tls), PTL_TLS_UP);
}

/* What either says still comes to the other. */
static void strange_talk(struct strange *strange)
{
    char room[16];

    assert_int_equal(wolfSSL_write(strange->wolf, "ahoy", 4), 4);
    expect_heard(&strange->ours, ptl_span_text("ahoy"));
    assert_int_equal(ptl_tls_seal(strange->ours.tls, ptl_span_text("aye"), &strange->in), 0);
    assert_int_equal(wolfSSL_read(strange->wolf, room, sizeof(room)), 3);
    assert_memory_equal(room, "aye", 3);
}

static void strange_free(struct strange *strange)
{
    wolfSSL_free(strange->wolf);
    ptl_tls_free(strange->ours.tls);
    ptl_buffer_drop(&strange->in);
    ptl_buffer_drop(&strange->ours.heard);
}

/* Of the handshake's own it has given back what it can; a peer may have other keys all the same. */
static void tls_takes_new_keys_of_the_peer_whenever_it_wants(void **state)
{
    (void)state;
    struct strange strange;
    size_t before = tls_memory();

    for (unsigned client = 0; client < 2; client++) {
        strange_shake(&strange, client != 0);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(wolfSSL_update_keys(strange.wolf), WOLFSSL_SUCCESS);
            strange_talk(&strange);
        }
        strange_free(&strange);
    }
    assert_int_equal(tls_memory(), before);
}

#ifdef HAVE_SESSION_TICKET
static void tls_takes_tickets_and_keeps_none(void **state)
{
    (void)state;
    struct strange strange;
    size_t before = tls_memory();

    strange_shake(&strange, false);
    strange_talk(&strange);
    size_t up = tls_memory();
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(wolfSSL_send_SessionTicket(strange.wolf), WOLFSSL_SUCCESS);
        strange_talk(&strange);
    }
    assert_true(tls_memory() <= up + 2048); /* the last one's room */
    strange_free(&strange);
    assert_int_equal(tls_memory(), before);
}
#endif

/* ---- What comes is not what was sent ------------------------------------------------------- */

/* All that `from` says until it has to wait, byte by byte: nothing comes before its time. */
static void move_byte_by_byte(struct tls_ends *ends, unsigned from)
{
    while (tls_move(ends, from, 1)) {
        assert_int_equal(ends->ends[1 - from].heard.size, 0);
        assert_int_equal(ends->ends[1 - from].err, 0);
    }
}

static void tls_waits_at_every_byte_of_the_handshake(void **state)
{
    (void)state;
    struct tls_ends ends;
    size_t before = tls_memory();

    for (size_t v = 0; v < OF(versions); v++) {
        tls_ends_make(&ends, rain[v], snow[v], "snow", "rain");
        for (unsigned flight = 0; flight < 6; flight++) {
            move_byte_by_byte(&ends, flight % 2);
        }
        assert_true(both_are_up(&ends));
        tls_ends_free(&ends);
        /* ... and may be dropped at any; here of the first flight, where no key is at work. */
        tls_ends_make(&ends, rain[v], snow[v], NULL, NULL);
        size_t hello = ends.ends[0].out.size;
        tls_ends_free(&ends);
        for (size_t cut = 0; cut < hello; cut++) {
            tls_ends_make(&ends, rain[v], snow[v], NULL, NULL);
            (void)tls_move(&ends, 0, cut);
            assert_int_equal(ends.ends[1].err, 0);
            assert_int_equal(ends.ends[1].out.size, 0);
            tls_ends_free(&ends);
        }
        assert_int_equal(tls_memory(), before);
    }
}

static void tls_dropped_later_leaves_nothing(void **state)
{
    (void)state;
    struct sim_random random;
    struct tls_ends ends;
    size_t before = tls_memory();

    for (unsigned seed = 0; seed < CUTS; seed++) {
        sim_random_seed(&random, 100 + seed);
        tls_ends_make(&ends, rain[seed % 2], snow[seed % 2], NULL, NULL);
        for (size_t left = (size_t)sim_random_below(&random, 3000); left > 0; left--) {
            if (!tls_move(&ends, 0, 1) && !tls_move(&ends, 1, 1)) {
                break;
            }
        }
        tls_ends_free(&ends);
        assert_int_equal(tls_memory(), before);
    }
}

/* Of all that both say until they are up, one bit is changed: never do both believe each other. */
static void change_one_bit(size_t v, size_t at)
{
    struct tls_ends ends;
    size_t passed = 0;
    bool moved;

    tls_ends_make(&ends, rain[v], snow[v], NULL, NULL);
    do {
        moved = false;
        for (unsigned from = 0; from < 2; from++) {
            struct ptl_buffer *out = &ends.ends[from].out;
            if (at >= passed && at - passed < out->size) {
                out->bytes[at - passed] ^= 1;
            }
            passed += out->size;
            moved = tls_move(&ends, from, SIZE_MAX) || moved;
        }
    } while (moved);
    assert_true(at < passed);
    assert_false(both_are_up(&ends));
    assert_int_equal(ends.ends[0].heard.size + ends.ends[1].heard.size, 0);
    tls_ends_free(&ends);
}

static void tls_notices_any_change_of_the_handshake(void **state)
{
    (void)state;
    struct sim_random random;
    size_t before = tls_memory();

    sim_random_seed(&random, 7);
    for (unsigned i = 0; i < CHANGES; i++) {
        change_one_bit(i % 2, 5 + (size_t)sim_random_below(&random, 1000));
        assert_int_equal(tls_memory(), before);
    }
}

static void expect_refused(struct tls_end *end, const uint8_t *bytes, size_t size)
{
    uint8_t room[64];
    struct ptl_span input = ptl_span(bytes, size);
    int err = ptl_tls_open(end->tls, &input, room, sizeof(room), &end->out);

    assert_int_equal(err, PTL_ETLS);
    assert_int_equal(ptl_tls_state(end->tls), PTL_TLS_FAILED);
    assert_false(ptl_tls_is_verified(end->tls));
}

/* Two records, as they are, once changed, twice, in the other order, and the second alone. */
static void tls_takes_records_once_in_their_order_and_as_they_are(void **state)
{
    (void)state;
    uint8_t records[2][256];
    size_t sizes[2];
    struct tls_ends ends;

    for (unsigned story = 0; story < 8; story++) {
        make_up(&ends, story % 2);
        for (unsigned i = 0; i < 2; i++) {
            struct ptl_buffer *out = &ends.ends[0].out;
            ptl_buffer_clear(out);
            say(&ends.ends[0], ptl_span_text(i == 0 ? "one" : "another"));
            sizes[i] = out->size;
            memcpy(records[i], out->bytes, out->size);
        }
        if (story / 2 == 0) {
            records[0][sizes[0] - 1] ^= 1;
            expect_refused(&ends.ends[1], records[0], sizes[0]);
        } else if (story / 2 == 1) {
            expect_refused(&ends.ends[1], records[1], sizes[1]);
        } else if (story / 2 == 2) {
            uint8_t room[64];
            struct ptl_span input = ptl_span(records[0], sizes[0]);
            assert_int_equal(
                ptl_tls_open(ends.ends[1].tls, &input, room, sizeof(room), &ends.ends[1].out), 3);
            expect_refused(&ends.ends[1], records[0], sizes[0]);
        } else {
            records[0][0] = 99; /* a kind of record that nobody knows */
            expect_refused(&ends.ends[1], records[0], sizes[0]);
        }
        tls_ends_free(&ends);
    }
}

static void tls_refuses_what_is_no_tls(void **state)
{
    (void)state;
    static const char *const words[] = {
        "hmac_sha3_512;0123456789abcdef;cbor\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\xff\xff________", /* a record that is too large */
        "\x17\x03\x03____",
    };
    struct tls_ends ends;

    for (size_t v = 0; v < OF(versions); v++) {
        for (size_t i = 0; i < OF(words); i++) {
            for (unsigned end = 0; end < 2; end++) {
                uint8_t room[64];
                struct ptl_span input = ptl_span(words[i], strlen(words[i]));
                tls_ends_make(&ends, rain[v], snow[v], NULL, NULL);
                int err = ptl_tls_open(ends.ends[end].tls, &input, room, sizeof(room),
                                       &ends.ends[end].out);
                assert_true(err < 0);
                tls_ends_free(&ends);
            }
        }
    }
}

/* ---- What it costs ------------------------------------------------------------------------- */

/* Records of handshake that are no whole message, or none at all, as long as it listens.  Returns
 * what it holds at most, but for the session that it has from the first byte on. */
static size_t flood(struct tls_end *end, uint8_t kind, size_t body)
{
    uint8_t record[5 + 16384] = {kind, 3, 3, (uint8_t)(body >> 8), (uint8_t)body};
    struct ptl_span first = ptl_span(record, 1);
    uint8_t room[64];
    size_t sent = 1;
    int err = ptl_tls_open(end->tls, &first, room, sizeof(room), &end->out);
    size_t before = tls_memory();

    if (kind == 22) { /* of a message of 16 megabytes, or many of a few bytes */
        record[5] = 11;
        memset(record + 6, 0xff, 3);
    } else if (kind == 20) {
        record[5] = 1;
    }
    tls_memory_most_anew();
    for (size_t at = 1; err == 0; at = 0) {
        struct ptl_span input = ptl_span(record + at, 5 + body - at);
        sent += input.size;
        err = ptl_tls_open(end->tls, &input, room, sizeof(room), &end->out);
        assert_true(sent <= PTL_TLS_HANDSHAKE_MAX + 2 * sizeof(record));
    }
    assert_true(err < 0);
    return tls_memory_most() - before;
}

static void tls_holds_little_of_a_handshake_that_never_ends(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind;
        size_t body;
    } floods[] = {{22, 16384}, {22, 4}, {20, 1}, {21, 2}, {22, 100}};
    size_t most = 0;
    struct tls_ends ends;

    for (size_t v = 0; v < OF(versions); v++) {
        for (size_t i = 0; i < OF(floods); i++) {
            for (unsigned end = 0; end < 2; end++) {
                tls_ends_make(&ends, rain[v], snow[v], NULL, NULL);
                size_t held = flood(&ends.ends[end], floods[i].kind, floods[i].body);
                most = held > most ? held : most;
                assert_true(ends.ends[end].out.size < PTL_TLS_RECORD);
                tls_ends_free(&ends);
            }
        }
    }
    printf("what a peer can make a handshake hold beside its session: %zu bytes\n", most);
    assert_true(most <= PTL_TLS_HELD_MAX);
}

static void tls_costs_little_when_idle(void **state)
{
    (void)state;
    static struct tls_ends ends[SESSIONS];

    for (size_t v = 0; v < OF(versions); v++) {
        size_t before = tls_memory();
        tls_memory_most_anew();
        make_up(&ends[0], v);
        size_t shaking = tls_memory_most() - before;
        for (unsigned i = 1; i < SESSIONS; i++) {
            make_up(&ends[i], v);
        }
        for (unsigned i = 0; i < SESSIONS; i++) {
            uint8_t bytes[PTL_TLS_RECORD] = {0};
            say(&ends[i].ends[0], ptl_span(bytes, sizeof(bytes)));
            say(&ends[i].ends[1], ptl_span(bytes, sizeof(bytes)));
            tls_run(&ends[i], SIZE_MAX);
        }
        size_t idle = (tls_memory() - before) / (2 * (size_t)SESSIONS);
        printf("TLS 1.%zu: an idle session holds %zu bytes; two that shake hands, at most %zu\n",
               v + 2, idle, shaking);
        assert_true(idle <= IDLE_BYTES);
        assert_true(shaking <= 2 * (IDLE_BYTES + PTL_TLS_HELD_MAX));
        for (unsigned i = 0; i < SESSIONS; i++) {
            tls_ends_free(&ends[i]);
        }
        assert_int_equal(tls_memory(), before);
    }
}

/* A peer that is to speak first, and does not, costs a few bytes of our own. */
static void tls_server_holds_no_session_until_it_hears(void **state)
{
    (void)state;
    struct ptl_buffer out;

    ptl_buffer_init(&out, ptl_allocator_libc(), 1 << 16);
    for (size_t v = 0; v < OF(versions); v++) {
        struct ptl_span nothing = ptl_span(NULL, 0), first = ptl_span("\x16", 1);
        struct test_memory memory;
        struct ptl_tls *tls;
        uint8_t room[16];
        size_t before = tls_memory();
        test_memory_init(&memory);
        assert_int_equal(ptl_tls_make(&memory.allocator, rain[v], PTL_TLS_SERVER,
                                      PTL_TLS_MUST_PROVE, ptl_span_text("snow"), &tls),
                         0);
        assert_int_equal(ptl_tls_open(tls, &nothing, room, sizeof(room), &out), 0);
        assert_int_equal(tls_memory(), before);
        assert_true(memory.out_bytes < 512);
        assert_int_equal(ptl_tls_open(tls, &first, room, sizeof(room), &out), 0);
        assert_true(tls_memory() > before);
        ptl_tls_free(tls);
        assert_int_equal(tls_memory(), before);
        assert_int_equal(memory.out_bytes, 0);
    }
    assert_int_equal(out.size, 0);
}

static void tls_says_no_more_than_its_caller_has_room_for(void **state)
{
    (void)state;
    struct tls_ends ends;
    struct ptl_buffer small;

    for (size_t v = 0; v < OF(versions); v++) {
        make_up(&ends, v);
        ptl_buffer_init(&small, ptl_allocator_libc(), 100);
        assert_int_equal(ptl_tls_seal(ends.ends[0].tls, ptl_span_text("short"), &small), 0);
        assert_int_equal(
            ptl_tls_seal(ends.ends[0].tls, ptl_span("x", 1), &(struct ptl_buffer){.size_max = 1}),
            PTL_ESIZE);
        assert_int_equal(ptl_tls_state(ends.ends[0].tls), PTL_TLS_FAILED);
        ptl_buffer_drop(&small);
        tls_ends_free(&ends);
    }
}

static void tls_without_memory_makes_no_session(void **state)
{
    (void)state;
    struct test_memory memory;
    struct ptl_tls *tls = NULL;
    size_t before = tls_memory();

    test_memory_init(&memory);
    test_memory_fail(&memory, 1);
    assert_int_equal(ptl_tls_make(&memory.allocator, rain[0], PTL_TLS_CLIENT, PTL_TLS_MUST_PROVE,
                                  ptl_span(NULL, 0), &tls),
                     PTL_ENOMEM);
    assert_null(tls);
    assert_int_equal(memory.out_bytes, 0);
    assert_int_equal(tls_memory(), before);
}

/* ---- Threads ------------------------------------------------------------------------------- */

static void *shake_hands(void *unused)
{
    struct tls_ends ends;

    (void)unused;
    for (size_t v = 0; v < OF(versions); v++) {
        tls_ends_make(&ends, rain[v], snow[v], "snow", "rain");
        tls_run(&ends, SIZE_MAX);
        if (!both_are_up(&ends)) {
            return NULL;
        }
        tls_ends_free(&ends);
    }
    ptl_tls_thread_end();
    return rain;
}

static void tls_context_serves_all_threads_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    void *result[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, shake_hands, NULL), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_non_null(result[i]);
    }
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_agrees_on_the_newest_version_of_both),
        cmocka_unit_test(tls_without_a_common_version_is_up_on_neither_side),
        cmocka_unit_test(tls_carries_any_size_both_ways),
        cmocka_unit_test(tls_stands_any_cut_and_any_order_of_pieces),
        cmocka_unit_test(tls_says_when_the_other_has_finished),
        cmocka_unit_test(tls_takes_new_keys_of_the_peer_whenever_it_wants),
#ifdef HAVE_SESSION_TICKET
        cmocka_unit_test(tls_takes_tickets_and_keeps_none),
#endif
        cmocka_unit_test(tls_waits_at_every_byte_of_the_handshake),
        cmocka_unit_test(tls_dropped_later_leaves_nothing),
        cmocka_unit_test(tls_notices_any_change_of_the_handshake),
        cmocka_unit_test(tls_takes_records_once_in_their_order_and_as_they_are),
        cmocka_unit_test(tls_refuses_what_is_no_tls),
        cmocka_unit_test(tls_holds_little_of_a_handshake_that_never_ends),
        cmocka_unit_test(tls_costs_little_when_idle),
        cmocka_unit_test(tls_server_holds_no_session_until_it_hears),
        cmocka_unit_test(tls_says_no_more_than_its_caller_has_room_for),
        cmocka_unit_test(tls_without_memory_makes_no_session),
        cmocka_unit_test(tls_context_serves_all_threads_at_once),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, make_nodes, free_nodes);
}
