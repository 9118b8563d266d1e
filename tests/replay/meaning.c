#include "tests/replay/meaning.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Values -------------------------------------------------------------------------------- */

static bool is_string(const struct ptl_value *value)
{
    return value->type == PTL_BYTES || value->type == PTL_TEXT;
}

/* The next character of a string; `at` moves on. */
static uint32_t next_character(const struct ptl_value *string, size_t *at)
{
    const uint8_t *bytes = (const uint8_t *)string->string.chars + *at;
    size_t size = bytes[0] < 0xc0 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;

    if (string->type == PTL_BYTES || size == 1) {
        (*at)++;
        return bytes[0];
    }
    uint32_t character = bytes[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        character = character << 6 | (bytes[i] & 0x3f);
    }
    *at += size;
    return character;
}

static bool same_strings(const struct ptl_value *a, const struct ptl_value *b)
{
    size_t a_at = 0, b_at = 0;

    while (a_at < a->string.size && b_at < b->string.size) {
        if (next_character(a, &a_at) != next_character(b, &b_at)) {
            return false;
        }
    }
    return a_at == a->string.size && b_at == b->string.size;
}

static bool same_next(struct ptl_cursor *a, struct ptl_cursor *b);

static bool same_elements(struct ptl_cursor *a, struct ptl_cursor *b, uint32_t count)
{
    while (count-- > 0) {
        if (!same_next(a, b)) {
            return false;
        }
    }
    return true;
}

static void skip_values(struct ptl_cursor *cursor, uint32_t count)
{
    while (count-- > 0) {
        assert_int_equal(ptl_skip(cursor), 0);
    }
}

/* Every pair of `a` is somewhere in `b`, which has as many. */
static bool same_pairs(struct ptl_cursor *a, struct ptl_cursor *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < count && !found; j++) {
            struct ptl_cursor pair = *a, other = *b;
            skip_values(&other, 2 * j);
            found = same_elements(&pair, &other, 2);
        }
        if (!found) {
            return false;
        }
        skip_values(a, 2);
    }
    skip_values(b, 2 * count);
    return true;
}

static bool same_next(struct ptl_cursor *a, struct ptl_cursor *b)
{
    struct ptl_value left, right;

    if (ptl_next(a, &left) < 0 || ptl_next(b, &right) < 0) {
        return false;
    }
    if (is_string(&left) && is_string(&right)) {
        return same_strings(&left, &right);
    }
    if (left.type != right.type) {
        return false;
    }
    switch (left.type) {
    case PTL_NULL:
        return true;
    case PTL_BOOL:
        return left.boolean == right.boolean;
    case PTL_INT:
        return left.integer == right.integer;
    case PTL_UINT:
        return left.natural == right.natural;
    case PTL_FLOAT:
        return memcmp(&left.real, &right.real, sizeof left.real) == 0;
    case PTL_ARRAY:
        return left.count == right.count && same_elements(a, b, left.count);
    case PTL_MAP:
        return left.count == right.count && same_pairs(a, b, left.count);
    default:
        return false;
    }
}

bool meaning_same_values(const struct ptl_msg *a, const struct ptl_msg *b)
{
    struct ptl_cursor left = ptl_msg_begin(a), right = ptl_msg_begin(b);

    return a->count == b->count && same_elements(&left, &right, a->count);
}

/* ---- What cannot be equal -------------------------------------------------------------------- */

/* The values before the last are equal; the last ones are the caller's to judge. */
static bool same_but_last(const struct packet *expected, const struct packet *got,
                          struct ptl_value *wanted, struct ptl_value *value)
{
    struct ptl_cursor left = ptl_msg_begin(expected->msg), right = ptl_msg_begin(got->msg);
    uint32_t count = expected->msg->count;

    return count > 0 && got->msg->count == count && same_elements(&left, &right, count - 1) &&
           ptl_next(&left, wanted) == 0 && ptl_next(&right, value) == 0;
}

/* The time now, a float.  In JSON it may by chance have no digits after the point. */
static bool is_time(const struct packet *expected, const struct packet *got, const char *node)
{
    struct ptl_value wanted, value;

    (void)node;
    return same_but_last(expected, got, &wanted, &value) &&
           ((value.type == PTL_FLOAT && value.real > 1.7e9) ||
            (value.type == PTL_INT && value.integer > 1700000000));
}

