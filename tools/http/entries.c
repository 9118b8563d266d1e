#include "tools/http/entries.h"

#include "tools/reply.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    const char *key;
    size_t key_size;
    struct ptl_cursor value;
    size_t bytes;
};

/* The first keys of those that are wanted, in order; one more than are shown, to know of it. */
struct page {
    const struct ptl_entries_wish *wish;
    struct entry entries[PTL_ENTRIES_SHOWN + 1];
    unsigned count;
    uint64_t found; /* wanted, on whatever page */
};

static int compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static bool begins_alike(const char *text, const char *find, size_t size)
{
    size_t i = 0;

    while (i < size && tolower((unsigned char)text[i]) == tolower((unsigned char)find[i])) {
        i++;
    }
    return i == size;
}

static bool is_wanted(const struct ptl_entries_wish *wish, const struct entry *entry)
{
    for (size_t at = 0; at + wish->find_size <= entry->key_size; at++) {
        if (begins_alike(entry->key + at, wish->find, wish->find_size)) {
            return true;
        }
    }
    return false;
}

static void put_in_order(struct page *page, const struct entry *entry)
{
    unsigned at = page->count;

    while (at > 0 && compare(entry->key, entry->key_size, page->entries[at - 1].key,
                             page->entries[at - 1].key_size) < 0) {
        at--;
    }
    if (at > PTL_ENTRIES_SHOWN) {
        return;
    }
    page->count += page->count <= PTL_ENTRIES_SHOWN;
    memmove(&page->entries[at + 1], &page->entries[at],
            (page->count - 1 - at) * sizeof page->entries[0]);
    page->entries[at] = *entry;
}

static void look_at(struct page *page, const struct entry *entry)
{
    const struct ptl_entries_wish *wish = page->wish;

    if (is_wanted(wish, entry)) {
        page->found++;
        if (wish->after_size == 0 ||
            compare(entry->key, entry->key_size, wish->after, wish->after_size) > 0) {
            put_in_order(page, entry);
        }
    }
}

static int read_entry(struct ptl_cursor *cursor, struct entry *entry)
{
    struct ptl_value key;

    int err = ptl_next(cursor, &key);
    if (err < 0 || (key.type != PTL_TEXT && key.type != PTL_BYTES)) {
        return err < 0 ? err : PTL_ETYPE;
    }
    entry->key = key.string.chars;
    entry->key_size = key.string.size;
    entry->value = *cursor;
    err = ptl_skip(cursor);
    entry->bytes = (size_t)(cursor->at - entry->value.at);
    return err;
}

/* Returns how many keys the family has, or an error. */
static int64_t look_through(struct page *page, const struct ptl_msg *family)
{
    struct ptl_cursor cursor = ptl_msg_begin(family);
    struct ptl_value map;
    struct entry entry;

    int err = ptl_next(&cursor, &map);
    if (err < 0 || map.type != PTL_MAP) {
        return err < 0 ? err : PTL_ETYPE;
    }
    for (uint32_t i = 0; i < map.count; i++) {
        err = read_entry(&cursor, &entry);
        if (err < 0) {
            return err;
        }
        look_at(page, &entry);
    }
    return map.count;
}

/* ---- As JSON -------------------------------------------------------------------------------- */

/* The text of one value, without the brackets that a message has around it. */
static json_t *value_json(const struct entry *entry)
{
    struct ptl_cursor cursor = entry->value;
    struct ptl_writer writer;
    struct ptl_msg *msg;

    if (entry->bytes > PTL_ENTRIES_VALUE_MAX) {
        return json_null();
    }
    ptl_writer_init(&writer, NULL);
    int err = ptl_reply_values(&writer, &cursor, 1);
    if (err < 0) {
        ptl_writer_drop(&writer);
        return json_null();
    }
    err = ptl_writer_finish(&writer, &msg);
    char *text = err < 0 ? NULL : ptl_msg_json(msg);
    if (err == 0) {
        ptl_msg_free(msg);
    }
    json_t *value = text ? json_stringn(text + 1, strlen(text) - 2) : NULL;
    free(text);
    return value ? value : json_null();
}

static json_t *entry_json(const struct entry *entry)
{
    json_t *key = json_stringn(entry->key, entry->key_size);

    return json_pack("{s:o,s:o,s:I}", "key", key ? key : json_null(), "value", value_json(entry),
                     "bytes", (json_int_t)entry->bytes);
}

static json_t *page_json(const struct page *page, uint64_t keys)
{
    json_t *entries = json_array();

    for (unsigned i = 0; i < page->count && i < PTL_ENTRIES_SHOWN; i++) {
        json_array_append_new(entries, entry_json(&page->entries[i]));
    }
    return json_pack("{s:s,s:I,s:I,s:o,s:b}", "family", page->wish->family, "keys",
                     (json_int_t)keys, "found", (json_int_t)page->found, "entries", entries, "more",
                     page->count > PTL_ENTRIES_SHOWN);
}

static json_t *error_json(const struct ptl_entries_wish *wish, const char *text)
{
    return json_pack("{s:s,s:s}", "family", wish->family, "error", text);
}

json_t *ptl_entries_json(const struct ptl_entries_wish *wish, int err, const struct ptl_msg *family)
{
    if (err == PTL_ESIZE) {
        return error_json(wish, "too large to be shown here: see portolan db keys");
    }
    if (err < 0 || !family) {
        return error_json(wish, err < 0 ? ptl_err_text(err) : "the database has not answered");
    }
    struct page *page = calloc(1, sizeof *page);
    if (!page) {
        return NULL;
    }
    page->wish = wish;
    int64_t keys = look_through(page, family);
    json_t *json =
        keys < 0 ? error_json(wish, ptl_err_text((int)keys)) : page_json(page, (uint64_t)keys);
    free(page);
    return json;
}
