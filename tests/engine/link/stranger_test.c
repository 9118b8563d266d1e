/*
 * Who loses a place when strangers have taken all: by itself, and against a plain model.
 */
#include "engine/link/stranger.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PLACES 40

static struct ptl_strangers strangers;
static struct ptl_stranger all[200];

static void begin(unsigned places, unsigned per_source)
{
    ptl_strangers_init(&strangers, ptl_allocator_libc(), places, per_source);
    memset(all, 0, sizeof(all));
}

static void end(void)
{
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        ptl_stranger_remove(&strangers, &all[i]);
    }
    assert_int_equal(strangers.count, 0);
    assert_int_equal(strangers.most, 0);
    ptl_strangers_drop(&strangers);
}

static void add(unsigned index, uint64_t source)
{
    assert_int_equal(ptl_stranger_add(&strangers, &all[index], source), 0);
}

static void assert_victim(uint64_t source, int index)
{
    assert_ptr_equal(ptl_strangers_victim(&strangers, source), index < 0 ? NULL : &all[index]);
}

static void stranger_has_a_place_until_all_are_taken(void **state)
{
    (void)state;
    begin(3, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_victim(7, -1);
        add(i, 7);
    }
    assert_victim(7, 0);
    end();
}

static void stranger_of_the_source_with_most_goes_first(void **state)
{
    (void)state;
    begin(5, 5);
    add(0, 1); /* the oldest of all */
    add(1, 2);
    add(2, 2);
    add(3, 2);
    add(4, 3);
    assert_victim(4, 1);
    assert_victim(1, 1);
    end();
}

static void stranger_that_would_make_its_source_the_largest_costs_that_one(void **state)
{
    (void)state;
    begin(4, 4);
    add(0, 1);
    add(1, 1);
    add(2, 2);
    add(3, 2);
    assert_victim(1, 0);
    assert_victim(2, 2);
    assert_victim(3, 0);
    end();
}

static void stranger_that_has_said_nothing_goes_before_one_that_greeted(void **state)
{
    (void)state;
    begin(3, 3);
    add(0, 1);
    add(1, 1);
    add(2, 2);
    ptl_stranger_greeted(&strangers, &all[0]);
    assert_victim(1, 1);
    ptl_stranger_greeted(&strangers, &all[1]);
    assert_victim(1, 0);
    /* Of sources with as many, those with a silent one come first. */
    ptl_stranger_remove(&strangers, &all[1]);
    add(3, 3);
    assert_victim(4, 2);
    ptl_stranger_greeted(&strangers, &all[2]);
    assert_victim(4, 3);
    end();
}

static void stranger_of_a_source_that_has_its_share_costs_that_source(void **state)
{
    (void)state;
    begin(10, 2);
    add(0, 1);
    add(1, 1);
    assert_victim(1, 0);
    assert_victim(2, -1);
    end();
}

static void stranger_that_proves_itself_leaves_its_place(void **state)
{
    (void)state;
    begin(2, 2);
    add(0, 1);
    add(1, 1);
    ptl_stranger_remove(&strangers, &all[0]);
    ptl_stranger_remove(&strangers, &all[0]);
    assert_victim(1, -1);
    assert_ptr_equal(ptl_strangers_worst(&strangers), &all[1]);
    ptl_stranger_remove(&strangers, &all[1]);
    assert_null(ptl_strangers_worst(&strangers));
    end();
}

/* ---- Against a model ----------------------------------------------------------------------- */

struct modelled {
    bool here, greeted;
    uint64_t source;
};

static struct modelled model[200];

static unsigned count_of(uint64_t source)
{
    unsigned count = 0;

    for (unsigned i = 0; i < 200; i++) {
        count += model[i].here && model[i].source == source;
    }
    return count;
}

static bool has_silent(uint64_t source)
{
    for (unsigned i = 0; i < 200; i++) {
        if (model[i].here && model[i].source == source && !model[i].greeted) {
            return true;
        }
    }
    return false;
}

/* The victim must be of a source that nobody exceeds, and silent if any there is. */
static void check_worst(void)
{
    struct ptl_stranger *worst = ptl_strangers_worst(&strangers);

    if (strangers.count == 0) {
        assert_null(worst);
        return;
    }
    const struct modelled *its = &model[worst - all];
    assert_true(its->here);
    assert_int_equal(its->greeted, !has_silent(its->source));
    for (unsigned i = 0; i < 200; i++) {
        if (model[i].here) {
            unsigned other = count_of(model[i].source), own = count_of(its->source);
            assert_true(other <= own);
            assert_true(other < own || !has_silent(model[i].source) || has_silent(its->source));
        }
    }
}

static void strangers_that_come_and_go_by_chance_are_counted_right(void **state)
{
    struct sim_random chance;

    (void)state;
    sim_random_seed(&chance, 1);
    begin(PLACES, PLACES);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)sim_random_below(&chance, 200);
        uint64_t source = sim_random_below(&chance, 1 + step / 1000);
        if (model[i].here && sim_random_below(&chance, 3) == 0) {
            ptl_stranger_greeted(&strangers, &all[i]);
            model[i].greeted = true;
        } else if (model[i].here) {
            ptl_stranger_remove(&strangers, &all[i]);
            model[i].here = false;
        } else if (strangers.count < PLACES) {
            add(i, source);
            model[i] = (struct modelled){.here = true, .source = source};
        }
        check_worst();
    }
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stranger_has_a_place_until_all_are_taken),
        cmocka_unit_test(stranger_of_the_source_with_most_goes_first),
        cmocka_unit_test(stranger_that_would_make_its_source_the_largest_costs_that_one),
        cmocka_unit_test(stranger_that_has_said_nothing_goes_before_one_that_greeted),
        cmocka_unit_test(stranger_of_a_source_that_has_its_share_costs_that_source),
        cmocka_unit_test(stranger_that_proves_itself_leaves_its_place),
        cmocka_unit_test(strangers_that_come_and_go_by_chance_are_counted_right),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("stranger", tests, NULL, NULL);
}
