/*
 * Tables of words: what is in one is found, and nothing else, in a few steps.
 */
#include "engine/message/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 1000000
#define WORD 8 /* bytes of each of many, and one for its end */

/* As tables are: the word, and something behind it. */
struct entry {
    struct ptl_word word;
    int number;
};

static const struct entry few[] = {
    {PTL_WORD(""), 0},     {PTL_WORD("a"), 1},    {PTL_WORD("aa"), 2},
    {PTL_WORD("mon0"), 3}, {PTL_WORD("mon1"), 4}, {PTL_WORD("\xc3\xa9"), 5},
};

static int find_few(const char *text)
{
    return ptl_words_find(few, sizeof(few) / sizeof(few[0]), sizeof(few[0]), ptl_span_text(text));
}

static void words_are_found_and_no_others(void **state)
{
    static const char *const others[] = {"A", "aaa", "ab", "mon", "mon2", "mon00", "\xc3", "zz"};

    (void)state;
    for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++) {
        assert_int_equal(find_few(few[i].word.text), i);
        assert_int_equal(few[find_few(few[i].word.text)].number, i);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(find_few(others[i]), -1);
    }
    assert_int_equal(ptl_words_find(few, 0, sizeof(few[0]), ptl_span_text("a")), -1);
}

/* One after the other they would be a trillion comparisons, and no end of this test. */
static void words_are_found_in_a_few_steps_however_many_there_are(void **state)
{
    struct entry *entries = calloc(MANY, sizeof(*entries));
    char(*texts)[WORD] = calloc(MANY, WORD);

    (void)state;
    assert_true(entries != NULL && texts != NULL);
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], WORD, "%07d", i % 10000000);
        entries[i].word = (struct ptl_word){.text = texts[i], .size = WORD - 1};
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(
            ptl_words_find(entries, MANY, sizeof(*entries), ptl_span(texts[i], WORD - 1)), i);
        assert_int_equal(ptl_words_find(entries, MANY, sizeof(*entries), ptl_span(texts[i], 6)),
                         -1);
    }
    free(texts);
    free(entries);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_and_no_others),
        cmocka_unit_test(words_are_found_in_a_few_steps_however_many_there_are),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
