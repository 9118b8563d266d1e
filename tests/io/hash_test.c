#include "io/hash.h"

#include "tests/common/collision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NAMES 20000

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static unsigned count_different(uint64_t *hashes, unsigned count)
{
    unsigned different = 1;

    qsort(hashes, count, sizeof(*hashes), by_value);
    for (unsigned i = 1; i < count; i++) {
        different += hashes[i] != hashes[i - 1];
    }
    return different;
}

static void look_at_collisions(unsigned size)
{
    static uint64_t hashes[NAMES];
    uint8_t name[COLLISION_LONG];

    collision_make(name, size, 0);
    uint64_t known = collision_hash(name, size);
    for (uint32_t i = 0; i < NAMES; i++) {
        collision_make(name, size, i);
        assert_true(collision_hash(name, size) == known); /* so they are crafted well */
        hashes[i] = ptl_hash(ptl_span(name, size));
    }
    assert_int_equal(count_different(hashes, NAMES), NAMES);
}

static void hash_spreads_names_that_were_made_to_collide(void **state)
{
    (void)state;
    look_at_collisions(COLLISION_SHORT);
    look_at_collisions(COLLISION_LONG);
}

/* Only what is drawn before main(), and nobody has fixed, is a secret. */
static void hash_is_secret_and_stays_so(void **state)
{
    static const char *const names[] = {"", "a", "rain", "rain#echo",
                                        "a name of some length ....."};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct ptl_span name = ptl_span_text(names[i]);
        uint64_t hash = ptl_hash(name);
        assert_true(hash != collision_hash(name.bytes, (unsigned)name.size));
        assert_true(hash == ptl_hash(name));
    }
}

static void hash_repeats_when_it_is_fixed(void **state)
{
    struct ptl_span name = ptl_span_text("rain");
    (void)state;

    uint64_t drawn = ptl_hash(name);
    ptl_hash_fix(1);
    uint64_t first = ptl_hash(name);
    ptl_hash_fix(2);
    uint64_t second = ptl_hash(name);
    ptl_hash_fix(1);
    assert_true(ptl_hash(name) == first);
    assert_true(first != second && first != drawn && second != drawn);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_spreads_names_that_were_made_to_collide),
        cmocka_unit_test(hash_is_secret_and_stays_so),
        cmocka_unit_test(hash_repeats_when_it_is_fixed),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
