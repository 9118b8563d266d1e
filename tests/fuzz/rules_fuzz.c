/*
 * Any bytes as rules for what other nodes may do: what is wrong in them is told in lines that an
 * operator can read, and what decides a question is the rule that a plain reading of patterns says.
 *
 *   [ which proof, action, kind of object | NODE 0 OBJECT 0 rules ]
 */
#include "engine/link/rule.h"
#include "tests/fuzz/input.h"

#include <stdlib.h>

#define NAME_MAX_SIZE 255
#define WORDS_MAX 5

/* ---- A plain reading ----------------------------------------------------------------------- */

/* Whether the name fits the pattern, star by star. */
static bool fits_stars(struct ptl_span pattern, struct ptl_span name)
{
    bool fits[NAME_MAX_SIZE + 1]; /* so many bytes of the name, and the pattern up to here */

    memset(fits, 0, sizeof fits);
    fits[0] = true;
    for (size_t i = 0; i < pattern.size; i++) {
        bool is_star = pattern.bytes[i] == '*';
        for (size_t j = 1; is_star && j <= name.size; j++) {
            fits[j] = fits[j] || fits[j - 1];
        }
        for (size_t j = name.size; !is_star && j > 0; j--) {
            fits[j] = fits[j - 1] && name.bytes[j - 1] == pattern.bytes[i];
        }
        fits[0] = fits[0] && is_star;
    }
    return fits[name.size];
}

static bool fits(const struct ptl_rules *rules, const struct ptl_pattern *pattern,
                 struct ptl_span name, unsigned kind)
{
    struct ptl_span text = ptl_span(rules->text + pattern->at, pattern->size);

    switch (pattern->kind) {
    case PTL_PATTERN_ANY:
        return true;
    case PTL_PATTERN_MADE:
        return kind == PTL_OBJECT_MADE;
    case PTL_PATTERN_SPAWNED:
        return kind == PTL_OBJECT_SPAWNED;
    case PTL_PATTERN_PREFIX: /* its star stands behind it */
        text.size++;
        ptl_assert(text.bytes[text.size - 1] == '*');
        break;
    default:
        break;
    }
    return fits_stars(text, name);
}

static bool fits_rule(const struct ptl_rules *rules, const struct ptl_rule *rule,
                      const struct ptl_rule_question *question)
{
    bool is_of = rule->object_count == 0;

    for (uint32_t i = 0; i < rule->object_count; i++) {
        is_of = is_of || fits(rules, &rules->objects[rule->objects + i], question->object,
                              question->object_kind);
    }
    return is_of && (rule->proofs >> question->proof & 1) != 0 &&
           (rule->actions >> question->action & 1) != 0 &&
           fits(rules, &rule->node, question->node, PTL_OBJECT_NAMED);
}

static void check_question(const struct ptl_rules *rules, const struct ptl_rule_question *question)
{
    struct ptl_rule_verdict verdict = ptl_rules_decide(rules, question);

    for (uint32_t i = 0; i < rules->count; i++) {
        if (fits_rule(rules, &rules->rules[i], question)) {
            ptl_assert(verdict.line == rules->rules[i].line);
            ptl_assert(verdict.allows == rules->rules[i].allows);
            return;
        }
    }
    ptl_assert(verdict.line == 0 && !verdict.allows);
}

/* ---- Asking as an operator does ------------------------------------------------------------ */

/* What is wrong with a question, whose words are the operator's own. */
static void hear_wrong_question(void *data, unsigned line, const char *what)
{
    ptl_assert(line == 0 && what[0] != '\0');
    (*(unsigned *)data)++;
}

/* What is wrong with rules is a line, whatever they are made of. */
static void hear_mistake(void *data, unsigned line, const char *what)
{
    hear_wrong_question(data, 0, what);
    ptl_assert(*(unsigned *)data <= PTL_RULES_MISTAKES_MAX);
    (void)line;
    for (const char *at = what; *at != '\0'; at++) {
        ptl_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
    }
}

static void ask(const struct ptl_rules *rules, const struct ptl_rule_question *question,
                const char *node, const char *object)
{
    const char *words[WORDS_MAX] = {node, "by", ptl_proof_name(question->proof),
                                    ptl_action_name(question->action), object};
    unsigned line, mistakes = 0;
    size_t count = object[0] == '\0' ? WORDS_MAX - 1 : WORDS_MAX;
    int answer = ptl_rules_ask(rules, words, count, hear_wrong_question, &mistakes, &line);

    ptl_assert(answer == 0 || answer == 1 || (answer == PTL_EINVAL && mistakes > 0));
    (void)!ptl_rules_ask(rules, words + 3, count - 3, hear_wrong_question, &mistakes, &line);
}

/* Bytes up to a zero, as a text of its own in `name`; more than a name has are left out. */
static struct ptl_span take_name(struct fuzz_input *input, char name[NAME_MAX_SIZE + 1])
{
    size_t size = 0;
    unsigned byte;

    while (!fuzz_is_empty(input) && (byte = fuzz_byte(input)) != 0) {
        if (size < NAME_MAX_SIZE) {
            name[size++] = (char)byte;
        }
    }
    name[size] = '\0';
    return ptl_span(name, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    char node[NAME_MAX_SIZE + 1], object[NAME_MAX_SIZE + 1];
    struct ptl_rules *rules = NULL;
    unsigned mistakes = 0;

    struct ptl_rule_question question = {.proof = (uint8_t)(fuzz_byte(&input) % PTL_PROOFS),
                                         .action = (uint8_t)(fuzz_byte(&input) % PTL_ACTIONS),
                                         .object_kind = (uint8_t)(fuzz_byte(&input) % 3)};
    question.node = take_name(&input, node);
    question.object = take_name(&input, object);
    struct ptl_span text = fuzz_rest(&input);
    int err = ptl_rules_read((const char *)text.bytes, text.size, hear_mistake, &mistakes, &rules);
    ptl_assert((err == PTL_ERULES) == (mistakes > 0));
    if (err == 0) {
        check_question(rules, &question);
        ask(rules, &question, node, object);
        ptl_rules_free(rules);
    }
    return 0;
}
