#include "engine/directory/attach.h"

#include "engine/directory/key.h"
#include "engine/directory/node_directory.h"
#include "engine/directory/post.h"
#include "engine/directory/whereabouts.h"
#include "engine/link/failure.h"
#include "engine/link/link_send.h"
#include "engine/link/peer_room.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

static struct ptl_span link_id(const struct ptl_link *link)
{
    return ptl_span(link->id, link->id_size);
}

/* ---- Saying ---------------------------------------------------------------------------------- */

static struct ptl_buffer *begin(struct ptl_shard *shard, const char *request)
{
    struct ptl_buffer *packet = &shard->directory->packet;

    ptl_buffer_clear(packet);
    ptl_key_put(packet, ptl_span_text(request));
    return packet;
}

/* Write the packet that was made: `count` values.  Errors: PTL_ENOMEM. */
static int say(struct ptl_shard *shard, struct ptl_link *link, uint32_t count)
{
    const struct ptl_buffer *packet = &shard->directory->packet;

    ptl_assert(count > 0 && (packet->err < 0 || packet->size > 0));

    return packet->err < 0 ? PTL_ENOMEM
                           : ptl_link_packet(shard, link, ptl_span(NULL, 0),
                                             ptl_buffer_span(packet), count, NULL);
}

static void say_or_fail(struct ptl_shard *shard, struct ptl_link *link, uint32_t count)
{
    if (say(shard, link, count) < 0) {
        ptl_link_fail(shard, link, PTL_ENOMEM);
    }
}

/* {"'l": {SELF: [ADDRESS...]}} and, of a global node, "'g": {SELF: null}. */
static void put_roots(struct ptl_shard *shard, struct ptl_buffer *out, bool global)
{
    struct ptl_span self = ptl_directory_self(&shard->node->self);

    ptl_cbor_put_head(out, PTL_CBOR_MAP, global ? 2 : 1);
    ptl_key_put(out, ptl_span_text("'l"));
    ptl_cbor_put_head(out, PTL_CBOR_MAP, 1);
    ptl_key_put(out, self);
    ptl_whereabouts_put(shard, out);
    if (global) {
        ptl_key_put(out, ptl_span_text("'g"));
        ptl_cbor_put_head(out, PTL_CBOR_MAP, 1);
        ptl_key_put(out, self);
        ptl_buffer_byte(out, PTL_CBOR_NULL);
    }
}

int ptl_directory_say_set(struct ptl_shard *shard, struct ptl_link *link)
{
    put_roots(shard, begin(shard, "g_set"), true);
    return say(shard, link, 2);
}

/* ---- The beginning of a link ----------------------------------------------------------------- */

static bool takes_part(const struct ptl_link *link)
{
    return link->peer_speaks_global;
}

/*
 * Whoever listens somewhere says `be global` at once, before it knows whether this seed becomes its
 * master: its seeds have to be global for others, too.  Any packet may fail the link, so after each
 * one it is looked at again whether it is up.
 */
void ptl_directory_link_is_seed(struct ptl_shard *shard, struct ptl_link *link)
{
    if (!takes_part(link) || link->db.told_seed || link->state != PTL_LINK_UP) {
        return;
    }
    link->db.told_seed = true;
    if (!ptl_node_is_global(shard->node)) {
        atomic_store(&shard->node->directory->attaching,
                     true); /* shard 0 may attach to it, or to another */
    }
    if (ptl_node_is_global(shard->node) || ptl_is_to_be_found(shard->node)) {
        begin(shard, "g_slave");
        say_or_fail(shard, link, 1);
    }
    /* Also when its link has failed just now: shard 0 hears of that behind this. */
    struct ptl_op op = ptl_dir_op(PTL_DIR_SEED);
    op.node = link_id(link);
    ptl_directory_post(shard, 0, &op);
}

/* Once a link; g_global goes before our part, which the outlets tell behind it. */
static void say_global(struct ptl_shard *shard, struct ptl_link *link)
{
    if (link->db.said_we_are_global || !takes_part(link)) {
        return;
    }
    link->db.said_we_are_global = true;
    if (link->db.master && !link->peer_is_portolan) {
        /* It would hold us as both, and what we had as the one would stay when it goes. */
        ptl_cbor_put_head(begin(shard, "g_slave"), PTL_CBOR_MAP, 0);
        say_or_fail(shard, link, 2);
    }
    begin(shard, "g_global");
    say_or_fail(shard, link, 1);
    if (link->db.peer == PTL_PEER_GLOBAL && (link->peer_features & PTL_FEATURE_DATABASE) == 0 &&
        link->state == PTL_LINK_UP && ptl_directory_say_set(shard, link) < 0) {
        ptl_link_fail(shard, link, PTL_ENOMEM);
    }
}

void ptl_directory_link_up(struct ptl_shard *shard, struct ptl_link *link,
                           const struct ptl_address *peer)
{
    ptl_whereabouts_link_up(shard, peer); /* first: what we say of ourselves may have changed */
    if (link->seeds != 0) {
        ptl_directory_link_is_seed(shard, link);
    }
    if (ptl_directory_is_global(shard->directory) && link->state == PTL_LINK_UP) {
        say_global(shard, link);
    }
}

void ptl_directory_say_global(struct ptl_shard *shard)
{
    struct ptl_link *link;
    uint32_t at = 0;

    while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        if (link->state == PTL_LINK_UP) {
            say_global(shard, link); /* a master goes on answering for a while */
        }
    }
}

/* Be that node's: it gets our database, first our addresses, then what the shards have. */
void ptl_directory_attach(struct ptl_shard *shard, const struct ptl_op *op)
{
    uint64_t attachment = ptl_dir_words(op).attachment.number;
    struct ptl_link *link = ptl_link_find(shard, op->node);

    if (link == NULL || link->state != PTL_LINK_UP || ptl_directory_is_global(shard->directory)) {
        return; /* lost meanwhile: shard 0 is told so, or has been */
    }
    if (!ptl_is_to_be_found(shard->node)) {
        begin(shard, "g_slave"); /* be global: it was not said yet */
        say_or_fail(shard, link, 1);
    }
    /* Three values: the request, our addresses, and a number that real nodes do not read. */
    struct ptl_buffer *packet = begin(shard, "g_slave");
    put_roots(shard, packet, false);
    ptl_cbor_put_head(packet, PTL_CBOR_UINT, attachment);
    if (link->state == PTL_LINK_UP) {
        say_or_fail(shard, link, 3);
    }
    if (link->state != PTL_LINK_UP) {
        return;
    }
    /* Our database is on its way: from now on its answers and copies are heard on all shards. */
    link->db.master = true;
    /* Through the rings, as are all changes of what we are: no shard answers by the old role
     * what it has been told under the new one. */
    struct ptl_dir_words words = {
        .kind = PTL_DIR_MASTER,
        .attachment = {.number = attachment,
                       .knows_owners = (link->peer_features & PTL_FEATURE_DATABASE) != 0},
    };
    struct ptl_op master = ptl_dir_say(&words);
    master.node = op->node;
    ptl_directory_post_all(shard, &master);
}
