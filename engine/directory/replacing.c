#include "engine/directory/replacing.h"

#include "engine/directory/apply.h"
#include "engine/directory/attachment.h"
#include "engine/directory/intake_limit.h"
#include "engine/directory/interest.h"
#include "engine/directory/key.h"
#include "engine/directory/mesh.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/monitor.h"
#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/slice.h"

struct ptl_replacing {
    struct ptl_list listed; /* among those of the shard, the next one first */
    struct ptl_peer *peer;
    struct ptl_msg *held; /* what `cursor` reads */
    struct ptl_cursor cursor;
    struct ptl_op op;  /* that brought it: its words, node and body, which is of `held` */
    uint32_t number;   /* by which the link's owner knows it */
    bool is_copy;      /* of one family, from our master */
    bool is_update;    /* a long one, which `update` takes */
    bool by_global;    /* a real global node's own */
    bool here;         /* the family that is being read is this shard's, and has a name */
    uint32_t families; /* that are still to be read ... */
    uint32_t entries;  /* ... and entries of the present one */
    uint32_t count;    /* entries that were taken, and ... */
    uint64_t bytes;    /* ... of keys and values */
    uint64_t attachment;
    const char *trouble; /* why an entry was left out, or NULL; of which family: */
    uint8_t trouble_size, trouble_family[PTL_FAMILY_MAX];
    uint8_t family_size, family[PTL_FAMILY_MAX];
    struct ptl_update update;
};

/* What a piece of the work came to. */
enum { GOES_ON = 1, IS_DONE = 0 /* below: the link is to fail */ };

/* Something that counts more has come between: the rest is nobody's. */
#define OVERTAKEN PTL_EOWNER

static struct ptl_span peer_id(const struct ptl_replacing *r)
{
    return ptl_port_node(&r->peer->port);
}

static struct ptl_span family_of(const struct ptl_replacing *r)
{
    return ptl_span(r->family, r->family_size);
}

static void note_trouble(struct ptl_replacing *r, const char *trouble, struct ptl_span family)
{
    r->trouble = trouble;
    r->trouble_size = (uint8_t)(family.size < PTL_FAMILY_MAX ? family.size : PTL_FAMILY_MAX);
    memcpy(r->trouble_family, family.bytes, r->trouble_size);
}

/* Whose entries they are now; false: nobody's any more. */
static bool find_source(struct ptl_shard *shard, const struct ptl_replacing *r,
                        struct ptl_source *source)
{
    if (r->is_copy) {
        struct ptl_interest *interest = ptl_interest_find(shard, family_of(r));
        if (interest == NULL || !ptl_directory_is_master(shard->directory, peer_id(r))) {
            return false; /* nobody watches it any more, or there is another master */
        }
        *source = ptl_interest_source(interest);
        return true;
    }
    *source = (struct ptl_source){
        .owner = peer_id(r),
        .via = r->by_global ? peer_id(r) : ptl_directory_self(&shard->node->self),
        .attachment = r->attachment,
    };
    return true;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void skip(struct ptl_cursor *cursor)
{
    int err = ptl_skip(cursor);

    (void)err; /* the message is well-formed */
}

/* A map of keys and values, which is stepped over when it is none. */
static void begin_family(struct ptl_replacing *r)
{
    struct ptl_cursor ahead = r->cursor;
    struct ptl_value head;

    if (ptl_next(&ahead, &head) == PTL_OK && head.type == PTL_MAP) {
        r->cursor = ahead;
        r->entries = head.count;
        return;
    }
    if (r->here) {
        note_trouble(r, "entries that are not a map", family_of(r));
    }
    skip(&r->cursor);
}

/* As for updates: what a node that is not global says of global ones is left out. */
static bool may_name(const struct ptl_replacing *r, struct ptl_span family)
{
    const struct ptl_source source = {
        .owner = peer_id(r),
        .via = r->by_global ? peer_id(r) : ptl_span(NULL, 0),
    };

    return ptl_intake_may_name(&source, family);
}

/* One shard takes a family, or says that it cannot. */
static void next_family(struct ptl_shard *shard, struct ptl_replacing *r)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family = ptl_span(NULL, 0);
    int err = ptl_key_next(&r->cursor, room, &family);

