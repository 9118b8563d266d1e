#include "engine/link/link_take.h"

#include "engine/link/failure.h"
#include "engine/link/kept.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/observed_there.h"
#include "engine/link/shard_links.h"
#include "engine/message/message.h"
#include "engine/port/spawn.h"
#include "engine/shard/node.h"

/* An op is lost; a monitor is told so, as of this failure (0: of none). */
static int lose(struct ptl_shard *shard, const struct ptl_op *op, uint64_t failure, int why)
{
    char id[PTL_NODE_ID_MAX + 1] = "";

    if (op->kind != PTL_OP_OBSERVE) {
        ptl_count(&shard->counts.lost, op->kind == PTL_OP_MESSAGE);
        return PTL_OK;
    }
    ptl_assert(op->node.size <= PTL_NODE_ID_MAX);
    memcpy(id, op->node.bytes, op->node.size);
    struct ptl_msg *reason;
    int err = ptl_msg_make(shard->node, &reason, "ttt", "transport_error", id, ptl_err_text(why));
    if (err == PTL_OK) {
        struct ptl_observer observer = op->as.observer;
        err = ptl_observer_tell(shard, observer, failure, reason);
        ptl_msg_free(reason);
    }
    return err;
}

/* Whether one more link may be made for what is sent.  Else those that nobody wants go soon. */
static bool has_place(struct ptl_shard *shard)
{
    struct ptl_shard_links *links = shard->links;

    if (ptl_links_unkept(links) < PTL_LINKS_MAX) {
        return true;
    }
    links->crowded = true;
    ptl_links_tick_at(links, shard->now);
    return false;
}

static int spawn(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    if (op->body.size + PTL_REQUEST_EXTRA > link->peer_bytes_max) {
        return PTL_ESIZE;
    }
    return ptl_link_request_values(shard, link, PTL_SPAWN_REQUEST, op->name, op->body, op->count);
}

/* Send it, or let it wait. */
static int take(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    switch ((enum ptl_op_kind)op->kind) {
    case PTL_OP_MESSAGE:
        return ptl_link_packet(shard, link, op->name, op->body, op->count, op->whole);
    case PTL_OP_KILL:
        return ptl_link_request_values(shard, link, "kil1", op->name, op->body, op->count);
    case PTL_OP_SPAWN:
        return spawn(shard, link, op);
    case PTL_OP_OBSERVE:
        return ptl_link_observe(shard, link, op);
    case PTL_OP_UNOBSERVE:
        return ptl_link_unobserve(shard, link, op);
    case PTL_OP_HANDLER:
    default:
        ptl_unreachable("not an op for another node");
    }
}

int ptl_link_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    /* Most ops are for the link of the one before. */
    struct ptl_link *link = shard->links->last;

    if (link == NULL || !ptl_span_equal(ptl_link_id(link), op->node)) {
        if (ptl_link_find(shard, op->node) == NULL && !has_place(shard)) {
            return lose(shard, op, 0, PTL_ELIMIT);
        }
        link = ptl_link_get(shard, op->node);
        if (link == NULL) {
            return PTL_ENOMEM;
        }
        shard->links->last = link;
    }
    /* Issued before the link's last failure, by somebody who had not been told of it: lost with
     * what was lost then, else it would arrive behind a gap (G2). */
#ifndef PTL_PLANT_STALE_EPOCH
    if (op->told < link->failed_at && op->kind != PTL_OP_UNOBSERVE) {
        if (link->inherited) {
            /* Whether it is stale cannot be told any more; so that nobody misses it: */
            ptl_link_fail(shard, link, PTL_ELOST);
        }
        return lose(shard, op, link->failed_at, PTL_ELOST);
    }
#endif
    return take(shard, link, op);
}

int ptl_link_take_waiting(struct ptl_shard *shard, struct ptl_link *link)
{
    int err = PTL_OK;

    ptl_assert(link->state == PTL_LINK_UP);
    /* One at a time: what was written is not there twice if the next one finds no memory. */
    while (err == PTL_OK && link->waiting_first != NULL) {
        struct ptl_op op;
        ptl_op_unpack(link->waiting_first->bytes, &op);
        err = take(shard, link, &op);
        if (err == PTL_OK) {
            ptl_link_waits_no_more(shard, link);
        }
    }
    return err;
}

void ptl_link_take_accepted(struct ptl_shard *shard, const struct ptl_op *op)
{
    int err = ptl_link_take(shard, op);

    if (err < 0) {
        /* It was accepted, so it may not be lost silently: the link is, and tells. */
        struct ptl_link *link = ptl_link_find(shard, op->node);
        if (link != NULL) {
            ptl_link_fail(shard, link, err);
        } else if (op->kind == PTL_OP_OBSERVE) {
            ptl_observer_refuse(shard, op);
        } else {
            ptl_log_about(shard, PTL_LOG_ERROR, op->node, "for %.*s: %s", (int)op->node.size,
                          (const char *)op->node.bytes, ptl_err_text(err));
        }
    }
}
