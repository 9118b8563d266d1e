#include "engine/directory/role_choice.h"

#include "engine/directory/attachment.h"
#include "engine/directory/node_directory.h"
#include "engine/directory/post.h"
#include "engine/directory/whereabouts.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

/* A seed that is linked. */
struct seat {
    struct seat *next;
    uint8_t id_size;
    char id[PTL_NODE_ID_MAX];
};

struct ptl_role_choice {
    struct seat *first; /* in the order in which they were linked */
    struct seat *master;
    bool needed; /* there is something to tell a master, or to ask it */
};

int ptl_role_choice_init(struct ptl_shard *shard)
{
    if (shard->index != 0) {
        return PTL_OK;
    }
    shard->directory->role_choice = ptl_alloc(shard->allocator, sizeof(struct ptl_role_choice));
    return shard->directory->role_choice == NULL ? PTL_ENOMEM : PTL_OK;
}

void ptl_role_choice_drop(struct ptl_shard *shard)
{
    struct ptl_role_choice *choice = shard->directory->role_choice;

    if (choice == NULL) {
        return;
    }
    while (choice->first != NULL) {
        struct seat *seat = choice->first;
        choice->first = seat->next;
        ptl_free(shard->allocator, seat, sizeof(*seat));
    }
    ptl_free(shard->allocator, choice, sizeof(*choice));
    shard->directory->role_choice = NULL;
}

/* ---- Whether there may be a master ----------------------------------------------------------- */

/* All shards are told that there is none: questions of peers need not wait for it. */
static void set_attaching(struct ptl_shard *shard, bool attaching)
{
    struct ptl_op op = ptl_dir_op(PTL_DIR_UNATTACHED);

    if (atomic_exchange(&shard->node->directory->attaching, attaching) && !attaching) {
        ptl_directory_post_all(shard, &op);
    }
}

/* ---- Ordinary: a master among the seeds ------------------------------------------------------ */

static void choose(struct ptl_shard *shard)
{
    struct ptl_role_choice *choice = shard->directory->role_choice;

    ptl_assert(shard->index == 0);
    bool needed = choice->needed || ptl_is_to_be_found(shard->node);

    if (choice->master != NULL || ptl_directory_is_global(shard->directory)) {
        return;
    }
    if (!needed) {
        /* It listens nowhere and asks nothing: nobody has to know of it. */
        set_attaching(shard, choice->first != NULL);
        return;
    }
    /* The one that is linked longest; it stays the master until its link is lost. */
    choice->master = choice->first;
    set_attaching(shard, choice->master != NULL);
    if (choice->master == NULL) {
        return;
    }
    struct ptl_span id = ptl_span(choice->master->id, choice->master->id_size);
    struct ptl_dir_words words = {
        .kind = PTL_DIR_ATTACH,
        .attachment = {.number = ptl_attachment_next(shard, 0)},
    };
    struct ptl_op op = ptl_dir_say(&words);
    op.node = id;
    ptl_directory_post(shard, ptl_shard_of(ptl_name_hash(id), shard->node->shard_count), &op);
}

void ptl_role_choice_needed(struct ptl_shard *shard)
{
    shard->directory->role_choice->needed = true;
    choose(shard);
}

/* Where the pointer to it stands, or would: seeds are a handful, given by the operator. */
static struct seat **find(struct ptl_role_choice *choice, struct ptl_span node)
{
    struct seat **at = &choice->first;

    while (*at != NULL && !ptl_span_equal(ptl_span((*at)->id, (*at)->id_size), node)) {
        at = &(*at)->next;
    }
    return at;
}

void ptl_role_choice_seed(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_role_choice *choice = shard->directory->role_choice;
    struct seat **at = find(choice, node);

    if (*at == NULL) {
        struct seat *seat = ptl_alloc(shard->allocator, sizeof(*seat));
        if (seat == NULL) {
            /* Its link comes anew, and with it another try. */
            ptl_directory_fail(shard, node, PTL_ENOMEM);
            return;
        }
        ptl_assert(node.size <= PTL_NODE_ID_MAX);
        memcpy(seat->id, node.bytes, node.size);
        seat->id_size = (uint8_t)node.size;
        *at = seat;
    }
    choose(shard);
}

void ptl_role_choice_link_down(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_role_choice *choice = shard->directory->role_choice;
    struct seat **at = find(choice, node);
    struct seat *seat = *at;

    if (seat == NULL) {
        return;
    }
    *at = seat->next;
    if (choice->master == seat) {
        choice->master = NULL;
    }
    ptl_free(shard->allocator, seat, sizeof(*seat));
    choose(shard);
}

/* ---- Global ---------------------------------------------------------------------------------- */

void ptl_role_choice_wanted(struct ptl_shard *shard)
{
    ptl_assert(shard->index == 0);
    if (atomic_load(&shard->node->directory->global) || ptl_node_stopping(shard->node)) {
        return;
    }
    ptl_log(shard->node, PTL_LOG_INFO, "another node has this one as its seed: global from now on");
    ptl_attachment_next(shard, 0);
    atomic_store(&shard->node->directory->global, true);
    atomic_store(&shard->node->directory->attaching, false);
    /* The flag first, for who looks at it from elsewhere; each shard becomes global when this op
     * reaches it, in order with all else that it is told. */
    struct ptl_op op = ptl_dir_op(PTL_DIR_GLOBAL);
    ptl_directory_post_all(shard, &op);
}
