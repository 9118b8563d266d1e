#include "engine/link/rule.h"
#include "io/utf8.h"

#include <stdarg.h>
#include <stdio.h>

#define WORDS_MAX (PTL_RULE_LINE_MAX / 2 + 1) /* of a line */
#define NODE_MAX 200                          /* bytes of a node's ID, and so of its pattern */
#define OBJECT_MAX 255                        /* of a family's name, the longest of objects */
#define SHOWN_MAX 40                          /* bytes of a word in a mistake */

static const char *const action_names[PTL_ACTIONS] = {
    [PTL_MAY_SEND] = "send",   [PTL_MAY_KILL] = "kill",       [PTL_MAY_MONITOR] = "monitor",
    [PTL_MAY_SPAWN] = "spawn", [PTL_MAY_DB_READ] = "db-read", [PTL_MAY_DB_WRITE] = "db-write",
    [PTL_MAY_RELAY] = "relay", [PTL_MAY_GLOBAL] = "global",   [PTL_MAY_OBSERVE] = "observe",
};

static const char *const proof_names[PTL_PROOFS] = {
    [PTL_PROOF_SECRET] = "secret",
    [PTL_PROOF_CERTIFICATE] = "certificate",
    [PTL_PROOF_ANONYMOUS] = "anonymous",
};

#define BIT(value) (1u << (value))
#define ALL_ACTIONS (BIT(PTL_ACTIONS) - 1)
#define ALL_PROOFS (BIT(PTL_PROOFS) - 1)

/* What is done to nothing in particular, and what to ports. */
#define WITHOUT_OBJECT (BIT(PTL_MAY_GLOBAL) | BIT(PTL_MAY_OBSERVE))
#define TO_PORTS (BIT(PTL_MAY_SEND) | BIT(PTL_MAY_KILL) | BIT(PTL_MAY_MONITOR))

const char *ptl_action_name(enum ptl_action action)
{
    return action_names[action];
}

const char *ptl_proof_name(enum ptl_proof proof)
{
    return proof_names[proof];
}

/* ---- Mistakes ------------------------------------------------------------------------------ */

/* One text, or question, that is being read. */
struct reading {
    ptl_rules_mistake_fn *tell;
    void *data;
    unsigned line;     /* the one at hand */
    unsigned mistakes; /* those told */
};

