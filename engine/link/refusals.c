#include "engine/link/refusals.h"

#include "engine/link/given_up.h"
#include "engine/link/node_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

#define TELL_AGAIN_NS UINT64_C(60000000000)

/* Who is another node of our own ID, or ourselves, is told of elsewhere; but a twin refuses us. */
bool ptl_refusal_is(int err)
{
    switch (ptl_given_up_for(err)) {
    case PTL_REASON_secret:
    case PTL_REASON_certificate:
    case PTL_REASON_tls:
    case PTL_REASON_greeting:
    case PTL_REASON_timeout:
        return true;
    default:
        return err == PTL_ETWIN;
    }
}

/* That of the address; else the one that was told longest ago, or never. */
static unsigned find(const struct ptl_refusals *refusals, uint64_t hash)
{
    unsigned oldest = 0;

    for (unsigned i = 0; i < PTL_REFUSALS_MAX; i++) {
        if (refusals->told[i].hash == hash) {
            return i;
        }
        if (refusals->told[i].told_at < refusals->told[oldest].told_at) {
            oldest = i;
        }
    }
    return oldest;
}

bool ptl_refusal_is_news(struct ptl_node *node, struct ptl_span address, uint64_t now)
{
    struct ptl_refusals *refusals = &node->links->refusals;
    uint64_t hash = ptl_name_hash(address);

    pthread_mutex_lock(&node->links->lock);
    unsigned at = find(refusals, hash);
    uint64_t told_at = refusals->told[at].told_at;
    /* The clocks of two shards may differ by a turn. */
    bool is_news = told_at == 0 || (now > told_at && now - told_at >= TELL_AGAIN_NS);
    if (is_news) {
        refusals->told[at].hash = hash;
        refusals->told[at].told_at = now;
    }
    pthread_mutex_unlock(&node->links->lock);
    return is_news;
}
