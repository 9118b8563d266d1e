#include "engine/port/fire.h"

#include "engine/message/message.h"
#include "engine/port/notice.h"
#include "engine/port/outside.h"
#include "engine/port/reason.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* So many are called in vain in one turn, of those that wait for time. */
#define REFUSALS_MAX 256

/* Between two times that one is called. */
#define AGAIN_NS UINT64_C(1000000)

/* ---- Telling one --------------------------------------------------------------------------- */

/* Through the rings, to this shard's own ports too: behind what ports here have sent before. */
static int tell_message(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                        const struct ptl_msg *reason)
{
    struct ptl_msg *msg;

    if (ptl_is_full(shard, monitoring->to)) {
        return PTL_EFULL; /* a message like others, its prefix counted until it is sent */
    }
    int err = monitoring->prefix != NULL
                  ? ptl_msg_make(shard->node, &msg, "mm", monitoring->prefix, reason)
                  : ptl_msg_make(shard->node, &msg, "m", reason);

    if (err < 0) {
        return err;
    }
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .count = msg->count,
        .body = ptl_span(msg->body, msg->size),
        .whole = msg,
    };
    err = ptl_route(shard->node, monitoring->to, &op, PTL_WAY_OWN);
    ptl_msg_free(msg);
    return err;
}

static int tell_kill(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                     const struct ptl_msg *reason)
{
    if (reason->count == 0) {
        return PTL_OK; /* a normal death kills nobody */
    }
    struct ptl_op op = {
        .kind = PTL_OP_KILL,
        .count = reason->count,
        .body = ptl_span(reason->body, reason->size),
        .whole = reason->holds != 0 ? reason : NULL,
    };
    return ptl_route(shard->node, monitoring->to, &op, PTL_WAY_OWN);
}

/* Tell one; PTL_EFULL, PTL_ENOMEM or PTL_LATER: not now. */
static int tell(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                const struct ptl_msg *reason)
{
    switch ((enum ptl_monitor_kind)monitoring->kind) {
    case PTL_MONITOR_CALLBACK:
        return ptl_monitoring_call(shard, monitoring, NULL, reason) ? PTL_OK : PTL_LATER;
    case PTL_MONITOR_MESSAGE:
        return tell_message(shard, monitoring, reason);
    case PTL_MONITOR_KILL:
        return tell_kill(shard, monitoring, reason);
    case PTL_MONITOR_LINK:
        shard->node->port_outside->died(shard, monitoring, reason);
        return PTL_OK;
    }
    ptl_unreachable("no such kind of monitor");
}

/* Returns whether it is done with, and freed: told, or taken back by what it told. */
static int tell_or_free(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                        const struct ptl_msg *reason)
{
    ptl_assert(!monitoring->running);
    monitoring->running = true;
    int err = tell(shard, monitoring, reason);
    monitoring->running = false;
    if (err == PTL_OK || monitoring->taken_back) {
        ptl_monitoring_free(shard, monitoring);
        return PTL_OK;
    }
    return err;
}

/* ---- Those that could not be told ------------------------------------------------------------ */

/* Whether it is a message, and for what is full: then not the ring is what it has to wait for. */
static bool waits_for_port(const struct ptl_shard *shard, const struct ptl_monitoring *monitoring)
{
    return monitoring->kind == PTL_MONITOR_MESSAGE && ptl_is_full(shard, monitoring->to);
}

/*
 * It has found no room, or no memory, or its callback has said PTL_LATER.  Who is called outside of
 * ports says nothing of what it waits for, nor does memory: these wait for time.
 */
static void wait_anew(struct ptl_shard *shard, struct ptl_monitoring *monitoring, int err)
{
    if (err != PTL_EFULL) {
        monitoring->again_at = shard->now + AGAIN_NS;
        ptl_list_append(&shard->ports->monitors.again, &monitoring->untold.listed);
    } else if (waits_for_port(shard, monitoring)) {
        ptl_full_wait(shard, monitoring->to, &monitoring->untold);
    } else {
        ptl_untold_wait(shard, &monitoring->untold, ptl_place_of(shard->node, monitoring->to));
    }
}

