#include "engine/directory/directory.h"

#include "engine/directory/director.h"
#include "engine/directory/directory_apply.h"
#include "engine/directory/directory_body.h"
#include "engine/directory/directory_key.h"
#include "engine/directory/directory_request.h"
#include "engine/directory/follower.h"
#include "engine/directory/interest.h"
#include "engine/directory/mesh.h"
#include "engine/directory/outlet.h"
#include "engine/directory/question.h"
#include "engine/directory/registration.h"
#include "engine/link/failure.h"
#include "engine/message/name.h"
#include "engine/node/node.h"
#include "engine/port/send.h"

/* Entries of nodes that are gone, which may be millions. */
#define DROPPED_A_TURN 2048

/* One that becomes global asks its master for so long, while the others' databases come in. */
#define MASTER_STAYS_NS UINT64_C(3000000000)

/* What the buffers for packets may keep for the next turn, in bytes each. */
#define BUFFER_KEPT_MAX ((size_t)256 << 10)

/* ---- Posting --------------------------------------------------------------------------------- */

unsigned ptl_directory_place(const struct ptl_shard *shard, struct ptl_span family)
{
    return ptl_shard_of(ptl_name_hash(family), shard->node->shard_count);
}

static unsigned owner_of(const struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_shard_of(ptl_name_hash(node), shard->node->shard_count);
}

/*
 * An op can be neither posted nor kept.  What it was about has to begin anew, so the link to its
 * node fails; to say so takes no memory, but a bit: of the peer, or of all links of one owner.
 */
static void lose(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_peer *peer = op->node.size == 0 ? NULL : ptl_peer_find(shard, op->node);

    ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: the database may be out of step");
    if (op->number == PTL_DIR_NEEDED) {
        directory->needs_master = false; /* whoever needs it next says so */
    } else if (peer != NULL) {
        peer->failing = directory->failing = true;
    } else if (op->node.size != 0) {
        directory->failing_owners |= UINT64_C(1) << owner_of(shard, op->node);
    }
}

static void let_wait(struct ptl_shard *shard, unsigned to, const struct ptl_op *op)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_parcel *parcel = ptl_parcel_make(op, shard->allocator);

    if (parcel == NULL) {
        lose(shard, op);
        return;
    }
    if (directory->last[to] == NULL) {
        directory->first[to] = parcel;
    } else {
        directory->last[to]->next = parcel;
    }
    directory->last[to] = parcel;
    directory->queued |= UINT64_C(1) << to;
}

void ptl_directory_post(struct ptl_shard *shard, unsigned to, const struct ptl_op *op)
{
    if (ptl_directory_waits(&shard->directory, to) || ptl_shard_post(shard, to, op, true) < 0) {
        let_wait(shard, to, op);
    }
}

void ptl_directory_post_all(struct ptl_shard *shard, const struct ptl_op *op)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        ptl_directory_post(shard, i, op);
    }
}

/* Returns whether all that waited for this shard is posted. */
static bool post_waiting(struct ptl_shard *shard, unsigned to)
{
    struct ptl_directory *directory = &shard->directory;

    while (directory->first[to] != NULL) {
        struct ptl_parcel *parcel = directory->first[to];
        struct ptl_op op;
        ptl_op_unpack(parcel->bytes, &op);
        if (ptl_shard_post(shard, to, &op, true) < 0) {
            return false;
        }
        directory->first[to] = parcel->next;
        ptl_parcel_free(parcel, shard->allocator);
    }
    directory->last[to] = NULL;
    directory->queued &= ~(UINT64_C(1) << to);
    return true;
}

static bool post_all_waiting(struct ptl_shard *shard)
{
    uint64_t queued = shard->directory.queued;
    bool all = true;

    for (unsigned i = 0; queued != 0; i++, queued >>= 1) {
        if ((queued & 1) != 0) {
            all = post_waiting(shard, i) && all;
        }
    }
    return all;
}

static struct ptl_op failure(struct ptl_span node, int err)
{
    return (struct ptl_op){
        .kind = PTL_OP_DIRECTORY,
        .to = PTL_TO_SHARD,
        .number = PTL_DIR_FAIL,
        .epoch = (uint64_t) - (int64_t)err,
        .node = node,
    };
}

void ptl_directory_fail(struct ptl_shard *shard, struct ptl_span node, int err)
{
    struct ptl_op op = failure(node, err);

    ptl_directory_post(shard, owner_of(shard, node), &op);
}

