#include "engine/directory/post.h"

#include "engine/directory/peer.h"
#include "engine/message/name.h"
#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

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
    if (ptl_dir_kind(op) == PTL_DIR_NEEDED) {
        directory->needs_master = false; /* whoever needs it next says so */
    } else if (peer != NULL) {
        peer->failing = directory->failing = true;
    } else if (op->node.size != 0) {
        directory->failing_owners |= UINT64_C(1) << ptl_directory_owner(shard, op->node);
    }
    bool failing = directory->failing || directory->failing_owners != 0;
    if (failing && !ptl_untold_waits(&directory->failing_untold)) {
        ptl_untold_wait(shard, &directory->failing_untold, shard->index);
    }
}

/* Behind all that waits for that ring: ops between two shards never overtake each other. */
static void let_wait(struct ptl_shard *shard, unsigned to, const struct ptl_op *op)
{
    struct ptl_posting *posting = &shard->directory->postings[to];
    struct ptl_parcel *parcel = ptl_parcel_make(op, shard->allocator);

    if (parcel == NULL) {
        lose(shard, op);
        return;
    }
    ptl_assert((posting->last == NULL) == (posting->first == NULL));
    if (posting->last == NULL) {
        posting->first = parcel;
    } else {
        posting->last->next = parcel;
    }
    posting->last = parcel;
    if (!ptl_untold_waits(&posting->untold)) {
        ptl_untold_wait(shard, &posting->untold, to);
    }
}

bool ptl_directory_waits(const struct ptl_shard *shard, unsigned to)
{
    return shard->directory->postings[to].first != NULL || ptl_untold_wait_for(shard, to);
}

void ptl_directory_post(struct ptl_shard *shard, unsigned to, const struct ptl_op *op)
{
    ptl_assert(to < shard->node->shard_count && op->kind == PTL_OP_DIRECTORY);
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

/* Post what waits for one shard: the ring has room. */
static int post_waiting(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_posting *posting = ptl_container(untold, struct ptl_posting, untold);
    unsigned to = (unsigned)(posting - shard->directory->postings);

    ptl_assert(to < shard->node->shard_count);

    while (posting->first != NULL) {
        struct ptl_parcel *parcel = posting->first;
        struct ptl_op op;
        ptl_op_unpack(parcel->bytes, &op);
        int err = *units > 0 ? ptl_untold_post(shard, untold, to, &op) : PTL_LATER;
        if (err < 0) {
            return err;
        }
        --*units;
        posting->first = parcel->next;
        ptl_parcel_free(parcel, shard->allocator);
    }
    posting->last = NULL;
    return PTL_OK;
}

/* ---- Failing --------------------------------------------------------------------------------- */

static struct ptl_op failure(struct ptl_span node, int err)
{
    struct ptl_op op = ptl_dir_say(&(struct ptl_dir_words){.kind = PTL_DIR_FAIL, .err = err});

    op.node = node;
    return op;
}

void ptl_directory_fail(struct ptl_shard *shard, struct ptl_span node, int err)
{
    struct ptl_op op = failure(node, err);

    ptl_directory_post(shard, ptl_directory_owner(shard, node), &op);
}

/* Those whose bit stands. */
static int fail_peers(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;
    int err = PTL_OK;

    while (directory->failing && (peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        struct ptl_op op = failure(ptl_port_node(&peer->port), PTL_ENOMEM);
        unsigned owner = ptl_directory_owner(shard, op.node);
        int posted =
            peer->failing ? ptl_untold_post(shard, &directory->failing_untold, owner, &op) : PTL_OK;
        peer->failing = posted < 0;
        err = posted < 0 ? posted : err; /* others may have room */
    }
    directory->failing = err < 0;
    return err;
}

/* Without a node it means all links of that shard: which one it was is not known any more. */
static int fail_owners(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_op op = failure(ptl_span(NULL, 0), PTL_ENOMEM);
    int err = PTL_OK;

    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        int posted = (directory->failing_owners & bit) != 0
                         ? ptl_untold_post(shard, &directory->failing_untold, i, &op)
                         : PTL_OK;
        directory->failing_owners &= posted == PTL_OK ? ~bit : ~UINT64_C(0);
        err = posted < 0 ? posted : err;
    }
    return err;
}

static int tell_failing(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    int peers = fail_peers(shard);
    int owners = fail_owners(shard);

    (void)untold;
    (void)units;
    return peers < 0 ? peers : owners;
}

void ptl_directory_need(struct ptl_shard *shard)
{
    struct ptl_op op = ptl_dir_op(PTL_DIR_NEEDED);

    /* Said once: shard 0 remembers it through all masters that come and go. */
    if (!shard->directory->needs_master && !ptl_directory_is_global(shard->directory)) {
        shard->directory->needs_master = true;
        ptl_directory_post(shard, 0, &op);
    }
}

void ptl_directory_post_init(struct ptl_shard_directory *directory)
{
    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        directory->postings[i].untold.tell = post_waiting;
    }
    directory->failing_untold.tell = tell_failing;
}

void ptl_directory_post_drop(struct ptl_shard *shard)
{
    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        struct ptl_posting *posting = &shard->directory->postings[i];
        while (posting->first != NULL) {
            struct ptl_parcel *parcel = posting->first;
            posting->first = parcel->next;
            ptl_parcel_free(parcel, shard->allocator);
        }
    }
}
