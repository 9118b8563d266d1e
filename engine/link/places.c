#include "engine/link/places.h"

#include "engine/link/connection.h"
#include "engine/link/node_links.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

#define STARVED_CLOSE 16 /* strangers closed at a time when there are no descriptors */
#define STARVED_AGAIN_NS UINT64_C(60000000000)

static void evict(struct ptl_stranger *stranger)
{
    struct ptl_connection *c =
        (struct ptl_connection *)((char *)stranger - offsetof(struct ptl_connection, stranger));

    ptl_connection_close(c, PTL_EHALFOPEN, PTL_LOG_WARN);
    ptl_assert(stranger->source == NULL);
}

/* An accepted connection takes one of the shard's places; perhaps another loses it. */
int ptl_connection_take_place(struct ptl_connection *c)
{
    struct ptl_strangers *strangers = &c->shard->links->strangers;
    struct ptl_stranger *victim;

    ptl_assert(c->accepted); /* whom we dial is none */
    while ((victim = ptl_strangers_victim(strangers, c->source)) != NULL) {
        evict(victim);
    }
    return ptl_stranger_add(strangers, &c->stranger, c->source);
}

/* Told to the operator once in a while, whatever strangers do. */
static void tell_starved(struct ptl_shard *shard)
{
    uint64_t told = atomic_load(&shard->node->links->starved_told_at);

    if ((told == 0 || shard->now - told >= STARVED_AGAIN_NS) &&
        atomic_compare_exchange_strong(&shard->node->links->starved_told_at, &told, shard->now)) {
        ptl_log(shard->node, PTL_LOG_ERROR,
                "no descriptor is left for a connection: strangers are closed to make room; "
                "allow more open files");
    }
}

void ptl_connections_starved(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;
    unsigned missing = STARVED_CLOSE - ptl_connections_evict(shard, STARVED_CLOSE);

    tell_starved(shard);
    /* Descriptors are the process's: another shard may have strangers where this one has none. */
    for (unsigned i = 0; missing != 0 && i < node->shard_count; i++) {
        if (i != shard->index) {
            atomic_store(&node->shards[i].links->evict, missing);
            ptl_shard_wake(&node->shards[i], shard);
        }
    }
}

unsigned ptl_connections_evict(struct ptl_shard *shard, unsigned count)
{
    struct ptl_stranger *victim;
    unsigned evicted = 0;

    while (evicted < count && (victim = ptl_strangers_worst(&shard->links->strangers)) != NULL) {
        evict(victim);
        evicted++;
    }
    return evicted;
}
