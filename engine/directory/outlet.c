#include "engine/directory/outlet.h"

#include "engine/message/name.h"
#include "engine/node/node.h"

#define PACKET_BYTES ((size_t)16384)

size_t ptl_outlet_packet_bytes(const struct ptl_shard *shard)
{
    size_t limit = shard->node->options.message_bytes_max / 4;

    return limit < PACKET_BYTES ? limit : PACKET_BYTES;
}

/* ---- Waking -------------------------------------------------------------------------------- */

void ptl_outlet_wake(struct ptl_outlet *outlet)
{
    struct ptl_directory *directory = &outlet->shard->directory;

    if (outlet->pending) {
        return;
    }
    outlet->pending = true;
    outlet->pending_next = directory->pending;
    outlet->pending_link = &directory->pending;
    if (directory->pending != NULL) {
        directory->pending->pending_link = &outlet->pending_next;
    }
    directory->pending = outlet;
}

static void wake(void *data)
{
    ptl_outlet_wake(data);
}

static void forget_pending(struct ptl_outlet *outlet)
{
    if (outlet->pending) {
        outlet->pending = false;
        *outlet->pending_link = outlet->pending_next;
        if (outlet->pending_next != NULL) {
            outlet->pending_next->pending_link = outlet->pending_link;
        }
    }
}

void ptl_outlet_hold(struct ptl_outlet *outlet, struct ptl_outlet **list)
{
    ptl_assert(!outlet->held);
    outlet->held = true;
    outlet->held_next = *list;
    outlet->held_link = list;
    if (*list != NULL) {
        (*list)->held_link = &outlet->held_next;
    }
    *list = outlet;
}

static void forget_held(struct ptl_outlet *outlet)
{
    if (outlet->held) {
        outlet->held = false;
        *outlet->held_link = outlet->held_next;
        if (outlet->held_next != NULL) {
            outlet->held_next->held_link = outlet->held_link;
        }
    }
}

void ptl_outlet_release(struct ptl_outlet *outlet)
{
    forget_held(outlet);
    ptl_outlet_wake(outlet);
}

/* ---- Opening and closing -------------------------------------------------------------------- */

static struct ptl_watch *open_watch(struct ptl_outlet *outlet)
{
    struct ptl_store *store = outlet->shard->directory.store;
    struct ptl_span self = ptl_directory_self(&outlet->shard->node->self);
    struct ptl_span family = ptl_span(outlet->family, outlet->family_size);

    switch ((enum ptl_outlet_kind)outlet->kind) {
    case PTL_OUTLET_OWNERS:
        return ptl_feed_via(store, self, wake, outlet);
    case PTL_OUTLET_MERGED:
        return ptl_feed_merged(store, self, wake, outlet);
    default:
        break;
    }
    switch ((enum ptl_watch_how)outlet->how) {
    case PTL_WATCH_ONE:
        return ptl_watch_key(store, family, outlet->filter, wake, outlet);
    case PTL_WATCH_BEGINNING:
        return ptl_watch_prefix(store, family, outlet->filter, wake, outlet);
    case PTL_WATCH_ALL:
        break;
    }
    return ptl_watch_family(store, family, wake, outlet);
}

void ptl_outlet_reopen(struct ptl_outlet *outlet)
{
    ptl_watch_free(outlet->watch);
    outlet->watch = open_watch(outlet);
    ptl_outlet_wake(outlet);
}

static struct ptl_outlet *make(struct ptl_shard *shard, enum ptl_outlet_kind kind,
                               struct ptl_span family)
{
    struct ptl_outlet *outlet = ptl_alloc(shard->allocator, sizeof(*outlet));

    if (outlet == NULL) {
        return NULL;
    }
    outlet->shard = shard;
    outlet->kind = (uint8_t)kind;
    outlet->family_size = (uint8_t)family.size;
    if (family.size != 0) {
        memcpy(outlet->family, family.bytes, family.size);
    }
    return outlet;
}

