#include "engine/question.h"

#include "engine/directory_key.h"
#include "engine/name.h"
#include "engine/node.h"
#include "engine/outlet.h"
#include "engine/send.h"

#include <stdio.h>

struct ptl_question {
    struct ptl_question *next;
    uint64_t id;            /* of the last time the master was asked */
    uint8_t what;           /* enum ptl_ask */
    bool sent;              /* to the master */
    struct ptl_port to;     /* the reply port, or the asking peer's node port */
    struct ptl_msg *tag;    /* of a peer: its ID for the question, as it came; else NULL */
    struct ptl_msg *answer; /* made, and not sent for want of room */
    uint16_t key_size;      /* 0: none */
    uint8_t family_size;
    uint8_t text[]; /* the family, the key */
};

static struct ptl_span family_of(const struct ptl_question *q)
{
    return ptl_span(q->text, q->family_size);
}

static struct ptl_span key_of(const struct ptl_question *q)
{
    return ptl_span(q->text + q->family_size, q->key_size);
}

static void free_question(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_msg_free(q->tag);
    ptl_msg_free(q->answer);
    ptl_free(shard->allocator, q, sizeof(*q) + q->family_size + q->key_size);
}

/* ---- Answers ---------------------------------------------------------------------------------
 */

static int send_answer(struct ptl_shard *shard, const struct ptl_question *q, struct ptl_span body,
                       uint32_t count)
{
    struct ptl_op op = {.kind = PTL_OP_MESSAGE, .body = body, .count = count};

    return ptl_route(shard->node, &q->to, &op, PTL_WAY_OWN);
}

/*
 * Begin an answer: to a peer the request, its ID and one value; to a reply port an error and, after
 * PTL_OK, one value.
 */
