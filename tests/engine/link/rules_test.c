/*
 * Rules for what other nodes may do: how they are written, which decides, how many there may be.
 */
#include "engine/link/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORDS_MAX 8

/* The mistakes of the last text, as "LINE: WHAT" lines. */
static char mistakes[16384];
static unsigned mistake_count;

static void note(void *data, unsigned line, const char *what)
{
    size_t size = strlen(mistakes);

    (void)data;
    mistake_count++;
    snprintf(mistakes + size, sizeof mistakes - size, "%u: %s\n", line, what);
}

static int read_rules(const char *text, size_t size, struct ptl_rules **rules)
{
    mistakes[0] = 0;
    mistake_count = 0;
    return ptl_rules_read(text, size, note, NULL, rules);
}

static struct ptl_rules *good(const char *text)
{
    struct ptl_rules *rules;

    assert_int_equal(read_rules(text, strlen(text), &rules), PTL_OK);
    assert_string_equal(mistakes, "");
    return rules;
}

static void assert_bad(const char *text, const char *what)
{
    struct ptl_rules *rules;

    assert_int_equal(read_rules(text, strlen(text), &rules), PTL_ERULES);
    assert_non_null(strstr(mistakes, what));
}

/* The line that decides a question of up to WORDS_MAX words, below 0 where it denies. */
static int decides(const struct ptl_rules *rules, const char *question)
{
    const char *words[WORDS_MAX];
    char copy[256];
    size_t count = 0;
    unsigned line;

    snprintf(copy, sizeof copy, "%s", question);
    for (char *rest, *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count < WORDS_MAX);
        words[count++] = word;
    }
    mistakes[0] = 0;
    int answer = ptl_rules_ask(rules, words, count, note, NULL, &line);
    return answer < 0 ? answer : answer == 1 ? (int)line : -(int)line;
}

static void rules_decide_by_the_first_that_fits(void **state)
{
    (void)state;
    struct ptl_rules *rules = good("allow hub send echo\n"
                                   "deny * send echo\n"
                                   "\n"
                                   "  # a comment\n"
                                   "allow * send,kill * # another\r\n");

    assert_int_equal(ptl_rules_count(rules), 3);
    assert_int_equal(decides(rules, "hub send echo"), 1);
    assert_int_equal(decides(rules, "rain send echo"), -2);
    assert_int_equal(decides(rules, "rain send other"), 5);
    assert_int_equal(decides(rules, "rain kill echo"), 5);
    assert_int_equal(decides(rules, "rain spawn echo"), 0);
    ptl_rules_free(rules);
}

static void rules_that_are_none_deny_all(void **state)
{
    (void)state;
    struct ptl_rules *rules = good("# nothing");

    assert_int_equal(ptl_rules_count(rules), 0);
    assert_int_equal(decides(rules, "rain global"), 0);
    ptl_rules_free(rules);
    rules = good("");
    assert_int_equal(decides(rules, "rain send echo"), 0);
    ptl_rules_free(rules);
}

static void rules_fit_names_with_stars(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool fits;
    } cases[] = {
        {"a", "a", true},          {"a", "ab", false},        {"a", "b", false},
        {"a*", "a", true},         {"a*", "abc", true},       {"a*", "ba", false},
        {"*a", "a", true},         {"*a", "cba", true},       {"*a", "ab", false},
        {"a*c", "ac", true},       {"a*c", "abc", true},      {"a*a", "a", false},
        {"a*b*c", "abc", true},    {"a*b*c", "axbyc", true},  {"a*b*c", "acb", false},
        {"*ab*ab*", "abab", true}, {"*ab*ab*", "aab", false}, {"**", "x", true},
        {"a**b", "ab", true},      {"*.*.x", "a.b.x", true},  {"*.*.x", "a.x", false},
        {"*aab", "aaab", true},    {"a*bc*c", "abc", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64], question[64];
        snprintf(text, sizeof text, "allow * send %s", cases[i].pattern);
        snprintf(question, sizeof question, "n send %s", cases[i].name);
        struct ptl_rules *rules = good(text);
        assert_int_equal(decides(rules, question), cases[i].fits);
        ptl_rules_free(rules);
        snprintf(text, sizeof text, "allow %s global", cases[i].pattern);
        snprintf(question, sizeof question, "%s global", cases[i].name);
        rules = good(text);
        assert_int_equal(decides(rules, question), cases[i].fits);
        ptl_rules_free(rules);
    }
}

static void rules_tell_proofs_apart(void **state)
{
    (void)state;
    struct ptl_rules *rules = good("deny * send admin\n"
                                   "allow * send *\n"
                                   "allow * by certificate,anonymous kill *\n"
                                   "deny * by secret monitor *\n"
                                   "allow * by secret,certificate,anonymous monitor *\n");

    assert_int_equal(decides(rules, "n by anonymous send admin"), -1);
    assert_int_equal(decides(rules, "n by anonymous send echo"), 0);
    assert_int_equal(decides(rules, "n by secret send echo"), 2);
    assert_int_equal(decides(rules, "n by certificate send echo"), 2);
    assert_int_equal(decides(rules, "n kill echo"), 0);
    assert_int_equal(decides(rules, "n by certificate kill echo"), 3);
    assert_int_equal(decides(rules, "n by anonymous kill echo"), 3);
    assert_int_equal(decides(rules, "n monitor echo"), -4);
    assert_int_equal(decides(rules, "n by anonymous monitor echo"), 5);
    ptl_rules_free(rules);
}

