#include "engine/directory/directory.h"

#include "engine/directory/apply.h"
#include "engine/directory/attach.h"
#include "engine/directory/attachment.h"
#include "engine/directory/find.h"
#include "engine/directory/follower.h"
#include "engine/directory/interest.h"
#include "engine/directory/keep.h"
#include "engine/directory/mesh.h"
#include "engine/directory/outlet.h"
#include "engine/directory/outlet_follower.h"
#include "engine/directory/outlet_peer.h"
#include "engine/directory/own.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/directory/question.h"
#include "engine/directory/registration.h"
#include "engine/directory/replacing.h"
#include "engine/directory/request.h"
#include "engine/directory/role_choice.h"
#include "engine/directory/roles.h"
#include "engine/shard/node.h"
#include "engine/shard/slice.h"
#include "engine/shard/tower.h"

/* Entries of nodes that are gone, which may be millions. */
#define DROPPED_A_TURN 2048

/* What the buffers for packets may keep for the next turn, in bytes each. */
#define BUFFER_KEPT_MAX ((size_t)256 << 10)

/* ---- Ops ------------------------------------------------------------------------------------- */

typedef void take_fn(struct ptl_shard *shard, const struct ptl_op *op);

static void take_follower_again(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_follower_again(shard, ptl_dir_words(op).follower.id);
}

static void take_unfollow(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_follower_end(shard, ptl_dir_words(op).follower.id);
}

static void take_seed(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_role_choice_seed(shard, op->node);
}

static void take_needed(struct ptl_shard *shard, const struct ptl_op *op)
{
    (void)op;
    ptl_role_choice_needed(shard);
}

static void take_wanted(struct ptl_shard *shard, const struct ptl_op *op)
{
    (void)op;
    ptl_role_choice_wanted(shard);
}

static void take_addresses(struct ptl_shard *shard, const struct ptl_op *op)
{
    (void)op;
    ptl_mesh_addresses(shard);
}

/* Peers' questions have waited for a master: that this was taken is news to them. */
static void take_unattached(struct ptl_shard *shard, const struct ptl_op *op)
{
    (void)shard;
    (void)op;
}

/* Who takes an op, by its kind. */
static take_fn *const takers[] = {
    [PTL_DIR_SET] = ptl_directory_take_set,
    [PTL_DIR_DEL] = ptl_directory_take_del,
    [PTL_DIR_ASK] = ptl_question_take,
    [PTL_DIR_WATCH] = ptl_outlet_take_watch,
    [PTL_DIR_NEXT] = ptl_outlet_take_next,
    [PTL_DIR_UNWATCH] = ptl_outlet_take_unwatch,
    [PTL_DIR_TOLD] = ptl_follower_told,
    [PTL_DIR_AGAIN] = take_follower_again,
    [PTL_DIR_UNFOLLOW] = take_unfollow,
    [PTL_DIR_PEER_GLOBAL] = ptl_roles_take_peer_global,
    [PTL_DIR_REPLACE] = ptl_replacing_take,
    [PTL_DIR_UPDATE] = ptl_replacing_take_update,
    [PTL_DIR_OWNER] = ptl_apply_owner,
    [PTL_DIR_LOST] = ptl_apply_lost,
    [PTL_DIR_OWNED] = ptl_replacing_take_update,
    [PTL_DIR_PEER_AGAIN] = ptl_roles_take_peer_again,
    [PTL_DIR_PEER_ASKS] = ptl_question_take_peer,
    [PTL_DIR_PEER_WATCHES] = ptl_outlet_take_peer_watches,
    [PTL_DIR_PEER_LEAVES] = ptl_outlet_take_peer_leaves,
    [PTL_DIR_COPY] = ptl_replacing_take,
    [PTL_DIR_CHANGE] = ptl_replacing_take_update,
    [PTL_DIR_ANSWER] = ptl_question_answered,
    [PTL_DIR_TAKEN] = ptl_directory_take_taken,
    [PTL_DIR_SEED] = take_seed,
    [PTL_DIR_NEEDED] = take_needed,
    [PTL_DIR_WANTED] = take_wanted,
    [PTL_DIR_ATTACH] = ptl_directory_attach,
    [PTL_DIR_MASTER] = ptl_roles_take_master,
    [PTL_DIR_GLOBAL] = ptl_roles_take_global,
    [PTL_DIR_UNATTACHED] = take_unattached,
    [PTL_DIR_ADDRESSES] = take_addresses,
    [PTL_DIR_FIND] = ptl_directory_take_find,
    [PTL_DIR_FOUND] = ptl_directory_take_found,
    [PTL_DIR_KEEP] = ptl_directory_take_keep,
    [PTL_DIR_LEAVE] = ptl_directory_take_leave,
    [PTL_DIR_FAIL] = ptl_directory_take_fail,
};

_Static_assert(sizeof(takers) / sizeof(takers[0]) == PTL_DIR_OPS, "each op has a taker");

