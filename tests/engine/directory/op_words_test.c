#include "engine/directory/op_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LARGE UINT64_C(0x8182838485868788)
#define SMALL UINT32_C(0x91929394)

/* What each kind says; each has a line.  Static, so that what lies between fields is 0. */
static const struct ptl_dir_words samples[PTL_DIR_OPS] = {
    [PTL_DIR_SET] = {.kind = PTL_DIR_SET},
    [PTL_DIR_DEL] = {.kind = PTL_DIR_DEL},
    [PTL_DIR_ASK] = {.kind = PTL_DIR_ASK},
    [PTL_DIR_WATCH] = {.kind = PTL_DIR_WATCH, .follower = {LARGE, SMALL}},
    [PTL_DIR_NEXT] = {.kind = PTL_DIR_NEXT, .follower = {LARGE, SMALL}},
    [PTL_DIR_UNWATCH] = {.kind = PTL_DIR_UNWATCH, .follower = {LARGE, SMALL}},
    [PTL_DIR_TOLD] = {.kind = PTL_DIR_TOLD, .follower = {LARGE, SMALL}},
    [PTL_DIR_AGAIN] = {.kind = PTL_DIR_AGAIN, .follower = {LARGE, SMALL}},
    [PTL_DIR_UNFOLLOW] = {.kind = PTL_DIR_UNFOLLOW, .follower = {LARGE, SMALL}},
    [PTL_DIR_PEER_GLOBAL] = {.kind = PTL_DIR_PEER_GLOBAL, .knows_owners = true},
    [PTL_DIR_REPLACE] = {.kind = PTL_DIR_REPLACE, .by = {LARGE, SMALL, true, false}},
    [PTL_DIR_UPDATE] = {.kind = PTL_DIR_UPDATE, .by = {LARGE, SMALL, false, true}},
    [PTL_DIR_OWNER] = {.kind = PTL_DIR_OWNER},
    [PTL_DIR_LOST] = {.kind = PTL_DIR_LOST},
    [PTL_DIR_OWNED] = {.kind = PTL_DIR_OWNED, .by.number = SMALL},
    [PTL_DIR_PEER_AGAIN] = {.kind = PTL_DIR_PEER_AGAIN},
    [PTL_DIR_PEER_ASKS] = {.kind = PTL_DIR_PEER_ASKS},
    [PTL_DIR_PEER_WATCHES] = {.kind = PTL_DIR_PEER_WATCHES},
    [PTL_DIR_PEER_LEAVES] = {.kind = PTL_DIR_PEER_LEAVES},
    [PTL_DIR_COPY] = {.kind = PTL_DIR_COPY, .by.number = SMALL},
    [PTL_DIR_CHANGE] = {.kind = PTL_DIR_CHANGE, .by.number = SMALL},
    [PTL_DIR_ANSWER] = {.kind = PTL_DIR_ANSWER, .question = LARGE},
    [PTL_DIR_TAKEN] = {.kind = PTL_DIR_TAKEN, .by.number = SMALL},
    [PTL_DIR_SEED] = {.kind = PTL_DIR_SEED},
    [PTL_DIR_NEEDED] = {.kind = PTL_DIR_NEEDED},
    [PTL_DIR_WANTED] = {.kind = PTL_DIR_WANTED},
    [PTL_DIR_ATTACH] = {.kind = PTL_DIR_ATTACH, .attachment = {LARGE, false}},
    [PTL_DIR_MASTER] = {.kind = PTL_DIR_MASTER, .attachment = {LARGE, true}},
    [PTL_DIR_GLOBAL] = {.kind = PTL_DIR_GLOBAL},
    [PTL_DIR_UNATTACHED] = {.kind = PTL_DIR_UNATTACHED},
    [PTL_DIR_ADDRESSES] = {.kind = PTL_DIR_ADDRESSES},
    [PTL_DIR_FIND] = {.kind = PTL_DIR_FIND},
    [PTL_DIR_FOUND] = {.kind = PTL_DIR_FOUND},
    [PTL_DIR_KEEP] = {.kind = PTL_DIR_KEEP},
    [PTL_DIR_LEAVE] = {.kind = PTL_DIR_LEAVE},
    [PTL_DIR_FAIL] = {.kind = PTL_DIR_FAIL, .err = PTL_ENOMEM},
};

static void words_of_each_kind_come_out_of_a_record_as_they_went_in(void **state)
{
    uint64_t record[PTL_RECORD_MAX / 8];

    (void)state;
    for (uint32_t kind = 1; kind < PTL_DIR_OPS; kind++) {
        struct ptl_op op, seen;
        struct ptl_dir_words words;
        assert_int_equal(samples[kind].kind, kind); /* a new kind needs a line above */
        op = ptl_dir_say(&samples[kind]);
        op.node = ptl_span_text("snow");
        assert_int_equal(op.kind, PTL_OP_DIRECTORY);
        assert_int_equal(op.to, PTL_TO_SHARD);
        assert_true(ptl_op_size(&op) <= sizeof(record));
        ptl_op_pack(&op, record);
        ptl_op_unpack(record, &seen);
        assert_int_equal(ptl_dir_kind(&seen), kind);
        assert_true(ptl_span_equal(seen.node, op.node));
        words = ptl_dir_words(&seen);
        assert_memory_equal(&words, &samples[kind], sizeof(words));
    }
}

static void flags_of_who_brings_entries_are_told_apart(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 4; flags++) {
        struct ptl_dir_words words = {
            .kind = PTL_DIR_REPLACE,
            .by = {.attachment = LARGE, .global = (flags & 1) != 0, .ours = (flags & 2) != 0},
        };
        struct ptl_op op = ptl_dir_say(&words);
        struct ptl_dir_by by = ptl_dir_words(&op).by;
        assert_int_equal(by.global, (flags & 1) != 0);
        assert_int_equal(by.ours, (flags & 2) != 0);
        assert_true(by.attachment == LARGE && by.number == 0);
    }
}

static void err_of_a_failure_may_be_the_kernels_or_ours(void **state)
{
    static const int errors[] = {-1, -4095, PTL_ENOMEM, PTL_ELIMIT, INT32_MIN + 1};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct ptl_op op =
            ptl_dir_say(&(struct ptl_dir_words){.kind = PTL_DIR_FAIL, .err = errors[i]});
        assert_int_equal(ptl_dir_words(&op).err, errors[i]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_each_kind_come_out_of_a_record_as_they_went_in),
        cmocka_unit_test(flags_of_who_brings_entries_are_told_apart),
        cmocka_unit_test(err_of_a_failure_may_be_the_kernels_or_ours),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
