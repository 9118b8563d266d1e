#include "engine/directory/request.h"

#include "engine/directory/answer.h"
#include "engine/directory/answer_bounds.h"
#include "engine/directory/attach.h"
#include "engine/directory/attachment.h"
#include "engine/directory/body.h"
#include "engine/directory/inquiry.h"
#include "engine/directory/key.h"
#include "engine/directory/permitted.h"
#include "engine/directory/post.h"
#include "engine/directory/question.h"
#include "engine/directory/update.h"
#include "engine/link/connection.h"
#include "engine/link/joining.h"
#include "engine/link/link_send.h"
#include "engine/link/peer_room.h"
#include "engine/link/stream.h"
#include "engine/message/words.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"
#include "io/address.h"

#include <stdlib.h>

static struct ptl_span link_id(const struct ptl_link *link)
{
    return ptl_span(link->id, link->id_size);
}

/* ---- What the link has announced ------------------------------------------------------------- */

static bool knows_owners(const struct ptl_link *link)
{
    return (link->peer_features & PTL_FEATURE_DATABASE) != 0 && link->peer_is_portolan;
}

static bool brings_owners(const struct ptl_inquiry *q)
{
    return q->link->db.peer == PTL_PEER_GLOBAL && knows_owners(q->link);
}

static bool may(const struct ptl_inquiry *q, enum ptl_action action, struct ptl_span object)
{
    return ptl_link_may(q->shard, q->link, action, object);
}

/* Where nodes listen: who attaches to us says so there, and who looks for a node asks there. */
static struct ptl_span addresses(void)
{
    return ptl_span_text("'l");
}

static int unannounced(const struct ptl_inquiry *q)
{
    return ptl_inquiry_ignore(q, "without a database that it has announced");
}

static void post_to(struct ptl_shard *shard, unsigned to, enum ptl_directory_op kind,
                    const struct ptl_link *link)
{
    struct ptl_op op = ptl_dir_op(kind);

    op.node = link_id(link);
    ptl_directory_post(shard, to, &op);
}

static void want_global(struct ptl_inquiry *q)
{
    if (!ptl_node_is_global(q->shard->node)) {
        post_to(q->shard, 0, PTL_DIR_WANTED, q->link);
    }
}

/* The number by which a node is known to be attached to another one; 0: it is not. */
static uint64_t known_elsewhere(const struct ptl_inquiry *q)
{
    struct ptl_source known;
    bool is_known = ptl_store_owner(q->shard->directory->store, link_id(q->link), &known);

    return is_known && known.attachment <= PTL_ATTACHMENT_MAX ? known.attachment : 0;
}

/*
 * A peer that has no numbers of its own gets one of ours, and so does one whose number is not above
 * what others say of it: its clock is behind.  It stays the same for the whole of a link.
 */
static void number_attachment(const struct ptl_inquiry *q, uint64_t given)
{
    struct ptl_link_database *db = &q->link->db;
    uint64_t known = known_elsewhere(q);

    if (db->numbered) {
        return;
    }
    if (given != 0) {
        db->attachment = given;
    }
    if (db->attachment <= known) {
        db->attachment = ptl_attachment_next(q->shard, known);
        db->numbered = true;
    }
    ptl_assert(db->attachment != 0 && db->attachment <= PTL_ATTACHMENT_MAX);
}

/* Whose database it is: for ptl_apply_source(). */
static struct ptl_dir_words words_by(const struct ptl_inquiry *q, enum ptl_directory_op kind)
{
    const struct ptl_link_database *db = &q->link->db;

    return (struct ptl_dir_words){
        .kind = kind,
        .by = {.attachment = db->peer == PTL_PEER_GLOBAL ? 0 : db->attachment,
               .global = db->peer == PTL_PEER_GLOBAL,
               .ours = knows_owners(q->link)},
    };
}