static void free_outlet(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    while (outlet->first != NULL) {
        struct ptl_parcel *parcel = outlet->first;
        outlet->first = parcel->next;
        ptl_parcel_free(parcel, shard->allocator);
    }
    ptl_free(shard->allocator, (void *)(uintptr_t)outlet->filter.bytes, outlet->filter.size);
    ptl_free(shard->allocator, outlet, sizeof(*outlet));
}

/* With its watch open it begins to live; without memory it does not. */
static struct ptl_outlet *begin(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    struct ptl_directory *directory = &shard->directory;

    if (outlet == NULL) {
        return NULL;
    }
    outlet->watch = open_watch(outlet);
    if (outlet->watch == NULL) {
        free_outlet(shard, outlet);
        return NULL;
    }
    outlet->next = directory->outlets;
    outlet->link = &directory->outlets;
    if (directory->outlets != NULL) {
        directory->outlets->link = &outlet->next;
    }
    directory->outlets = outlet;
    ptl_outlet_wake(outlet);
    return outlet;
}

struct ptl_outlet *ptl_outlet_feed(struct ptl_shard *shard, struct ptl_peer *peer,
                                   enum ptl_outlet_kind kind)
{
    struct ptl_outlet *outlet = make(shard, kind, ptl_span(NULL, 0));

    if (outlet != NULL) {
        outlet->peer = peer;
    }
    return begin(shard, outlet);
}

static bool same_family(const void *entry, struct ptl_span family)
{
    const struct ptl_outlet *outlet = entry;

    return ptl_span_equal(ptl_span(outlet->family, outlet->family_size), family);
}

static int begin_watch(struct ptl_shard *shard, struct ptl_peer *peer, struct ptl_span family,
                       uint64_t hash)
{
    if (peer->watches.count >= shard->node->options.db_watches_max) {
        return PTL_ELIMIT;
    }
    if (ptl_map_reserve(&peer->watches) < 0) {
        return PTL_ENOMEM;
    }
    struct ptl_outlet *outlet = make(shard, PTL_OUTLET_FAMILY, family);
    if (outlet != NULL) {
        outlet->peer = peer;
        outlet->hash = hash;
    }
    outlet = begin(shard, outlet);
    if (outlet == NULL) {
        return PTL_ENOMEM;
    }
    ptl_map_insert(&peer->watches, hash, outlet);
    return PTL_OK;
}

int ptl_outlet_watch(struct ptl_shard *shard, struct ptl_peer *peer, struct ptl_span family)
{
    uint64_t hash = ptl_name_hash(family);
    struct ptl_outlet *outlet = ptl_map_find(&peer->watches, hash, same_family, family);

    if (outlet == NULL) {
        return begin_watch(shard, peer, family, hash);
    }
    ptl_outlet_reopen(outlet); /* it asks anew: a first copy is what it waits for */
    return PTL_OK;
}

bool ptl_outlet_is_telling(const struct ptl_peer *peer, struct ptl_span family)
{
    const struct ptl_outlet *outlet =
        peer->watches.count == 0
            ? NULL
            : ptl_map_find(&peer->watches, ptl_name_hash(family), same_family, family);

    return outlet != NULL && outlet->pending;
}

void ptl_outlet_unwatch(struct ptl_shard *shard, struct ptl_peer *peer, struct ptl_span family)
{
    struct ptl_outlet *outlet =
        ptl_map_find(&peer->watches, ptl_name_hash(family), same_family, family);

    if (outlet != NULL) {
        ptl_outlet_close(shard, outlet);
    }
}

int ptl_outlet_follow(struct ptl_shard *shard, uint64_t follower, uint32_t of,
                      struct ptl_span family, enum ptl_watch_how how, struct ptl_span filter)
{
    if (ptl_map_reserve(&shard->directory.by_follower) < 0) {
        return PTL_ENOMEM;
    }
    struct ptl_outlet *outlet = make(shard, PTL_OUTLET_FOLLOWER, family);
    if (outlet == NULL) {
        return PTL_ENOMEM;
    }
    outlet->follower = follower;
    outlet->follower_shard = of;
    outlet->how = (uint8_t)how;
    if (filter.size != 0) {
        uint8_t *copy = ptl_alloc_raw(shard->allocator, filter.size);
        if (copy == NULL) {
            free_outlet(shard, outlet);
            return PTL_ENOMEM;
        }
        memcpy(copy, filter.bytes, filter.size);
        outlet->filter = ptl_span(copy, filter.size);
    }
    outlet = begin(shard, outlet);
    if (outlet == NULL) {
        return PTL_ENOMEM;
    }
    ptl_map_insert(&shard->directory.by_follower, ptl_map_spread(follower), outlet);
    return PTL_OK;
}

