#include "engine/directory/question.h"

#include "engine/directory/body.h"
#include "engine/directory/key.h"
#include "engine/directory/outlet_peer.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/message/name.h"
#include "engine/node/node.h"
#include "engine/port/room.h"
#include "engine/port/send.h"

#include <stdio.h>

/* A master is asked so many questions at once, however large its answers are. */
#define ASKED_LEAST 4

/* What its answers are taken to be like before there was one, in bytes. */
#define ANSWER_GUESS ((uint32_t)128 << 10)

struct ptl_question {
    struct ptl_list listed; /* in its asker's to_do, or among those that are sent; or nowhere */
    uint64_t id;            /* of the last time the master was asked */
    uint8_t what;           /* enum ptl_ask */
    bool sent;              /* to the master */
    struct ptl_port to;     /* the reply port, or the asking peer's node port */
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

static struct ptl_question *question_of(struct ptl_list *listed)
{
    return ptl_container(listed, struct ptl_question, listed);
}

static void hold_answer(struct ptl_question *q, struct ptl_msg *answer)
{
    q->answer = answer;
    q->asker->asked.held += answer->size;
    q->asker->places->held += answer->size;
}

static void drop_answer(struct ptl_question *q)
{
    if (q->answer != NULL) {
        q->asker->asked.held -= q->answer->size;
        q->asker->places->held -= q->answer->size;
        ptl_msg_free(q->answer);
        q->answer = NULL;
    }
}

static void set_sent(struct ptl_question *q, bool sent)
{
    q->asker->asked.count += (uint32_t)sent - (uint32_t)q->sent;
    q->asker->places->count += (uint32_t)sent - (uint32_t)q->sent;
    q->sent = sent;
}

/* One that no list has. */
static void free_question(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_assert(!q->sent && !ptl_listed(&q->listed));
    drop_answer(q);
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
    if (err == PTL_OK) {
        set_sent(q, true);
        ptl_list_remove(&q->listed);
        ptl_list_append(&shard->directory.questions_sent, &q->listed);
    }
    return err;
}

/* ---- The list -------------------------------------------------------------------------------- */

static struct ptl_question *make(struct ptl_shard *shard, const struct ptl_body_question *asked)
{
    struct ptl_span family = asked->family, key = asked->key;
    struct ptl_question *q = ptl_alloc(shard->allocator, sizeof(*q) + family.size + key.size);

