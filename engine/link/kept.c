#include "engine/link/kept.h"

#include "engine/link/link.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

/* How often the log tells that there are too many. */
#define TELL_NS UINT64_C(60000000000)

/* The count that the link is in, or NULL. */
static uint32_t *count_of(struct ptl_shard_links *links, const struct ptl_link *link)
{
    if (link->keep_until == 0) {
        return NULL;
    }
    return link->keep_until == UINT64_MAX ? &links->named : &links->lost;
}

static void keep_until(struct ptl_shard_links *links, struct ptl_link *link, uint64_t until)
{
    uint32_t *before = count_of(links, link);

    if (before != NULL) {
        ptl_assert(*before > 0);
        --*before;
    }
    link->keep_until = until;
    uint32_t *after = count_of(links, link);
    if (after != NULL) {
        ++*after;
    }
}

static void tell_too_many(struct ptl_shard *shard)
{
    struct ptl_shard_links *links = shard->links;

    if (links->named_told_at == 0 || shard->now - links->named_told_at >= TELL_NS) {
        links->named_told_at = shard->now;
        ptl_log(shard->node, PTL_LOG_WARN,
                "peers name more than %u global nodes: the others are not linked for that",
                PTL_NAMED_MAX);
    }
}

bool ptl_link_keep(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_shard_links *links = shard->links;

    if (link != NULL && link->keep_until == UINT64_MAX) {
        return true;
    }
    if (links->named >= PTL_NAMED_MAX) {
        tell_too_many(shard);
        return false;
    }
    if (link != NULL) {
        keep_until(links, link, UINT64_MAX);
    }
    return true;
}

/* A name that has never led to anybody is most likely made up: it leaves places to the others. */
static uint32_t lost_max(const struct ptl_link *link)
{
    return link->up_at != 0 ? PTL_LOST_MAX : PTL_LOST_MAX / 2;
}

void ptl_link_keep_lost(struct ptl_shard *shard, struct ptl_link *link, uint64_t duration)
{
    struct ptl_shard_links *links = shard->links;

    if (link->keep_until == UINT64_MAX) {
        keep_until(links, link, links->lost < lost_max(link) ? shard->now + duration : 0);
    }
}

void ptl_link_keep_no_more(struct ptl_shard *shard, struct ptl_link *link)
{
    keep_until(shard->links, link, 0);
}

uint32_t ptl_links_unkept(const struct ptl_shard_links *links)
{
    ptl_assert(links->by_id.count >= links->named + links->lost);
    return links->by_id.count - links->named - links->lost;
}