struct ptl_outlet *ptl_outlet_of(struct ptl_shard *shard, uint64_t follower)
{
    return ptl_map_find(&shard->directory.by_follower, ptl_map_spread(follower), NULL,
                        ptl_span(NULL, 0));
}

int ptl_outlet_internal(struct ptl_shard *shard, enum ptl_outlet_kind kind)
{
    struct ptl_span family = ptl_span_text(kind == PTL_OUTLET_MESH ? "'g" : "'l");

    return begin(shard, make(shard, kind, family)) == NULL ? PTL_ENOMEM : PTL_OK;
}

void ptl_outlet_close(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    struct ptl_directory *directory = &shard->directory;

    forget_pending(outlet);
    forget_held(outlet);
    if (outlet->kind == PTL_OUTLET_FOLLOWER) {
        ptl_map_remove(&directory->by_follower, ptl_map_spread(outlet->follower), outlet);
    }
    if (outlet->kind == PTL_OUTLET_FAMILY) {
        ptl_map_remove(&outlet->peer->watches, outlet->hash, outlet);
    }
    if (outlet->peer != NULL && outlet->peer->feed == outlet) {
        outlet->peer->feed = NULL;
    }
    *outlet->link = outlet->next;
    if (outlet->next != NULL) {
        outlet->next->link = outlet->link;
    }
    ptl_watch_free(outlet->watch);
    free_outlet(shard, outlet);
}

void ptl_outlets_close(struct ptl_shard *shard, struct ptl_peer *peer)
{
    struct ptl_outlet *outlet;

    if (peer->feed != NULL) {
        ptl_outlet_close(shard, peer->feed);
    }
    while ((outlet = ptl_map_take(&peer->watches)) != NULL) {
        ptl_outlet_close(shard, outlet);
    }
    ptl_map_drop(&peer->watches);
}

/* ---- Work ----------------------------------------------------------------------------------- */

static enum ptl_drained drain(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    if (outlet->watch == NULL) {
        outlet->watch = open_watch(outlet);
        if (outlet->watch == NULL) {
            return PTL_DRAIN_BLOCKED;
        }
    }
    switch ((enum ptl_outlet_kind)outlet->kind) {
    case PTL_OUTLET_OWNERS:
    case PTL_OUTLET_MERGED:
    case PTL_OUTLET_FAMILY:
        return ptl_outlet_drain_peer(shard, outlet);
    case PTL_OUTLET_FOLLOWER:
        return ptl_outlet_drain_follower(shard, outlet);
    case PTL_OUTLET_MESH:
        return ptl_outlet_drain_mesh(shard, outlet);
    case PTL_OUTLET_MIRROR:
        return ptl_outlet_drain_mirror(shard, outlet);
    }
    ptl_unreachable("no such kind of outlet");
}

bool ptl_outlets_work(struct ptl_shard *shard)
{
    struct ptl_directory *directory = &shard->directory;
    struct ptl_outlet *list = directory->pending;
    unsigned blocked = 0, left = 0;

    /* Draining one may wake others, but closes none. */
    directory->pending = NULL;
    while (list != NULL) {
        struct ptl_outlet *outlet = list;
        list = outlet->pending_next;
        outlet->pending = false;
        enum ptl_drained result = drain(shard, outlet);
        if (result != PTL_DRAINED) {
            ptl_outlet_wake(outlet);
        }
        blocked += result == PTL_DRAIN_BLOCKED;
    }
    for (const struct ptl_outlet *o = directory->pending; o != NULL; o = o->pending_next) {
        left++;
    }
    shard->unfinished |= left > blocked;
    return blocked > 0;
}