/* Those whose bit stands.  Returns whether some are left. */
static bool fail_peers(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;

    directory->failing = false;
    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        if (peer->failing) {
            struct ptl_op op = failure(ptl_port_node(&peer->port), PTL_ENOMEM);
            unsigned owner = owner_of(shard, op.node);
            peer->failing = ptl_shard_post(shard, owner, &op, true) < 0;
            directory->failing |= peer->failing;
        }
    }
    return directory->failing;
}

static bool fail_owners(struct ptl_shard *shard)
{
    struct ptl_op op = failure(ptl_span(NULL, 0), PTL_ENOMEM);

    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if ((shard->directory.failing_owners & bit) != 0 &&
            ptl_shard_post(shard, i, &op, true) == PTL_OK) {
            shard->directory.failing_owners &= ~bit;
        }
    }
    return shard->directory.failing_owners != 0;
}

/* Some other shard has lost what it had to say of a link, and could not even keep of which. */
static void fail_all(struct ptl_shard *shard)
{
    struct ptl_link *link;
    uint32_t at = 0;

    while ((link = ptl_map_next(&shard->links.by_id, &at)) != NULL) {
        if (link->state == PTL_LINK_UP) {
            ptl_link_fail(shard, link, PTL_ENOMEM);
            at = 0; /* whoever was told of it may have made links */
        }
    }
}

static void fail_link(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_link *link = op->node.size == 0 ? NULL : ptl_link_find(shard, op->node);

    if (op->node.size == 0) {
        fail_all(shard);
        return;
    }
    if (link != NULL && link->state == PTL_LINK_UP) {
        int err = -(int)op->epoch;
        ptl_log_about(shard, PTL_LOG_ERROR, op->node, "the database of %s: %s", link->id,
                      ptl_err_text(err));
        ptl_link_fail(shard, link, err);
    }
}

void ptl_directory_need(struct ptl_shard *shard)
{
    struct ptl_op op = {.kind = PTL_OP_DIRECTORY, .to = PTL_TO_SHARD, .number = PTL_DIR_NEEDED};

    if (!shard->directory.needs_master && !shard->directory.global) {
        shard->directory.needs_master = true;
        ptl_directory_post(shard, 0, &op);
    }
}

/* ---- Our own entries ------------------------------------------------------------------------- */

struct ptl_source ptl_directory_own(const struct ptl_shard *shard)
{
    struct ptl_span self = ptl_directory_self(&shard->node->self);

    /* Nothing that others say of us counts more. */
    return (struct ptl_source){.owner = self, .via = self, .attachment = UINT64_MAX};
}

static void complain(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key, int err)
{
    ptl_log(shard->node, PTL_LOG_ERROR, "the key '%.*s' of family %.*s: %s", (int)key.size,
            (const char *)key.bytes, (int)family.size, (const char *)family.bytes,
            ptl_err_text(err));
}

/* Whether one more key of ours is too many.  That it is not the first to be set is looked at only
 * near the limit. */
static bool over_limit(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key)
{
    struct ptl_span self = ptl_directory_self(&shard->node->self);
    struct ptl_item item;

    return ptl_store_owner_count(shard->directory.store, self) >=
               shard->node->options.db_entries_max &&
           !(ptl_store_get(shard->directory.store, family, key, &item) &&
             ptl_span_equal(item.owner, self));
}

void ptl_directory_set(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key,
                       struct ptl_span value)
{
    struct ptl_source own = ptl_directory_own(shard);
    int err = over_limit(shard, family, key)
                  ? PTL_ELIMIT
                  : ptl_store_set(shard->directory.store, &own, family, key, value);

    if (err < 0) {
        complain(shard, family, key, err);
    }
}

void ptl_directory_del(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key)
{
    struct ptl_source own = ptl_directory_own(shard);
    int err = ptl_store_del(shard->directory.store, &own, family, key);

    if (err < 0) {
        complain(shard, family, key, err);
    }
}

static void take_own(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_entry entry = ptl_body_entry(op->body);

    ptl_directory_need(shard);
    if (op->number == PTL_DIR_SET) {
        ptl_directory_set(shard, entry.family, entry.key, entry.value);
    } else {
        ptl_directory_del(shard, entry.family, entry.key);
    }
}

/* ---- Peers ----------------------------------------------------------------------------------- */

static bool same_peer(const void *entry, struct ptl_span node)
{
    return ptl_span_equal(ptl_port_node(&((const struct ptl_peer *)entry)->port), node);
}

