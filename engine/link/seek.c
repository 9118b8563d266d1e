#include "engine/link/seek.h"

#include "engine/link/link.h"

/* What a relayed message to an unknown node costs its sender, in time; and how much may be owed. */
#define SEEK_COST_NS UINT64_C(62500000)
#define SEEK_BURST 64

bool ptl_link_may_seek(struct ptl_link *link, uint64_t now, uint64_t hash)
{
    uint64_t until = link->seek_until > now ? link->seek_until : now;

    if (hash == link->seek_last) {
        return true;
    }
    if (until - now > (SEEK_BURST - 1) * SEEK_COST_NS) {
        return false;
    }
    link->seek_until = until + SEEK_COST_NS;
    link->seek_last = hash;
    return true;
}