static int take_global(struct ptl_inquiry *q)
{
    struct ptl_dir_words words = {
        .kind = PTL_DIR_PEER_GLOBAL,
        .knows_owners = knows_owners(q->link),
    };
    struct ptl_op op = ptl_inquiry_say(q, &words);

    if (!may(q, PTL_MAY_GLOBAL, ptl_span("", 0))) {
        return PTL_OK;
    }
    op.body = ptl_span(NULL, 0);
    op.count = 0;
    int err = ptl_inquiry_pass_all(q, &op);
    if (err < 0) {
        return err;
    }
    if (q->link->db.peer != PTL_PEER_GLOBAL) {
        ptl_peer_role_enter(&q->link->db.peer, PTL_PEER_GLOBAL);
        ptl_link_log_global(q->shard, q->link);
    }
    if (ptl_node_is_global(q->shard->node) && !knows_owners(q->link)) {
        return ptl_directory_say_set(q->shard, q->link);
    }
    return PTL_OK;
}

/* What may be millions of entries is taken slice by slice, and nothing behind it before. */
static uint32_t next_replacing(const struct ptl_inquiry *q)
{
    uint32_t last = q->shard->directory->last_replacing;

    q->shard->directory->last_replacing = last + 1;
    return last;
}

static int await(const struct ptl_inquiry *q, int err, uint32_t number, unsigned shards)
{
    if (err == PTL_OK) {
        q->link->db.replacing = number;
        q->link->db.untaken = shards;
        ptl_connection_hold(q->link->connection);
    }
    return err;
}

void ptl_directory_take_taken(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_link *link = ptl_link_find(shard, op->node);

    if (link == NULL || link->state != PTL_LINK_UP || link->db.untaken == 0 ||
        link->db.replacing != ptl_dir_words(op).by.number) {
        return; /* it has begun anew */
    }
    if (--link->db.untaken == 0 && shard->stop_step == 0) {
        ptl_connection_resume(link->connection);
    }
}

/* A long update is taken slice by slice as well. */
static int pass_update(const struct ptl_inquiry *q, struct ptl_span family,
                       struct ptl_dir_words *words)
{
    unsigned place = ptl_directory_place(q->shard, family);
    bool is_long = ptl_update_is_long(q->values);

    if (is_long) {
        words->by.number = next_replacing(q);
    }
    struct ptl_op op = ptl_inquiry_say(q, words);
    int err = ptl_inquiry_pass(q, place, &op);
    return is_long ? await(q, err, words->by.number, 1) : err;
}

static int pass_database(const struct ptl_inquiry *q, struct ptl_span map)
{
    struct ptl_dir_words words = words_by(q, PTL_DIR_REPLACE);

    words.by.number = next_replacing(q);
    struct ptl_op op = ptl_inquiry_say(q, &words);
    op.body = map;
    op.count = 1;
    return await(q, ptl_inquiry_pass_all(q, &op), words.by.number, q->shard->node->shard_count);
}

/* A whole database: a map, and from a node of ours the number of its attachment. */
static int take_database(struct ptl_inquiry *q)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values), ahead = cursor;
    struct ptl_span map;
    struct ptl_value value;

    if (q->count == 0 || ptl_next(&ahead, &value) < 0 || value.type != PTL_MAP ||
        ptl_next_span(&cursor, &map) < 0) {
        return ptl_inquiry_malformed(q);
    }
    uint64_t given = 0;
    if (q->count > 1 && q->link->peer_is_portolan && ptl_next(&cursor, &value) == PTL_OK &&
        value.type == PTL_INT && value.integer > 0 && value.natural <= PTL_ATTACHMENT_MAX) {
        given = value.natural;
    }
    number_attachment(q, given);
    struct ptl_buffer room;
    ptl_buffer_init(&room, q->shard->allocator, SIZE_MAX);
    int err = ptl_permitted_families(q, map, &room, &map);
    if (err == PTL_OK) {
        err = pass_database(q, map);
    }
    ptl_buffer_drop(&room);
    return err;
}