struct ptl_peer *ptl_peer_find(struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_map_find(&shard->directory.peers, ptl_name_hash(node), same_peer, node);
}

struct ptl_peer *ptl_peer_get(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_peer *peer = ptl_peer_find(shard, node);

    if (peer != NULL) {
        return peer;
    }
    if (ptl_map_reserve(&shard->directory.peers) < 0) {
        return NULL;
    }
    peer = ptl_alloc(shard->allocator, sizeof(*peer));
    if (peer != NULL) {
        int err = ptl_port_at(&shard->node->self, node, ptl_span(NULL, 0), &peer->port);
        ptl_assert(err == PTL_OK); /* a linked node's ID */
        peer->hash = ptl_name_hash(node);
        ptl_map_init(&peer->watches, shard->allocator);
        ptl_map_insert(&shard->directory.peers, peer->hash, peer);
    }
    return peer;
}

/* Tell it our part of the database, as it understands it; once more if that goes on already. */
static void feed(struct ptl_shard *shard, struct ptl_peer *peer)
{
    enum ptl_outlet_kind kind = peer->knows_owners && peer->global && shard->directory.global
                                    ? PTL_OUTLET_OWNERS
                                    : PTL_OUTLET_MERGED;

    ptl_mesh_addresses(shard); /* where others listen is never told as it was before the link */
    if (peer->feed != NULL && peer->feed->kind == kind) {
        /* Only when it has taken what it lacks: what is deleted would stay there else. */
        peer->feed->again = true;
        ptl_outlet_wake(peer->feed);
        return;
    }
    if (peer->feed != NULL) {
        ptl_outlet_close(shard, peer->feed);
    }
    peer->feed = ptl_outlet_feed(shard, peer, kind);
    if (peer->feed == NULL) {
        ptl_directory_fail(shard, ptl_port_node(&peer->port), PTL_ENOMEM);
    }
}

static void take_peer_again(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_peer *peer = ptl_peer_find(shard, op->node);

    if (peer != NULL && peer->feed != NULL && peer->feed->kind == PTL_OUTLET_OWNERS) {
        feed(shard, peer);
    }
}

/*
 * Something is gone that counted more than what a peer brings: perhaps the one for the sake of
 * which the other was ignored.  A node that was global, say, died and attached to another before
 * its link to us was missed.  So whoever was not listened to tells all once more.
 */
void ptl_peers_ask_again(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;

    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        peer->asking |= peer->ignored;
        peer->ignored = false;
        directory->asking |= peer->asking;
    }
}

/* Returns whether some could not be asked yet. */
static bool ask_again(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;

    directory->asking = false;
    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        if (!peer->asking) {
            continue;
        }
        ptl_buffer_clear(&directory->packet);
        ptl_key_put(&directory->packet, ptl_span_text("portolan::db_again"));
        struct ptl_op op = {
            .kind = PTL_OP_MESSAGE,
            .body = ptl_buffer_span(&directory->packet),
            .count = 1,
        };
        peer->asking =
            directory->packet.err < 0 || ptl_route(shard->node, &peer->port, &op, PTL_WAY_OWN) < 0;
        directory->asking |= peer->asking;
    }
    return directory->asking;
}

static void take_peer_global(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_peer *peer = ptl_peer_get(shard, op->node);
    struct ptl_source attached = {
        .owner = op->node,
        .via = ptl_directory_self(&shard->node->self),
        .attachment = UINT64_MAX,
    };
    struct ptl_source direct = {
        .owner = op->node,
        .via = op->node,
        .attachment = UINT64_MAX,
    };

    if (peer == NULL) {
        ptl_directory_fail(shard, op->node, PTL_ENOMEM);
        return;
    }
    peer->global = true;
    peer->attached = false;
    peer->knows_owners = op->watcher != 0;
    /* What it gave us as an ordinary node it brings itself from now on; and all it brought before
     * it brings anew. */
    ptl_store_drop(shard->directory.store, &attached);
    ptl_store_drop_via(shard->directory.store, op->node);
    ptl_peers_ask_again(shard);
    if (!peer->knows_owners && ptl_store_attach(shard->directory.store, &direct) < 0) {
        ptl_directory_fail(shard, op->node, PTL_ENOMEM);
    }
    if (shard->directory.global) {
        feed(shard, peer);
    }
    ptl_mesh_peer(shard, peer);
}