static struct ptl_buffer *begin_answer(struct ptl_shard *shard, const struct ptl_question *q,
                                       int err)
{
    struct ptl_buffer *packet = &shard->directory.packet;

    ptl_buffer_clear(packet);
    if (q->tag == NULL) {
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

static uint32_t answer_count(const struct ptl_question *q, int err)
{
    return q->tag != NULL ? 3 : err < 0 ? 1 : 2;
}

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
    const struct ptl_store *store = shard->directory.store;
    struct ptl_walk walk = ptl_store_walk_family(store, family_of(q));
    uint32_t count = ptl_store_family_count(store, family_of(q));
    struct ptl_item item;

    ptl_cbor_put_head(out, q->what == PTL_ASK_FAMILY ? PTL_CBOR_MAP : PTL_CBOR_ARRAY, count);
    while (ptl_store_next(&walk, &item)) {
        put_item(out, q, &item);
    }
}

/* Write what the store says; returns PTL_OK or why there is no answer. */
static int put_result(struct ptl_shard *shard, const struct ptl_question *q, struct ptl_buffer *out)
{
    struct ptl_item item;

    if (q->key_size == 0) {
        put_family(shard, q, out);
        return PTL_OK;
    }
    bool found = ptl_store_get(shard->directory.store, family_of(q), key_of(q), &item);
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

static int send_error(struct ptl_shard *shard, const struct ptl_question *q, int err)
{
    struct ptl_buffer *packet = begin_answer(shard, q, err);

    return packet->err < 0 ? PTL_ENOMEM
                           : send_answer(shard, q, ptl_buffer_span(packet), answer_count(q, err));
}

/* How large an answer may be: what we make, and what the peer that asks takes. */
static size_t answer_max(struct ptl_shard *shard, const struct ptl_question *q)
{
    size_t ours = shard->node->options.message_bytes_max;
    size_t theirs = q->tag != NULL ? ptl_peer_takes(shard->node, ptl_port_node(&q->to)) : SIZE_MAX;

    return ours < theirs ? ours : theirs;
}

static int answer_from_store(struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_buffer *packet = begin_answer(shard, q, PTL_OK);
    int err = put_result(shard, q, packet);

    if (err == PTL_OK && packet->size > answer_max(shard, q)) {
        err = PTL_ESIZE;
    }
    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    if (err < 0) {
        return send_error(shard, q, err);
    }
    return send_answer(shard, q, ptl_buffer_span(packet), answer_count(q, PTL_OK));
}

/* ---- Questions of others go to the master ----------------------------------------------------
 */

static const char *request_of(const struct ptl_question *q)
{
    switch ((enum ptl_ask)q->what) {
    case PTL_ASK_KEYS:
        return "g_db_keys";
    case PTL_ASK_VALUES:
        return "g_db_values";
    default:
        return "g_db_family";
    }
}

/* Each time under another ID: an answer from before does not know what was set since. */
static int ask_master(struct ptl_shard *shard, struct ptl_question *q)
{
    struct ptl_buffer *packet = &shard->directory.packet;
    char id[40];

    q->id = ++shard->directory.last_question;
    int size = snprintf(id, sizeof(id), "%x.%llx", shard->index, (unsigned long long)q->id);
    ptl_buffer_clear(packet);
    ptl_key_put(packet, ptl_span_text(request_of(q)));
    ptl_key_put(packet, family_of(q));
    ptl_key_put(packet, ptl_span(id, (size_t)size));
    if (q->key_size != 0) {
        ptl_key_put(packet, key_of(q)); /* a master of ours answers with this one only */
    }
    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .body = ptl_buffer_span(packet),
        .count = q->key_size != 0 ? 4 : 3,
    };
    int err = ptl_route(shard->node, &shard->directory.master, &op, PTL_WAY_MESSAGE);
    q->sent = err == PTL_OK;
    return err;
}

/* ---- The list -------------------------------------------------------------------------------- */

static struct ptl_question *make(struct ptl_shard *shard, unsigned what, struct ptl_span family,
                                 struct ptl_span key)
{
    struct ptl_question *q = ptl_alloc(shard->allocator, sizeof(*q) + family.size + key.size);

    if (q == NULL) {
        return NULL;
    }
    q->what = (uint8_t)what;
    q->family_size = (uint8_t)family.size;
    q->key_size = (uint16_t)key.size;
    memcpy(q->text, family.bytes, family.size);
    if (key.size != 0) {
        memcpy(q->text + family.size, key.bytes, key.size);
    }
    return q;
}

static bool knows_address(const struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_item item;

    return ptl_store_get(shard->directory.store, family_of(q), key_of(q), &item);
}

/*
 * Who has attached here makes this node global, and finds what it has set when this shard, too,
 * knows of that.
 */
static bool waits_for_role(struct ptl_shard *shard, const struct ptl_question *q)
{
    if (shard->directory.global || q->tag == NULL) {
        return false;
    }
    const struct ptl_peer *peer = ptl_peer_find(shard, ptl_port_node(&q->to));
    return peer != NULL && peer->attached;
}

/*
 * Whether what is here is the answer.  An ordinary node passes on what strangers ask, too, and so
 * does one that has just become global, until it has had time to get what the others have.
 */
static bool has_whole_database(struct ptl_shard *shard, const struct ptl_question *q)
{
    const struct ptl_directory *directory = &shard->directory;

    if (q->what == PTL_ASK_FIND && knows_address(shard, q)) {
        return true;
    }
    if (directory->has_master) {
        return q->tag != NULL && ptl_port_equal(&q->to, &directory->master);
    }
    return directory->global ||
           (q->tag != NULL && !waits_for_role(shard, q) && !atomic_load(&shard->node->attaching));
}

/* Answer now; false: there is no answer yet, or no room for it. */
static bool try_to_answer(struct ptl_shard *shard, const struct ptl_question *q)
{
    if (q->answer != NULL) {
        return send_answer(shard, q, ptl_msg_body(q->answer), q->answer->count) == PTL_OK;
    }
    return has_whole_database(shard, q) && answer_from_store(shard, q) == PTL_OK;
}

/* Whether the master has been told all that was set here: a question comes behind that. */
static bool may_ask(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;

    if (!directory->has_master) {
        return false;
    }
    const struct ptl_peer *master = ptl_peer_find(shard, ptl_port_node(&directory->master));
    return master != NULL && master->feed != NULL && !master->feed->pending;
}

static void let_wait(struct ptl_shard *shard, struct ptl_question *q)
{
    struct ptl_directory *directory = &shard->directory;

    q->next = directory->questions;
    directory->questions = q;
    directory->question_count++;
}

static void begin(struct ptl_shard *shard, struct ptl_question *q)
{
    bool stops = shard->stop_step >= PTL_STOP_TELL;

    if (stops || shard->directory.question_count >= PTL_QUESTIONS_MAX) {
        if (send_error(shard, q, stops ? PTL_ESTOPPED : PTL_ELIMIT) < 0) {
            ptl_log(shard->node, PTL_LOG_ERROR, "too many questions wait: one is lost");
        }
        free_question(shard, q);
        return;
    }
    let_wait(shard, q);
    if (q->tag == NULL) {
        ptl_directory_need(shard);
    }
    if (try_to_answer(shard, q)) {
        shard->directory.questions = q->next;
        shard->directory.question_count--;
        free_question(shard, q);
    }
}

bool ptl_questions_work(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_question **at = &directory->questions;
    bool left = false;

    while (*at != NULL) {
        struct ptl_question *q = *at;
        if (!q->sent && try_to_answer(shard, q)) {
            *at = q->next;
            directory->question_count--;
            free_question(shard, q);
            continue;
        }
        if (!q->sent && q->answer == NULL && !waits_for_role(shard, q) && may_ask(shard)) {
            int err = ask_master(shard, q);
            (void)err; /* tried again */
        }
        left |= !q->sent && (directory->has_master || directory->global || q->tag != NULL);
        at = &q->next;
    }
    return left;
}

/* ---- Ops ------------------------------------------------------------------------------------- */

static bool read_question(struct ptl_cursor *cursor, int64_t *what, struct ptl_span *family,
                          struct ptl_span *key, uint8_t room[static PTL_KEY_ROOM])
{
    struct ptl_value value;

    if (ptl_next(cursor, &value) < 0) {
        return false;
    }
    *what = value.integer;
    *key = ptl_span(NULL, 0);
    if (ptl_next_string(cursor, family) < 0) {
        return false;
    }
    return ptl_key_next(cursor, room, key) != PTL_EEND;
}

void ptl_question_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family, key, to;
    int64_t what;

    bool good = read_question(&cursor, &what, &family, &key, room) &&
                ptl_next_string(&cursor, &to) == PTL_OK;
    ptl_assert(good); /* made by db_api.c */
    struct ptl_question *q = make(shard, (unsigned)what, family, key);
    if (q == NULL || ptl_port_read(&shard->node->self, to, &q->to) < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: a question to the database is lost");
        if (q != NULL) {
            free_question(shard, q);
        }
        return;
    }
    begin(shard, q);
}