static bool has_database(const struct ptl_inquiry *q)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values);
    struct ptl_value value;

    return q->count > 0 && ptl_next(&cursor, &value) == PTL_OK && value.type != PTL_NULL;
}

static int take_slave(struct ptl_inquiry *q)
{
    if (!may(q, PTL_MAY_DB_WRITE, addresses())) {
        return PTL_OK; /* it is not attached: what it asks is answered as a stranger's */
    }
    want_global(q);
    if (!has_database(q) || brings_owners(q)) {
        return PTL_OK; /* a node of ours that is global by now brings its entries with owners */
    }
    int err = take_database(q);
    if (err == PTL_OK && q->link->db.peer != PTL_PEER_GLOBAL) {
        ptl_peer_role_enter(&q->link->db.peer, PTL_PEER_ATTACHED);
    }
    return err;
}

static int take_set(struct ptl_inquiry *q)
{
    if (brings_owners(q)) {
        return PTL_OK;
    }
    return q->link->db.peer == PTL_PEER_GLOBAL ? take_database(q) : unannounced(q);
}

static int take_update(struct ptl_inquiry *q)
{
    struct ptl_span family;

    if (q->link->db.peer == PTL_PEER_UNSAID) {
        return unannounced(q);
    }
    if (brings_owners(q)) {
        return PTL_OK; /* what it sent while it was attached to us; the rest comes with owners */
    }
    if (!ptl_inquiry_family(q, &family)) {
        return ptl_inquiry_no_family(q);
    }
    if (!may(q, PTL_MAY_DB_WRITE, family)) {
        return PTL_OK;
    }
    struct ptl_dir_words words = words_by(q, PTL_DIR_UPDATE);
    return pass_update(q, family, &words);
}

/* ---- Owners ---------------------------------------------------------------------------------- */

static int take_owner(struct ptl_inquiry *q)
{
    struct ptl_op op = ptl_inquiry_op(q, PTL_DIR_OWNER);

    return brings_owners(q) ? ptl_inquiry_pass_all(q, &op) : unannounced(q);
}

static int take_lost(struct ptl_inquiry *q)
{
    struct ptl_op op = ptl_inquiry_op(q, PTL_DIR_LOST);

    return brings_owners(q) ? ptl_inquiry_pass_all(q, &op) : unannounced(q);
}

static int take_owned(struct ptl_inquiry *q)
{
    struct ptl_dir_words words = {.kind = PTL_DIR_OWNED};
    struct ptl_cursor cursor = ptl_cursor_of(q->values);
    struct ptl_span family;

    if (!brings_owners(q)) {
        return unannounced(q);
    }
    if (ptl_skip(&cursor) < 0 || ptl_skip(&cursor) < 0 ||
        ptl_key_next(&cursor, q->room, &family) < 0 || !ptl_family_fits(family)) {
        return ptl_inquiry_malformed(q);
    }
    return may(q, PTL_MAY_DB_WRITE, family) ? pass_update(q, family, &words) : PTL_OK;
}

static int take_again(struct ptl_inquiry *q)
{
    struct ptl_op op = ptl_inquiry_op(q, PTL_DIR_PEER_AGAIN);

    return brings_owners(q) ? ptl_inquiry_pass_all(q, &op) : unannounced(q);
}

/* ---- Questions ------------------------------------------------------------------------------- */

static int pass_question(struct ptl_inquiry *q, enum ptl_ask what, struct ptl_span family,
                         struct ptl_span key, struct ptl_span tag)
{
    struct ptl_op op = ptl_inquiry_op(q, PTL_DIR_PEER_ASKS);
    struct ptl_writer writer;

    ptl_writer_init(&writer, q->shard->node);
    ptl_body_put_question(&writer, what, family, key);
    int err = ptl_put_plain(&writer, tag, 1);
    if (err == PTL_OK) {
        op.body = ptl_writer_body(&writer);
        op.count = writer.count;
        err = ptl_inquiry_pass(q, ptl_directory_place(q->shard, family), &op);
    }
    ptl_writer_drop(&writer);
    return err;
}