static void take_peer_watch(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family;
    int err = ptl_key_next(&cursor, room, &family);
    struct ptl_peer *peer = ptl_peer_get(shard, op->node);

    ptl_assert(err == PTL_OK); /* looked at by directory_request.c */
    if (op->number == PTL_DIR_PEER_LEAVES) {
        if (peer != NULL) {
            ptl_outlet_unwatch(shard, peer, family);
        }
        return;
    }
    err = peer == NULL ? PTL_ENOMEM : ptl_outlet_watch(shard, peer, family);
    if (err == PTL_ELIMIT) {
        ptl_log(shard->node, PTL_LOG_WARN, "%s watches too many families: %.*s: ignored",
                ptl_port_id(&peer->port), (int)family.size, (const char *)family.bytes);
    } else if (err < 0) {
        ptl_directory_fail(shard, op->node, err);
    }
}

void ptl_directory_link_down(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_peer *peer = ptl_peer_find(shard, node);
    struct ptl_source attached = {
        .owner = node,
        .via = ptl_directory_self(&shard->node->self),
        .attachment = UINT64_MAX,
    };

    if (directory->director != NULL) {
        ptl_director_link_down(shard, node);
    }
    if (directory->has_master && ptl_span_equal(ptl_port_node(&directory->master), node)) {
        directory->has_master = false;
        ptl_questions_again(shard);
        ptl_interests_again(shard);
        ptl_directory_find_again(shard);
    }
    ptl_questions_forget(shard, node);
    ptl_store_drop(directory->store, &attached);
    ptl_store_drop_via(directory->store, node);
    if (peer == NULL) {
        ptl_peers_ask_again(shard);
        return;
    }
    ptl_outlets_close(shard, peer);
    ptl_map_remove(&directory->peers, peer->hash, peer);
    bool was_global = peer->global;
    ptl_free(shard->allocator, peer, sizeof(*peer));
    ptl_peers_ask_again(shard);
    if (was_global) {
        ptl_mesh_peer_lost(shard, node);
    }
}

/* ---- Roles ----------------------------------------------------------------------------------- */

static void take_master(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_directory *directory = &shard->directory;

    if (op->epoch <= directory->attachment || directory->global) {
        return; /* overtaken by a later one */
    }
    struct ptl_peer *peer = ptl_peer_get(shard, op->node);
    if (peer == NULL) {
        ptl_directory_fail(shard, op->node, PTL_ENOMEM);
        return;
    }
    directory->attachment = op->epoch;
    directory->has_master = true;
    directory->master = peer->port;
    peer->knows_owners = op->watcher != 0;
    feed(shard, peer);
    ptl_questions_again(shard);
    ptl_interests_again(shard);
    ptl_directory_find_again(shard);
}

static void take_own_global(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;

    directory->global = true;
    directory->started = true;
    if (directory->has_master) {
        peer = ptl_peer_find(shard, ptl_port_node(&directory->master));
        directory->has_master = peer != NULL && peer->global;
        directory->master_until = shard->now + MASTER_STAYS_NS;
        if (peer != NULL && peer->feed != NULL && !peer->global) {
            ptl_outlet_close(shard, peer->feed);
        }
    }
    ptl_interests_end(shard);
    ptl_questions_again(shard);
    ptl_directory_say_global(shard);
    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        if (peer->global) {
            feed(shard, peer);
        }
    }
    ptl_mesh_begin(shard);
    ptl_directory_find_again(shard);
}

/* ---- Watchers -------------------------------------------------------------------------------- */

static int open_follower(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_watch watch = ptl_body_watch(op->body);
    struct ptl_span family = watch.family;
    struct ptl_directory *directory = &shard->directory;

    if (!directory->global) {
        int err = ptl_interest_add(shard, family);
        if (err < 0) {
            return err;
        }
    }
    int err = ptl_outlet_follow(shard, op->epoch, op->watcher, family,
                                (enum ptl_watch_how)watch.how, watch.filter);
    if (err < 0) {
        ptl_interest_remove(shard, family);
        return err;
    }
    struct ptl_interest *interest = directory->global ? NULL : ptl_interest_find(shard, family);
    if (interest != NULL && !interest->copied) {
        ptl_outlet_hold(ptl_outlet_of(shard, op->epoch), &interest->held);
    }
    return PTL_OK;
}

static void take_watch(struct ptl_shard *shard, const struct ptl_op *op)
{
    if (open_follower(shard, op) < 0) {
        struct ptl_op again = {
            .kind = PTL_OP_DIRECTORY,
            .to = PTL_TO_SHARD,
            .number = PTL_DIR_AGAIN,
            .epoch = op->epoch,
        };
        ptl_directory_post(shard, op->watcher, &again);
    }
}

