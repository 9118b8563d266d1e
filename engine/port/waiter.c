#include "engine/port/waiter.h"

#include "engine/port/port.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/shard.h"

void ptl_waiters_init(struct ptl_waiters *waiters)
{
    ptl_list_init(&waiters->waiting);
    ptl_list_init(&waiters->looked);
}

void ptl_waiters_add(struct ptl_shard *shard, struct ptl_waiter *waiter)
{
    ptl_assert(!ptl_listed(&waiter->listed));
    ptl_assert(waiter->known_at == NULL || *waiter->known_at == NULL);
    ptl_list_append(&shard->ports->waiters.waiting, &waiter->listed);
    if (waiter->known_at != NULL) {
        *waiter->known_at = waiter;
    }
    shard->ports->waiters.news = true; /* there may be room by now */
}

void ptl_waiter_be_unknown(struct ptl_waiter *waiter)
{
    if (waiter->known_at != NULL) {
        *waiter->known_at = NULL;
        waiter->known_at = NULL;
    }
}

void ptl_waiter_free(struct ptl_shard *shard, struct ptl_waiter *waiter)
{
    ptl_belonging_remove(&waiter->belonging);
    ptl_list_remove(&waiter->listed);
    ptl_waiter_be_unknown(waiter);
    ptl_release(waiter->release, waiter->data);
    ptl_free(shard->allocator, waiter, sizeof(*waiter));
}