static int try_again(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    struct ptl_msg empty = ptl_msg_borrow(ptl_span(NULL, 0), 0);

    return tell_or_free(shard, monitoring,
                        monitoring->reason != NULL ? monitoring->reason : &empty);
}

/* In its turn: the ring has room. */
static int tell_untold(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_monitoring *monitoring = ptl_container(untold, struct ptl_monitoring, untold);
    int err = try_again(shard, monitoring);

    (void)units;
    if (err == PTL_EFULL && !waits_for_port(shard, monitoring)) {
        return PTL_EFULL;
    }
    if (err != PTL_OK) {
        wait_anew(shard, monitoring, err);
    }
    return PTL_OK;
}

static struct ptl_monitoring *first_again(const struct ptl_shard *shard)
{
    const struct ptl_list *again = &shard->ports->monitors.again;

    return ptl_list_empty(again) ? NULL
                                 : ptl_container(again->next, struct ptl_monitoring, untold.listed);
}

uint64_t ptl_monitors_tell_again(struct ptl_shard *shard)
{
    struct ptl_monitoring *monitoring;
    uint32_t units = PTL_SLICE, refusals = 0;

    while ((monitoring = first_again(shard)) != NULL && monitoring->again_at <= shard->now &&
           units > 0 && refusals < REFUSALS_MAX) {
        ptl_list_remove(&monitoring->untold.listed);
        int err = try_again(shard, monitoring);
        if (err != PTL_OK) {
            wait_anew(shard, monitoring, err);
            refusals++;
        }
        units--;
    }
    if (monitoring == NULL) {
        return UINT64_MAX;
    }
    bool others_first = refusals == REFUSALS_MAX; /* they are as slow: leave time for the rest */
    return others_first ? shard->now + AGAIN_NS : monitoring->again_at;
}

/* ---- Firing -------------------------------------------------------------------------------- */

static void keep_untold(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                        const struct ptl_msg *reason, int err)
{
    ptl_assert(!monitoring->fired && monitoring->reason == NULL);
    monitoring->reason = ptl_reason_keep(shard, reason);
    monitoring->fired = true;
    shard->ports->monitors.untold++;
    monitoring->untold.tell = tell_untold;
    wait_anew(shard, monitoring, err);
}

/* Others wait for the ring that it needs, and they were first. */
static bool comes_behind(const struct ptl_shard *shard, const struct ptl_monitoring *monitoring)
{
    return monitoring->to != NULL &&
           ptl_untold_wait_for(shard, ptl_place_of(shard->node, monitoring->to));
}

void ptl_monitoring_fire(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                         const struct ptl_msg *reason, uint64_t failure)
{
    if (ptl_slot_died(monitoring->owner, monitoring->generation)) {
        ptl_monitoring_free(shard, monitoring); /* it is part of what its port has left */
        return;
    }
    if (ptl_monitoring_is_notice(shard, monitoring)) {
        ptl_monitoring_notify(shard, monitoring, reason, failure);
        return;
    }
    /* From here on it outlives its port: what has happened is told also when the port dies
     * meanwhile. */
    ptl_belonging_remove(&monitoring->belonging);
    int err = comes_behind(shard, monitoring) ? PTL_EFULL : tell_or_free(shard, monitoring, reason);
    if (err != PTL_OK) {
        keep_untold(shard, monitoring, reason, err);
    }
}

void ptl_monitoring_refuse(struct ptl_shard *shard, struct ptl_monitoring *monitoring, int err)
{
    struct ptl_msg lost = ptl_reason_lost();
    struct ptl_msg *reason;
    struct ptl_span node = ptl_port_node(&monitoring->target);

    lost.allocator = shard->allocator; /* of a copy that is kept */
    if (ptl_msg_make(shard->node, &reason, "tTt", "transport_error", node.bytes, node.size,
                     ptl_err_text(err)) < 0) {
        reason = NULL;
    }
    ptl_monitoring_fire(shard, monitoring, reason != NULL ? reason : &lost, 0);
    ptl_msg_free(reason);
}
