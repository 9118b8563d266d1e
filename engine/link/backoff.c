#include "engine/link/backoff.h"

#include "engine/link/link.h"
#include "engine/shard/shard.h"

#define REDIAL_FIRST_NS UINT64_C(10000000) /* after a link that did not last */
#define REDIAL_LAST_NS UINT64_C(1000000000)
#define KEEP_FIRST_NS UINT64_C(300000000) /* between attempts at a link that is to be kept */
#define KEEP_LAST_NS UINT64_C(30000000000)

/* The first, then twice as long each time, up to the last. */
static uint64_t longer(uint64_t backoff, uint64_t first, uint64_t last)
{
    uint64_t twice = backoff == 0 ? first : backoff * 2;
    return twice < last ? twice : last;
}

/*
 * The waiting grows with links that fail soon after they are made; one that lasts begins it anew.
 */
void ptl_backoff_after_failure(const struct ptl_shard *shard, struct ptl_link *link)
{
    if (shard->now - link->up_at >= PTL_LINK_LASTED_NS) {
        link->keep_backoff = link->redial_backoff = 0;
        return;
    }
    ptl_assert(shard->now >= link->up_at);
    link->redial_backoff = longer(link->redial_backoff, REDIAL_FIRST_NS, REDIAL_LAST_NS);
    link->redial_at = shard->now + link->redial_backoff;
}

void ptl_backoff_before_keeping(const struct ptl_shard *shard, struct ptl_link *link)
{
    link->keep_backoff = longer(link->keep_backoff, KEEP_FIRST_NS, KEEP_LAST_NS);
    link->keep_at = shard->now + link->keep_backoff;
}
