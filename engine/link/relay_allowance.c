#include "engine/link/relay_allowance.h"

#include "engine/link/link.h"

/* What a relayed message to an unknown node costs its sender, in time; and how much may be owed. */
#define RELAY_COST_NS UINT64_C(62500000)
#define RELAY_BURST 64

bool ptl_relay_allowed(struct ptl_link *link, uint64_t now, uint64_t hash)
{
    uint64_t until = link->relay_until > now ? link->relay_until : now;

    if (hash == link->relay_last) {
        return true;
    }
    if (until - now > (RELAY_BURST - 1) * RELAY_COST_NS) {
        return false;
    }
    link->relay_until = until + RELAY_COST_NS;
    link->relay_last = hash;
    return true;
}