/* To a question that it may not ask a peer is given null, as to one too many; ours are told why. */
static int deny_question(const struct ptl_inquiry *q, const char *word, struct ptl_span tag)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, q->shard->node);
    int err = ptl_put_text(&writer, word, strlen(word));
    if (err == PTL_OK) {
        err = ptl_put_plain(&writer, tag, 1);
    }
    if (err == PTL_OK) {
        err = ptl_put_null(&writer);
    }
    if (err == PTL_OK && q->link->peer_is_portolan) {
        err = ptl_put_text(&writer, PTL_ANSWER_DENIED, strlen(PTL_ANSWER_DENIED));
    }
    if (err == PTL_OK) {
        err = ptl_link_packet(q->shard, q->link, ptl_span(NULL, 0), ptl_writer_body(&writer),
                              writer.count, NULL);
    }
    ptl_writer_drop(&writer);
    return err;
}

static int take_find(struct ptl_inquiry *q)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values);
    struct ptl_span node, tag;

    if (!ptl_inquiry_name(q, &node) || ptl_next_span(&cursor, &tag) < 0 ||
        tag.size > PTL_QUESTION_TAG_MAX) {
        return ptl_inquiry_malformed(q);
    }
    return may(q, PTL_MAY_DB_READ, addresses())
               ? pass_question(q, PTL_ASK_FIND, addresses(), node, tag)
               : deny_question(q, "g_found", tag);
}

/* Of a family that cannot be there is nothing: real programs may ask for it all the same. */
static int take_question(struct ptl_inquiry *q, enum ptl_ask what)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family, tag, key = {0};

    if (q->count < 2 || ptl_key_next(&cursor, q->room, &family) < 0 ||
        family.size > PTL_FAMILY_MAX || ptl_next_span(&cursor, &tag) < 0 ||
        tag.size > PTL_QUESTION_TAG_MAX) {
        return ptl_inquiry_malformed(q);
    }
    if (q->count > 2 && ptl_key_next(&cursor, room, &key) < 0) {
        return ptl_inquiry_malformed(q);
    }
    return may(q, PTL_MAY_DB_READ, family) ? pass_question(q, what, family, key, tag)
                                           : deny_question(q, "g_reply", tag);
}

static int take_ask_family(struct ptl_inquiry *q)
{
    return take_question(q, PTL_ASK_FAMILY);
}

static int take_ask_keys(struct ptl_inquiry *q)
{
    return take_question(q, PTL_ASK_KEYS);
}

static int take_ask_values(struct ptl_inquiry *q)
{
    return take_question(q, PTL_ASK_VALUES);
}

static int take_watch(struct ptl_inquiry *q)
{
    struct ptl_span family;

    /* There is no word for a watch that is denied: its peer is told nothing. */
    if (ptl_inquiry_family(q, &family) && !may(q, PTL_MAY_DB_READ, family)) {
        return PTL_OK;
    }
    return ptl_inquiry_pass_by_family(q, PTL_DIR_PEER_WATCHES);
}

static int take_unwatch(struct ptl_inquiry *q)
{
    return ptl_inquiry_pass_by_family(q, PTL_DIR_PEER_LEAVES);
}

/* ---- From the master ------------------------------------------------------------------------- */

static int not_master(const struct ptl_inquiry *q)
{
    return ptl_inquiry_ignore(q, "from a node that is not our master");
}

/* What a master says counts as what a global node says. */
static bool is_master(const struct ptl_inquiry *q)
{
    return q->link->db.master && may(q, PTL_MAY_GLOBAL, ptl_span("", 0));
}