    ptl_assert(r->families > 0 && r->entries == 0);
    r->families--;
    bool named = err == PTL_OK;
    unsigned place = named ? ptl_directory_place(shard, family) : 0;
    r->here = place == shard->index && named && ptl_family_fits(family);
    if (r->here) {
        r->family_size = (uint8_t)family.size;
        memcpy(r->family, family.bytes, family.size);
        r->here = may_name(r, family);
    } else if (place == shard->index) {
        note_trouble(r, "a family whose name is not one", named ? family : ptl_span("", 0));
    }
    begin_family(r);
}

static int set(struct ptl_shard *shard, struct ptl_replacing *r, const struct ptl_source *source,
               struct ptl_span key, struct ptl_span value)
{
    const struct ptl_node_options *options = &shard->node->options;

    r->count++;
    r->bytes += key.size + value.size;
    if (!r->is_copy && (r->count > options->db_entries_max || r->bytes > options->db_bytes_max)) {
        return PTL_ELIMIT;
    }
    int result = ptl_store_set(shard->directory->store, source, family_of(r), key, value);
    if (result == PTL_ELIMIT) {
        return PTL_EBROUGHT; /* the store's own limit: it names too many global nodes */
    }
    return result == PTL_STORE_OLD ? OVERTAKEN : result;
}

static int next_entry(struct ptl_shard *shard, struct ptl_replacing *r,
                      const struct ptl_source *source)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key, value;
    int err = ptl_key_next(&r->cursor, room, &key);

    if (err == PTL_EEND || ptl_next_span(&r->cursor, &value) < 0) {
        /* The message ends too soon: what it has is taken, and what it lacks is not waited for. */
        r->entries = r->families = 0;
        return PTL_OK;
    }
    ptl_assert(r->entries > 0);
    r->entries--;
    if (!r->here) {
        return PTL_OK;
    }
    if (err < 0) {
        note_trouble(r, ptl_intake_key_trouble(err), family_of(r));
    } else if (value.size > shard->node->options.db_value_bytes_max) {
        note_trouble(r, "a value over the limit", family_of(r));
    } else if (!r->by_global || !ptl_intake_is_echo(shard, key)) {
        return set(shard, r, source, key, value);
    }
    return PTL_OK;
}

/* ---- Working --------------------------------------------------------------------------------- */

/* Up to *units entries or families.  Returns GOES_ON, IS_DONE or an error. */
static int go_on_replacing(struct ptl_shard *shard, struct ptl_replacing *r, uint32_t *units)
{
    struct ptl_source source;

    if (!find_source(shard, r, &source)) {
        return OVERTAKEN;
    }
    for (; *units > 0 && r->entries + r->families > 0; --*units) {
        int err = PTL_OK;
        if (r->entries > 0) {
            err = next_entry(shard, r, &source);
        } else {
            next_family(shard, r);
        }
        if (err < 0) {
            return err;
        }
    }
    if (r->is_copy && ptl_intake_brings_too_much(shard, source.via)) {
        return PTL_EBROUGHT;
    }
    if (r->entries + r->families > 0 || *units == 0) {
        return GOES_ON;
    }
    return ptl_store_replace_end(shard->directory->store, &source, units) ? GOES_ON : IS_DONE;
}

/* Up to *units keys of an update, the same. */
static int go_on_update(struct ptl_shard *shard, struct ptl_replacing *r, uint32_t *units)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_source source;

    if (!ptl_apply_source(shard, &r->op, &source, room)) {
        return OVERTAKEN;
    }
    bool left = ptl_update_work(shard, &r->update, &source, units);
    return left && ptl_apply_excess(shard, &r->op) == PTL_OK ? GOES_ON : IS_DONE;
}

static void forget(struct ptl_shard *shard, struct ptl_replacing *r)
{
    ptl_assert(r->peer->replacing == r);
    ptl_list_remove(&r->listed);
    r->peer->replacing = NULL;
    ptl_update_end(shard, &r->update);
    ptl_msg_free(r->held);
    ptl_free(shard->allocator, r, sizeof(*r));
}