/* A real node says "1" and "", ours true and false. */
static bool is_truth(const struct packet *expected, const struct packet *got, const char *node)
{
    struct ptl_value wanted, value;

    (void)node;
    return same_but_last(expected, got, &wanted, &value) && is_string(&wanted) &&
           value.type == PTL_BOOL && value.boolean == (wanted.string.size > 0);
}

/* The values that came with the request, and an error. */
static bool is_refusal(const struct packet *expected, const struct packet *got, const char *node)
{
    (void)node;
    (void)expected;
    return got->msg->count == 2 && packet_string(got, 1).size > 0;
}

/* The ID of a port that the node has made: the names differ. */
static bool is_made_port(const struct packet *expected, const struct packet *got, const char *node)
{
    struct ptl_value wanted, value;
    size_t size = strlen(node);

    return same_but_last(expected, got, &wanted, &value) && is_string(&value) &&
           value.string.size > size + 1 && memcmp(value.string.chars, node, size) == 0 &&
           value.string.chars[size] == '#';
}

/* By the first value of messages, as the recorded programs chose them. */
static const struct {
    const char *tag;
    bool (*holds)(const struct packet *, const struct packet *, const char *);
} expectations[] = {
    {"time", is_time},        {"time-tag", is_time},      {"can", is_truth},
    {"can-time", is_truth},   {"can-nonsense", is_truth}, {"eval", is_refusal},
    {"strict", is_made_port},
};

bool meaning_same(const struct packet *expected, const struct packet *got, const char *node)
{
    if (strcmp(expected->name, got->name) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++) {
        const char *tag = expectations[i].tag;
        if (node != NULL && expected->name_size > 0 && ptl_msg_is(expected->msg, tag)) {
            return ptl_msg_is(got->msg, tag) && expectations[i].holds(expected, got, node);
        }
    }
    return meaning_same_values(expected->msg, got->msg);
}

/* ---- Order and the whole ------------------------------------------------------------------- */

bool meaning_ordered(const struct packet *a, const struct packet *b)
{
    return strcmp(a->name, b->name) == 0 &&
           (a->name_size > 0 || ptl_span_equal(packet_string(a, 1), packet_string(b, 1)));
}

bool meaning_none(const struct packet *packet)
{
    struct ptl_span request = packet_string(packet, 0);

    return packet->name_size == 0 && (request.size == 0 || packet_requests(packet, "devnull") ||
                                      (request.size > 2 && memcmp(request.bytes, "g_", 2) == 0));
}

static void show(const char *title, const struct packets *packets)
{
    fprintf(stderr, "  %s:\n", title);
    for (size_t i = 0; i < packets->count; i++) {
        const struct packet *packet = &packets->at[i];
        char *json = ptl_msg_json(packet->msg);
        if (!packet->used && !meaning_none(packet)) {
            fprintf(stderr, "    \"%s\" %.160s\n", packet->name, json != NULL ? json : "?");
        }
        free(json);
    }
}

/* The packet of `got` that `expected` stands for; NULL: there is none. */
static struct packet *find_match(const struct packet *expected, struct packets *got,
                                 const char *node, bool in_turn)
{
    for (size_t i = 0; i < got->count; i++) {
        struct packet *candidate = &got->at[i];
        if (candidate->used || !meaning_ordered(expected, candidate)) {
            continue;
        }
        bool same = meaning_same(expected, candidate, node);
        if (same || in_turn || expected->name_size == 0) {
            return same ? candidate : NULL;
        }
    }
    return NULL;
}

void meaning_compare(const char *title, struct packets *expected, struct packets *got,
                     const char *node, bool in_turn)
{
    bool all = true;

    for (size_t i = 0; i < expected->count; i++) {
        struct packet *packet = &expected->at[i];
        struct packet *match = meaning_none(packet) ? NULL : find_match(packet, got, node, in_turn);
        packet->used = match != NULL;
        all = all && (match != NULL || meaning_none(packet));
        if (match != NULL) {
            match->used = true;
        }
    }
    for (size_t i = 0; i < got->count; i++) {
        all = all && (got->at[i].used || meaning_none(&got->at[i]));
    }
    if (!all) {
        fprintf(stderr, "%s: answers differ\n", title);
        show("expected and not there", expected);
        show("there and not expected", got);
        fail();
    }
}
