#include "engine/link/dial_addresses.h"

#include "engine/link/dial.h"
#include "engine/link/known.h"
#include "engine/link/link.h"
#include "engine/link/outside.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

#define GIVE_UP_NS UINT64_C(10000000000) /* all addresses of a node */
#define NEXT_ADDRESS_NS UINT64_C(1000000000)

static void drop_addresses(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_free(shard->allocator, link->addresses, link->addresses_size);
    link->addresses = NULL;
    link->addresses_at = 0;
}

void ptl_link_dial(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link->dial == NULL && link->addresses == NULL);
    ptl_link_enter(link, PTL_LINK_DIALING);
    link->last_err = PTL_ENOADDRESS;
    link->dialled_at = shard->now;
    link->give_up_at = shard->now + GIVE_UP_NS;
    link->next_at = shard->now; /* at the next tick: never inside the call that wants it */
    link->addresses =
        ptl_node_known_addresses(shard->node, ptl_link_id(link), &link->addresses_size);
    link->addresses_at = 0;
    link->asked = PTL_LINK_NOT_ASKED;
    if (shard->node->link_outside->knows(shard) && shard->node->link_outside->find(shard, link)) {
        link->asked = PTL_LINK_ASKING; /* our own copy of the database knows best, and at once */
    }
    ptl_links_tick_at(shard->links, shard->now);
}

bool ptl_link_ask(struct ptl_shard *shard, struct ptl_link *link)
{
    if (link->asked != PTL_LINK_NOT_ASKED || !shard->node->link_outside->find(shard, link)) {
        return false;
    }
    link->asked = PTL_LINK_ASKING;
    link->next_at = link->give_up_at; /* or when the answer comes */
    return true;
}

void ptl_link_ask_again(struct ptl_shard *shard, struct ptl_link *link)
{
    link->asked = PTL_LINK_NOT_ASKED;
    link->next_at = shard->now;
    ptl_links_tick_at(shard->links, shard->now);
}

void ptl_link_addresses(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span list)
{
    const char *known = link->addresses == NULL ? "" : link->addresses + link->addresses_at;
    size_t size = list.size + strlen(known) + 1;
    char *all = list.size == 0 ? NULL : ptl_alloc_raw(shard->allocator, size);

    link->asked = PTL_LINK_ASKED;
    link->next_at = shard->now;
    ptl_links_tick_at(shard->links, shard->now);
    if (all == NULL) {
        return; /* without memory, too, there is what was known */
    }
    /* What the database says is newer than what was known, so that goes first. */
    memcpy(all, list.bytes, list.size);
    memcpy(all + list.size, known, strlen(known) + 1);
    drop_addresses(shard, link);
    link->addresses = all;
    link->addresses_size = (uint32_t)size;
}

void ptl_link_attempt_failed(struct ptl_shard *shard, struct ptl_link *link, int err)
{
    if (link->state == PTL_LINK_DIALING && link->dial == NULL) {
        link->last_err = err;
        link->next_at = shard->now;
        ptl_links_tick_at(shard->links, shard->now);
    }
}

static void attempt_failed(struct ptl_shard *shard, struct ptl_link *link, int seed, int err)
{
    (void)seed;
    ptl_link_attempt_failed(shard, link, err);
}

bool ptl_link_dial_next(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link->state == PTL_LINK_DIALING);
    while (link->addresses != NULL && link->addresses[link->addresses_at] != 0) {
        const char *host_port = link->addresses + link->addresses_at;
        size_t size = strcspn(host_port, ",");
        link->addresses_at += (uint32_t)size + (host_port[size] == ',');
        if (link->dial != NULL) {
            ptl_dial_abandon(link->dial);
        }
        struct ptl_dial_owner owner = {link, -1, 0, &link->dial, attempt_failed};
        int err = ptl_dial_start(shard, host_port, size, &owner);
        if (err == PTL_OK) {
            link->next_at = shard->now + NEXT_ADDRESS_NS;
            return true;
        }
        link->last_err = err;
    }
    return false;
}

void ptl_link_dial_end(struct ptl_shard *shard, struct ptl_link *link)
{
    drop_addresses(shard, link);
    if (link->dial != NULL) {
        ptl_dial_abandon(link->dial);
    }
}
