#include "engine/link/peer_full.h"

#include "engine/link/link.h"
#include "engine/link/shard_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

/* A port of ours that the peer knows to be full. */
struct told {
    uint64_t hash;
    uint8_t name_size;
    char name[];
};

/* A port of the peer's that is full, or was until all shards know better. */
struct remote_full {
    uint64_t hash;
    struct ptl_fullness fullness;
    uint8_t why; /* bits of enum ptl_peer_full_why; 0: it is not full */
    uint8_t name_size;
    char name[];
};

static void free_told(struct ptl_shard *shard, struct told *told)
{
    ptl_free(shard->allocator, told, sizeof(*told) + told->name_size);
}

static void free_remote(struct ptl_shard *shard, struct remote_full *remote)
{
    ptl_free(shard->allocator, remote, sizeof(*remote) + remote->name_size);
}

static bool same_told(const void *entry, struct ptl_span name)
{
    const struct told *told = entry;
    return ptl_span_equal(ptl_span(told->name, told->name_size), name);
}

static bool same_remote(const void *entry, struct ptl_span name)
{
    const struct remote_full *remote = entry;
    return ptl_span_equal(ptl_span(remote->name, remote->name_size), name);
}

/* ---- Our ports ----------------------------------------------------------------------------- */

static struct told *make_told(struct ptl_shard *shard, uint64_t hash, struct ptl_span name)
{
    struct told *told = ptl_alloc_raw(shard->allocator, sizeof(*told) + name.size);

    if (told != NULL) {
        told->hash = hash;
        told->name_size = (uint8_t)name.size;
        memcpy(told->name, name.bytes, name.size);
    }
    return told;
}

bool ptl_peer_is_told(const struct ptl_link *link, struct ptl_span name)
{
    return ptl_map_find(&link->told_full, ptl_name_hash(name), same_told, name) != NULL;
}

int ptl_peer_told(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    uint64_t hash = ptl_name_hash(name);

    ptl_assert(link->told_full.count < PTL_PEER_FULL_MAX);
    if (ptl_map_reserve(&link->told_full) < 0) {
        return PTL_ENOMEM;
    }
    struct told *told = make_told(shard, hash, name);
    if (told == NULL) {
        return PTL_ENOMEM;
    }
    ptl_map_insert(&link->told_full, hash, told);
    shard->links->told_full++;
    return PTL_OK;
}

bool ptl_peer_told_no_more(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    uint64_t hash = ptl_name_hash(name);
    struct told *told = ptl_map_find(&link->told_full, hash, same_told, name);

    if (told == NULL) {
        return false; /* as of nearly all ports of nearly all peers */
    }
    ptl_assert(shard->links->told_full != 0);
    ptl_map_remove(&link->told_full, hash, told);
    shard->links->told_full--;
    free_told(shard, told);
    return true;
}

/* ---- The peer's ports ---------------------------------------------------------------------- */

static struct remote_full *make_remote(struct ptl_shard *shard, struct ptl_link *link,
                                       uint64_t hash, struct ptl_span name)
{
    if (ptl_map_reserve(&link->remote_full) < 0) {
        return NULL;
    }
    struct remote_full *remote = ptl_alloc(shard->allocator, sizeof(*remote) + name.size);
    if (remote != NULL) {
        remote->hash = hash;
        remote->name_size = (uint8_t)name.size;
        memcpy(remote->name, name.bytes, name.size);
        remote->fullness.node = ptl_span(link->id, link->id_size);
        remote->fullness.name = ptl_span(remote->name, remote->name_size);
        ptl_map_insert(&link->remote_full, hash, remote);
    }
    return remote;
}

static struct remote_full *find_remote(const struct ptl_link *link, struct ptl_span name)
{
    return ptl_map_find(&link->remote_full, ptl_name_hash(name), same_remote, name);
}

bool ptl_peer_full_is_crowded(const struct ptl_link *link, struct ptl_span name)
{
    return link->remote_full.count >= PTL_PEER_FULL_MAX && find_remote(link, name) == NULL;
}

int ptl_peer_full_set(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                      enum ptl_peer_full_why why)
{
    struct remote_full *remote = find_remote(link, name);

    if (remote == NULL) {
        remote = make_remote(shard, link, ptl_name_hash(name), name);
    }
    if (remote == NULL) {
        return PTL_ENOMEM;
    }
    remote->why |= (uint8_t)why;
    if (!remote->fullness.full) {
        ptl_fullness_set(shard, &remote->fullness, true);
    }
    return PTL_OK;
}

void ptl_peer_full_clear(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                         enum ptl_peer_full_why why)
{
    struct remote_full *remote = find_remote(link, name);

    if (remote == NULL) {
        return;
    }
    remote->why &= (uint8_t)~why;
    if (remote->why == 0 && remote->fullness.full) {
        ptl_fullness_set(shard, &remote->fullness, false);
    }
}

/* ---- The end ------------------------------------------------------------------------------- */

static void drop_told(struct ptl_shard *shard, struct ptl_link *link)
{
    struct told *told;
    uint32_t at = 0;

    shard->links->told_full -= link->told_full.count;
    while ((told = ptl_map_next(&link->told_full, &at)) != NULL) {
        free_told(shard, told);
    }
    ptl_map_drop(&link->told_full);
}

void ptl_peer_full_reset(struct ptl_shard *shard, struct ptl_link *link)
{
    struct remote_full *remote;
    uint32_t at = 0;

    drop_told(shard, link);
    while ((remote = ptl_map_next(&link->remote_full, &at)) != NULL) {
        remote->why = 0;
        if (remote->fullness.full) {
            ptl_fullness_set(shard, &remote->fullness, false);
        }
    }
}

bool ptl_peer_full_sweep(struct ptl_shard *shard, struct ptl_link *link)
{
    struct remote_full *remote;
    uint32_t at = 0;

    while ((remote = ptl_map_next(&link->remote_full, &at)) != NULL) {
        if (!remote->fullness.full && ptl_fullness_settled(&remote->fullness)) {
            ptl_map_remove_last(&link->remote_full, &at);
            free_remote(shard, remote);
        }
    }
    return link->remote_full.count == 0;
}

void ptl_peer_full_drop(struct ptl_shard *shard, struct ptl_link *link)
{
    struct remote_full *remote;
    uint32_t at = 0;

    drop_told(shard, link);
    while ((remote = ptl_map_next(&link->remote_full, &at)) != NULL) {
        free_remote(shard, remote);
    }
    ptl_map_drop(&link->remote_full);
}
