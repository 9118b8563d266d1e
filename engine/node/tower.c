#include "engine/node/tower.h"

#include "engine/directory/attach.h"
#include "engine/directory/directory.h"
#include "engine/directory/find.h"
#include "engine/directory/follower.h"
#include "engine/directory/registration.h"
#include "engine/directory/request.h"
#include "engine/directory/whereabouts.h"
#include "engine/link/dial.h"
#include "engine/link/failure.h"
#include "engine/link/link_send.h"
#include "engine/link/link_take.h"
#include "engine/link/links.h"
#include "engine/link/links_flush.h"
#include "engine/link/links_tick.h"
#include "engine/link/listener.h"
#include "engine/link/observed_here.h"
#include "engine/link/outside.h"
#include "engine/link/peer_limit.h"
#include "engine/link/peer_room.h"
#include "engine/link/places.h"
#include "engine/link/request.h"
#include "engine/link/shard_links.h"
#include "engine/link/stream.h"
#include "engine/link/telling.h"
#include "engine/node/bind.h"
#include "engine/node/measure.h"
#include "engine/node/node_own.h"
#include "engine/node/stop.h"
#include "engine/node/survey.h"
#include "engine/port/estate.h"
#include "engine/port/fire.h"
#include "engine/port/monitor_fall.h"
#include "engine/port/monitor_take.h"
#include "engine/port/outside.h"
#include "engine/port/ports.h"
#include "engine/port/shard_ports.h"
#include "engine/port/spawn.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/take.h"
#include "engine/shard/tower.h"

/* ---- Operations: of a port's flow, wherever that port is ------------------------------------ */

static void take_flow(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    if (op->to == PTL_TO_NODE) {
        ptl_link_take_accepted(shard, op);
    } else if (op->to == PTL_TO_NAME && op->name.size == 0) {
        ptl_request_take(shard, op, msg);
    } else {
        ptl_port_take(shard, op);
    }
}

static void take_spawn(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    (void)msg;
    if (op->to == PTL_TO_NODE) {
        ptl_link_take_accepted(shard, op);
    } else {
        ptl_spawn_take(shard, op);
    }
}

static void drop_handler(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_handler_wish_free(shard->allocator, op->as.handed.wish);
}

static void drop_register(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_registration_free(shard, op->as.handed.registration);
}

/* ---- Operations: about ports, for a shard --------------------------------------------------- */

static void take_down(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    ptl_monitor_fall_target(shard, op->as.down.observation, op->as.down.failure, msg);
}

static void take_monitor(struct ptl_shard *shard, const struct ptl_op *op,
                         const struct ptl_msg *msg)
{
    (void)msg;
    ptl_monitoring_take(shard, op->as.handed.monitoring);
}

static void drop_monitor(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_monitoring_free(shard, op->as.handed.monitoring);
}

static void take_unmonitor(struct ptl_shard *shard, const struct ptl_op *op,
                           const struct ptl_msg *msg)
{
    (void)msg;
    ptl_monitoring_take_back(shard, op->as.monitor);
}

static void take_timer(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    (void)msg;
    ptl_after_take(shard, op->as.handed.after);
}

static void drop_timer(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_after_free(shard, op->as.handed.after);
}

static void take_untimer(struct ptl_shard *shard, const struct ptl_op *op,
                         const struct ptl_msg *msg)
{
    (void)msg;
    ptl_after_cancel(shard, op->as.timer);
}

/* ---- Operations: about what is full --------------------------------------------------------- */

static void take_full(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    (void)msg;
    ptl_fullness_told(shard, op->node, op->name, true);
}

static void take_room(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    (void)msg;
    ptl_fullness_told(shard, op->node, op->name, false);
}

static void take_on_room(struct ptl_shard *shard, const struct ptl_op *op,
                         const struct ptl_msg *msg)
{
    (void)msg;
    ptl_waiters_take(shard, op->as.handed.waiter);
}

static void drop_on_room(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_waiter_free(shard, op->as.handed.waiter);
}

/* ---- Operations: about links ---------------------------------------------------------------- */

/* The database first: whoever is told of the failure finds the node's entries gone. */
static void take_link_down(struct ptl_shard *shard, const struct ptl_op *op,
                           const struct ptl_msg *msg)
{
    ptl_directory_link_down(shard, op->node);
    ptl_monitor_fall_link(shard, op, msg);
}

static void take_handover(struct ptl_shard *shard, const struct ptl_op *op,
                          const struct ptl_msg *msg)
{
    (void)msg;
    ptl_connection_arrive(shard, op->as.handed.connection);
}

static void drop_handover(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_connection *connection = op->as.handed.connection;

    ptl_loop_discard(shard->loop, connection->handle);
    ptl_connection_free(connection);
}

static void take_on_link(struct ptl_shard *shard, const struct ptl_op *op,
                         const struct ptl_msg *msg)
{
    (void)msg;
    ptl_links_listen(shard, op->as.handed.listener);
}

static void drop_on_link(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_link_listener_free(shard, op->as.handed.listener);
}

/* ---- Operations: about the database --------------------------------------------------------- */

static void take_follow(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    (void)msg;
    ptl_follower_take(shard, op->as.handed.follower);
}

static void drop_follow(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_follower_free(shard, op->as.handed.follower);
}

static void take_directory(struct ptl_shard *shard, const struct ptl_op *op,
                           const struct ptl_msg *msg)
{
    (void)msg;
    ptl_directory_take(shard, op);
}

/* ---- The turn ------------------------------------------------------------------------------- */