/* Our own entries come before anything that others ask or say. */
static void start(struct ptl_shard *shard)
{
    if (!shard->directory->started) {
        shard->directory->started = true;
        ptl_mesh_begin(shard);
    }
}

void ptl_directory_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_assert(op->kind == PTL_OP_DIRECTORY);
    start(shard);
    takers[ptl_dir_kind(op)](shard, op);
    ptl_directory_news(shard->directory);
}

void ptl_directory_link_down(struct ptl_shard *shard, struct ptl_span node)
{
    ptl_roles_link_down(shard, node);
    ptl_directory_news(shard->directory);
}

/* ---- Work and life --------------------------------------------------------------------------- */

/* A large answer or entry has made them larger than others will need. */
static void ease_buffers(struct ptl_shard_directory *directory)
{
    ptl_buffer_ease(&directory->packet, BUFFER_KEPT_MAX);
    ptl_buffer_ease(&directory->sets, BUFFER_KEPT_MAX);
    ptl_buffer_ease(&directory->dels, BUFFER_KEPT_MAX);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t ptl_directory_work(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    shard->unfinished |= ptl_store_work(directory->store, DROPPED_A_TURN);
    ease_buffers(directory);
    if (shard->stop_step != 0) {
        return UINT64_MAX; /* what we have set goes with us: nobody needs it any more */
    }
    start(shard);
    /* In the order in which they bring work to each other: a role decides who is fed, what comes
     * in is told to those who watch, and an answer says what all of that has led to. */
    uint64_t due = sooner(ptl_roles_work(shard), ptl_followers_work(shard));
    directory->questions_news |= !ptl_list_empty(&directory->replacings);
    ptl_replacings_work(shard);
    ptl_outlets_work(shard);
    ptl_peers_ask(shard);
    ptl_interests_work(shard);
    ptl_questions_work(shard);
    return due;
}

void ptl_directory_stop(struct ptl_shard *shard)
{
    ptl_questions_stop(shard, PTL_ESTOPPED);
}

static int init(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = ptl_alloc(shard->allocator, sizeof(*directory));
    const struct ptl_store_limits limits = {
        .key_bytes_max = PTL_DB_KEY_MAX,
        .value_bytes_max = UINT32_MAX,
        .owner_entries_max = UINT32_MAX, /* those of peers are counted where they come in */
        .globals_max = shard->node->options.globals_max,
    };

    shard->directory = directory;
    if (directory == NULL) {
        return PTL_ENOMEM;
    }
    ptl_list_init(&directory->outlets);
    ptl_list_init(&directory->leaving);
    ptl_directory_post_init(directory);
    ptl_list_init(&directory->pending);
    ptl_list_init(&directory->followers_later);
    ptl_list_init(&directory->followers_leaving);
    ptl_list_init(&directory->replacings);
    directory->replacing_units = PTL_SLICE;
    ptl_map_init(&directory->peers, shard->allocator);
    ptl_interests_init(shard);
    ptl_map_init(&directory->by_follower, shard->allocator);
    ptl_map_init(&directory->followers, shard->allocator);
    ptl_map_init(&directory->registrations, shard->allocator);
    ptl_buffer_init(&directory->sets, shard->allocator, SIZE_MAX);
    ptl_buffer_init(&directory->dels, shard->allocator, SIZE_MAX);
    ptl_buffer_init(&directory->packet, shard->allocator, SIZE_MAX);
    directory->role = ptl_node_is_global(shard->node) ? PTL_ROLE_GLOBAL : PTL_ROLE_ALONE;
    if (ptl_questions_init(shard) < 0) {
        return PTL_ENOMEM;
    }
    directory->store = ptl_store_new(shard->allocator, &limits);
    if (directory->store == NULL) {
        return PTL_ENOMEM;
    }
    struct ptl_source own = ptl_directory_own(shard);
    int err = ptl_store_attach(directory->store, &own);
    return err < 0 ? err : ptl_role_choice_init(shard);
}

static void drop(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    if (directory == NULL) {
        return;
    }
    /* Outlets first: they lead to peers and interests, and have their watches in the store. */
    ptl_outlets_drop(shard);
    ptl_followers_drop(shard);
    ptl_registrations_drop(shard);
    ptl_questions_drop(shard);
    ptl_interests_drop(shard);
    ptl_replacings_drop(shard);
    ptl_peers_drop(shard);
    ptl_map_drop(&directory->by_follower);
    ptl_directory_post_drop(shard);
    ptl_role_choice_drop(shard);
    ptl_store_free(directory->store);
    ptl_buffer_drop(&directory->sets);
    ptl_buffer_drop(&directory->dels);
    ptl_buffer_drop(&directory->packet);
    ptl_free(shard->allocator, directory, sizeof(*directory));
    shard->directory = NULL;
}

static int open_directory(struct ptl_shard *shard)
{
    if (shard->index == 0) {
        /* One number for the whole node: others compare it with those that we had before. */
        ptl_attachment_next(shard, 0);
    }
    return PTL_OK;
}

const struct ptl_part ptl_directory_part = {
    .init = init,
    .open = open_directory,
    .drop = drop,
};
