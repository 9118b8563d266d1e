#include "engine/directory/find.h"

#include "engine/directory/addresses.h"
#include "engine/directory/key.h"
#include "engine/directory/node_directory.h"
#include "engine/directory/post.h"
#include "engine/link/dial_addresses.h"
#include "engine/link/shard_links.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"

static struct ptl_span link_id(const struct ptl_link *link)
{
    return ptl_span(link->id, link->id_size);
}

/* Behind what else goes to the master, and not again: a new master is asked by find_again(). */
static bool ask_master(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_buffer *packet = &shard->directory->packet;

    ptl_buffer_clear(packet);
    ptl_key_put(packet, ptl_span_text("g_find"));
    ptl_key_put(packet, link_id(link));
    struct ptl_op op = {.kind = PTL_OP_MESSAGE, .body = ptl_buffer_span(packet), .count = 2};
    return packet->err == PTL_OK &&
           ptl_route(shard->node, &shard->directory->master, &op, PTL_WAY_OWN) == PTL_OK;
}

bool ptl_directory_knows(const struct ptl_shard *shard)
{
    return ptl_directory_is_global(shard->directory);
}

bool ptl_directory_find(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_shard_directory *directory = shard->directory;

    if (!ptl_directory_is_global(directory)) {
        /* An ordinary node knows nobody's addresses: that is what it needs a master for. */
        ptl_directory_need(shard);
        return ptl_directory_has_master(directory) &&
               !ptl_span_equal(ptl_port_node(&directory->master), link_id(link)) &&
               ask_master(shard, link);
    }
    struct ptl_op op = ptl_dir_op(PTL_DIR_FIND);
    op.node = link_id(link);
    ptl_directory_post(shard, ptl_directory_place(shard, ptl_span_text("'l")), &op);
    return true;
}

void ptl_directory_take_find(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_assert(ptl_directory_place(shard, ptl_span_text("'l")) == shard->index);
    const uint8_t null_value = PTL_CBOR_NULL;
    struct ptl_item item = {.value = ptl_span(&null_value, 1)};
    struct ptl_op found = ptl_dir_op(PTL_DIR_FOUND);
    bool known = ptl_store_get(shard->directory->store, ptl_span_text("'l"), op->node, &item);

    (void)known; /* null says that it is not */
    found.node = op->node;
    found.body = item.value;
    found.count = 1;
    ptl_directory_post(shard, ptl_directory_owner(shard, op->node), &found);
}

void ptl_directory_take_found(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_link *link = ptl_link_find(shard, op->node);
    struct ptl_buffer *list = &shard->directory->packet;

    if (link == NULL || link->state != PTL_LINK_DIALING || link->asked != PTL_LINK_ASKING) {
        return; /* nobody waits for it any more */
    }
    ptl_buffer_clear(list);
    if (!ptl_addresses_list(list, op->body)) {
        ptl_log_about(shard, PTL_LOG_WARN, op->node,
                      "%s announces something that is not an address", link->id);
    }
    ptl_link_addresses(shard, link, list->err < 0 ? ptl_span(NULL, 0) : ptl_buffer_span(list));
}

bool ptl_directory_may_find(const struct ptl_node *node)
{
    return atomic_load(&node->directory->attaching);
}

void ptl_directory_find_again(struct ptl_shard *shard)
{
    struct ptl_link *link;
    uint32_t at = 0;

    while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        if (link->state == PTL_LINK_DIALING) {
            ptl_link_ask_again(shard, link);
        }
    }
}
