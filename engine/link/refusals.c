#include "engine/link/refusals.h"

#include "engine/link/given_up.h"
#include "engine/link/node_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

#define MINUTE_NS UINT64_C(60000000000)

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

/* The clocks of two shards may differ by a turn. */
static bool is_past(uint64_t at, uint64_t now)
{
    return at == 0 || (now > at && now - at >= MINUTE_NS);
}

/* That of the key; else a free one, or the one of whom nothing has come for longest. */
static struct ptl_refusal *find(struct ptl_refusals *refusals, uint64_t key)
{
    struct ptl_refusal *oldest = &refusals->of[0];

    for (unsigned i = 0; i < PTL_REFUSALS_MAX; i++) {
        struct ptl_refusal *refusal = &refusals->of[i];
        if (refusal->last_at != 0 && refusal->key == key) {
            return refusal;
        }
        if (refusal->last_at < oldest->last_at) {
            oldest = refusal;
        }
    }
    /* What was not told of it yet is told with others'. */
    refusals->untold += oldest->untold;
    *oldest = (struct ptl_refusal){.key = key};
    return oldest;
}

/* Take one of the lines of this minute. */
static bool take_line(struct ptl_refusals *refusals, unsigned told_max, uint64_t now)
{
    if (is_past(refusals->minute_at, now)) {
        refusals->minute_at = now;
        refusals->told = 0;
    }
    if (refusals->told >= told_max) {
        return false;
    }
    refusals->told++;
    return true;
}

bool ptl_refusals_take(struct ptl_refusals *refusals, uint64_t key, unsigned told_max, uint64_t now,
                       struct ptl_refusals_more *more)
{
    struct ptl_refusal *refusal = find(refusals, key);

    ptl_assert(now > 0); /* that of one that is free */
    refusal->last_at = now;
    if (!is_past(refusal->told_at, now) || !take_line(refusals, told_max, now)) {
        refusal->untold++;
        return false;
    }
    *more = (struct ptl_refusals_more){.same = refusal->untold, .others = refusals->untold};
    refusal->told_at = now;
    refusal->untold = refusals->untold = 0;
    return true;
}

static bool take(struct ptl_node *node, struct ptl_refusals *refusals, uint64_t key,
                 unsigned told_max, uint64_t now, struct ptl_refusals_more *more)
{
    pthread_mutex_lock(&node->links->lock);
    bool is_news = ptl_refusals_take(refusals, key, told_max, now, more);
    pthread_mutex_unlock(&node->links->lock);
    return is_news;
}

bool ptl_refusal_is_news(struct ptl_node *node, struct ptl_span address, uint64_t now)
{
    struct ptl_refusals_more more;

    return take(node, &node->links->refusals, ptl_name_hash(address), PTL_REFUSALS_TOLD_DIALLED,
                now, &more);
}

bool ptl_refusal_of_stranger_is_news(struct ptl_node *node, uint64_t source, uint64_t now,
                                     struct ptl_refusals_more *more)
{
    return take(node, &node->links->refusals_of_strangers, source, PTL_REFUSALS_TOLD_COME, now,
                more);
}
