#include "engine/directory/apply.h"

#include "engine/directory/attachment.h"
#include "engine/directory/intake_limit.h"
#include "engine/directory/interest.h"
#include "engine/directory/key.h"
#include "engine/directory/mesh.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

static void skip(struct ptl_cursor *cursor)
{
    int err = ptl_skip(cursor);

    (void)err; /* the message is well-formed */
}

static void warn_of_owner(struct ptl_shard *shard, struct ptl_span node)
{
    ptl_log_about(shard, PTL_LOG_WARN, node, "from %.*s: an owner that is none: ignored",
                  (int)node.size, (const char *)node.bytes);
}

/* ---- Global nodes of ours -------------------------------------------------------------------- */

/* Owner and attachment; false: it is not of that form. */
static bool read_source(struct ptl_cursor *cursor, const struct ptl_op *op,
                        struct ptl_source *source, uint8_t room[static PTL_KEY_ROOM])
{
    struct ptl_value number;

    if (ptl_key_next(cursor, room, &source->owner) < 0 || ptl_next(cursor, &number) < 0 ||
        number.type != PTL_INT || number.integer < 0 || number.natural > PTL_ATTACHMENT_MAX ||
        !ptl_node_id_valid(source->owner)) {
        return false;
    }
    source->via = op->node;
    /* What it says of itself counts more than what anybody says of it. */
    source->attachment = ptl_span_equal(source->owner, op->node) ? UINT64_MAX : number.natural;
    return true;
}

/* Should what counts more go first, it is asked for this once more. */
static void note_ignored(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_peer *peer = ptl_peer_find(shard, node);

    if (peer != NULL) {
        peer->ignored = true;
    }
}

/* Whoever brought it before may be right after all. */
static void note_displaced(struct ptl_shard *shard, const struct ptl_source *source)
{
    struct ptl_source known;

    if (ptl_store_owner(shard->directory->store, source->owner, &known) &&
        !ptl_span_equal(known.via, source->via)) {
        note_ignored(shard, known.via);
    }
}

void ptl_apply_owner(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_source source;

    if (!read_source(&cursor, op, &source, room)) {
        warn_of_owner(shard, op->node);
        return;
    }
    note_displaced(shard, &source);
    int result = ptl_store_attach(shard->directory->store, &source);
    if (result == PTL_STORE_OLD) {
        note_ignored(shard, op->node);
    } else if (result == PTL_STORE_DONE && ptl_intake_brings_too_much(shard, op->node)) {
        ptl_directory_fail(shard, op->node, PTL_EBROUGHT);
    } else if (result < 0) {
        ptl_directory_fail(shard, op->node, result);
    }
}

void ptl_apply_lost(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_source source;

    if (!read_source(&cursor, op, &source, room)) {
        warn_of_owner(shard, op->node);
        return;
    }
    if (ptl_store_drop(shard->directory->store, &source) == PTL_STORE_DONE) {
        ptl_peers_ask_again(shard);
    }
}

/* ---- Updates --------------------------------------------------------------------------------- */

/* The family of a change that our master tells, unless it has become another's. */
static struct ptl_interest *interest_in(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family;
    int err = ptl_key_next(&cursor, room, &family);

    if (err < 0 || !ptl_directory_is_master(shard->directory, op->node)) {
        return NULL; /* from one that was the master until just now */
    }
    return ptl_interest_find(shard, family);
}

bool ptl_apply_source(struct ptl_shard *shard, const struct ptl_op *op, struct ptl_source *source,
                      uint8_t room[static PTL_KEY_ROOM])
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);

    if (ptl_dir_kind(op) == PTL_DIR_OWNED) {
        return read_source(&cursor, op, source, room);
    }
    if (ptl_dir_kind(op) == PTL_DIR_CHANGE) {
        struct ptl_interest *interest = interest_in(shard, op);
        if (interest != NULL) {
            *source = ptl_interest_source(interest);
        }
        return interest != NULL;
    }
    struct ptl_dir_by by = ptl_dir_words(op).by;
    *source = (struct ptl_source){
        .owner = op->node,
        .via = by.global ? op->node : ptl_directory_self(&shard->node->self),
        .attachment = by.global ? UINT64_MAX : by.attachment | PTL_ATTACHMENT_HERE,
    };
    return true;
}

