#include "engine/link/rule.h"

/* Where `part` of `size` bytes begins in the name, from `from` on; the name's size: nowhere. */
static size_t find(struct ptl_span name, size_t from, const char *part, size_t size)
{
    const void *found = memmem(name.bytes + from, name.size - from, part, size);

    return found == NULL ? name.size : (size_t)((const uint8_t *)found - name.bytes);
}

/*
 * What stands before the first star and behind the last one is at the name's ends; each part in
 * between is wherever it is found first, which leaves most for those behind it.
 */
static bool fits_stars(const char *pattern, size_t size, struct ptl_span name)
{
    const char *star = memchr(pattern, '*', size);
    size_t head = (size_t)(star - pattern);
    size_t tail = size - 1 - (size_t)((const char *)memrchr(pattern, '*', size) - pattern);

    if (name.size < head + tail ||
        !ptl_span_equal(ptl_span(name.bytes, head), ptl_span(pattern, head)) ||
        !ptl_span_equal(ptl_span_skip(name, name.size - tail),
                        ptl_span(pattern + size - tail, tail))) {
        return false;
    }
    const char *part = star + 1, *end = pattern + size - tail;
    struct ptl_span middle = ptl_span(name.bytes, name.size - tail);
    size_t at = head;
    while (part < end) {
        const char *next = memchr(part, '*', (size_t)(end - part));
        size_t length = (size_t)(next - part);
        size_t found = length == 0 ? at : find(middle, at, part, length);
        if (length != 0 && found == middle.size) {
            return false;
        }
        at = found + length;
        part = next + 1;
    }
    return true;
}

static bool fits(const struct ptl_rules *rules, const struct ptl_pattern *pattern,
                 struct ptl_span name, enum ptl_object_kind kind)
{
    const char *text = rules->text + pattern->at;

    switch ((enum ptl_pattern_kind)pattern->kind) {
    case PTL_PATTERN_ANY:
        return true;
    case PTL_PATTERN_EXACT:
        return ptl_span_equal(name, ptl_span(text, pattern->size));
    case PTL_PATTERN_PREFIX:
        return name.size >= pattern->size && memcmp(name.bytes, text, pattern->size) == 0;
    case PTL_PATTERN_STARS:
        return fits_stars(text, pattern->size, name);
    case PTL_PATTERN_MADE:
        return kind == PTL_OBJECT_MADE;
    case PTL_PATTERN_SPAWNED:
        return kind == PTL_OBJECT_SPAWNED;
    }
    ptl_unreachable("no kind of pattern");
}

static bool fits_object(const struct ptl_rules *rules, const struct ptl_rule *rule,
                        const struct ptl_rule_question *question)
{
    for (uint32_t i = 0; i < rule->object_count; i++) {
        if (fits(rules, &rules->objects[rule->objects + i], question->object,
                 (enum ptl_object_kind)question->object_kind)) {
            return true;
        }
    }
    return rule->object_count == 0;
}

struct ptl_rule_verdict ptl_rules_decide(const struct ptl_rules *rules,
                                         const struct ptl_rule_question *question)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct ptl_rule *rule = &rules->rules[i];
        if ((rule->actions >> question->action & 1) != 0 &&
            (rule->proofs >> question->proof & 1) != 0 &&
            fits(rules, &rule->node, question->node, PTL_OBJECT_NAMED) &&
            fits_object(rules, rule, question)) {
            return (struct ptl_rule_verdict){.allows = rule->allows, .line = rule->line};
        }
    }
    return (struct ptl_rule_verdict){.allows = false};
}
