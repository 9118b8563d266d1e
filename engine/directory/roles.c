#include "engine/directory/roles.h"

#include "engine/directory/attach.h"
#include "engine/directory/find.h"
#include "engine/directory/interest.h"
#include "engine/directory/mesh.h"
#include "engine/directory/outlet_peer.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/directory/question.h"
#include "engine/directory/replacing.h"
#include "engine/directory/role_choice.h"
#include "engine/shard/node.h"

/* One that becomes global asks its master for so long, while the others' databases come in. */
#define MASTER_STAYS_NS UINT64_C(3000000000)

/* ---- The machine ----------------------------------------------------------------------------- */

static bool may_enter(enum ptl_role from, enum ptl_role to)
{
    switch (from) {
    case PTL_ROLE_ALONE:
        return to == PTL_ROLE_ATTACHED || to == PTL_ROLE_GLOBAL;
    case PTL_ROLE_ATTACHED:
        return true; /* ATTACHED again: to another master, before the end of the first was heard */
    case PTL_ROLE_BECOMING:
        return to == PTL_ROLE_GLOBAL;
    case PTL_ROLE_GLOBAL:
        return false; /* for good */
    }
    ptl_unreachable("no such role");
}

static void enter(struct ptl_shard_directory *directory, enum ptl_role role)
{
    ptl_assert(may_enter(directory->role, role));
    directory->role = (uint8_t)role;
}

/* ---- Peers ----------------------------------------------------------------------------------- */

/* Tell it our part of the database, as it understands it; once more if that goes on already. */
static void feed(struct ptl_shard *shard, struct ptl_peer *peer)
{
    bool by_owner = peer->knows_owners && peer->role == PTL_PEER_GLOBAL &&
                    ptl_directory_is_global(shard->directory);

    ptl_mesh_addresses(shard); /* where others listen is never told as it was before the link */
    if (ptl_outlet_feed(shard, peer, by_owner) < 0) {
        ptl_directory_fail(shard, ptl_port_node(&peer->port), PTL_ENOMEM);
    }
}

void ptl_roles_take_peer_again(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_peer *peer = ptl_peer_find(shard, op->node);

    if (peer != NULL && ptl_outlet_feeds_owners(peer)) {
        feed(shard, peer);
    }
}

void ptl_roles_take_peer_global(struct ptl_shard *shard, const struct ptl_op *op)
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
    ptl_peer_role_enter(&peer->role, PTL_PEER_GLOBAL);
    peer->knows_owners = ptl_dir_words(op).knows_owners;
    /* What it gave us as an ordinary node it brings itself from now on; and all it brought before
     * it brings anew. */
    ptl_store_drop(shard->directory->store, &attached);
    ptl_store_drop_via(shard->directory->store, op->node);
    ptl_peers_ask_again(shard);
    if (!peer->knows_owners && ptl_store_attach(shard->directory->store, &direct) < 0) {
        ptl_directory_fail(shard, op->node, PTL_ENOMEM);
    }
    if (ptl_directory_is_global(shard->directory)) {
        feed(shard, peer);
    }
    ptl_mesh_peer(shard, peer);
}

/* ---- Our own --------------------------------------------------------------------------------- */

void ptl_roles_take_master(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_dir_attachment attachment = ptl_dir_words(op).attachment;

    if (attachment.number <= directory->attachment || ptl_directory_is_global(directory)) {
        return; /* overtaken by a later one */
    }
    struct ptl_peer *peer = ptl_peer_get(shard, op->node);
    if (peer == NULL) {
        ptl_directory_fail(shard, op->node, PTL_ENOMEM);
        return;
    }
    enter(directory, PTL_ROLE_ATTACHED);
    directory->attachment = attachment.number;
    directory->master = peer->port;
    peer->knows_owners = attachment.knows_owners;
    feed(shard, peer);
    ptl_questions_again(shard);
    ptl_interests_again(shard);
    ptl_directory_find_again(shard);
}

/*
 * We are global.  A master that is global, too, is told our part like any other, and asked for a
 * while longer; one that has not said so knows us as its slave only, and is told nothing more.
 */
static void leave_master(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *master = ptl_directory_has_master(directory)
                                  ? ptl_peer_find(shard, ptl_port_node(&directory->master))
                                  : NULL;

    if (master != NULL && master->role == PTL_PEER_GLOBAL) {
        directory->master_until = shard->now + MASTER_STAYS_NS;
        enter(directory, PTL_ROLE_BECOMING);
        return;
    }
    if (master != NULL) {
        ptl_outlet_end_feed(master);
    }
    enter(directory, PTL_ROLE_GLOBAL);
}

void ptl_roles_take_global(struct ptl_shard *shard, const struct ptl_op *op)
{
    (void)op;
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;

    directory->started = true;
    /* Who we are decides what follows: interests end, waiting questions are looked at again, and
     * peers are told all in the form of a global node. */
    leave_master(shard);
    ptl_interests_end(shard);
    ptl_questions_again(shard);
    ptl_directory_say_global(shard);
    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        if (peer->role == PTL_PEER_GLOBAL) {
            feed(shard, peer);
        }
    }
    ptl_mesh_begin(shard);
    ptl_directory_find_again(shard);
}

uint64_t ptl_roles_work(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    if (directory->role != PTL_ROLE_BECOMING) {
        return UINT64_MAX;
    }
    if (shard->now < directory->master_until) {
        return directory->master_until;
    }
    enter(directory, PTL_ROLE_GLOBAL);
    ptl_questions_again(shard); /* what it has not answered is answered here */
    return UINT64_MAX;
}

/* ---- A link is down -------------------------------------------------------------------------- */

void ptl_roles_link_down(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *peer = ptl_peer_find(shard, node);
    struct ptl_source attached = {
        .owner = node,
        .via = ptl_directory_self(&shard->node->self),
        .attachment = UINT64_MAX,
    };

    if (directory->role_choice != NULL) {
        ptl_role_choice_link_down(shard, node);
    }
    if (ptl_directory_is_master(directory, node)) {
        enter(directory, ptl_directory_is_global(directory) ? PTL_ROLE_GLOBAL : PTL_ROLE_ALONE);
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
    /* What it brings, what it is told, the peer itself: each leads to the one behind it. */
    bool was_global = peer->role == PTL_PEER_GLOBAL;
    ptl_replacing_drop(shard, peer);
    ptl_outlets_close(peer);
    ptl_peer_remove(shard, peer);
    ptl_peers_ask_again(shard);
    if (was_global) {
        ptl_mesh_peer_lost(shard, node);
    }
}