/* Whether it can be taken, with a line where its bringer has done wrong. */
static bool is_fit(struct ptl_shard *shard, const struct ptl_op *op, struct ptl_source *source,
                   uint8_t room[static PTL_KEY_ROOM])
{
    if (!ptl_apply_source(shard, op, source, room)) {
        if (ptl_dir_kind(op) == PTL_DIR_OWNED) {
            warn_of_owner(shard, op->node);
        }
        return false;
    }
    if (ptl_dir_kind(op) == PTL_DIR_CHANGE) {
        struct ptl_interest *interest = interest_in(shard, op);
        ptl_assert(interest != NULL); /* ptl_apply_source() has found it */
        if (ptl_interest_state(shard, interest) != PTL_INTEREST_FRESH) {
            ptl_intake_warn(shard, op->node, ptl_interest_family(interest),
                            "a change before its first copy");
            return false;
        }
    }
    return true;
}

bool ptl_apply_begin(struct ptl_shard *shard, const struct ptl_op *op, struct ptl_update *update,
                     uint8_t room[static PTL_KEY_ROOM])
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t owner_room[PTL_KEY_ROOM];
    struct ptl_span family = {0};
    struct ptl_source source;

    if (!is_fit(shard, op, &source, owner_room)) {
        return false;
    }
    if (ptl_dir_kind(op) == PTL_DIR_OWNED) {
        skip(&cursor);
        skip(&cursor);
    }
    if (ptl_key_next(&cursor, room, &family) < 0) {
        family = ptl_span(NULL, 0);
    }
    if (!ptl_intake_may_name(&source, family)) {
        /* Without a word: it may be about to say that it is global, and brings all anew then. */
        return false;
    }
    /* A name that is none is an empty one, which is no family: the update is refused with that. */
    ptl_update_begin(shard, update, family, cursor);
    /* What a node of ours or our master passes on was checked where it came in; only what a peer
     * has set itself is compared with limits here. */
    update->trusted = ptl_dir_kind(op) != PTL_DIR_UPDATE;
    update->skips_echoes = ptl_dir_kind(op) == PTL_DIR_UPDATE && ptl_dir_words(op).by.global;
    return true;
}

int ptl_apply_excess(struct ptl_shard *shard, const struct ptl_op *op)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_source source;

    if (ptl_dir_kind(op) == PTL_DIR_UPDATE) {
        return ptl_intake_is_over(shard, op->node) ? PTL_ELIMIT : PTL_OK;
    }
    bool known = ptl_apply_source(shard, op, &source, room);
    return known && ptl_intake_brings_too_much(shard, source.via) ? PTL_EBROUGHT : PTL_OK;
}

/* What the store counts itself is how many global nodes one names. */
static int excess_of(int result)
{
    return result == PTL_ELIMIT ? PTL_EBROUGHT : result;
}

void ptl_apply_end(struct ptl_shard *shard, const struct ptl_op *op, struct ptl_update *update)
{
    int over = ptl_apply_excess(shard, op);

    ptl_update_end(shard, update);
    if (update->trouble != NULL) {
        ptl_intake_warn(shard, op->node, update->family, update->trouble);
    }
    if (ptl_span_equal(update->family, ptl_span_text("'l"))) {
        ptl_mesh_peer_says(shard, op->node);
    }
    /* An owner that is not attached was lost meanwhile, as another shard of the peer's told. */
    if (over < 0 || (update->result < 0 && update->result != PTL_EOWNER)) {
        ptl_directory_fail(shard, op->node, over < 0 ? over : excess_of(update->result));
    }
}

void ptl_apply_update(struct ptl_shard *shard, const struct ptl_op *op)
{
    uint8_t family_room[PTL_KEY_ROOM], owner_room[PTL_KEY_ROOM];
    struct ptl_update update;
    struct ptl_source source;
    uint32_t all = UINT32_MAX;

    if (ptl_apply_begin(shard, op, &update, family_room) &&
        ptl_apply_source(shard, op, &source, owner_room)) {
        bool left = ptl_update_work(shard, &update, &source, &all);
        ptl_assert(!left); /* it is short */
        ptl_apply_end(shard, op, &update);
    }
}
