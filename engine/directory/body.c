#include "engine/directory/body.h"

#include "engine/directory/key.h"

/* ---- What all have --------------------------------------------------------------------------- */

static int put_text(struct ptl_writer *writer, struct ptl_span text)
{
    return ptl_put_text(writer, (const char *)text.bytes, text.size);
}

static struct ptl_span next_text(struct ptl_cursor *cursor)
{
    struct ptl_span text = ptl_span(NULL, 0);
    int err = ptl_next_string(cursor, &text);

    ptl_assert(err == PTL_OK);
    return text;
}

static uint8_t next_small(struct ptl_cursor *cursor)
{
    struct ptl_value value;
    int err = ptl_next(cursor, &value);

    ptl_assert(err == PTL_OK && value.type == PTL_INT);
    ptl_assert(value.integer >= 0 && value.integer <= UINT8_MAX);
    return (uint8_t)value.integer;
}

static struct ptl_span next_value(struct ptl_cursor *cursor)
{
    struct ptl_span value = ptl_span(NULL, 0);
    int err = ptl_next_span(cursor, &value);

    ptl_assert(err == PTL_OK);
    return value;
}

/* One null is read as what is not there. */
static bool skip_null(struct ptl_cursor *cursor)
{
    bool null = cursor->at != cursor->end && *cursor->at == PTL_CBOR_NULL;

    cursor->at += null;
    return null;
}

/* ---- Family, key, value ---------------------------------------------------------------------- */

int ptl_body_put_entry(struct ptl_writer *writer, struct ptl_span family, struct ptl_span key,
                       const struct ptl_msg *value)
{
    ptl_assert(value == NULL || value->count == 1);
    put_text(writer, family);
    put_text(writer, key);
    return value != NULL ? ptl_put_values(writer, value) : ptl_put_null(writer);
}

struct ptl_body_entry ptl_body_entry(struct ptl_span body)
{
    struct ptl_cursor cursor = ptl_cursor_of(body);
    struct ptl_body_entry entry;

    entry.family = next_text(&cursor);
    entry.key = next_text(&cursor);
    entry.value = ptl_cursor_rest(&cursor); /* one value: it may be long, and needs no reading */
    ptl_assert(entry.value.size != 0);
    return entry;
}

/* ---- What, family, key or null, the asker ---------------------------------------------------- */

int ptl_body_put_question(struct ptl_writer *writer, unsigned what, struct ptl_span family,
                          struct ptl_span key)
{
    ptl_put_uint(writer, what);
    put_text(writer, family);
    return key.size != 0 ? put_text(writer, key) : ptl_put_null(writer);
}

struct ptl_body_question ptl_body_question(struct ptl_span body)
{
    struct ptl_cursor cursor = ptl_cursor_of(body);
    struct ptl_body_question question = {0};

    question.what = next_small(&cursor);
    question.family = next_text(&cursor);
    if (!skip_null(&cursor)) {
        question.key = next_text(&cursor);
    }
    question.asker = next_value(&cursor);
    ptl_assert(cursor.at == cursor.end);
    return question;
}

/* ---- Family, how, filter --------------------------------------------------------------------- */

int ptl_body_put_watch(struct ptl_writer *writer, const struct ptl_body_watch *watch)
{
    put_text(writer, watch->family);
    ptl_put_uint(writer, watch->how);
    return put_text(writer, watch->filter);
}

struct ptl_body_watch ptl_body_watch(struct ptl_span body)
{
    struct ptl_cursor cursor = ptl_cursor_of(body);
    struct ptl_body_watch watch;

    watch.family = next_text(&cursor);
    watch.how = next_small(&cursor);
    watch.filter = next_text(&cursor);
    ptl_assert(cursor.at == cursor.end);
    return watch;
}

/* ---- Event, key, value or null; and again ---------------------------------------------------- */

void ptl_body_put_change(struct ptl_buffer *out, const struct ptl_body_change *change)
{
    ptl_cbor_put_head(out, PTL_CBOR_UINT, change->event);
    ptl_cbor_put_string(out, PTL_CBOR_TEXT, change->key);
    if (change->value.size != 0) {
        ptl_buffer_append(out, change->value.bytes, change->value.size);
    } else {
        ptl_buffer_byte(out, PTL_CBOR_NULL);
    }
}

struct ptl_body_change ptl_body_next_change(struct ptl_cursor *cursor)
{
    struct ptl_body_change change;

    change.event = next_small(cursor);
    change.key = next_text(cursor);
    change.value = next_value(cursor);
    ptl_assert(change.key.size <= PTL_DB_KEY_MAX);
    return change;
}
