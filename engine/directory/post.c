#include "engine/directory/post.h"

#include "engine/directory/peer.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

unsigned ptl_directory_place(const struct ptl_shard *shard, struct ptl_span family)
{
    return ptl_shard_of(ptl_name_hash(family), shard->node->shard_count);
}

unsigned ptl_directory_owner(const struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_shard_of(ptl_name_hash(node), shard->node->shard_count);
}

/*
 * An op can be neither posted nor kept.  What it was about has to begin anew, so the link to its
 * node fails; to say so takes no memory, but a bit: of the peer, or of all links of one owner.
 */
static void lose(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *peer = op->node.size == 0 ? NULL : ptl_peer_find(shard, op->node);

    ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: the database may be out of step");
    if (op->number == PTL_DIR_NEEDED) {
        directory->needs_master = false; /* whoever needs it next says so */
    } else if (peer != NULL) {
        peer->failing = directory->failing = true;
    } else if (op->node.size != 0) {
        directory->failing_owners |= UINT64_C(1) << ptl_directory_owner(shard, op->node);
    }
}

/* Behind all that waits for that ring: ops between two shards never overtake each other. */
static void let_wait(struct ptl_shard *shard, unsigned to, const struct ptl_op *op)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_parcel *parcel = ptl_parcel_make(op, shard->allocator);

    if (parcel == NULL) {
        lose(shard, op);
        return;
    }
    ptl_assert((directory->last[to] == NULL) == !ptl_directory_waits(shard, to));
    if (directory->last[to] == NULL) {
        directory->first[to] = parcel;
    } else {
        directory->last[to]->next = parcel;
    }
    directory->last[to] = parcel;
    directory->queued |= UINT64_C(1) << to;
}

bool ptl_directory_waits(const struct ptl_shard *shard, unsigned to)
{
    return (shard->directory->queued >> to & 1) != 0;
}

void ptl_directory_post(struct ptl_shard *shard, unsigned to, const struct ptl_op *op)
{
    if (ptl_directory_waits(shard, to) || ptl_shard_post(shard, to, op, true) < 0) {
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
    struct ptl_shard_directory *directory = shard->directory;

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
    ptl_assert(ptl_directory_waits(shard, to));
    directory->last[to] = NULL;
    directory->queued &= ~(UINT64_C(1) << to);
    return true;
}

static bool post_all_waiting(struct ptl_shard *shard)
{
    uint64_t queued = shard->directory->queued;
    bool all = true;

    for (unsigned i = 0; queued != 0; i++, queued >>= 1) {
        if ((queued & 1) != 0) {
            all = post_waiting(shard, i) && all;
        }
    }
    return all;
}

/* ---- Failing --------------------------------------------------------------------------------- */

/* An error is negative, and an op's number is not. */
static struct ptl_op failure(struct ptl_span node, int err)
{
    ptl_assert(err < 0);
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

    ptl_directory_post(shard, ptl_directory_owner(shard, node), &op);
}

/* Those whose bit stands.  Returns whether some are left. */
static bool fail_peers(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;

    directory->failing = false;
    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        if (peer->failing) {
            struct ptl_op op = failure(ptl_port_node(&peer->port), PTL_ENOMEM);
            unsigned owner = ptl_directory_owner(shard, op.node);
            peer->failing = ptl_shard_post(shard, owner, &op, true) < 0;
            directory->failing |= peer->failing;
        }
    }
    return directory->failing;
}

/* Without a node it means all links of that shard: which one it was is not known any more. */
static bool fail_owners(struct ptl_shard *shard)
{
    struct ptl_op op = failure(ptl_span(NULL, 0), PTL_ENOMEM);

    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if ((shard->directory->failing_owners & bit) != 0 &&
            ptl_shard_post(shard, i, &op, true) == PTL_OK) {
            shard->directory->failing_owners &= ~bit;
        }
    }
    return shard->directory->failing_owners != 0;
}

void ptl_directory_need(struct ptl_shard *shard)
{
    struct ptl_op op = {.kind = PTL_OP_DIRECTORY, .to = PTL_TO_SHARD, .number = PTL_DIR_NEEDED};

    /* Said once: shard 0 remembers it through all masters that come and go. */
    if (!shard->directory->needs_master && !ptl_directory_is_global(shard->directory)) {
        shard->directory->needs_master = true;
        ptl_directory_post(shard, 0, &op);
    }
}

bool ptl_directory_post_work(struct ptl_shard *shard)
{
    const struct ptl_shard_directory *directory = shard->directory;
    bool left = !post_all_waiting(shard);

    left |= directory->failing && fail_peers(shard);
    left |= directory->failing_owners != 0 && fail_owners(shard);
    return left;
}

void ptl_directory_post_drop(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        while (directory->first[i] != NULL) {
            struct ptl_parcel *parcel = directory->first[i];
            directory->first[i] = parcel->next;
            ptl_parcel_free(parcel, shard->allocator);
        }
    }
}