    if (q == NULL) {
        return NULL;
    }
    q->what = asked->what;
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

/*
 * Peers have three quarters of these places, each an eighth: those who ask much or take nothing
 * leave some for others, and for this node.
 */
static bool has_place(const struct ptl_directory *directory, const struct ptl_asker *asker)
{
    uint32_t max = asked_max(directory);

    if (asker->places == &directory->own_asked) {
        return asker->places->count < max && asker->places->held <= PTL_ANSWERS_HELD_MAX / 2;
    }
    return asker->places->count < max - max / 4 &&
           asker->places->held <= PTL_ANSWERS_HELD_PEERS_MAX / 2 &&
           asker->asked.count < (max < 8 ? 1 : max / 8) &&
           asker->asked.held <= PTL_ANSWERS_HELD_PEER_MAX;
}

/* Whether the master has been told all that was set here: a question comes behind that. */
static bool may_ask(struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_directory *directory = &shard->directory;

    if (!directory->has_master || !has_place(directory, q->asker)) {
        return false;
    }
    const struct ptl_peer *master = ptl_peer_find(shard, ptl_port_node(&directory->master));
    return master != NULL && master->feed != NULL && !ptl_outlet_is_feeding(master);
}

/* Its asker has something to do, perhaps the first thing. */
static void become_due(struct ptl_shard *shard, struct ptl_asker *asker)
{
    if (!ptl_listed(&asker->due)) {
        ptl_list_append(&shard->directory.askers_due, &asker->due);
    }
}

static void let_wait(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_list_append(&q->asker->to_do, &q->listed);
    q->asker->waiting++;
    shard->directory.own_waiting += q->tag == NULL;
    become_due(shard, q->asker);
}

/* The master has it no more: it goes before what its asker asked later. */
static void take_back(struct ptl_shard *shard, struct ptl_question *q)
{
    set_sent(q, false);
    ptl_list_remove(&q->listed);
    ptl_list_insert(&q->asker->to_do, &q->listed);
    become_due(shard, q->asker);
}

static void remove_question(struct ptl_shard *shard, struct ptl_question *q)
{
    struct ptl_asker *asker = q->asker;

    set_sent(q, false);
    ptl_list_remove(&q->listed);
    shard->directory.own_waiting -= q->tag == NULL;
    asker->waiting--;
    free_question(shard, q);
    if (ptl_list_empty(&asker->to_do)) {
        ptl_list_remove(&asker->due);
    }
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

static bool too_many_wait(const struct ptl_shard *shard, const struct ptl_question *q)
{
    return q->tag != NULL ? q->asker->waiting >= PTL_QUESTIONS_PEER_MAX
                          : shard->directory.own_waiting >= PTL_QUESTIONS_MAX;
}

static void begin(struct ptl_shard *shard, struct ptl_question *q)
{
    bool stops = shard->stop_step >= PTL_STOP_TELL;

    if (stops || too_many_wait(shard, q)) {
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

/* Answer it or ask the master; false: nothing can be done now. */
static bool advance(struct ptl_shard *shard, struct ptl_question *q)
{
    if (try_to_answer(shard, q)) {
        remove_question(shard, q);
        return true;
    }
    return q->answer == NULL && !waits_for_role(shard, q) && may_ask(shard, q) &&
           ask_master(shard, q) == PTL_OK; /* else it is tried again */
}

/*
 * What one asker has to do, in order, up to so many questions of those that are left for this turn.
 * Returns whether anything could be done.
 */
static bool serve(struct ptl_shard *shard, struct ptl_asker *asker, uint32_t *left)
{
    struct ptl_list *at = asker->to_do.next;
    uint32_t looks = *left < PTL_QUESTIONS_ASKER_TURN_MAX ? *left : PTL_QUESTIONS_ASKER_TURN_MAX;
    bool done = false;

    *left -= looks;
    for (; at != &asker->to_do && looks > 0; looks--) {
        struct ptl_list *next = at->next;
        done |= advance(shard, question_of(at));
        at = next;
    }
    *left += looks;
    return done;
}

bool ptl_questions_work(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_list *last = directory->askers_due.before;
    uint32_t looks = PTL_QUESTIONS_TURN_MAX;
    bool left = false, done = false, ends = false;

    while (!ends && looks > 0) {
        struct ptl_list *first = directory->askers_due.next;
        struct ptl_asker *asker = ptl_container(first, struct ptl_asker, due);
        ends = first == last;
        ptl_list_remove(first);
        done |= serve(shard, asker, &looks);
        if (!ptl_list_empty(&asker->to_do)) {
            become_due(shard, asker);
            left |= directory->has_master || directory->global || asker->id_size != 0;
        }
    }
    shard->unfinished |= done && !ptl_list_empty(&directory->askers_due);
    return left || !ends;
}

bool ptl_questions_wait(const struct ptl_shard *shard)
{
    return !ptl_list_empty(&shard->directory.askers_due) ||
           !ptl_list_empty(&shard->directory.questions_sent);
}

/* ---- Askers ---------------------------------------------------------------------------------- */

static bool same_asker(const void *entry, struct ptl_span node)
{
    const struct ptl_asker *asker = entry;
    return ptl_span_equal(ptl_span(asker->id, asker->id_size), node);
}

static void init_asker(struct ptl_asker *asker, struct ptl_asked *places)
{
    ptl_list_init(&asker->to_do);
    asker->places = places;
}

static struct ptl_asker *find_asker(struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_map_find(&shard->directory.askers, ptl_name_hash(node), same_asker, node);
}

/* NULL: no memory. */
static struct ptl_asker *get_asker(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_map *askers = &shard->directory.askers;
    uint64_t hash = ptl_name_hash(node);
    struct ptl_asker *asker = find_asker(shard, node);

    if (asker != NULL || ptl_map_reserve(askers) < 0) {
        return asker;
    }
    asker = ptl_alloc(shard->allocator, sizeof(*asker));
    if (asker != NULL) {
        asker->hash = hash;
        init_asker(asker, &shard->directory.peers_asked);
        asker->id_size = (uint8_t)node.size;
        memcpy(asker->id, node.bytes, node.size);
        ptl_map_insert(askers, hash, asker);
    }
    return asker;
}

static size_t own_size(const struct ptl_shard *shard)
{
    return shard->node->shard_count * sizeof(struct ptl_asker);
}

int ptl_questions_init(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;

    ptl_list_init(&directory->askers_due);
    ptl_list_init(&directory->questions_sent);
    directory->answer_bytes = ANSWER_GUESS;
    ptl_map_init(&directory->askers, shard->allocator);
    directory->own_questions = ptl_alloc(shard->allocator, own_size(shard));
    if (directory->own_questions == NULL) {
        return PTL_ENOMEM;
    }
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        init_asker(&directory->own_questions[i], &directory->own_asked);
    }
    return PTL_OK;
}

/* ---- Ops ------------------------------------------------------------------------------------- */

static int read_reply_port(struct ptl_shard *shard, struct ptl_span value, struct ptl_port *to)
{
    struct ptl_cursor cursor = ptl_cursor_of(value);
    struct ptl_span id;
    int err = ptl_next_string(&cursor, &id);

    return err < 0 ? err : ptl_port_read(&shard->node->self, id, to);
}

void ptl_question_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_question asked = ptl_body_question(op->body);
    struct ptl_question *q = make(shard, &asked);

    if (q == NULL || read_reply_port(shard, asked.asker, &q->to) < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: a question to the database is lost");
        if (q != NULL) {
            free_question(shard, q);
        }
        return;
    }
    q->asker = &shard->directory.own_questions[ptl_place_of(shard->node, &q->to)];
    begin(shard, q);
}

void ptl_question_take_peer(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_question asked = ptl_body_question(op->body);
    struct ptl_question *q = make(shard, &asked);
    int err = q == NULL ? PTL_ENOMEM
                        : ptl_port_at(&shard->node->self, op->node, ptl_span(NULL, 0), &q->to);
    if (err == PTL_OK) {
        err = ptl_msg_from(shard->allocator, asked.asker, 1, &q->tag);
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
    struct ptl_msg *answer;
    int err = result_of(q, body, &value);
    struct ptl_buffer *packet = begin_answer(shard, q, err);

    if (err == PTL_OK) {
        ptl_buffer_append(packet, value.bytes, value.size);
    }
    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    err = ptl_msg_from(shard->allocator, ptl_buffer_span(packet), answer_count(q, err), &answer);
    if (err == PTL_OK) {
        hold_answer(q, answer);
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

/* NULL: the master has none of that ID.  It answers in their order, most often. */
static struct ptl_question *find_sent(const struct ptl_directory *directory, uint64_t id)
{
    struct ptl_list *at = directory->questions_sent.next;

    while (at != &directory->questions_sent && question_of(at)->id < id) {
        at = at->next;
    }
    return at != &directory->questions_sent && question_of(at)->id == id ? question_of(at) : NULL;
}

static bool too_much_waits(const struct ptl_directory *directory, const struct ptl_asker *asker)
{
    bool own = asker->places == &directory->own_asked;

    return asker->places->held > (own ? PTL_ANSWERS_HELD_MAX : PTL_ANSWERS_HELD_PEERS_MAX);
}

void ptl_question_answered(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_question *q = find_sent(&shard->directory, op->epoch);

    if (q == NULL) {
        log_strange_answer(shard, op);
        return;
    }
    take_back(shard, q); /* now it waits for room only; else it is asked again */
    note_answer(&shard->directory, op->body.size);
    if (!too_much_waits(&shard->directory, q->asker) && make_answer(shard, q, op->body) == PTL_OK &&
        try_to_answer(shard, q)) {
        remove_question(shard, q);
    }
}

void ptl_questions_again(struct ptl_shard *shard)
{
    struct ptl_list *sent = &shard->directory.questions_sent;

    while (!ptl_list_empty(sent)) {
        take_back(shard, question_of(sent->before)); /* the last one first: each goes before it */
    }
}

static void drop_all(struct ptl_shard *shard, struct ptl_asker *asker)
{
    while (!ptl_list_empty(&asker->to_do)) {
        remove_question(shard, question_of(asker->to_do.next));
    }
}

void ptl_questions_forget(struct ptl_shard *shard, struct ptl_span peer)
{
    struct ptl_asker *asker = find_asker(shard, peer);
    struct ptl_list *sent = &shard->directory.questions_sent, *at = sent->next;

    if (asker == NULL) {
        return;
    }
    while (asker->asked.count > 0) {
        struct ptl_question *q = question_of(at);
        at = at->next;
        if (q->asker == asker) {
            remove_question(shard, q);
        }
    }
    drop_all(shard, asker);
    ptl_assert(asker->waiting == 0);
    ptl_map_remove(&shard->directory.askers, asker->hash, asker);
    ptl_free(shard->allocator, asker, sizeof(*asker));
}

/* Its own questions are answered with an error, as long as there is room for that. */
static void stop_own(struct ptl_shard *shard, struct ptl_asker *asker, int err)
{
    while (!ptl_list_empty(&asker->to_do)) {
        struct ptl_question *q = question_of(asker->to_do.next);
        if (send_error(shard, q, err) == PTL_EFULL) {
            return; /* dropped with the shard: its rings are full at the very end */
        }
        remove_question(shard, q);
    }
}

void ptl_questions_stop(struct ptl_shard *shard, int err)
{
    struct ptl_asker *asker;
    uint32_t at = 0;

    ptl_questions_again(shard);
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        stop_own(shard, &shard->directory.own_questions[i], err);
    }
    while ((asker = ptl_map_next(&shard->directory.askers, &at)) != NULL) {
        drop_all(shard, asker);
    }
}

void ptl_questions_drop(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_asker *asker;
    uint32_t at = 0;

    if (directory->own_questions == NULL) {
        return; /* there was no memory for these: nobody could ask */
    }
    ptl_questions_again(shard);
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        drop_all(shard, &directory->own_questions[i]);
    }
    while ((asker = ptl_map_next(&directory->askers, &at)) != NULL) {
        drop_all(shard, asker);
        ptl_free(shard->allocator, asker, sizeof(*asker));
    }
    ptl_map_drop(&directory->askers);
    ptl_free(shard->allocator, directory->own_questions, own_size(shard));
    directory->own_questions = NULL;
}
