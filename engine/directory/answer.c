#include "engine/directory/answer.h"

#include "engine/directory/answer_bounds.h"
#include "engine/directory/key.h"
#include "engine/message/name.h"
#include "engine/port/fullness.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"

/* ---- Sending --------------------------------------------------------------------------------- */

static int send_body(struct ptl_shard *shard, const struct ptl_question *q, struct ptl_span body,
                     uint32_t count, enum ptl_way way)
{
    struct ptl_op op = {.kind = PTL_OP_MESSAGE, .body = body, .count = count};
    int err = ptl_route(shard->node, &q->to, &op, way);

    /* What was given in this turn: see ptl_answer_has_room(). */
    if (err == PTL_OK) {
        q->asker->bytes += body.size;
    }
    return err;
}

int ptl_answer_held(struct ptl_shard *shard, const struct ptl_question *q)
{
    ptl_assert(q->state == PTL_QUESTION_ANSWERED);
    return send_body(shard, q, ptl_msg_body(q->answer), q->answer->count, PTL_WAY_MESSAGE);
}

int ptl_answer_room(struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_asker *asker = q->asker;

    if (asker->turn != shard->now) {
        asker->turn = shard->now;
        asker->bytes = 0;
    }
    /* An answer may be large and its question is small: one asker gets no more than this in a
     * turn. */
    if (asker->bytes >= PTL_ANSWERS_TURN_BYTES) {
        return PTL_LATER;
    }
    unsigned place = ptl_place_of(shard->node, &q->to);
    bool is_full = !ptl_room_for(shard, &q->to) ||
                   /* since this turn began: */
                   ptl_is_full_outside(&shard->node->shards[place], &q->to);
    return is_full ? PTL_EFULL : PTL_OK;
}

/*
 * To a peer the request, its ID and one value; to a reply port an error and, after PTL_OK, one
 * value.
 */
static struct ptl_buffer *begin(struct ptl_shard *shard, const struct ptl_question *q, int err)
{
    struct ptl_buffer *packet = &shard->directory->packet;

    ptl_assert(packet->size_max == SIZE_MAX); /* whoever has lowered it has put it back */
    ptl_buffer_clear(packet);
    if (!ptl_question_is_peers(q)) {
        if (err < 0) {
            ptl_cbor_put_head(packet, PTL_CBOR_NEGATIVE, (uint64_t)(-1 - (int64_t)err));
        } else {
            ptl_buffer_byte(packet, 0);
        }
        return packet;
    }
    ptl_key_put(packet, ptl_span_text(q->what == PTL_ASK_FIND ? "g_found" : "g_reply"));
    struct ptl_span tag = ptl_msg_body(q->tag);
    ptl_buffer_append(packet, tag.bytes, tag.size);
    if (err < 0) {
        ptl_buffer_byte(packet, PTL_CBOR_NULL);
    }
    return packet;
}

static uint32_t value_count(const struct ptl_question *q, int err)
{
    return ptl_question_is_peers(q) ? 3 : err < 0 ? 1 : 2;
}

int ptl_answer_error(struct ptl_shard *shard, const struct ptl_question *q, int err)
{
    struct ptl_buffer *packet = begin(shard, q, err);

    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    /* Small, and no more than there are questions: what may be under way of those is bounded. */
    return send_body(shard, q, ptl_buffer_span(packet), value_count(q, err), PTL_WAY_OWN);
}

/* ---- From the store -------------------------------------------------------------------------- */

static void put_item(struct ptl_buffer *out, const struct ptl_question *q,
                     const struct ptl_item *item)
{
    if (q->what != PTL_ASK_VALUES) {
        ptl_key_put(out, item->key);
    }
    if (q->what != PTL_ASK_KEYS) {
        ptl_buffer_append(out, item->value.bytes, item->value.size);
    }
}

static void put_family(struct ptl_shard *shard, const struct ptl_question *q,
                       struct ptl_buffer *out)
{
    const struct ptl_store *store = shard->directory->store;
    struct ptl_walk walk = ptl_store_walk_family(store, ptl_question_family(q));
    uint32_t count = ptl_store_family_count(store, ptl_question_family(q));
    struct ptl_item item;

    ptl_cbor_put_head(out, q->what == PTL_ASK_FAMILY ? PTL_CBOR_MAP : PTL_CBOR_ARRAY, count);
    while (out->err == PTL_OK && ptl_store_next(&walk, &item)) {
        put_item(out, q, &item);
    }
}

/*
 * Whether a family is too large for an answer: looked at before a byte of it is copied.  What was
 * looked at counts as made in this turn, so that asking for what is too large is no cheap way to
 * keep a shard busy.
 */