static int take_copy(struct ptl_inquiry *q)
{
    struct ptl_span family;

    if (!is_master(q)) {
        return not_master(q);
    }
    if (!ptl_inquiry_family(q, &family)) {
        return ptl_inquiry_no_family(q);
    }
    struct ptl_dir_words words = {.kind = PTL_DIR_COPY, .by.number = next_replacing(q)};
    struct ptl_op op = ptl_inquiry_say(q, &words);
    int err = ptl_inquiry_pass(q, ptl_directory_place(q->shard, family), &op);
    return await(q, err, words.by.number, 1);
}

static int take_change(struct ptl_inquiry *q)
{
    struct ptl_dir_words words = {.kind = PTL_DIR_CHANGE};
    struct ptl_span family;

    if (!is_master(q)) {
        return not_master(q);
    }
    return ptl_inquiry_family(q, &family) ? pass_update(q, family, &words)
                                          : ptl_inquiry_no_family(q);
}

/* "SHARD.NUMBER", as question_master.c makes them. */
static bool read_id(struct ptl_span text, unsigned shards, unsigned *shard, uint64_t *number)
{
    char copy[40];
    char *end;

    if (text.size >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = 0;
    unsigned long index = strtoul(copy, &end, 16);
    if (end == copy || *end != '.' || index >= shards) {
        return false;
    }
    const char *digits = end + 1;
    *shard = (unsigned)index;
    *number = strtoull(digits, &end, 16);
    return end != digits && *end == 0;
}

static int take_reply(struct ptl_inquiry *q)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values);
    struct ptl_dir_words words = {.kind = PTL_DIR_ANSWER};
    struct ptl_span id;
    unsigned shard;

    if (!is_master(q)) {
        return not_master(q);
    }
    if (q->count < 2 || ptl_key_next(&cursor, q->room, &id) < 0 ||
        !read_id(id, q->shard->node->shard_count, &shard, &words.question)) {
        return ptl_inquiry_ignore(q, "to no question");
    }
    struct ptl_op op = ptl_inquiry_say(q, &words);
    op.body = ptl_cursor_rest(&cursor);
    op.count = q->count - 1;
    return ptl_inquiry_pass(q, shard, &op);
}

static int take_found(struct ptl_inquiry *q)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values);
    struct ptl_op op = ptl_inquiry_op(q, PTL_DIR_FOUND);
    struct ptl_span node;

    if (!is_master(q)) {
        return not_master(q);
    }
    if (q->count < 2 || ptl_key_next(&cursor, q->room, &node) < 0 || !ptl_node_id_valid(node)) {
        return ptl_inquiry_malformed(q);
    }
    op.node = node;
    op.body = ptl_cursor_rest(&cursor);
    op.count = q->count - 1;
    return ptl_inquiry_pass(q, ptl_shard_of(ptl_name_hash(node), q->shard->node->shard_count), &op);
}

/* ---- The table ------------------------------------------------------------------------------- */

/* Sorted by their words. */
const struct ptl_inquiry_word ptl_directory_words[PTL_DIRECTORY_WORDS] = {
    {PTL_WORD("g_chg1"), take_copy},
    {PTL_WORD("g_chg2"), take_change},
    {PTL_WORD("g_db_family"), take_ask_family},
    {PTL_WORD("g_db_keys"), take_ask_keys},
    {PTL_WORD("g_db_values"), take_ask_values},
    {PTL_WORD("g_find"), take_find},
    {PTL_WORD("g_found"), take_found},
    {PTL_WORD("g_global"), take_global},
    {PTL_WORD("g_mon0"), take_unwatch},
    {PTL_WORD("g_mon1"), take_watch},
    {PTL_WORD("g_reply"), take_reply},
    {PTL_WORD("g_set"), take_set},
    {PTL_WORD("g_slave"), take_slave},
    {PTL_WORD("g_upd"), take_update},
    {PTL_WORD("portolan::db"), take_owned},
    {PTL_WORD("portolan::db_again"), take_again},
    {PTL_WORD("portolan::db_lost"), take_lost},
    {PTL_WORD("portolan::db_owner"), take_owner},
};
