#include "tests/replay/database.h"

#include "tests/peer/values.h"
#include "tests/replay/meaning.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Entries -------------------------------------------------------------------------------- */

static struct entry *find(const struct entries *entries, const char *family, const char *key)
{
    for (size_t i = 0; i < entries->count; i++) {
        struct entry *entry = &entries->at[i];
        if (strcmp(entry->family, family) == 0 && strcmp(entry->key, key) == 0) {
            return entry;
        }
    }
    return NULL;
}

const struct entry *entries_find(const struct entries *entries, const char *family, const char *key)
{
    return find(entries, family, key);
}

static struct ptl_msg *null_value(void)
{
    struct ptl_msg *value;

    assert_int_equal(ptl_msg_make(NULL, &value, "n"), 0);
    return value;
}

void entries_set(struct entries *entries, const char *family, const char *key,
                 const struct ptl_msg *value)
{
    struct ptl_msg *kept = value != NULL ? ptl_msg_keep(value) : null_value();
    struct entry *entry = find(entries, family, key);

    assert_non_null(kept);
    if (entry != NULL) {
        ptl_msg_free(entry->value);
        entry->value = kept;
        return;
    }
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity == 0 ? 16 : 2 * entries->capacity;
        entries->at = realloc(entries->at, entries->capacity * sizeof(*entries->at));
        assert_non_null(entries->at);
    }
    entries->at[entries->count++] =
        (struct entry){.family = strdup(family), .key = strdup(key), .value = kept};
}

static void take_out(struct entries *entries, struct entry *entry)
{
    free(entry->family);
    free(entry->key);
    ptl_msg_free(entry->value);
    *entry = entries->at[--entries->count];
}

void entries_del(struct entries *entries, const char *family, const char *key)
{
    struct entry *entry = find(entries, family, key);

    if (entry != NULL) {
        take_out(entries, entry);
    }
}

void entries_del_family(struct entries *entries, const char *family)
{
    for (size_t i = entries->count; i-- > 0;) {
        if (strcmp(entries->at[i].family, family) == 0) {
            take_out(entries, &entries->at[i]);
        }
    }
}

void entries_add_family(struct entries *to, const struct entries *from, const char *family)
{
    for (size_t i = 0; i < from->count; i++) {
        if (strcmp(from->at[i].family, family) == 0) {
            entries_set(to, family, from->at[i].key, from->at[i].value);
        }
    }
}

void entries_copy(struct entries *to, const struct entries *from)
{
    *to = (struct entries){0};
    for (size_t i = 0; i < from->count; i++) {
        entries_set(to, from->at[i].family, from->at[i].key, from->at[i].value);
    }
}

void entries_drop(struct entries *entries)
{
    while (entries->count > 0) {
        take_out(entries, &entries->at[entries->count - 1]);
    }
    free(entries->at);
    *entries = (struct entries){0};
}

/* The elements of an array, each a message of its own; 0: it is none. */
static uint32_t elements_of(const struct ptl_msg *value, struct ptl_msg *elements[static 64])
{
    struct ptl_cursor cursor = ptl_msg_begin(value);
    struct ptl_value head;

    if (ptl_next(&cursor, &head) < 0 || head.type != PTL_ARRAY) {
        return 0;
    }
    assert_true(head.count < 64);
    for (uint32_t i = 0; i < head.count; i++) {
        struct ptl_writer writer;
        ptl_writer_init(&writer, NULL);
        (void)peer_put_values(&writer, &cursor, 1);
        assert_int_equal(ptl_writer_finish(&writer, &elements[i]), 0);
    }
    return head.count;
}

/* Every element of `a` has one of its own in `b`. */
static bool same_elements(struct ptl_msg *a[], struct ptl_msg *b[], uint32_t count)
{
    bool used[64] = {false};

    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = 0;
        while (j < count && (used[j] || !meaning_same_values(a[i], b[j]))) {
            j++;
        }
        if (j == count) {
            return false;
        }
        used[j] = true;
    }
    return true;
}

/* Equal, or arrays of the same elements: keys and values of a family come in any order. */
static bool same_value(const struct ptl_msg *a, const struct ptl_msg *b)
{
    struct ptl_msg *left[64], *right[64];

    if (meaning_same_values(a, b)) {
        return true;
    }
    uint32_t left_count = elements_of(a, left), right_count = elements_of(b, right);
    bool same =
        left_count > 0 && left_count == right_count && same_elements(left, right, left_count);
    while (left_count > 0) {
        ptl_msg_free(left[--left_count]);
    }
    while (right_count > 0) {
        ptl_msg_free(right[--right_count]);
    }
    return same;
}