/* The peer may be listened to again. */
static void tell_taken(struct ptl_shard *shard, const struct ptl_replacing *r)
{
    struct ptl_op op =
        ptl_dir_say(&(struct ptl_dir_words){.kind = PTL_DIR_TAKEN, .by.number = r->number});

    op.node = peer_id(r);
    ptl_directory_post(shard, ptl_shard_of(ptl_name_hash(op.node), shard->node->shard_count), &op);
}

static void judge(struct ptl_shard *shard, struct ptl_replacing *r, int result)
{
    if (r->trouble != NULL) {
        ptl_intake_warn(shard, peer_id(r), ptl_span(r->trouble_family, r->trouble_size),
                        r->trouble);
    }
    if (result == IS_DONE && r->is_copy) {
        struct ptl_interest *interest = ptl_interest_find(shard, family_of(r));
        ptl_assert(interest != NULL); /* find_source() has found it within this call */
        ptl_interest_copied(shard, interest);
    }
    if (!r->is_copy && ptl_intake_is_over(shard, peer_id(r))) {
        result = PTL_ELIMIT;
    }
    if (result < 0 && result != OVERTAKEN) {
        ptl_directory_fail(shard, peer_id(r), result);
    }
}

static void finish(struct ptl_shard *shard, struct ptl_replacing *r, int result)
{
    if (!r->is_update) {
        judge(shard, r, result);
        ptl_mesh_peer_says(shard, peer_id(r));
    } else if (result == IS_DONE) {
        ptl_apply_end(shard, &r->op, &r->update);
    } else if (result != OVERTAKEN) {
        ptl_directory_fail(shard, peer_id(r), result);
    }
    tell_taken(shard, r);
    forget(shard, r);
}

/* With what this turn's slice has left. */
static void work(struct ptl_shard *shard, struct ptl_replacing *r)
{
    uint32_t *units = &shard->directory->replacing_units;
    int result = GOES_ON;

    if (*units > 0) {
        result = r->is_update ? go_on_update(shard, r, units) : go_on_replacing(shard, r, units);
    }
    if (result != GOES_ON) {
        finish(shard, r, result);
    }
}

void ptl_replacings_work(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    while (!ptl_list_empty(&directory->replacings) && directory->replacing_units > 0) {
        struct ptl_list *first = directory->replacings.next;
        ptl_list_remove(first);
        ptl_list_append(&directory->replacings, first); /* the next turn is another's */
        work(shard, ptl_container(first, struct ptl_replacing, listed));
    }
    /* For the next turn: what comes in before it is worked off draws on the same slice. */
    directory->replacing_units = PTL_SLICE;
    shard->unfinished |= !ptl_list_empty(&directory->replacings);
}

/* ---- Beginning ------------------------------------------------------------------------------- */

/* Hold what it reads. */
static int hold(struct ptl_shard *shard, struct ptl_replacing *r, const struct ptl_op *op)
{
    int err = PTL_OK;

    r->op = *op;
    /* The op's own spans lie in a ring and are gone with this call; the peer and `held` stay. */
    r->op.node = peer_id(r);
    if (op->whole != NULL) {
        r->held = ptl_msg_keep(op->whole);
        err = r->held == NULL ? PTL_ENOMEM : PTL_OK;
    } else {
        err = ptl_msg_from(shard->allocator, op->body, op->count, &r->held);
        r->op.body = err == PTL_OK ? ptl_msg_body(r->held) : ptl_span(NULL, 0);
    }
    r->cursor = ptl_cursor_of(r->op.body);
    return err;
}

/* The family's name stands before its map; null is an empty one. */
static int begin_copy(struct ptl_shard *shard, struct ptl_replacing *r)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family;
    struct ptl_value head;
    int err = ptl_key_next(&r->cursor, room, &family);

    if (err < 0 || !ptl_family_fits(family)) {
        return OVERTAKEN;
    }
    r->here = true;
    r->family_size = (uint8_t)family.size;
    memcpy(r->family, family.bytes, family.size);
    struct ptl_cursor ahead = r->cursor;
    err = ptl_next(&ahead, &head);
    if (err == PTL_OK && head.type != PTL_MAP && head.type != PTL_NULL) {
        if (ptl_interest_find(shard, family) != NULL) {
            note_trouble(r, "a copy that is not a map", family);
        }
        return OVERTAKEN;
    }
    if (err == PTL_OK && head.type == PTL_MAP) {
        begin_family(r);
    }
    return PTL_OK;
}

