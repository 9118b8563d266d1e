#include "engine/directory/outlet_peer.h"

#include "engine/directory/key.h"
#include "engine/directory/outlet_packet.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

/* ---- Feeds ----------------------------------------------------------------------------------- */

static struct ptl_watch *open_by_owner(struct ptl_outlet *outlet, ptl_wake_fn *wake)
{
    return ptl_feed_via(outlet->shard->directory->store,
                        ptl_directory_self(&outlet->shard->node->self), wake, outlet);
}

static struct ptl_watch *open_merged(struct ptl_outlet *outlet, ptl_wake_fn *wake)
{
    return ptl_feed_merged(outlet->shard->directory->store,
                           ptl_directory_self(&outlet->shard->node->self), wake, outlet);
}

static void forget_feed(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    (void)shard;
    ptl_assert(outlet->peer->feed == outlet);
    outlet->peer->feed = NULL;
}

static const struct ptl_outlet_kind by_owner = {
    .open = open_by_owner,
    .drain = ptl_outlet_drain_packets,
    .forget = forget_feed,
};

static const struct ptl_outlet_kind merged = {
    .open = open_merged,
    .drain = ptl_outlet_drain_packets,
    .forget = forget_feed,
};

/* Only when it has taken what it lacks: what is deleted would stay there else. */
static void feed_once_more(struct ptl_outlet *feed)
{
    if (feed->copy == PTL_COPY_BEGUN) {
        ptl_outlet_set_copy(feed, PTL_COPY_ANEW);
    }
    ptl_outlet_wake(feed);
}

bool ptl_outlet_feeds_owners(const struct ptl_peer *peer)
{
    return peer->feed != NULL && peer->feed->form == PTL_PACKET_OWNED;
}

void ptl_outlet_end_feed(struct ptl_peer *peer)
{
    if (peer->feed != NULL) {
        ptl_outlet_close(peer->feed);
    }
}

int ptl_outlet_feed(struct ptl_shard *shard, struct ptl_peer *peer, bool owners)
{
    if (peer->feed != NULL && ptl_outlet_feeds_owners(peer) == owners) {
        feed_once_more(peer->feed);
        return PTL_OK;
    }
    /* It has learned to take owners, or become one of ours: what it was told in the other form
     * is told anew. */
    ptl_outlet_end_feed(peer);
    struct ptl_outlet *outlet =
        ptl_outlet_make(shard, owners ? &by_owner : &merged, ptl_span(NULL, 0));
    if (outlet == NULL) {
        return PTL_ENOMEM;
    }
    outlet->peer = peer;
    outlet->form = owners ? PTL_PACKET_OWNED : PTL_PACKET_MERGED;
    int err = ptl_outlet_begin(outlet);
    if (err == PTL_OK) {
        peer->feed = outlet;
    }
    return err;
}

bool ptl_outlet_is_feeding(const struct ptl_peer *peer)
{
    return peer->feed != NULL && ptl_outlet_is_behind(peer->feed);
}

/* ---- Families that are watched --------------------------------------------------------------- */

static struct ptl_watch *open_family(struct ptl_outlet *outlet, ptl_wake_fn *wake)
{
    return ptl_watch_family(outlet->shard->directory->store, ptl_outlet_family(outlet), wake,
                            outlet);
}

static void forget_family(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    (void)shard;
    ptl_map_remove(&outlet->peer->watches, outlet->hash, outlet);
}

static const struct ptl_outlet_kind of_family = {
    .open = open_family,
    .drain = ptl_outlet_drain_packets,
    .forget = forget_family,
};

static bool same_family(const void *entry, struct ptl_span family)
{
    return ptl_span_equal(ptl_outlet_family(entry), family);
}

static struct ptl_outlet *find(const struct ptl_peer *peer, struct ptl_span family)
{
    return peer->watches.count == 0
               ? NULL
               : ptl_map_find(&peer->watches, ptl_name_hash(family), same_family, family);
}

/* Errors: PTL_ENOMEM, PTL_ELIMIT (it watches options.db_watches_max families here). */
static int begin(struct ptl_shard *shard, struct ptl_peer *peer, struct ptl_span family)
{
    if (peer->watches.count >= shard->node->options.db_watches_max) {
        return PTL_ELIMIT;
    }
    if (ptl_map_reserve(&peer->watches) < 0) {
        return PTL_ENOMEM;
    }
    struct ptl_outlet *outlet = ptl_outlet_make(shard, &of_family, family);
    if (outlet == NULL) {
        return PTL_ENOMEM;
    }
    outlet->peer = peer;
    outlet->form = PTL_PACKET_FAMILY;
    outlet->hash = ptl_name_hash(family);
    int err = ptl_outlet_begin(outlet);
    if (err == PTL_OK) {
        ptl_map_insert(&peer->watches, outlet->hash, outlet);
    }
    return err;
}

/* From the beginning if that goes on already: a first copy is what it waits for. */
static int begin_or_reopen(struct ptl_shard *shard, struct ptl_peer *peer, struct ptl_span family)
{
    struct ptl_outlet *outlet = find(peer, family);

    if (outlet == NULL) {
        return begin(shard, peer, family);
    }
    ptl_outlet_reopen(outlet);
    return PTL_OK;
}

bool ptl_outlet_is_telling(const struct ptl_peer *peer, struct ptl_span family)
{
    const struct ptl_outlet *outlet = find(peer, family);

    return outlet != NULL && ptl_outlet_is_behind(outlet);
}

static struct ptl_span read_family(const struct ptl_op *op, uint8_t room[static PTL_KEY_ROOM])
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    struct ptl_span family;
    int err = ptl_key_next(&cursor, room, &family);

    ptl_assert(err == PTL_OK); /* looked at by request.c */
    return family;
}

void ptl_outlet_take_peer_watches(struct ptl_shard *shard, const struct ptl_op *op)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family = read_family(op, room);
    struct ptl_peer *peer = ptl_peer_get(shard, op->node);
    int err = peer == NULL ? PTL_ENOMEM : begin_or_reopen(shard, peer, family);

    if (err == PTL_ELIMIT) {
        ptl_log(shard->node, PTL_LOG_WARN, "%s watches too many families: %.*s: ignored",
                ptl_port_id(&peer->port), (int)family.size, (const char *)family.bytes);
    } else if (err < 0) {
        ptl_directory_fail(shard, op->node, err);
    }
}

void ptl_outlet_take_peer_leaves(struct ptl_shard *shard, const struct ptl_op *op)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family = read_family(op, room);
    const struct ptl_peer *peer = ptl_peer_find(shard, op->node);
    struct ptl_outlet *outlet = peer == NULL ? NULL : find(peer, family);

    if (outlet != NULL) {
        ptl_outlet_close(outlet);
    }
}

/* ---- The end --------------------------------------------------------------------------------- */

void ptl_outlets_close(struct ptl_peer *peer)
{
    struct ptl_outlet *outlet;

    ptl_outlet_end_feed(peer);
    while ((outlet = ptl_map_take(&peer->watches)) != NULL) {
        ptl_outlet_close(outlet);
    }
    ptl_map_drop(&peer->watches);
}