bool entries_same(const struct entries *a, const struct entries *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct entry *other = find(b, a->at[i].family, a->at[i].key);
        if (other == NULL || !same_value(a->at[i].value, other->value)) {
            return false;
        }
    }
    return a->count == b->count;
}

bool entries_same_at(const struct entries *a, const struct entries *b, const struct entries *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct entry *left = find(a, keys->at[i].family, keys->at[i].key);
        const struct entry *right = find(b, keys->at[i].family, keys->at[i].key);
        if (left == NULL ? right != NULL
                         : right == NULL || !same_value(left->value, right->value)) {
            return false;
        }
    }
    return true;
}

void entries_show(const char *title, const struct entries *entries)
{
    fprintf(stderr, "  %s:\n", title);
    for (size_t i = 0; i < entries->count; i++) {
        char *json = ptl_msg_json(entries->at[i].value);
        fprintf(stderr, "    %s / %s = %.160s\n", entries->at[i].family, entries->at[i].key,
                json != NULL ? json : "?");
        free(json);
    }
}

/* ---- Packets -------------------------------------------------------------------------------- */

char *packet_text(const struct packet *packet, unsigned index)
{
    struct ptl_span string = packet_string(packet, index);

    return strndup((const char *)string.bytes, string.size);
}

struct ptl_msg *packet_rest(const struct packet *packet, uint32_t index)
{
    struct ptl_msg *rest;

    assert_int_equal(peer_rest_of(NULL, NULL, packet->msg, index, &rest), 0);
    return rest;
}

/* The next value's text, when it is a string.  Owns: the caller, until free(). */
static char *next_text(struct ptl_cursor *cursor)
{
    struct ptl_span string;

    return ptl_next_string(cursor, &string) == 0 ? strndup((const char *)string.bytes, string.size)
                                                 : NULL;
}

static void each_pair(struct ptl_cursor *cursor, const char *family, entry_fn *each, void *data)
{
    struct ptl_value head;

    if (ptl_next(cursor, &head) < 0 || head.type != PTL_MAP) {
        return;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        char *key = next_text(cursor);
        struct ptl_writer writer;
        struct ptl_msg *value;
        assert_non_null(key);
        ptl_writer_init(&writer, NULL);
        (void)peer_put_values(&writer, cursor, 1);
        assert_int_equal(ptl_writer_finish(&writer, &value), 0);
        each(family, key, value, data);
        ptl_msg_free(value);
        free(key);
    }
}

static void each_deleted(struct ptl_cursor *cursor, const char *family, entry_fn *each, void *data)
{
    struct ptl_value head;

    if (ptl_next(cursor, &head) < 0 || head.type != PTL_ARRAY) {
        return;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        char *key = next_text(cursor);
        assert_non_null(key);
        each(family, key, NULL, data);
        free(key);
    }
}

/* A whole database: {FAMILY: {KEY: VALUE}}. */
static void each_family(struct ptl_cursor *cursor, entry_fn *each, void *data)
{
    struct ptl_value head;

    if (ptl_next(cursor, &head) < 0 || head.type != PTL_MAP) {
        return;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        char *family = next_text(cursor);
        assert_non_null(family);
        each_pair(cursor, family, each, data);
        free(family);
    }
}

static bool requests_any(const struct packet *packet, const char *const requests[])
{
    for (size_t i = 0; requests[i] != NULL; i++) {
        if (packet_requests(packet, requests[i])) {
            return true;
        }
    }
    return false;
}

void packet_entries(const struct packet *packet, entry_fn *each, void *data)
{
    static const char *const wholes[] = {"g_slave", "g_set", NULL};
    static const char *const parts[] = {"g_upd", "g_chg1", "g_chg2", NULL};
    struct ptl_cursor cursor = ptl_msg_begin(packet->msg);
    struct ptl_cursor map;

    (void)ptl_skip(&cursor);
    if (requests_any(packet, wholes)) {
        each_family(&cursor, each, data);
    } else if (requests_any(packet, parts)) {
        char *family = next_text(&cursor);
        assert_non_null(family);
        map = cursor;
        each_pair(&map, family, each, data);
        if (ptl_skip(&cursor) == 0) {
            each_deleted(&cursor, family, each, data);
        }
        free(family);
    }
}