void ptl_question_take_peer(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family, key;
    int64_t what;

    bool good = read_question(&cursor, &what, &family, &key, room);
    ptl_assert(good); /* made by directory_request.c */
    struct ptl_question *q = make(shard, (unsigned)what, family, key);
    int err = q == NULL ? PTL_ENOMEM
                        : ptl_port_at(&shard->node->self, op->node, ptl_span(NULL, 0), &q->to);
    if (err == PTL_OK) {
        err = ptl_msg_from(shard->allocator, ptl_cursor_rest(&cursor), 1, &q->tag);
    }
    if (err < 0) {
        if (q != NULL) {
            free_question(shard, q);
        }
        ptl_directory_fail(shard, op->node, err);
        return;
    }
    begin(shard, q);
}

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
        if (err == PTL_OK && ptl_span_equal(key, key_of(q))) {
            return PTL_OK;
        }
    }
    return PTL_ENOKEY;
}

static int result_of(const struct ptl_question *q, struct ptl_span body, struct ptl_span *value)
{
    struct ptl_cursor cursor = ptl_cursor_of(body);
    struct ptl_cursor ahead = cursor;
    struct ptl_value head;

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

static int make_answer(struct ptl_shard *shard, struct ptl_question *q, struct ptl_span body)
{
    struct ptl_span value;
    int err = result_of(q, body, &value);
    struct ptl_buffer *packet = begin_answer(shard, q, err);

    if (err == PTL_OK) {
        ptl_buffer_append(packet, value.bytes, value.size);
    }
    return packet->err < 0 ? PTL_ENOMEM
                           : ptl_msg_from(shard->allocator, ptl_buffer_span(packet),
                                          answer_count(q, err), &q->answer);
}

void ptl_question_answered(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_question *q = shard->directory.questions;

    while (q != NULL && q->id != op->epoch) {
        q = q->next;
    }
    if (q == NULL || !q->sent) {
        /* A node that has just become global has asked once more: the first answer is none. */
        enum ptl_log_level level = shard->directory.global ? PTL_LOG_DEBUG : PTL_LOG_WARN;
        ptl_log_about(shard, level, op->node, "from %.*s: an answer to no question: ignored",
                      (int)op->node.size, (const char *)op->node.bytes);
        return;
    }
    q->sent = false; /* now it waits for room only; without memory it is asked again */
    if (make_answer(shard, q, op->body) == PTL_OK) {
        ptl_questions_work(shard);
    }
}

void ptl_questions_again(struct ptl_shard *shard)
{
    for (struct ptl_question *q = shard->directory.questions; q != NULL; q = q->next) {
        q->sent = false;
    }
}

void ptl_questions_forget(struct ptl_shard *shard, struct ptl_span peer)
{
    struct ptl_question **at = &shard->directory.questions;

    while (*at != NULL) {
        struct ptl_question *q = *at;
        if (q->tag != NULL && ptl_span_equal(ptl_port_node(&q->to), peer)) {
            *at = q->next;
            shard->directory.question_count--;
            free_question(shard, q);
        } else {
            at = &q->next;
        }
    }
}

void ptl_questions_stop(struct ptl_shard *shard, int err)
{
    struct ptl_question **at = &shard->directory.questions;

    while (*at != NULL) {
        struct ptl_question *q = *at;
        if (q->tag == NULL && send_error(shard, q, err) == PTL_EFULL) {
            at = &q->next; /* dropped with the shard: its rings are full at the very end */
            continue;
        }
        *at = q->next;
        shard->directory.question_count--;
        free_question(shard, q);
    }
}

void ptl_questions_drop(struct ptl_shard *shard)
{
    while (shard->directory.questions != NULL) {
        struct ptl_question *q = shard->directory.questions;
        shard->directory.questions = q->next;
        free_question(shard, q);
    }
}
