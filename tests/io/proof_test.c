#include "io/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

static struct ptl_span text_of(const json_t *vector, const char *key)
{
    const char *text = json_string_value(json_object_get(vector, key));

    return text != NULL ? ptl_span_text(text) : ptl_span(NULL, 0);
}

static json_t *load_vectors(void)
{
    json_error_t error;
    json_t *vectors = json_load_file(PTL_TEST_DATA "/auth_vectors.json", 0, &error);

    assert_non_null(vectors);
    assert_true(json_array_size(vectors) >= 8);
    return vectors;
}

/* What `sender` ("a" or "b") of a vector must send. */
static void check_side(const json_t *vector, bool a)
{
    const struct ptl_span end = ptl_span_text("\n");
    struct ptl_span parts[] = {text_of(vector, a ? "a_line1" : "b_line1"), end,
                               text_of(vector, a ? "a_line2" : "b_line2"), end,
                               text_of(vector, a ? "b_line1" : "a_line1"), end,
                               text_of(vector, a ? "b_line2" : "a_line2"), end};
    struct ptl_span method = text_of(vector, "method");
    struct ptl_span secret = text_of(vector, "secret");
    struct ptl_span expected = text_of(vector, a ? "a_sends" : "b_sends");
    uint8_t proof[PTL_PROOF_BYTES];

    if (ptl_span_equal(method, ptl_span_text("hmac_sha3_512"))) {
        assert_int_equal(ptl_proof_hmac(proof, secret, parts, 8), 0);
        assert_true(ptl_proof_is_hex(expected, ptl_span(proof, sizeof(proof))));
    } else if (ptl_span_equal(method, ptl_span_text("tls_sha3_512"))) {
        assert_int_equal(ptl_proof_hash(proof, parts, 8), 0);
        assert_true(ptl_proof_is_hex(expected, ptl_span(proof, sizeof(proof))));
    } else if (a) {
        assert_true(ptl_proof_is_hex(expected, secret));
    }
}

static void proof_agrees_with_every_recorded_vector(void **state)
{
    (void)state;
    json_t *vectors = load_vectors();
    json_t *vector;
    size_t index;

    json_array_foreach(vectors, index, vector)
    {
        check_side(vector, true);
        check_side(vector, false);
    }
    json_decref(vectors);
}

static void proof_of_parts_is_the_proof_of_the_whole(void **state)
{
    (void)state;
    const struct ptl_span whole = ptl_span_text("harbour light");
    const struct ptl_span parts[] = {ptl_span_text("harb"), ptl_span(NULL, 0),
                                     ptl_span_text("our light")};
    const struct ptl_span key = ptl_span_text("geheim");
    uint8_t one[PTL_PROOF_BYTES], other[PTL_PROOF_BYTES];

    assert_int_equal(ptl_proof_hmac(one, key, &whole, 1), 0);
    assert_int_equal(ptl_proof_hmac(other, key, parts, 3), 0);
    assert_memory_equal(one, other, sizeof(one));
    assert_int_equal(ptl_proof_hash(other, parts, 3), 0);
    assert_memory_not_equal(one, other, sizeof(one));
}

static void proof_takes_an_empty_key_and_no_parts(void **state)
{
    (void)state;
    /* HMAC-SHA3-512 and SHA3-512 of nothing, from an independent implementation. */
    static const char hmac[] = "cbcf45540782d4bc7387fbbf7d30b3681d6d66cc435cafd82546b0fce96b367e"
                               "a79662918436fba442e81a01d0f9592dfcd30f7a7a8f1475693d30be4150ca84";
    static const char hash[] = "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6"
                               "15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26";
    uint8_t proof[PTL_PROOF_BYTES];

    assert_int_equal(ptl_proof_hmac(proof, ptl_span(NULL, 0), NULL, 0), 0);
    assert_true(ptl_proof_is_hex(ptl_span_text(hmac), ptl_span(proof, sizeof(proof))));
    assert_int_equal(ptl_proof_hash(proof, NULL, 0), 0);
    assert_true(ptl_proof_is_hex(ptl_span_text(hash), ptl_span(proof, sizeof(proof))));
}

static void hex_writes_every_byte_and_reads_it_back(void **state)
{
    (void)state;
    uint8_t bytes[256];
    char hex[sizeof(bytes) * 2];
    char expected[3];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    ptl_proof_hex(hex, ptl_span(bytes, sizeof(bytes)));
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        snprintf(expected, sizeof(expected), "%02x", i);
        assert_memory_equal(hex + (size_t)2 * i, expected, 2);
    }
    assert_true(ptl_proof_is_hex(ptl_span(hex, sizeof(hex)), ptl_span(bytes, sizeof(bytes))));
}

static void hex_refuses_other_digits_lengths_and_capitals(void **state)
{
    (void)state;
    const struct ptl_span bytes = ptl_span("\xab\x09", 2);

    assert_true(ptl_proof_is_hex(ptl_span_text("ab09"), bytes));
    assert_false(ptl_proof_is_hex(ptl_span_text("AB09"), bytes));
    assert_false(ptl_proof_is_hex(ptl_span_text("ab08"), bytes));
    assert_false(ptl_proof_is_hex(ptl_span_text("bb09"), bytes));
    assert_false(ptl_proof_is_hex(ptl_span_text("ab0"), bytes));
    assert_false(ptl_proof_is_hex(ptl_span_text("ab0900"), bytes));
    assert_false(ptl_proof_is_hex(ptl_span_text(""), bytes));
    assert_true(ptl_proof_is_hex(ptl_span_text(""), ptl_span(NULL, 0)));
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(proof_agrees_with_every_recorded_vector),
        cmocka_unit_test(proof_of_parts_is_the_proof_of_the_whole),
        cmocka_unit_test(proof_takes_an_empty_key_and_no_parts),
        cmocka_unit_test(hex_writes_every_byte_and_reads_it_back),
        cmocka_unit_test(hex_refuses_other_digits_lengths_and_capitals),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
