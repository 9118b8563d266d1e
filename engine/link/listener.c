#include "engine/link/listener.h"

#include "engine/link/link.h"
#include "engine/link/shard_links.h"
#include "engine/port/callback.h"
#include "engine/shard/node.h"
#include "engine/shard/take.h"

void ptl_links_listen(struct ptl_shard *shard, struct ptl_link_listener *listener)
{
    struct ptl_link *link;
    uint32_t at = 0;

    listener->next = shard->links->listeners;
    shard->links->listeners = listener;
    /* Those that are up already: whoever listens late knows as much as whoever listened first. */
    while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        if (link->state == PTL_LINK_UP) {
            listener->tell(shard->node, link->id, true, NULL, listener->data);
        }
    }
}

void ptl_links_tell_listeners(struct ptl_shard *shard, struct ptl_link *link, bool up)
{
    struct ptl_callback callback;

    for (struct ptl_link_listener *l = shard->links->listeners; l != NULL; l = l->next) {
        ptl_callback_begin(shard, &callback, NULL); /* whoever's sending found the link gone */
        l->tell(shard->node, link->id, up, link->reason, l->data);
        ptl_callback_end(shard, &callback, "a listener to links", ptl_link_id(link));
    }
}

void ptl_link_listener_free(struct ptl_shard *shard, struct ptl_link_listener *listener)
{
    struct ptl_link_audience *audience = listener->audience;

    unsigned before = audience == NULL ? 0 : atomic_fetch_sub(&audience->listeners, 1);
    ptl_assert(audience == NULL || before > 0);
    if (before == 1) {
        ptl_release(audience->release, audience->data);
        ptl_free(shard->allocator, audience, sizeof(*audience));
    }
    ptl_free(shard->allocator, listener, sizeof(*listener));
}

static struct ptl_parcel *make_listener(struct ptl_node *node, ptl_link_fn *tell, void *data,
                                        struct ptl_link_audience *audience)
{
    struct ptl_link_listener *listener = ptl_alloc(node->allocator, sizeof(*listener));

    if (listener == NULL) {
        return NULL;
    }
    listener->tell = tell;
    listener->data = data;
    listener->audience = audience;
    struct ptl_op op = {.kind = PTL_OP_ON_LINK, .to = PTL_TO_SHARD, .as.handed.listener = listener};
    struct ptl_parcel *parcel = ptl_parcel_make(&op, node->allocator);
    if (parcel == NULL) {
        ptl_free(node->allocator, listener, sizeof(*listener));
    }
    return parcel;
}

static void drop_listener(struct ptl_node *node, struct ptl_parcel *parcel)
{
    struct ptl_op op;

    ptl_op_unpack(parcel->bytes, &op);
    ptl_op_drop(&node->shards[0], &op);
    ptl_parcel_free(parcel, node->allocator);
}

/* NULL: no memory. */
static struct ptl_link_audience *make_audience(struct ptl_node *node, void *data,
                                               ptl_release_fn *release)
{
    struct ptl_link_audience *audience = ptl_alloc(node->allocator, sizeof(*audience));

    if (audience != NULL) {
        atomic_init(&audience->listeners, node->shard_count);
        audience->release = release;
        audience->data = data;
    }
    return audience;
}

/* After an error nobody may be called, and nothing be released. */
static int refuse(struct ptl_node *node, struct ptl_parcel *const parcels[], unsigned made,
                  struct ptl_link_audience *audience)
{
    if (audience != NULL) {
        audience->release = NULL;
        atomic_store(&audience->listeners, made);
    }
    for (unsigned i = 0; i < made; i++) {
        drop_listener(node, parcels[i]);
    }
    if (made == 0) {
        ptl_free(node->allocator, audience, sizeof(*audience));
    }
    return PTL_ENOMEM;
}

int ptl_on_link(struct ptl_node *node, ptl_link_fn *tell, void *data)
{
    return ptl_on_link_owned(node, tell, data, NULL);
}

int ptl_on_link_owned(struct ptl_node *node, ptl_link_fn *tell, void *data, ptl_release_fn *release)
{
    struct ptl_parcel *parcels[PTL_SHARDS_MAX];
    struct ptl_link_audience *audience = NULL;
    unsigned made = 0;

    if (release != NULL) {
        audience = make_audience(node, data, release);
        if (audience == NULL) {
            return PTL_ENOMEM;
        }
    }
    while (made < node->shard_count &&
           (parcels[made] = make_listener(node, tell, data, audience)) != NULL) {
        made++;
    }
    if (made < node->shard_count) {
        return refuse(node, parcels, made, audience);
    }
    /* All were made before the first is handed over: either every shard has one, or none. */
    for (unsigned i = 0; i < made; i++) {
        ptl_shard_hand(&node->shards[i], parcels[i], ptl_shard_here(node));
    }
    return PTL_OK;
}