static int begin_database(struct ptl_replacing *r, struct ptl_dir_by by)
{
    struct ptl_value head;
    int err = ptl_next(&r->cursor, &head);

    r->by_global = by.global;
    r->attachment = by.global ? UINT64_MAX : by.attachment | PTL_ATTACHMENT_HERE;
    if (!r->by_global) { /* else it has said so before; without memory for that its link ends */
        ptl_peer_role_enter(&r->peer->role, PTL_PEER_ATTACHED);
    }
    r->peer->knows_owners |= by.ours;
    r->families = err == PTL_OK ? head.count : 0;
    return PTL_OK;
}

static int begin_update(struct ptl_shard *shard, struct ptl_replacing *r)
{
    uint8_t room[PTL_KEY_ROOM];

    if (!ptl_apply_begin(shard, &r->op, &r->update, room)) {
        return OVERTAKEN;
    }
    struct ptl_span *family = &r->update.family;
    r->family_size = (uint8_t)(family->size < PTL_FAMILY_MAX ? family->size : PTL_FAMILY_MAX);
    if (r->family_size != 0) {
        memcpy(r->family, family->bytes, r->family_size);
    }
    *family = family_of(r); /* one that was longer is none: it is taken no further */
    return PTL_OK;
}

static int begin(struct ptl_shard *shard, struct ptl_replacing *r, const struct ptl_op *op)
{
    struct ptl_source source;
    int err = hold(shard, r, op);

    if (r->is_update) {
        return err < 0 ? err : begin_update(shard, r);
    }

    if (err == PTL_OK) {
        err = r->is_copy ? begin_copy(shard, r) : begin_database(r, ptl_dir_words(op).by);
    }
    if (err < 0 || !find_source(shard, r, &source)) {
        return err < 0 ? err : OVERTAKEN;
    }
    err = ptl_store_replace_begin(shard->directory->store, &source);
    return err == PTL_STORE_OLD ? OVERTAKEN : err;
}

void ptl_replacing_drop(struct ptl_shard *shard, struct ptl_peer *peer)
{
    if (peer->replacing != NULL) {
        forget(shard, peer->replacing);
    }
}

void ptl_replacings_drop(struct ptl_shard *shard)
{
    struct ptl_list *all = &shard->directory->replacings;

    while (!ptl_list_empty(all)) {
        forget(shard, ptl_container(all->next, struct ptl_replacing, listed));
    }
}

static struct ptl_replacing *make(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_dir_words said = ptl_dir_words(op);
    struct ptl_peer *peer = ptl_peer_get(shard, op->node);
    struct ptl_replacing *r = peer == NULL ? NULL : ptl_alloc(shard->allocator, sizeof(*r));

    if (r != NULL) {
        ptl_replacing_drop(shard, peer); /* of a link that we have not heard the end of */
        r->peer = peer;
        r->is_copy = said.kind == PTL_DIR_COPY;
        r->is_update = !r->is_copy && said.kind != PTL_DIR_REPLACE;
        ptl_map_init(&r->update.by_name, shard->allocator);
        r->number = said.by.number;
        peer->replacing = r;
        ptl_list_append(&shard->directory->replacings, &r->listed);
    }
    return r;
}

void ptl_replacing_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_replacing *r = make(shard, op);

    if (r == NULL) {
        ptl_directory_fail(shard, op->node, PTL_ENOMEM);
        return;
    }
    int result = begin(shard, r, op);
    if (result < 0) {
        finish(shard, r, result);
    } else {
        work(shard, r);
    }
}

void ptl_replacing_take_update(struct ptl_shard *shard, const struct ptl_op *op)
{
    if (ptl_update_is_long(op->body)) {
        ptl_replacing_take(shard, op);
    } else {
        ptl_apply_update(shard, op);
    }
}