static void take_unwatch(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_outlet *outlet = ptl_outlet_of(shard, op->epoch);

    if (outlet != NULL) {
        ptl_interest_remove(shard, ptl_span(outlet->family, outlet->family_size));
        ptl_outlet_close(shard, outlet);
    }
}

static void take_next(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_outlet *outlet = ptl_outlet_of(shard, op->epoch);

    if (outlet != NULL) {
        outlet->waiting = false;
        ptl_outlet_wake(outlet);
    }
}

/* ---- Where nodes listen ---------------------------------------------------------------------- */

static void take_find(struct ptl_shard *shard, const struct ptl_op *op)
{
    const uint8_t null_value = PTL_CBOR_NULL;
    struct ptl_item item = {.value = ptl_span(&null_value, 1)};
    struct ptl_op found = {
        .kind = PTL_OP_DIRECTORY,
        .to = PTL_TO_SHARD,
        .number = PTL_DIR_FOUND,
        .node = op->node,
    };
    bool known = ptl_store_get(shard->directory.store, ptl_span_text("'l"), op->node, &item);

    (void)known; /* null says that it is not */
    found.body = item.value;
    found.count = 1;
    unsigned to = ptl_shard_of(ptl_name_hash(op->node), shard->node->shard_count);
    ptl_directory_post(shard, to, &found);
}

/* ---- All ops --------------------------------------------------------------------------------- */

/* Our own entries come before anything that others ask or say. */
static void start(struct ptl_shard *shard)
{
    if (!shard->directory.started) {
        shard->directory.started = true;
        ptl_mesh_begin(shard);
    }
}

void ptl_directory_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    start(shard);
    switch ((enum ptl_directory_op)op->number) {
    case PTL_DIR_SET:
    case PTL_DIR_DEL:
        take_own(shard, op);
        break;
    case PTL_DIR_ASK:
        ptl_question_take(shard, op);
        break;
    case PTL_DIR_WATCH:
        take_watch(shard, op);
        break;
    case PTL_DIR_NEXT:
        take_next(shard, op);
        break;
    case PTL_DIR_UNWATCH:
        take_unwatch(shard, op);
        break;
    case PTL_DIR_TOLD:
        ptl_follower_told(shard, op);
        break;
    case PTL_DIR_AGAIN:
        ptl_follower_again(shard, op->epoch);
        break;
    case PTL_DIR_UNFOLLOW:
        ptl_follower_end(shard, op->epoch);
        break;
    case PTL_DIR_PEER_GLOBAL:
        take_peer_global(shard, op);
        break;
    case PTL_DIR_REPLACE:
        ptl_apply_replace(shard, op);
        break;
    case PTL_DIR_UPDATE:
        ptl_apply_update(shard, op);
        break;
    case PTL_DIR_OWNER:
        ptl_apply_owner(shard, op);
        break;
    case PTL_DIR_LOST:
        ptl_apply_lost(shard, op);
        break;
    case PTL_DIR_OWNED:
        ptl_apply_owned(shard, op);
        break;
    case PTL_DIR_PEER_AGAIN:
        take_peer_again(shard, op);
        break;
    case PTL_DIR_PEER_ASKS:
        ptl_question_take_peer(shard, op);
        break;
    case PTL_DIR_PEER_WATCHES:
    case PTL_DIR_PEER_LEAVES:
        take_peer_watch(shard, op);
        break;
    case PTL_DIR_COPY:
        ptl_apply_copy(shard, op);
        break;
    case PTL_DIR_CHANGE:
        ptl_apply_change(shard, op);
        break;
    case PTL_DIR_ANSWER:
        ptl_question_answered(shard, op);
        break;
    case PTL_DIR_SEED:
        ptl_director_seed(shard, op->node);
        break;
    case PTL_DIR_NEEDED:
        ptl_director_needed(shard);
        break;
    case PTL_DIR_WANTED:
        ptl_director_wanted(shard);
        break;
    case PTL_DIR_ATTACH:
        ptl_directory_attach(shard, op);
        break;
    case PTL_DIR_MASTER:
        take_master(shard, op);
        break;
    case PTL_DIR_GLOBAL:
        take_own_global(shard);
        break;
    case PTL_DIR_ADDRESSES:
        ptl_mesh_addresses(shard);
        break;
    case PTL_DIR_FIND:
        take_find(shard, op);
        break;
    case PTL_DIR_FOUND:
        ptl_directory_found(shard, op);
        break;
    case PTL_DIR_KEEP:
    case PTL_DIR_LEAVE:
        ptl_directory_keep(shard, op->node, op->number == PTL_DIR_KEEP);
        break;
    case PTL_DIR_FAIL:
        fail_link(shard, op);
        break;
    }
}