static bool exceeds(struct ptl_shard *shard, const struct ptl_question *q, size_t max)
{
    struct ptl_walk walk = ptl_store_walk_family(shard->directory->store, ptl_question_family(q));
    struct ptl_item item;
    size_t size = 0;

    while (size <= max && ptl_store_next(&walk, &item)) {
        size += q->what != PTL_ASK_VALUES ? item.key.size + 1 : 0;
        size += q->what != PTL_ASK_KEYS ? item.value.size : 0;
    }
    q->asker->bytes += size;
    return size > max;
}

/* What the store says; returns PTL_OK or why there is no answer. */
static int put_result(struct ptl_shard *shard, const struct ptl_question *q, struct ptl_buffer *out)
{
    struct ptl_item item;

    if (q->key_size == 0) {
        if (exceeds(shard, q, out->size_max)) {
            return PTL_ESIZE;
        }
        put_family(shard, q, out);
        return PTL_OK;
    }
    bool found =
        ptl_store_get(shard->directory->store, ptl_question_family(q), ptl_question_key(q), &item);
    if (q->what == PTL_ASK_FAMILY || q->what == PTL_ASK_KEYS || q->what == PTL_ASK_VALUES) {
        /* A peer that wants one key only. */
        ptl_cbor_put_head(out, q->what == PTL_ASK_FAMILY ? PTL_CBOR_MAP : PTL_CBOR_ARRAY, found);
        if (found) {
            put_item(out, q, &item);
        }
        return PTL_OK;
    }
    if (!found) {
        return PTL_ENOKEY;
    }
    ptl_buffer_append(out, item.value.bytes, item.value.size);
    return PTL_OK;
}

int ptl_answer_from_store(struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_buffer *packet = begin(shard, q, PTL_OK);

    packet->size_max = ptl_answer_size_max(shard, q);
    int err = put_result(shard, q, packet);
    packet->size_max = SIZE_MAX;
    err = err < 0 ? err : packet->err;
    if (err == PTL_ENOMEM) {
        return err;
    }
    /* Too large, or no such key: that is an answer, too. */
    if (err < 0) {
        return ptl_answer_error(shard, q, err);
    }
    return send_body(shard, q, ptl_buffer_span(packet), value_count(q, PTL_OK), PTL_WAY_MESSAGE);
}

/* ---- From a master --------------------------------------------------------------------------- */

/* The value of this key in the map that a master answers with. */
static int pick(const struct ptl_question *q, struct ptl_cursor cursor, struct ptl_span *value)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_value head;
    struct ptl_span key;

    if (ptl_next(&cursor, &head) < 0 || head.type != PTL_MAP) {
        return PTL_ETYPE;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        int err = ptl_key_next(&cursor, room, &key);
        if (err == PTL_EEND || ptl_next_span(&cursor, value) < 0) {
            return PTL_ETYPE;
        }
        /* A key that is none is another's mistake: the one that is looked for may still come. */
        if (err == PTL_OK && ptl_span_equal(key, ptl_question_key(q))) {
            return PTL_OK;
        }
    }
    return PTL_ENOKEY;
}

/* Whether what is given is null since we may not ask: a node of ours says so behind it. */
static bool is_denied(struct ptl_cursor cursor)
{
    struct ptl_value value;
    struct ptl_span word;

    return ptl_next(&cursor, &value) == PTL_OK && value.type == PTL_NULL &&
           ptl_next_string(&cursor, &word) == PTL_OK &&
           ptl_span_equal(word, ptl_span_text(PTL_ANSWER_DENIED));
}

/* A master says what a family has; whoever asked for one key finds it in there. */
static int result_of(const struct ptl_question *q, struct ptl_span body, struct ptl_span *value)
{
    struct ptl_cursor cursor = ptl_cursor_of(body);
    struct ptl_cursor ahead = cursor;
    struct ptl_value head;

    if (is_denied(cursor)) {
        return PTL_EDENIED;
    }
    if (q->what == PTL_ASK_GET || q->what == PTL_ASK_FIND) {
        return pick(q, cursor, value);
    }
    if (ptl_next(&ahead, &head) < 0) {
        return PTL_ETYPE;
    }
    if (head.type == PTL_NULL) {
        return PTL_ESIZE; /* it had no room for the answer */
    }
    bool fits = head.type == (q->what == PTL_ASK_FAMILY ? PTL_MAP : PTL_ARRAY);
    return fits ? ptl_next_span(&cursor, value) : PTL_ETYPE;
}

int ptl_answer_from_master(struct ptl_shard *shard, const struct ptl_question *q,
                           struct ptl_span body, struct ptl_msg **answer)
{
    struct ptl_span value;
    int err = result_of(q, body, &value);
    struct ptl_buffer *packet = begin(shard, q, err);

    if (err == PTL_OK) {
        ptl_buffer_append(packet, value.bytes, value.size);
    }
    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    return ptl_msg_from(shard->allocator, ptl_buffer_span(packet), value_count(q, err), answer);
}
