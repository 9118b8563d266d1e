#include "engine/directory/mesh.h"

#include "engine/directory/addresses.h"
#include "engine/directory/outlet.h"
#include "engine/directory/own.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/directory/whereabouts.h"
#include "engine/link/known.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"
#include "io/cbor.h"

/* So many of 'g are looked at in one turn. */
#define CHANGES_A_TURN 1024

static const uint8_t null_value = PTL_CBOR_NULL;

static struct ptl_span family_g(void)
{
    return ptl_span_text("'g");
}

static struct ptl_span family_l(void)
{
    return ptl_span_text("'l");
}

/* Each of the two families has one shard; everything here is done there. */
static bool has(const struct ptl_shard *shard, struct ptl_span family)
{
    return ptl_directory_place(shard, family) == shard->index;
}

static void enter_g(struct ptl_shard *shard, struct ptl_span node)
{
    ptl_directory_set(shard, family_g(), node, ptl_span(&null_value, 1));
}

/* Its link is to be kept also when nobody is left who knows where it listens. */
static void remember(struct ptl_shard *shard, struct ptl_span node, struct ptl_span array)
{
    struct ptl_buffer list;

    ptl_buffer_init(&list, shard->allocator, SIZE_MAX);
    ptl_addresses_list(&list, array);
    if (list.err == PTL_OK && list.size != 0) {
        list.bytes[list.size - 1] = 0; /* the last comma */
        int err = ptl_node_learn(shard->node, node, (const char *)list.bytes);
        (void)err; /* without memory it is not remembered */
    }
    ptl_buffer_drop(&list);
}

/* Our own mirror of what that node says of itself, if it does: that shows before all else. */
static void mirror(struct ptl_shard *shard, struct ptl_span node)
{
    const struct ptl_peer *peer = ptl_peer_find(shard, node);
    struct ptl_item item;

    ptl_assert(has(shard, family_l()));
    if (peer == NULL || peer->role != PTL_PEER_GLOBAL) {
        return;
    }
    if (ptl_store_get(shard->directory->store, family_l(), node, &item) &&
        ptl_span_equal(item.owner, node)) {
        remember(shard, node, item.value);
        ptl_directory_set(shard, family_l(), node, item.value);
    } else {
        ptl_directory_del(shard, family_l(), node);
    }
}

/* ---- Keeping links --------------------------------------------------------------------------- */

static void keep(struct ptl_shard *shard, struct ptl_span node, bool on)
{
    if (ptl_span_equal(node, ptl_directory_self(&shard->node->self)) || !ptl_node_id_valid(node)) {
        return;
    }
    /* To the link's owner: it dials, and knows whether there is a link already. */
    struct ptl_op op = ptl_dir_op(on ? PTL_DIR_KEEP : PTL_DIR_LEAVE);
    op.node = node;
    ptl_directory_post(shard, ptl_directory_owner(shard, node), &op);
}

/* All is told anew when there was no memory for a change: the link of who has left 'g since is kept
 * then, since nobody says that it has. */
static void take_links(struct ptl_shard *shard, const struct ptl_change *change)
{
    if (change->kind == PTL_CHANGE_ADDED || change->kind == PTL_CHANGE_DELETED) {
        keep(shard, change->key, change->kind == PTL_CHANGE_ADDED);
    }
}

static enum ptl_drained drain_links(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    struct ptl_change change;

    for (unsigned i = 0; i < CHANGES_A_TURN; i++) {
        if (!ptl_watch_take(outlet->watch, &change)) {
            return PTL_DRAINED;
        }
        take_links(shard, &change);
    }
    return PTL_DRAIN_MORE;
}

static struct ptl_watch *open_family(struct ptl_outlet *outlet, ptl_wake_fn *wake)
{
    return ptl_watch_family(outlet->shard->directory->store, ptl_outlet_family(outlet), wake,
                            outlet);
}

/* 'g, to the links that are to be kept. */
static const struct ptl_outlet_kind to_links = {.open = open_family, .drain = drain_links};

/* ---- Beginning, peers ------------------------------------------------------------------------ */

static void enter_own_addresses(struct ptl_shard *shard)
{
    struct ptl_buffer addresses;

    ptl_buffer_init(&addresses, shard->allocator, SIZE_MAX);
    uint64_t number = ptl_whereabouts_put(shard, &addresses);
    /* By number: to compare them would mean to keep them a second time. */
    if (number != 0 && number != shard->directory->addresses) {
        shard->directory->addresses = number;
        ptl_directory_set(shard, family_l(), ptl_directory_self(&shard->node->self),
                          ptl_buffer_span(&addresses));
    } else if (number == 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: our addresses are not announced");
    }
    ptl_buffer_drop(&addresses);
}

static void open_links(struct ptl_shard *shard)
{
    struct ptl_outlet *outlet = ptl_outlet_make(shard, &to_links, family_g());

    if (outlet == NULL || ptl_outlet_begin(outlet) < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: links to global nodes are not kept");
    }
}

static void enter_global(struct ptl_shard *shard)
{
    const struct ptl_peer *peer;
    uint32_t at = 0;

    if (has(shard, family_g())) {
        enter_g(shard, ptl_directory_self(&shard->node->self));
        open_links(shard);
    }
    while ((peer = ptl_map_next(&shard->directory->peers, &at)) != NULL) {
        if (peer->role == PTL_PEER_GLOBAL) {
            ptl_mesh_peer(shard, peer);
        }
    }
}

void ptl_mesh_addresses(struct ptl_shard *shard)
{
    if (has(shard, family_l())) {
        enter_own_addresses(shard);
    }
}

void ptl_mesh_begin(struct ptl_shard *shard)
{
    ptl_mesh_addresses(shard);
    if (ptl_directory_is_global(shard->directory)) {
        enter_global(shard);
    }
}

void ptl_mesh_peer(struct ptl_shard *shard, const struct ptl_peer *peer)
{
    struct ptl_span node = ptl_port_node(&peer->port);

    if (!ptl_directory_is_global(shard->directory)) {
        return;
    }
    if (has(shard, family_g())) {
        enter_g(shard, node);
    }
    ptl_mesh_peer_says(shard, node);
}

void ptl_mesh_peer_says(struct ptl_shard *shard, struct ptl_span node)
{
    if (ptl_directory_is_global(shard->directory) && has(shard, family_l())) {
        mirror(shard, node);
    }
}

void ptl_mesh_peer_lost(struct ptl_shard *shard, struct ptl_span node)
{
    if (has(shard, family_g())) {
        ptl_directory_del(shard, family_g(), node);
    }
    if (has(shard, family_l())) {
        ptl_directory_del(shard, family_l(), node);
    }
}