/* ---- Work and life --------------------------------------------------------------------------- */

/* A large answer or entry has made them larger than others will need. */
static void ease_buffers(struct ptl_directory *directory)
{
    ptl_buffer_ease(&directory->packet, BUFFER_KEPT_MAX);
    ptl_buffer_ease(&directory->sets, BUFFER_KEPT_MAX);
    ptl_buffer_ease(&directory->dels, BUFFER_KEPT_MAX);
}

bool ptl_directory_work(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    bool left = !post_all_waiting(shard);

    shard->unfinished |= ptl_store_work(directory->store, DROPPED_A_TURN);
    left |= directory->failing && fail_peers(shard);
    left |= directory->failing_owners != 0 && fail_owners(shard);
    ease_buffers(directory);
    if (shard->stop_step != 0) {
        return left; /* what we have set goes with us: nobody needs it any more */
    }
    start(shard);
    if (directory->global && directory->has_master) {
        directory->has_master = shard->now < directory->master_until;
        if (!directory->has_master) {
            ptl_questions_again(shard); /* what it has not answered is answered here */
        }
        left |= ptl_questions_wait(shard);
    }
    left |= directory->registration_dues != NULL && ptl_registrations_work(shard);
    left |= directory->follower_dues != NULL && ptl_followers_work(shard);
    left |= directory->pending != NULL && ptl_outlets_work(shard);
    left |= directory->asking && ask_again(shard);
    left |= ptl_interests_work(shard);
    left |= !ptl_list_empty(&directory->askers_due) && ptl_questions_work(shard);
    return left;
}

void ptl_directory_stop(struct ptl_shard *shard)
{
    ptl_questions_stop(shard, PTL_ESTOPPED);
}

int ptl_directory_init(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    const struct ptl_store_limits limits = {
        .key_bytes_max = PTL_DB_KEY_MAX,
        .value_bytes_max = UINT32_MAX,
        .owner_entries_max = UINT32_MAX, /* those of peers are counted where they come in */
    };

    ptl_map_init(&directory->peers, shard->allocator);
    ptl_map_init(&directory->interests, shard->allocator);
    ptl_map_init(&directory->by_follower, shard->allocator);
    ptl_map_init(&directory->followers, shard->allocator);
    ptl_buffer_init(&directory->sets, shard->allocator, SIZE_MAX);
    ptl_buffer_init(&directory->dels, shard->allocator, SIZE_MAX);
    ptl_buffer_init(&directory->packet, shard->allocator, SIZE_MAX);
    directory->global = ptl_node_is_global(shard->node);
    if (ptl_questions_init(shard) < 0) {
        return PTL_ENOMEM;
    }
    directory->store = ptl_store_new(shard->allocator, &limits);
    if (directory->store == NULL) {
        return PTL_ENOMEM;
    }
    struct ptl_source own = ptl_directory_own(shard);
    int err = ptl_store_attach(directory->store, &own);
    return err < 0 ? err : ptl_director_init(shard);
}

static void drop_peers(struct ptl_directory *directory, const struct ptl_allocator *allocator)
{
    struct ptl_peer *peer;
    uint32_t at = 0;

    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        ptl_map_drop(&peer->watches);
        ptl_free(allocator, peer, sizeof(*peer));
    }
    ptl_map_drop(&directory->peers);
}

void ptl_directory_drop(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;

    while (directory->outlets != NULL) {
        ptl_outlet_close(shard, directory->outlets);
    }
    ptl_followers_drop(shard);
    ptl_registrations_drop(shard);
    ptl_questions_drop(shard);
    ptl_interests_drop(shard);
    drop_peers(directory, shard->allocator);
    ptl_map_drop(&directory->by_follower);
    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        while (directory->first[i] != NULL) {
            struct ptl_parcel *parcel = directory->first[i];
            directory->first[i] = parcel->next;
            ptl_parcel_free(parcel, shard->allocator);
        }
    }
    ptl_director_drop(shard);
    ptl_store_free(directory->store);
    directory->store = NULL;
    ptl_buffer_drop(&directory->sets);
    ptl_buffer_drop(&directory->dels);
    ptl_buffer_drop(&directory->packet);
}
