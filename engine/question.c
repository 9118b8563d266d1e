#include "engine/question.h"

#include "engine/directory_key.h"
#include "engine/name.h"
#include "engine/node.h"
#include "engine/outlet.h"
#include "engine/room.h"
#include "engine/send.h"

#include <stdio.h>

/* A master is asked so many questions at once, however large its answers are. */
#define ASKED_LEAST 4

/* What its answers are taken to be like before there was one, in bytes. */
#define ANSWER_GUESS ((uint32_t)128 << 10)

struct ptl_question {
    struct ptl_question *next;
    uint64_t id;        /* of the last time the master was asked */
    uint8_t what;       /* enum ptl_ask */
    bool sent;          /* to the master */
    struct ptl_port to; /* the reply port, or the asking peer's node port */
    struct ptl_asker *asker;
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

static void drop_answer(struct ptl_shard *shard, struct ptl_question *q)
{
    if (q->answer != NULL) {
        shard->directory.answers_held -= q->answer->size;
        ptl_msg_free(q->answer);
        q->answer = NULL;
    }
}

static void set_sent(struct ptl_shard *shard, struct ptl_question *q, bool sent)
{
    shard->directory.asked += (uint32_t)sent - (uint32_t)q->sent;
    q->sent = sent;
}

static void free_question(struct ptl_shard *shard, struct ptl_question *q)
{
    set_sent(shard, q, false);
    drop_answer(shard, q);
    ptl_msg_free(q->tag);
    ptl_free(shard->allocator, q, sizeof(*q) + q->family_size + q->key_size);
}

/* ---- Answers ---------------------------------------------------------------------------------
 */

static int send_answer(struct ptl_shard *shard, const struct ptl_question *q, struct ptl_span body,
                       uint32_t count, enum ptl_way way)
{
    struct ptl_op op = {.kind = PTL_OP_MESSAGE, .body = body, .count = count};
    int err = ptl_route(shard->node, &q->to, &op, way);

    if (err == PTL_OK) {
        q->asker->bytes += body.size;
    }
    return err;
}

/* Whether an answer of ordinary size has room on its way now, and is this asker's turn. */
static bool has_room(struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_asker *asker = q->asker;

    if (asker->turn != shard->now) {
        asker->turn = shard->now;
        asker->bytes = 0;
    }
    if (asker->bytes >= PTL_ANSWERS_TURN_BYTES) {
        shard->unfinished = true;
        return false;
    }
    if (!ptl_room_for(shard, &q->to, false)) {
        return false;
    }
    unsigned place = ptl_place_of(shard->node, &q->to);
    return !ptl_is_full_outside(&shard->node->shards[place], &q->to); /* since this turn began */
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
    while (out->err == PTL_OK && ptl_store_next(&walk, &item)) {
        put_item(out, q, &item);
    }
}

/* Whether a family is too large for an answer: looked at before a byte of it is copied. */
static bool exceeds(struct ptl_shard *shard, const struct ptl_question *q, size_t max)
{
    struct ptl_walk walk = ptl_store_walk_family(shard->directory.store, family_of(q));
    struct ptl_item item;
    size_t size = 0;

    while (size <= max && ptl_store_next(&walk, &item)) {
        size += q->what != PTL_ASK_VALUES ? item.key.size + 1 : 0;
        size += q->what != PTL_ASK_KEYS ? item.value.size : 0;
    }
    q->asker->bytes += size;
    return size > max;
}

/* Write what the store says; returns PTL_OK or why there is no answer. */
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

    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    /* Small, and no more than there are questions: what may be under way of those is bounded. */
    return send_answer(shard, q, ptl_buffer_span(packet), answer_count(q, err), PTL_WAY_OWN);
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