static void rules_know_every_action_and_kind_of_port(void **state)
{
    (void)state;
    struct ptl_rules *all = good("allow * *");
    struct ptl_rules *ports = good("allow * send @made\nallow * kill @spawned x\n");

    for (int i = 0; i < PTL_ACTIONS; i++) {
        char question[64];
        bool has_object = i != PTL_MAY_GLOBAL && i != PTL_MAY_OBSERVE;
        snprintf(question, sizeof question, "n %s%s", ptl_action_name((enum ptl_action)i),
                 has_object ? " x" : "");
        assert_int_equal(decides(all, question), 1);
    }
    assert_int_equal(decides(all, "n send @made"), 1);
    assert_int_equal(decides(ports, "n send @made"), 1);
    assert_int_equal(decides(ports, "n send made"), 0);
    assert_int_equal(decides(ports, "n send @spawned"), 0);
    assert_int_equal(decides(ports, "n kill @spawned"), 2);
    assert_int_equal(decides(ports, "n kill x"), 2);
    ptl_rules_free(all);
    ptl_rules_free(ports);
}

static void rules_name_each_mistake_with_its_line(void **state)
{
    (void)state;
    assert_bad("allow * send x\n\nmay * send x\n", "3: 'may' is neither allow nor deny");
    assert_bad("allow", "1: which nodes?");
    assert_bad("allow x", "1: to do what?");
    assert_bad("allow x by", "1: by what?");
    assert_bad("allow x by magic send", "1: 'magic' is no proof");
    assert_bad("allow x by secret", "1: to do what?");
    assert_bad("allow x sned y", "1: 'sned' is no action");
    assert_bad("allow x send, y", "1: nothing stands behind the last comma");
    assert_bad("allow x send,,kill y", "1: '' is no action");
    assert_bad("allow a#b send", "1: 'a#b' is no node's ID");
    assert_bad("allow x global y", "1: 'y' stands behind an action that is done to nothing");
    assert_bad("allow x * y", "1: 'y' stands behind an action");
    assert_bad("allow x spawn @made", "1: '@made' are ports");
    assert_bad("allow x send @other", "1: '@other' is neither @made nor @spawned");
    assert_bad("allow x send \x1b[2J", "1: not text");
    assert_bad("allow x send \xc2\x9b", "1: not text");
    assert_bad("allow x send \xff", "1: not text");
    assert_bad("no\nno\n", "1: 'no' is neither allow nor deny\n2: 'no' is neither");
}

static void rules_bad_question_is_no_verdict(void **state)
{
    static const char *const questions[] = {
        "",
        "n",
        "n send",
        "n send a b",
        "n send,kill a",
        "n * a",
        "n global x",
        "n by send a",
        "n by secret,certificate send a",
        "n fly a",
    };

    (void)state;
    struct ptl_rules *rules = good("allow * *");
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        assert_int_equal(decides(rules, questions[i]), PTL_EINVAL);
        assert_int_not_equal(strlen(mistakes), 0);
    }
    const char *const empty[] = {"n", "send", ""};
    unsigned line;
    assert_int_equal(ptl_rules_ask(rules, empty, 3, NULL, NULL, &line), PTL_EINVAL);
    ptl_rules_free(rules);
}

/* `count` lines of this, and one NUL. */
static char *repeat(const char *line, size_t count)
{
    size_t size = strlen(line);
    char *text = malloc(count * size + 1);

    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * size, line, size);
    }
    text[count * size] = 0;
    return text;
}

static void rules_are_bounded_in_number_and_size(void **state)
{
    struct ptl_rules *rules;
    char *text = repeat("deny a send b\n", PTL_RULES_MAX);

    (void)state;
    rules = good(text);
    assert_int_equal(ptl_rules_count(rules), PTL_RULES_MAX);
    ptl_rules_free(rules);
    free(text);

    text = repeat("deny a send b\n", PTL_RULES_MAX + 1);
    assert_bad(text, "4097: more than 4096 rules");
    free(text);

    text = repeat("#", PTL_RULE_LINE_MAX);
    ptl_rules_free(good(text));
    free(text);
    text = repeat("#", PTL_RULE_LINE_MAX + 1);
    assert_bad(text, "1: longer than 1024 bytes");
    free(text);

    text = repeat("\n", PTL_RULES_BYTES_MAX + 1);
    assert_int_equal(read_rules(text, PTL_RULES_BYTES_MAX, &rules), PTL_OK);
    ptl_rules_free(rules);
    assert_bad(text, "0: larger than 1048576 bytes");
    free(text);

    text = repeat("x\n", 1000);
    assert_bad(text, "50: ");
    assert_int_equal(mistake_count, PTL_RULES_MISTAKES_MAX);
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_decide_by_the_first_that_fits),
        cmocka_unit_test(rules_that_are_none_deny_all),
        cmocka_unit_test(rules_fit_names_with_stars),
        cmocka_unit_test(rules_tell_proofs_apart),
        cmocka_unit_test(rules_know_every_action_and_kind_of_port),
        cmocka_unit_test(rules_name_each_mistake_with_its_line),
        cmocka_unit_test(rules_bad_question_is_no_verdict),
        cmocka_unit_test(rules_are_bounded_in_number_and_size),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