static ptl_step_fn *const turn[] = {
    ptl_ports_begin,
    ptl_shard_look,
    ptl_monitors_resume,
    ptl_shard_take_inbox,
    ptl_shard_take_rings,
    ptl_ports_retry,
    ptl_afters_retry,
    ptl_shard_fire_timers,
    ptl_waiters_look,
    ptl_estates_work,
    ptl_falls_work,
    ptl_ports_run,
    ptl_links_tick,
    ptl_monitors_tell_again,
    ptl_links_go_on,
    ptl_untold_work,
    ptl_directory_work,
    ptl_node_stop_work,
    ptl_log_work,
    ptl_whereabouts_work,
    ptl_surveys_work,
    ptl_links_flush,
    ptl_shard_publish,
    /* Asked only now: what ran in this turn may have left something for a step before it. */
    ptl_ports_due,
    ptl_links_due,
    NULL,
};

/* ---- Life ----------------------------------------------------------------------------------- */

/* The node itself listens, and has its shards stop. */
static int open_node(struct ptl_shard *shard)
{
    return ptl_binds_listen(shard);
}

static void unopen_node(struct ptl_shard *shard)
{
    ptl_binds_forget(shard);
}

static bool node_has_news(const struct ptl_shard *shard)
{
    return atomic_load(&shard->node->stop_step) != shard->stop_step;
}

static const struct ptl_part node_part = {
    .open = open_node,
    .unopen = unopen_node,
    .close = ptl_surveys_close,
    .news = node_has_news,
};

static const struct ptl_part *const parts[] = {
    &ptl_ports_part,
    &ptl_links_part,
    &ptl_directory_part,
    &node_part,
};

static void accepted(struct ptl_shard *shard, struct ptl_stream *stream,
                     const struct ptl_address *peer)
{
    ptl_connection_accepted(shard, stream, peer);
}

/* An answer of the resolver: for an address to listen on, or to dial. */
static void resolved(struct ptl_shard *shard, void *request, int err,
                     const struct ptl_address addresses[], unsigned count)
{
    if (!ptl_bind_resolved(shard->node, request, count == 0 ? PTL_ERESOLVE : err, addresses)) {
        ptl_dial_resolved(request, err, addresses, count);
    }
}

/* ---- The tables ----------------------------------------------------------------------------- */

static const struct ptl_tower tower = {
    .ops =
        {
            [PTL_OP_MESSAGE] = {.take = take_flow},
            [PTL_OP_KILL] = {.take = take_flow},
            [PTL_OP_HANDLER] = {.take = take_flow, .drop = drop_handler},
            [PTL_OP_OBSERVE] = {.take = take_flow},
            [PTL_OP_SPAWN] = {.take = take_spawn},
            [PTL_OP_EVENT] = {.take = take_flow},
            [PTL_OP_REGISTER] = {.take = take_flow, .drop = drop_register},
            [PTL_OP_UNOBSERVE] = {.take = take_flow},
            [PTL_OP_DOWN] = {.take = take_down},
            [PTL_OP_LINK_DOWN] = {.take = take_link_down},
            [PTL_OP_FULL] = {.take = take_full},
            [PTL_OP_ROOM] = {.take = take_room},
            [PTL_OP_HANDOVER] = {.take = take_handover, .drop = drop_handover, .embedded = true},
            [PTL_OP_MONITOR] = {.take = take_monitor, .drop = drop_monitor},
            [PTL_OP_UNMONITOR] = {.take = take_unmonitor},
            [PTL_OP_TIMER] = {.take = take_timer, .drop = drop_timer},
            [PTL_OP_UNTIMER] = {.take = take_untimer},
            [PTL_OP_ON_ROOM] = {.take = take_on_room, .drop = drop_on_room},
            [PTL_OP_ON_LINK] = {.take = take_on_link, .drop = drop_on_link},
            [PTL_OP_FOLLOW] = {.take = take_follow, .drop = drop_follow},
            [PTL_OP_SURVEY] = {.take = ptl_survey_take, .drop = ptl_survey_drop, .embedded = true},
            [PTL_OP_DIRECTORY] = {.take = take_directory},
        },
    .message = ptl_port_take_message,
    .find = ptl_port_find,
    .slow = ptl_port_was_slow,
    .turn = turn,
    .measure = ptl_shard_measure,
    .parts = parts,
    .part_count = sizeof(parts) / sizeof(parts[0]),
    .accepted = accepted,
    .resolved = resolved,
    .starved = ptl_connections_starved,
};

static const struct ptl_port_outside port_outside = {
    .refuses = ptl_peer_refuses,
    .send = ptl_link_send_small,
    .take = ptl_link_take,
    .fail = ptl_links_fail,
    .fail_once_more = ptl_links_fail_once_more,
    .resume = ptl_connection_resume,
    .has_room = ptl_peers_tell_room,
    .died = ptl_link_peer_port_died,
    .follow = ptl_follower_run,
    .enter = ptl_registration_take,
};

static const struct ptl_link_outside link_outside = {
    .words = ptl_directory_words,
    .word_count = PTL_DIRECTORY_WORDS,
    .up = ptl_directory_link_up,
    .is_seed = ptl_directory_link_is_seed,
    .knows = ptl_directory_knows,
    .find = ptl_directory_find,
    .may_find = ptl_directory_may_find,
};

void ptl_tower_raise(struct ptl_node *node)
{
    node->tower = &tower;
    node->port_outside = &port_outside;
    node->link_outside = &link_outside;
}
