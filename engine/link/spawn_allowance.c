#include "engine/link/spawn_allowance.h"

#include "engine/link/link.h"

#define SECOND_NS UINT64_C(1000000000)

bool ptl_spawn_allowed(struct ptl_link *link, uint64_t now, unsigned rate)
{
    uint64_t cost = SECOND_NS / rate;
    uint64_t until = link->spawn_until > now ? link->spawn_until : now;

    if (until - now > SECOND_NS - cost) {
        return false;
    }
    link->spawn_until = until + cost;
    return true;
}