/* ---- Folding -------------------------------------------------------------------------------- */

static void apply(const char *family, const char *key, const struct ptl_msg *value, void *data)
{
    if (value != NULL) {
        entries_set(data, family, key, value);
    } else {
        entries_del(data, family, key);
    }
}

static void take_slave(struct said *said, const struct packet *packet)
{
    if (packet->msg->count < 2) {
        said->slave = true;
        return;
    }
    said->attached = true;
    entries_drop(&said->of[SAID_GIVEN]);
    packet_entries(packet, apply, &said->of[SAID_GIVEN]);
}

/* A global node forgets what it had from one that says it is global too. */
static void take_global(struct said *said, const struct packet *packet)
{
    (void)packet;
    said->global = true;
    entries_drop(&said->of[SAID_GIVEN]);
}

/* Also of g_set: who says it has said g_global before. */
static void take_update(struct said *said, const struct packet *packet)
{
    packet_entries(packet, apply, &said->of[SAID_GIVEN]);
}

static void take_copy(struct said *said, const struct packet *packet)
{
    char *family = packet_text(packet, 1);

    entries_del_family(&said->of[SAID_TOLD], family);
    entries_set(&said->of[SAID_COPIED], family, "", NULL);
    packet_entries(packet, apply, &said->of[SAID_TOLD]);
    free(family);
}

static void take_change(struct said *said, const struct packet *packet)
{
    packet_entries(packet, apply, &said->of[SAID_TOLD]);
}

static void take_watch(struct said *said, const struct packet *packet)
{
    char *family = packet_text(packet, 1);

    if (packet_requests(packet, "g_mon1")) {
        entries_set(&said->of[SAID_WATCHING], family, "", NULL);
    } else {
        entries_del(&said->of[SAID_WATCHING], family, "");
    }
    free(family);
}

static void take_question(struct said *said, const struct packet *packet)
{
    char *request = packet_text(packet, 0), *family = packet_text(packet, 1);
    struct ptl_msg *rest = packet_rest(packet, 2), *id;
    struct ptl_cursor cursor = ptl_msg_begin(rest);
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    assert_int_equal(peer_put_values(&writer, &cursor, 1), 0);
    assert_int_equal(ptl_writer_finish(&writer, &id), 0);
    entries_set(&said->of[SAID_ASKED], request, family, id);
    ptl_msg_free(id);
    ptl_msg_free(rest);
    free(request);
    free(family);
}

static void take_into(struct entries *entries, const struct packet *packet)
{
    char *key = packet_text(packet, 1);
    struct ptl_msg *rest = packet_rest(packet, 2);

    entries_set(entries, "", key, packet->msg->count > 2 ? rest : NULL);
    ptl_msg_free(rest);
    free(key);
}

static void take_answer(struct said *said, const struct packet *packet)
{
    take_into(&said->of[SAID_ANSWERED], packet);
}

static void take_search(struct said *said, const struct packet *packet)
{
    take_into(&said->of[SAID_SOUGHT], packet);
}

static void take_found(struct said *said, const struct packet *packet)
{
    take_into(&said->of[SAID_FOUND], packet);
}

void said_take(struct said *said, const struct packet *packet)
{
    static const struct {
        const char *request;
        void (*take)(struct said *, const struct packet *);
    } takers[] = {
        {"g_slave", take_slave},        {"g_global", take_global},
        {"g_set", take_update},         {"g_upd", take_update},
        {"g_chg1", take_copy},          {"g_chg2", take_change},
        {"g_mon1", take_watch},         {"g_mon0", take_watch},
        {"g_db_family", take_question}, {"g_db_keys", take_question},
        {"g_db_values", take_question}, {"g_reply", take_answer},
        {"g_find", take_search},        {"g_found", take_found},
    };

    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++) {
        if (packet_requests(packet, takers[i].request)) {
            takers[i].take(said, packet);
        }
    }
}

void said_drop(struct said *said)
{
    for (unsigned kind = 0; kind < SAID_KINDS; kind++) {
        entries_drop(&said->of[kind]);
    }
    *said = (struct said){0};
}