    packet->size_max = answer_max(shard, q);
    int err = put_result(shard, q, packet);
    packet->size_max = SIZE_MAX;
    err = err < 0 ? err : packet->err;
    if (err == PTL_ENOMEM) {
        return err;
    }
    if (err < 0) {
        return send_error(shard, q, err);
    }
    return send_answer(shard, q, ptl_buffer_span(packet), answer_count(q, PTL_OK), PTL_WAY_MESSAGE);
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
    set_sent(shard, q, err == PTL_OK);
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

/* A peer that watches the family, too, is told of it in the order in which it changes. */
static bool overtakes_changes(struct ptl_shard *shard, const struct ptl_question *q)
{
    const struct ptl_peer *peer =
        q->tag == NULL ? NULL : ptl_peer_find(shard, ptl_port_node(&q->to));

    return peer != NULL && ptl_outlet_is_telling(peer, family_of(q));
}

/* Answer now; false: there is no answer yet, or no room for it. */
static bool try_to_answer(struct ptl_shard *shard, const struct ptl_question *q)
{
    if (!has_room(shard, q)) {
        return false;
    }
    if (q->answer != NULL) {
        return send_answer(shard, q, ptl_msg_body(q->answer), q->answer->count, PTL_WAY_MESSAGE) ==
               PTL_OK;
    }
    return has_whole_database(shard, q) && !overtakes_changes(shard, q) &&
           answer_from_store(shard, q) == PTL_OK;
}

/*
 * Questions that the master may have at once: as many as bring about what may be held here, by what
 * its answers were like lately.
 */
static uint32_t asked_max(const struct ptl_directory *directory)
{
    uint64_t each = directory->answer_bytes + 1;
    uint64_t max = PTL_ANSWERS_HELD_MAX / each;

    return max < ASKED_LEAST         ? ASKED_LEAST
           : max > PTL_QUESTIONS_MAX ? PTL_QUESTIONS_MAX
                                     : (uint32_t)max;
}

/* Whether the master has been told all that was set here: a question comes behind that. */
static bool may_ask(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;

    if (!directory->has_master || directory->asked >= asked_max(directory) ||
        directory->answers_held > PTL_ANSWERS_HELD_MAX / 2) {
        return false;
    }
    const struct ptl_peer *master = ptl_peer_find(shard, ptl_port_node(&directory->master));
    return master != NULL && master->feed != NULL && !master->feed->pending;
}

static void let_wait(struct ptl_shard *shard, struct ptl_question *q)
{
    struct ptl_directory *directory = &shard->directory;

    q->next = NULL;
    *directory->questions_end = q;
    directory->questions_end = &q->next;
    q->asker->waiting++;
}

/* Take out the one that *at leads to. */
static void remove_question(struct ptl_shard *shard, struct ptl_question **at)
{
    struct ptl_question *q = *at;

    *at = q->next;
    if (q->next == NULL) {
        shard->directory.questions_end = at;
    }
    q->asker->waiting--;
    free_question(shard, q);
}

/* It will not be answered: say so, if there is room for that.  A peer has only itself to blame. */
static void refuse(struct ptl_shard *shard, struct ptl_question *q, int err)
{
    if (send_error(shard, q, err) < 0) {
        ptl_log(shard->node, q->tag != NULL ? PTL_LOG_DEBUG : PTL_LOG_ERROR,
                "too many questions wait: one is lost");
    }
    free_question(shard, q);
}

static void begin(struct ptl_shard *shard, struct ptl_question *q)
{
    bool stops = shard->stop_step >= PTL_STOP_TELL;
    uint32_t max = q->tag != NULL ? PTL_QUESTIONS_PEER_MAX : PTL_QUESTIONS_MAX;

    if (stops || q->asker->waiting >= max) {
        refuse(shard, q, stops ? PTL_ESTOPPED : PTL_ELIMIT);
        return;
    }
    if (q->tag == NULL) {
        ptl_directory_need(shard);
    }
    /* Those before it go first, even when there is room again. */
    if (q->asker->waiting == 0 && try_to_answer(shard, q)) {
        free_question(shard, q);
        return;
    }
    let_wait(shard, q);
}

bool ptl_questions_work(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_question **at = &directory->questions;
    bool left = false;

    while (*at != NULL) {
        struct ptl_question *q = *at;
        if (!q->sent && try_to_answer(shard, q)) {
            remove_question(shard, at);
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

/* ---- Askers ---------------------------------------------------------------------------------- */

static bool same_asker(const void *entry, struct ptl_span node)
{
    const struct ptl_asker *asker = entry;
    return ptl_span_equal(ptl_span(asker->id, asker->id_size), node);
}

/* NULL: no memory. */
static struct ptl_asker *get_asker(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_map *askers = &shard->directory.askers;
    uint64_t hash = ptl_name_hash(node);
    struct ptl_asker *asker = ptl_map_find(askers, hash, same_asker, node);

    if (asker != NULL || ptl_map_reserve(askers) < 0) {
        return asker;
    }
    asker = ptl_alloc(shard->allocator, sizeof(*asker));
    if (asker != NULL) {
        asker->hash = hash;
        asker->id_size = (uint8_t)node.size;
        memcpy(asker->id, node.bytes, node.size);
        ptl_map_insert(askers, hash, asker);
    }
    return asker;
}

static void forget_asker(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_map *askers = &shard->directory.askers;
    struct ptl_asker *asker = ptl_map_find(askers, ptl_name_hash(node), same_asker, node);

    if (asker != NULL) {
        ptl_assert(asker->waiting == 0);
        ptl_map_remove(askers, asker->hash, asker);
        ptl_free(shard->allocator, asker, sizeof(*asker));
    }
}

int ptl_questions_init(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;

    directory->questions_end = &directory->questions;
    directory->answer_bytes = ANSWER_GUESS;
    ptl_map_init(&directory->askers, shard->allocator);
    directory->own_questions = ptl_alloc(shard->allocator, sizeof(struct ptl_asker));
    return directory->own_questions == NULL ? PTL_ENOMEM : PTL_OK;
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
    q->asker = shard->directory.own_questions;
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
    if (err == PTL_OK) {
        q->asker = get_asker(shard, op->node);
        err = q->asker == NULL ? PTL_ENOMEM : PTL_OK;
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
    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    err = ptl_msg_from(shard->allocator, ptl_buffer_span(packet), answer_count(q, err), &q->answer);
    if (err == PTL_OK) {
        shard->directory.answers_held += q->answer->size;
    }
    return err;
}

/* The largest of late: quick to rise, slow to fall. */
static void note_answer(struct ptl_directory *directory, size_t size)
{
    uint32_t before = directory->answer_bytes - directory->answer_bytes / 8;
    uint32_t bytes = size < UINT32_MAX / 2 ? (uint32_t)size : UINT32_MAX / 2;

    directory->answer_bytes = bytes > before ? bytes : before;
}

/* A node that has just become global has asked once more: the first answer is none. */
static void log_strange_answer(struct ptl_shard *shard, const struct ptl_op *op)
{
    enum ptl_log_level level = shard->directory.global ? PTL_LOG_DEBUG : PTL_LOG_WARN;

    ptl_log_about(shard, level, op->node, "from %.*s: an answer to no question: ignored",
                  (int)op->node.size, (const char *)op->node.bytes);
}

void ptl_question_answered(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_question **at = &shard->directory.questions;

    while (*at != NULL && (*at)->id != op->epoch) {
        at = &(*at)->next;
    }
    struct ptl_question *q = *at;
    if (q == NULL || !q->sent) {
        log_strange_answer(shard, op);
        return;
    }
    set_sent(shard, q, false); /* now it waits for room only; else it is asked again */
    note_answer(&shard->directory, op->body.size);
    if (shard->directory.answers_held > PTL_ANSWERS_HELD_MAX) {
        return; /* too much waits already */
    }
    if (make_answer(shard, q, op->body) == PTL_OK && try_to_answer(shard, q)) {
        remove_question(shard, at);
    }
}

void ptl_questions_again(struct ptl_shard *shard)
{
    for (struct ptl_question *q = shard->directory.questions; q != NULL; q = q->next) {
        set_sent(shard, q, false);
    }
}

void ptl_questions_forget(struct ptl_shard *shard, struct ptl_span peer)
{
    struct ptl_question **at = &shard->directory.questions;

    while (*at != NULL) {
        struct ptl_question *q = *at;
        if (q->tag != NULL && ptl_span_equal(ptl_port_node(&q->to), peer)) {
            remove_question(shard, at);
        } else {
            at = &q->next;
        }
    }
    forget_asker(shard, peer);
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
        remove_question(shard, at);
    }
}

void ptl_questions_drop(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_asker *asker;
    uint32_t at = 0;

    while (directory->questions != NULL) {
        remove_question(shard, &directory->questions);
    }
    while ((asker = ptl_map_next(&directory->askers, &at)) != NULL) {
        ptl_free(shard->allocator, asker, sizeof(*asker));
    }
    ptl_map_drop(&directory->askers);
    ptl_free(shard->allocator, directory->own_questions, sizeof(struct ptl_asker));
    directory->own_questions = NULL;
}
