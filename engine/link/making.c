#include "engine/link/making.h"

#include "engine/link/connection.h"
#include "engine/link/failure.h"
#include "engine/node/node.h"

#define SMALL ((size_t)65536) /* what is not counted */

static void enlist(struct ptl_makings *all, struct ptl_connection *c)
{
    c->making.next = NULL;
    c->making.before = all->last;
    if (all->last == NULL) {
        all->first = c;
    } else {
        all->last->making.next = c;
    }
    all->last = c;
}

static void unlist(struct ptl_makings *all, struct ptl_connection *c)
{
    struct ptl_making *making = &c->making;

    if (making->before == NULL) {
        all->first = making->next;
    } else {
        making->before->making.next = making->next;
    }
    if (making->next == NULL) {
        all->last = making->before;
    } else {
        making->next->making.before = making->before;
    }
}

static void set_held(struct ptl_connection *c, size_t held)
{
    struct ptl_makings *all = &c->shard->makings;

    if (held != 0 && c->making.held == 0) {
        enlist(all, c);
    } else if (held == 0 && c->making.held != 0) {
        unlist(all, c);
    }
    all->held += (uint64_t)held - c->making.held;
    c->making.held = held;
}

void ptl_making_end(struct ptl_connection *c)
{
    set_held(c, 0);
}

void ptl_making_count(struct ptl_connection *c)
{
    struct ptl_shard *shard = c->shard;
    size_t held = ptl_decoder_held(&c->decoder);

    set_held(c, held <= SMALL ? 0 : held);
    while (shard->makings.held > shard->node->options.making_room &&
           shard->makings.first != shard->makings.last) {
        struct ptl_connection *longest = shard->makings.first;
        ptl_making_end(longest);
        ptl_link_fail(shard, longest->link, PTL_ENOMEM);
    }
}
