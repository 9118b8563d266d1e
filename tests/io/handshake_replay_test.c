/*
 * Every recorded opening of real nodes, from both ends: with the lines that the one node sent we
 * must take those of the other, and our third line must be the one it sent itself.
 */
#include "io/handshake.h"

#include "tests/common/opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

/* One side of a recorded connection. */
struct side {
    const char *node_id;
    const char *first;
    const char *nonce;
    const char *third;
    char *bytes; /* all it sent */
    size_t size;
};

static void load_bytes(struct side *side, const char *folder, const char *name)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/aemp-captures/%s%s", PTL_TEST_DATA, folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    side->bytes = malloc(1 << 20);
    assert_non_null(side->bytes);
    side->size = fread(side->bytes, 1, 1 << 20, file);
    fclose(file);
    assert_true(side->size > 0);
}

static const char *after(const char *text, char separator, int count)
{
    while (count-- > 0) {
        text = strchr(text, separator);
        assert_non_null(text);
        text++;
    }
    return text;
}

/* The last word of a third line. */
static void check_framing(const char *third, int framing)
{
    assert_string_equal(after(third, ';', 2), framing == 0 ? "cbor" : "json");
}

/* We are `us`, with its very lines, and take what `them` sent, `step` bytes at a time. */
static void replay(const struct side *us, const struct side *them, size_t step)
{
    const char *framings = after(us->first, ';', 4);
    struct ptl_handshake_options options = options_of(us->node_id);
    struct ptl_handshake handshake;
    char lines[1024], line[PTL_HANDSHAKE_PROOF_LINE_MAX];

    options.framings = ptl_span(framings, strcspn(framings, ";"));
    snprintf(lines, sizeof(lines), "%s\n%s\n", us->first, us->nonce);
    assert_int_equal(
        ptl_handshake_init_lines(&handshake, ptl_allocator_libc(), &options, span(lines)), 0);
    size_t handshake_size = strlen(them->first) + strlen(them->nonce) + strlen(them->third) + 3;
    assert_int_equal(
        feed_in_steps(&handshake, ptl_span((const uint8_t *)them->bytes, them->size), step),
        (int)handshake_size);
    assert_int_equal(ptl_handshake_state(&handshake), PTL_HANDSHAKE_UP);

    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&handshake);
    assert_true(ptl_span_equal(peer->node_id, span(them->node_id)));
    assert_true(ptl_span_equal(peer->nonce, span(them->nonce)));
    assert_false(peer->is_portolan || peer->own_id);
    assert_true(peer->node_protocol == (strstr(them->first, ";mproto=1") != NULL));
    assert_true(peer->global_protocol == (strstr(them->first, ";gproto=1") != NULL));
    check_framing(them->third, peer->receive_framing);
    check_framing(us->third, peer->send_framing);
    if (strncmp(us->third, "hmac", 4) == 0) {
        int size = ptl_handshake_prove(&handshake, 7, line);
        assert_int_equal(size, (int)strlen(us->third) + 1);
        assert_memory_equal(line, us->third, (size_t)size - 1);
    }
    ptl_handshake_drop(&handshake);
}

static void replay_both(struct side *a, struct side *b)
{
    const size_t steps[] = {1, 3, 100, 4096};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        replay(a, b, steps[i]);
        replay(b, a, steps[i]);
    }
    free(a->bytes);
    free(b->bytes);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_t *load_index(const char *folder)
{
    char path[1024];
    json_error_t error;

    snprintf(path, sizeof(path), "%s/aemp-captures/%sindex.json", PTL_TEST_DATA, folder);
    json_t *index = json_load_file(path, 0, &error);
    assert_non_null(index);
    return index;
}

static struct side joined_side(const json_t *capture, const char *role, const char *stream)
{
    const json_t *lines = json_object_get(json_object_get(capture, stream), "handshake");
    struct side side = {
        .node_id = text_of(capture, role),
        .first = json_string_value(json_array_get(lines, 0)),
        .nonce = json_string_value(json_array_get(lines, 1)),
        .third = json_string_value(json_array_get(lines, 2)),
    };
    char name[256];

    snprintf(name, sizeof(name), "%s.%s.bin", text_of(capture, "name"), stream);
    load_bytes(&side, "", name);
    return side;
}

static void handshake_accepts_every_joining_and_meshing_node_recorded(void **state)
{
    (void)state;
    json_t *index = load_index("");
    json_t *capture;
    size_t i;

    json_array_foreach(json_object_get(index, "captures"), i, capture)
    {
        struct side client = joined_side(capture, "client", "c2s");
        struct side server = joined_side(capture, "server", "s2c");
        replay_both(&client, &server);
    }
    assert_int_equal(i, 4);
    json_decref(index);
}

static struct side observed_side(const json_t *capture, const char *direction)
{
    const json_t *stream = json_object_get(json_object_get(capture, "streams"), direction);
    struct side side = {
        .node_id = text_of(stream, "node"),
        .first = text_of(stream, "greeting1"),
        .nonce = text_of(stream, "nonce"),
        .third = text_of(stream, "auth_line"),
    };

    load_bytes(&side, "observed/", text_of(stream, "file"));
    return side;
}

static void handshake_accepts_every_node_observed(void **state)
{
    (void)state;
    json_t *index = load_index("observed/");
    json_t *capture;
    size_t i;
    unsigned replayed = 0;

    json_array_foreach(index, i, capture)
    {
        if (json_is_true(json_object_get(capture, "tls"))) {
            continue; /* its third lines travel inside TLS */
        }
        struct side client = observed_side(capture, "client_to_server");
        struct side server = observed_side(capture, "server_to_client");
        replay_both(&client, &server);
        replayed++;
    }
    assert_int_equal(replayed, 29);
    json_decref(index);
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_accepts_every_joining_and_meshing_node_recorded),
        cmocka_unit_test(handshake_accepts_every_node_observed),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