static bool wrong(struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Tell a mistake; returns false, which is what its finder returns. */
static bool wrong(struct reading *reading, const char *format, ...)
{
    char what[256];
    va_list values;

    va_start(values, format);
    vsnprintf(what, sizeof(what), format, values);
    va_end(values);
    if (reading->mistakes++ < PTL_RULES_MISTAKES_MAX && reading->tell != NULL) {
        reading->tell(reading->data, reading->line, what);
    }
    return false;
}

/* As much of a word as a mistake shows: for "%.*s". */
static int shown(struct ptl_span word)
{
    return (int)(word.size < SHOWN_MAX ? word.size : SHOWN_MAX);
}

/* ---- Words --------------------------------------------------------------------------------- */

struct words {
    struct ptl_span at[WORDS_MAX];
    size_t count;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A line's words.  A comment begins with a '#' that has a blank, or nothing, before it. */
static void split(const char *line, size_t size, struct words *words)
{
    size_t at = 0;

    words->count = 0;
    for (;;) {
        while (at < size && is_blank(line[at])) {
            at++;
        }
        if (at == size || line[at] == '#') {
            return;
        }
        size_t begin = at;
        while (at < size && !is_blank(line[at])) {
            at++;
        }
        ptl_assert(words->count < WORDS_MAX); /* each has a byte, and a blank behind it */
        words->at[words->count++] = ptl_span(line + begin, at - begin);
    }
}

/* The number of a word among names; -1: it is none of them. */
static int find_name(const char *const names[], unsigned count, struct ptl_span word)
{
    for (unsigned i = 0; i < count; i++) {
        if (ptl_span_equal(ptl_span_text(names[i]), word)) {
            return (int)i;
        }
    }
    return -1;
}

/* "name,name": their bits. */
static bool read_names(struct reading *reading, const char *what, const char *const names[],
                       unsigned count, struct ptl_span word, unsigned *bits)
{
    *bits = 0;
    for (;;) {
        const uint8_t *comma = memchr(word.bytes, ',', word.size);
        struct ptl_span name =
            ptl_span(word.bytes, comma != NULL ? (size_t)(comma - word.bytes) : word.size);
        int found = find_name(names, count, name);
        if (found < 0) {
            return wrong(reading, "'%.*s' is no %s", shown(name), (const char *)name.bytes, what);
        }
        *bits |= BIT(found);
        if (comma == NULL) {
            return true;
        }
        word = ptl_span_skip(word, name.size + 1);
        if (word.size == 0) {
            return wrong(reading, "nothing stands behind the last comma");
        }
    }
}

static bool is(struct ptl_span word, const char *text)
{
    return ptl_span_equal(word, ptl_span_text(text));
}

/* ---- What stands behind the verdict -------------------------------------------------------- */

/* The words of a rule, or of a question, told apart. */
struct parts {
    struct ptl_span node;
    unsigned proofs; /* 0: not said */
    unsigned actions;
    const struct ptl_span *objects;
    size_t object_count;
};

static bool read_node(struct reading *reading, struct ptl_span word)
{
    if (word.size > NODE_MAX) {
        return wrong(reading, "'%.*s...' is longer than a node's ID, %d bytes", shown(word),
                     (const char *)word.bytes, NODE_MAX);
    }
    if (memchr(word.bytes, '#', word.size) != NULL) {
        return wrong(reading, "'%.*s' is no node's ID: it has a '#'", shown(word),
                     (const char *)word.bytes);
    }
    return true;
}

static bool read_objects(struct reading *reading, const struct parts *parts)
{
    if (parts->object_count != 0 && (parts->actions & WITHOUT_OBJECT) != 0) {
        return wrong(reading, "'%.*s' stands behind an action that is done to nothing",
                     shown(parts->objects[0]), (const char *)parts->objects[0].bytes);
    }
    for (size_t i = 0; i < parts->object_count; i++) {
        struct ptl_span word = parts->objects[i];
        bool is_kind = is(word, "@made") || is(word, "@spawned");
        if (word.size > OBJECT_MAX) {
            return wrong(reading, "'%.*s...' is longer than any name, %d bytes", shown(word),
                         (const char *)word.bytes, OBJECT_MAX);
        }
        if (is_kind && (parts->actions & ~TO_PORTS) != 0) {
            return wrong(reading, "'%.*s' are ports: for send, kill and monitor", shown(word),
                         (const char *)word.bytes);
        }
        if (word.bytes[0] == '@' && !is_kind) {
            return wrong(reading,
                         "'%.*s' is neither @made nor @spawned: for a name that begins "
                         "so write '*%.*s'",
                         shown(word), (const char *)word.bytes, shown(ptl_span_skip(word, 1)),
                         (const char *)word.bytes + 1);
        }
    }
    return true;
}

/* NODE [by PROOF,...] ACTION,... [OBJECT ...] */
static bool read_parts(struct reading *reading, const struct ptl_span words[], size_t count,
                       struct parts *parts)
{
    size_t at = 1;

    *parts = (struct parts){.proofs = 0};
    if (count == 0) {
        return wrong(reading, "which nodes?  A pattern is missing, such as '*'");
    }
    parts->node = words[0];
    if (!read_node(reading, parts->node)) {
        return false;
    }
    if (count > at && is(words[at], "by")) {
        if (count == ++at) {
            return wrong(reading, "by what?  secret, certificate or anonymous is missing");
        }
        if (!read_names(reading, "proof: write secret, certificate or anonymous", proof_names,
                        PTL_PROOFS, words[at++], &parts->proofs)) {
            return false;
        }
    }
    if (count == at) {
        return wrong(reading, "to do what?  An action is missing, such as send");
    }
    if (is(words[at], "*")) {
        parts->actions = ALL_ACTIONS;
    } else if (!read_names(reading, "action: see docs/rules.md", action_names, PTL_ACTIONS,
                           words[at], &parts->actions)) {
        return false;
    }
    parts->objects = words + at + 1;
    parts->object_count = count - at - 1;
    return read_objects(reading, parts);
}

/* ---- A text -------------------------------------------------------------------------------- */

/* The block that is being filled. */
struct making {
    struct ptl_rules *rules;
    struct ptl_rule *rule; /* the next one's place */
    struct ptl_pattern *object;
};

static struct ptl_pattern pattern_of(const struct ptl_rules *rules, struct ptl_span word)
{
    const uint8_t *star = memchr(word.bytes, '*', word.size);
    struct ptl_pattern pattern = {
        .at = (uint32_t)((const char *)word.bytes - rules->text),
        .size = (uint16_t)word.size,
        .kind = PTL_PATTERN_EXACT,
    };

    if (is(word, "@made")) {
        pattern.kind = PTL_PATTERN_MADE;
    } else if (is(word, "@spawned")) {
        pattern.kind = PTL_PATTERN_SPAWNED;
    } else if (is(word, "*")) {
        pattern.kind = PTL_PATTERN_ANY;
    } else if (star == word.bytes + word.size - 1) {
        pattern.kind = PTL_PATTERN_PREFIX;
        pattern.size--;
    } else if (star != NULL) {
        pattern.kind = PTL_PATTERN_STARS;
    }
    return pattern;
}

/*
 * Whom a rule that names no proof is about: what it allows is for those that have given one, and
 * what it denies is denied to all.
 */
static unsigned proofs_of(const struct parts *parts, bool allows)
{
    unsigned given = BIT(PTL_PROOF_SECRET) | BIT(PTL_PROOF_CERTIFICATE);

    return parts->proofs != 0 ? parts->proofs : allows ? given : ALL_PROOFS;
}

static void add_rule(struct making *making, bool allows, const struct parts *parts, unsigned line)
{
    struct ptl_rules *rules = making->rules;

    *making->rule++ = (struct ptl_rule){
        .allows = allows,
        .proofs = (uint8_t)proofs_of(parts, allows),
        .actions = (uint16_t)parts->actions,
        .line = line,
        .node = pattern_of(rules, parts->node),
        .objects = (uint32_t)(making->object - rules->objects),
        .object_count = (uint32_t)parts->object_count,
    };
    for (size_t i = 0; i < parts->object_count; i++) {
        *making->object++ = pattern_of(rules, parts->objects[i]);
    }
    rules->count++;
}

/* Without control characters: what a mistake shows of it may stand on a terminal. */
static bool is_text(struct ptl_span line)
{
    for (size_t i = 0; i < line.size; i++) {
        uint8_t byte = line.bytes[i], next = i + 1 < line.size ? line.bytes[i + 1] : 0;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f || (byte == 0xc2 && next < 0xa0)) {
            return false;
        }
    }
    return ptl_utf8_valid(line);
}

static bool read_line(struct reading *reading, struct making *making, struct ptl_span line)
{
    struct words words;
    struct parts parts;

    if (line.size > PTL_RULE_LINE_MAX) {
        return wrong(reading, "longer than %d bytes: write two rules", PTL_RULE_LINE_MAX);
    }
    if (!is_text(line)) {
        return wrong(reading, "not text: it has control characters, or is no UTF-8");
    }
    split((const char *)line.bytes, line.size, &words);
    if (words.count == 0) {
        return true;
    }
    bool allows = is(words.at[0], "allow");
    if (!allows && !is(words.at[0], "deny")) {
        return wrong(reading, "'%.*s' is neither allow nor deny", shown(words.at[0]),
                     (const char *)words.at[0].bytes);
    }
    if (!read_parts(reading, words.at + 1, words.count - 1, &parts)) {
        return false;
    }
    if (making->rules->count == PTL_RULES_MAX) {
        return wrong(reading, "more than %d rules", PTL_RULES_MAX);
    }
    add_rule(making, allows, &parts, reading->line);
    return true;
}

/* The line at the front of `rest`, which it leaves, without its end. */
static struct ptl_span take_line(struct ptl_span *rest)
{
    const uint8_t *end = memchr(rest->bytes, '\n', rest->size);
    size_t size = end != NULL ? (size_t)(end - rest->bytes) : rest->size;
    struct ptl_span line = ptl_span(rest->bytes, size);

    *rest = ptl_span_skip(*rest, end != NULL ? size + 1 : size);
    if (line.size != 0 && line.bytes[line.size - 1] == '\r') {
        line.size--;
    }
    return line;
}

/* How many rules and objects the text can have at most: no more than lines and words. */
static void measure(const char *text, size_t size, size_t *lines, size_t *words)
{
    *lines = 1;
    *words = 0;
    for (size_t i = 0; i < size; i++) {
        bool is_end = text[i] == '\n' || is_blank(text[i]);
        *lines += text[i] == '\n';
        *words += !is_end && (i == 0 || text[i - 1] == '\n' || is_blank(text[i - 1]));
    }
    *lines = *lines < PTL_RULES_MAX ? *lines : PTL_RULES_MAX;
}

/* An empty one, with room for what the text has, and a copy of it.  False: no memory. */
static bool make(struct making *making, const char *text, size_t size)
{
    size_t lines, words;

    measure(text, size, &lines, &words);
    size_t bytes = sizeof(struct ptl_rules) + lines * sizeof(struct ptl_rule) +
                   words * sizeof(struct ptl_pattern) + size;
    struct ptl_rules *rules = ptl_alloc(ptl_allocator_libc(), bytes);
    if (rules == NULL) {
        return false;
    }
    making->rules = rules;
    making->rule = (struct ptl_rule *)(rules + 1);
    making->object = (struct ptl_pattern *)(making->rule + lines);
    char *copy = (char *)(making->object + words);
    memcpy(copy, text, size);
    atomic_init(&rules->holds, 1);
    rules->bytes = bytes;
    rules->rules = making->rule;
    rules->objects = making->object;
    rules->text = copy;
    return true;
}

int ptl_rules_read(const char *text, size_t size, ptl_rules_mistake_fn *tell, void *data,
                   struct ptl_rules **rules)
{
    struct reading reading = {.tell = tell, .data = data};
    struct making making;

    if (size > PTL_RULES_BYTES_MAX) {
        wrong(&reading, "larger than %zu bytes", PTL_RULES_BYTES_MAX);
        return PTL_ERULES;
    }
    if (!make(&making, size != 0 ? text : "", size)) {
        return PTL_ENOMEM;
    }
    struct ptl_span rest = ptl_span(making.rules->text, size);
    while (rest.size != 0 && reading.mistakes < PTL_RULES_MISTAKES_MAX) {
        reading.line++;
        read_line(&reading, &making, take_line(&rest));
    }
    if (reading.mistakes != 0) {
        ptl_rules_free(making.rules);
        return PTL_ERULES;
    }
    *rules = making.rules;
    return PTL_OK;
}

/* ---- A question ---------------------------------------------------------------------------- */

/* Exactly one of them: its number. */
static bool read_one(struct reading *reading, const char *what, unsigned bits, uint8_t *number)
{
    if ((bits & (bits - 1)) != 0) {
        return wrong(reading, "a question has one %s", what);
    }
    *number = (uint8_t)__builtin_ctz(bits);
    return true;
}

static bool read_question(struct reading *reading, const struct ptl_span words[], size_t count,
                          struct ptl_rule_question *question)
{
    struct parts parts;

    if (!read_parts(reading, words, count, &parts) ||
        !read_one(reading, "action", parts.actions, &question->action) ||
        !read_one(reading, "proof", parts.proofs != 0 ? parts.proofs : BIT(PTL_PROOF_SECRET),
                  &question->proof)) {
        return false;
    }
    bool has_object = (parts.actions & WITHOUT_OBJECT) == 0;
    if (has_object && parts.object_count != 1) {
        return wrong(reading, "%s what?  One object is wanted", action_names[question->action]);
    }
    question->node = parts.node;
    question->object = has_object ? parts.objects[0] : ptl_span("", 0);
    question->object_kind = is(question->object, "@made")      ? PTL_OBJECT_MADE
                            : is(question->object, "@spawned") ? PTL_OBJECT_SPAWNED
                                                               : PTL_OBJECT_NAMED;
    return true;
}

int ptl_rules_ask(const struct ptl_rules *rules, const char *const words[], size_t count,
                  ptl_rules_mistake_fn *tell, void *data, unsigned *line)
{
    struct reading reading = {.tell = tell, .data = data};
    struct ptl_rule_question question;
    struct words asked;

    for (asked.count = 0; asked.count < count && asked.count < WORDS_MAX; asked.count++) {
        asked.at[asked.count] = ptl_span_text(words[asked.count]);
        if (asked.at[asked.count].size == 0) {
            wrong(&reading, "a word of the question is empty");
            return PTL_EINVAL;
        }
    }
    if (!read_question(&reading, asked.at, asked.count, &question)) {
        return PTL_EINVAL;
    }
    struct ptl_rule_verdict verdict = ptl_rules_decide(rules, &question);
    *line = verdict.line;
    return verdict.allows ? 1 : 0;
}

/* ---- Life ---------------------------------------------------------------------------------- */

struct ptl_rules *ptl_rules_hold(struct ptl_rules *rules)
{
    if (rules != NULL) {
        atomic_fetch_add_explicit(&rules->holds, 1, memory_order_relaxed);
    }
    return rules;
}

void ptl_rules_free(struct ptl_rules *rules)
{
    if (rules != NULL && atomic_fetch_sub_explicit(&rules->holds, 1, memory_order_acq_rel) == 1) {
        ptl_free(ptl_allocator_libc(), rules, rules->bytes);
    }
}

unsigned ptl_rules_count(const struct ptl_rules *rules)
{
    return rules->count;
}
