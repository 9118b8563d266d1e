#include "engine/link/link.h"

#include "engine/link/connection.h"
#include "engine/link/dial.h"
#include "engine/link/link_dial.h"
#include "engine/link/link_weight.h"
#include "engine/link/outside.h"
#include "engine/link/peer_room.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/node/node.h"
#include "engine/port/callback.h"
#include "engine/port/reason.h"
#include "engine/port/send.h"
#include "engine/port/spawn.h"
#include "engine/shard/slice.h"

static bool same_link(const void *entry, struct ptl_span id)
{
    const struct ptl_link *link = entry;
    return ptl_span_equal(ptl_span(link->id, link->id_size), id);
}

static struct ptl_span link_id(const struct ptl_link *link)
{
    return ptl_span(link->id, link->id_size);
}

void ptl_links_init(struct ptl_links *links, const struct ptl_node *node)
{
    *links = (struct ptl_links){.allocator = node->allocator};
    ptl_map_init(&links->by_id, node->allocator);
    ptl_strangers_init(&links->strangers, node->allocator,
                       ptl_strangers_share(node->options.half_open_max, node->shard_count),
                       node->options.half_open_per_address);
}

struct ptl_link *ptl_link_find(struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_map_find(&shard->links.by_id, ptl_name_hash(node), same_link, node);
}

struct ptl_link *ptl_link_get(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_link *link = ptl_link_find(shard, node);

    if (link != NULL) {
        return link;
    }
    ptl_assert(node.size != 0 && node.size <= PTL_NODE_ID_MAX);
    if (ptl_map_reserve(&shard->links.by_id) < 0) {
        return NULL;
    }
    link = ptl_alloc(shard->allocator, sizeof(*link));
    if (link == NULL) {
        return NULL;
    }
    link->hash = ptl_name_hash(node);
    memcpy(link->id, node.bytes, node.size);
    link->id_size = (uint8_t)node.size;
    /* What was issued before an earlier link to this node failed and was forgotten is stale, too:
     * such an op counts as a failure of this one (ptl_link_take). */
    link->failed_at = shard->links.forgotten_at;
    link->inherited = link->failed_at != 0;
    link->idle_at = shard->now;
    link->peer_bytes_max = UINT64_MAX;
    ptl_map_init(&link->watched, shard->allocator);
    ptl_map_init(&link->listeners, shard->allocator);
    ptl_map_init(&link->leavings.watched, shard->allocator);
    ptl_map_init(&link->told_full, shard->allocator);
    ptl_map_init(&link->remote_full, shard->allocator);
    link->fullness.node = link_id(link);
    ptl_map_insert(&shard->links.by_id, link->hash, link);
    return link;
}

/* ---- What waits and what goes out ---------------------------------------------------------- */

void ptl_link_dirty(struct ptl_shard *shard, struct ptl_link *link)
{
    if (!link->dirty) {
        link->dirty = true;
        link->dirty_next = shard->links.dirty;
        shard->links.dirty = link;
    }
}

static int let_wait(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                    struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
{
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .to = PTL_TO_NODE,
        .name = name,
        .body = body,
        .count = count,
        .whole = whole,
    };
    struct ptl_parcel *parcel = ptl_parcel_make(&op, shard->allocator);

    if (parcel == NULL) {
        return PTL_ENOMEM;
    }
    if (link->waiting_last == NULL) {
        link->waiting_first = parcel;
    } else {
        link->waiting_last->next = parcel;
    }
    link->waiting_last = parcel;
    link->weight += ptl_parcel_weight(parcel);
    ptl_link_weigh(shard, link);
    return PTL_OK;
}

static int write_packet(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                        struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
{
    int framing = ptl_handshake_peer(&link->connection->handshake)->send_framing;
    if (body.size > link->peer_bytes_max) {
        return PTL_ESIZE;
    }
    int err = ptl_outbox_packet(&link->connection->out, (enum ptl_framing)framing, name, body,
                                count, whole);

    if (err == PTL_OK) {
        ptl_link_dirty(shard, link);
        ptl_link_weigh(shard, link);
    }
    return err;
}

int ptl_link_packet(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                    struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
{
    if (link->state == PTL_LINK_UP) {
        return write_packet(shard, link, name, body, count, whole);
    }
    if (body.size > link->peer_bytes_max) {
        return PTL_ESIZE;
    }
    int err = let_wait(shard, link, name, body, count, whole);
    if (err == PTL_OK && link->state == PTL_LINK_DOWN) {
        ptl_link_dial(shard, link);
    }
    return err;
}

void ptl_link_keepalive(struct ptl_shard *shard, struct ptl_link *link)
{
    static const uint8_t empty_string = 0x40;
    int err = write_packet(shard, link, ptl_span(NULL, 0), ptl_span(&empty_string, 1), 1, NULL);

    (void)err; /* without memory this one is skipped, another follows */
}

static void drop_waiting(struct ptl_shard *shard, struct ptl_link *link)
{
    while (link->waiting_first != NULL) {
        struct ptl_parcel *parcel = link->waiting_first;
        link->waiting_first = parcel->next;
        ptl_parcel_free(parcel, shard->allocator);
    }
    link->waiting_last = NULL;
    link->weight = 0;
}

/* The connection is there: what waited for it goes out, in order. */
static int write_waiting(struct ptl_shard *shard, struct ptl_link *link)
{
    while (link->waiting_first != NULL) {
        struct ptl_parcel *parcel = link->waiting_first;
        struct ptl_op op;
        ptl_op_unpack(parcel->bytes, &op);
        int err = write_packet(shard, link, op.name, op.body, op.count, op.whole);
        if (err < 0) {
            return err;
        }
        link->waiting_first = parcel->next;
        link->weight -= ptl_parcel_weight(parcel);
        ptl_parcel_free(parcel, shard->allocator);
    }
    link->waiting_last = NULL;
    ptl_link_weigh(shard, link);
    return PTL_OK;
}

/* ---- What shards of ours watch there ------------------------------------------------------- */

/* Real nodes have port names as bytes, as long as these are ASCII. */
static void put_name(struct ptl_writer *writer, struct ptl_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.bytes[i] >= 0x80) {
            ptl_put_text(writer, (const char *)name.bytes, name.size);
            return;
        }
    }
    ptl_put_bytes(writer, name.bytes, name.size);
}

/* What a request has beside its reason: its word and a name. */
#define REQUEST_EXTRA (2 * (size_t)PTL_PORT_ID_MAX)

/* A reason that the peer does not take is told in other words: that something ended must be. */
static int put_reason(struct ptl_writer *writer, const struct ptl_link *link,
                      const struct ptl_msg *reason)
{
    if (reason->size + REQUEST_EXTRA <= link->peer_bytes_max) {
        return ptl_put_values(writer, reason);
    }
    const char *text = ptl_err_text(PTL_ESIZE);
    ptl_put_text(writer, "die", 3);
    ptl_put_text(writer, text, strlen(text));
    return writer->err;
}

static int send_request(struct ptl_shard *shard, struct ptl_link *link, const char *request,
                        struct ptl_span name, struct ptl_span values, uint32_t count)
{
    struct ptl_writer writer;
    struct ptl_msg rest = ptl_msg_borrow(values, count);

    ptl_writer_init(&writer, shard->node);
    ptl_put_bytes(&writer, request, strlen(request));
    put_name(&writer, name);
    int err = put_reason(&writer, link, &rest);
    if (err == PTL_OK) {
        err = ptl_link_packet(shard, link, ptl_span(NULL, 0), ptl_writer_body(&writer),
                              writer.count, NULL);
    }
    ptl_writer_drop(&writer);
    return err;
}

int ptl_link_request(struct ptl_shard *shard, struct ptl_link *link, const char *request,
                     struct ptl_span name)
{
    return send_request(shard, link, request, name, ptl_span(NULL, 0), 0);
}

static int watch(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    struct ptl_watcher watcher = {.watch = op->number, .shard = op->watcher};
    struct ptl_watched *watched = ptl_watched_get(&link->watched, op->name);
    int err = watched == NULL ? PTL_ENOMEM : ptl_watched_add(shard->allocator, watched, watcher);

    if (err < 0) {
        if (watched != NULL && watched->count == 0) {
            ptl_watched_forget(&link->watched, watched);
        }
        return err;
    }
    if (op->name.size != 0) {
        if (watched->count == 1) {
            err = send_request(shard, link, "mon1", op->name, ptl_span(NULL, 0), 0);
        }
    } else if (link->state == PTL_LINK_DOWN) {
        ptl_link_dial(shard, link); /* a node port is watched by being linked */
    }
    if (err < 0) {
        ptl_watched_forget(&link->watched, watched);
    }
    return err;
}

static int unwatch(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    struct ptl_watched *watched = ptl_watched_find(&link->watched, op->name);

    for (uint32_t i = 0; watched != NULL && i < watched->count; i++) {
        struct ptl_watcher *at = &watched->watchers[i];
        if (at->watch == op->number && at->shard == op->watcher) {
            *at = watched->watchers[--watched->count];
            break;
        }
    }
    if (watched == NULL || watched->count != 0) {
        return PTL_OK;
    }
    ptl_watched_forget(&link->watched, watched);
    if (op->name.size == 0) {
        return PTL_OK;
    }
    return send_request(shard, link, "mon0", op->name, ptl_span(NULL, 0), 0);
}

/* Tell one watcher; `failure` is the number of the link's that it is told of, or 0. */
static int tell_down(struct ptl_shard *shard, struct ptl_watcher watcher, uint64_t failure,
                     const struct ptl_msg *reason)
{
    struct ptl_op op = {
        .kind = PTL_OP_DOWN,
        .to = PTL_TO_SHARD,
        .epoch = failure,
        .number = watcher.watch,
        .body = ptl_span(reason->body, reason->size),
        .count = reason->count,
        .whole = reason->holds != 0 ? reason : NULL,
    };
    return ptl_shard_post(shard, watcher.shard, &op, true);
}

int ptl_link_port_down(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                       const struct ptl_msg *reason, struct ptl_port *to)
{
    struct ptl_watched *watched = name.size == 0 ? NULL : ptl_watched_find(&link->watched, name);

    if (watched == NULL) {
        return PTL_OK; /* not asked for, or taken back meanwhile */
    }
    while (watched->count != 0) {
        struct ptl_watcher watcher = watched->watchers[watched->count - 1];
        int err = tell_down(shard, watcher, 0, reason);
        if (err < 0) {
            ptl_port_make(&shard->node->self, watcher.shard, 0, 0, to); /* no port, but a way */
            return err;
        }
        watched->count--;
    }
    ptl_watched_forget(&link->watched, watched);
    return PTL_OK;
}

/* ---- Ops from shards and threads ----------------------------------------------------------- */

/* An op is lost; a monitor is told so, as of this failure (0: of none). */
static int lose(struct ptl_shard *shard, const struct ptl_op *op, uint64_t failure, int why)
{
    char id[PTL_NODE_ID_MAX + 1] = "";

    shard->counters.lost++;
    if (op->kind != PTL_OP_WATCH) {
        return PTL_OK;
    }
    memcpy(id, op->node.bytes, op->node.size);
    struct ptl_msg *reason;
    int err = ptl_msg_make(shard->node, &reason, "ttt", "transport_error", id, ptl_err_text(why));
    if (err == PTL_OK) {
        struct ptl_watcher watcher = {.watch = op->number, .shard = op->watcher};
        err = tell_down(shard, watcher, failure, reason);
        ptl_msg_free(reason);
    }
    return err;
}

/* Whether one more link may be made for what is sent.  Else those that nobody wants go soon. */
static bool has_place(struct ptl_shard *shard)
{
    struct ptl_links *links = &shard->links;

    if (links->by_id.count < PTL_LINKS_MAX) {
        return true;
    }
    links->crowded = true;
    ptl_links_tick_at(links, shard->now);
    return false;
}

static int spawn(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    if (op->body.size + REQUEST_EXTRA > link->peer_bytes_max) {
        return PTL_ESIZE;
    }
    return send_request(shard, link, PTL_SPAWN_REQUEST, op->name, op->body, op->count);
}

int ptl_link_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_link *link = shard->links.last;

    if (link == NULL || !ptl_span_equal(link_id(link), op->node)) {
        if (ptl_link_find(shard, op->node) == NULL && !has_place(shard)) {
            return lose(shard, op, 0, PTL_ELIMIT);
        }
        link = ptl_link_get(shard, op->node);
        if (link == NULL) {
            return PTL_ENOMEM;
        }
        shard->links.last = link;
    }
#ifndef PTL_PLANT_STALE_EPOCH
    if (op->epoch < link->failed_at && op->kind != PTL_OP_UNWATCH) {
        if (link->inherited) {
            /* Whether it is stale cannot be told any more; so that nobody misses it: */
            ptl_link_fail(shard, link, PTL_ELOST);
        }
        return lose(shard, op, link->failed_at, PTL_ELOST);
    }
#endif
    switch ((enum ptl_op_kind)op->kind) {
    case PTL_OP_MESSAGE:
        return ptl_link_packet(shard, link, op->name, op->body, op->count, op->whole);
    case PTL_OP_KILL:
        return send_request(shard, link, "kil1", op->name, op->body, op->count);
    case PTL_OP_SPAWN:
        return spawn(shard, link, op);
    case PTL_OP_WATCH:
        return watch(shard, link, op);
    case PTL_OP_UNWATCH:
        return unwatch(shard, link, op);
    case PTL_OP_ON:
    case PTL_OP_NOTICE:
    default:
        ptl_unreachable("not an op for another node");
    }
}

/* ---- What the peer watches here ------------------------------------------------------------ */

static bool same_listener(const void *entry, struct ptl_span name)
{
    const struct ptl_monitoring *monitoring = entry;
    return ptl_span_equal(ptl_port_name(&monitoring->target), name);
}

int ptl_link_peer_watches(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    struct ptl_port target;
    uint64_t hash = ptl_name_hash(name);
    struct ptl_span self = ptl_span(shard->node->self.id, shard->node->self.id_size);

    if (ptl_map_find(&link->listeners, hash, same_listener, name) != NULL) {
        return PTL_OK;
    }
    int err = ptl_port_at(&shard->node->self, self, name, &target);
    if (err < 0 || ptl_map_reserve(&link->listeners) < 0) {
        return err < 0 ? err : PTL_ENOMEM;
    }
    struct ptl_monitoring *monitoring = ptl_monitoring_make(shard, PTL_MONITOR_LINK, &target);
    if (monitoring == NULL) {
        return PTL_ENOMEM;
    }
    monitoring->link = link;
    err = ptl_monitoring_add(shard, monitoring);
    if (err < 0) {
        ptl_monitoring_free(shard, monitoring);
        return err;
    }
    ptl_map_insert(&link->listeners, hash, monitoring);
    return PTL_OK;
}

void ptl_link_peer_leaves(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    uint64_t hash = ptl_name_hash(name);
    struct ptl_monitoring *monitoring = ptl_map_find(&link->listeners, hash, same_listener, name);

    if (monitoring != NULL) {
        ptl_map_remove(&link->listeners, hash, monitoring);
        ptl_monitoring_take_back(shard, monitoring->id);
    }
}

/* More waits than messages and control ops together may use. */
static bool is_past_share(const struct ptl_shard *shard, const struct ptl_link *link)
{
    size_t room = shard->node->options.link_room;

    return link->weight + ptl_link_unsent(link) > room + PTL_CONTROL_SHARE(room);
}

void ptl_link_peer_died(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                        const struct ptl_msg *reason)
{
    uint64_t hash = ptl_name_hash(name);
    struct ptl_monitoring *monitoring = ptl_map_find(&link->listeners, hash, same_listener, name);

    if (monitoring == NULL) {
        return;
    }
    ptl_map_remove(&link->listeners, hash, monitoring);
    if (link->state != PTL_LINK_UP) {
        return; /* it is among the leavings, and whoever watched is gone */
    }
    struct ptl_msg instead = ptl_reason_short();
    if (reason->size > PTL_REASON_SMALL && is_past_share(shard, link)) {
        reason = &instead;
    }
    if (send_request(shard, link, "kil0", name, ptl_span(reason->body, reason->size),
                     reason->count) < 0) {
        /* The peer must learn of it in some way: as a lost link, if there is no memory. */
        ptl_link_fail(shard, link, PTL_ENOMEM);
    }
}

/* ---- Up and down --------------------------------------------------------------------------- */

static void tell_listeners(struct ptl_shard *shard, struct ptl_link *link, bool up)
{
    struct ptl_callback callback;

    for (struct ptl_link_listener *l = shard->links.listeners; l != NULL; l = l->next) {
        ptl_callback_begin(shard, &callback, NULL); /* whoever's sending found the link gone */
        l->tell(shard->node, link->id, up, link->reason, l->data);
        ptl_callback_end(shard, &callback, "a listener to links", link_id(link));
    }
}

/* How large a message it takes: known from now on to all who send. */
static void note_limit(struct ptl_shard *shard, struct ptl_link *link,
                       const struct ptl_handshake_peer *peer)
{
    uint64_t bytes = peer->is_portolan ? peer->message_bytes_max : 0;

    link->peer_bytes_max = bytes != 0 ? bytes : UINT64_MAX;
    ptl_peer_limit_set(shard->node, link_id(link), bytes, (enum ptl_framing)peer->send_framing);
}

/* Programs come and go, and it is they who connect: whom we call, or who holds the network
 * together, should stay. */
static bool is_to_stay(const struct ptl_link *link)
{
    return link->dialled || link->seeds != 0 || link->db.said_global;
}

void ptl_link_log_global(struct ptl_shard *shard, const struct ptl_link *link)
{
    if (!link->dialled && link->seeds == 0) {
        ptl_log_about(shard, PTL_LOG_INFO, link_id(link), "the global node %s is linked, at %s",
                      link->id, link->connection->peer.text);
    }
}

static void log_up(struct ptl_shard *shard, const struct ptl_link *link)
{
    const struct ptl_connection *connection = link->connection;
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&connection->handshake);

    ptl_log_about(shard, is_to_stay(link) ? PTL_LOG_INFO : PTL_LOG_DEBUG, link_id(link),
                  "linked to %s at %s, sending %s", link->id, connection->peer.text,
                  ptl_framing_name((enum ptl_framing)peer->send_framing));
}

void ptl_link_up(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *connection)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&connection->handshake);

    ptl_assert(link->state == PTL_LINK_DOWN || link->state == PTL_LINK_DIALING);
    ptl_link_dial_end(shard, link);
    link->state = PTL_LINK_UP;
    link->connection = connection;
    link->peer_is_portolan = peer->is_portolan;
    link->peer_incarnation = peer->incarnation;
    link->peer_session = peer->session;
    link->peer_features = peer->features;
    link->peer_speaks_global = peer->global_protocol || peer->is_portolan;
    note_limit(shard, link, peer);
    link->up_at = link->received_at = link->sent_at = shard->now;
    link->has_rivals = false;
    ptl_links_tick_at(&shard->links, shard->now + PTL_LINKS_TICK_NS);
    link->dialled = !connection->accepted;
    log_up(shard, link);
    ptl_node_linked(shard->node, link_id(link), true);
    if (link->peer_is_portolan) {
        ptl_link_keepalive(shard, link); /* the first frame: it says that this one was picked */
    }
    shard->node->link_outside->up(shard, link, &connection->peer);
    int err = link->state == PTL_LINK_UP ? write_waiting(shard, link) : PTL_OK;
    if (err < 0) {
        ptl_link_fail(shard, link, err);
    }
    if (link->state != PTL_LINK_UP) {
        return;
    }
    ptl_link_dirty(shard, link);
    tell_listeners(shard, link, true);
}

static struct ptl_msg *failure_reason(struct ptl_shard *shard, const struct ptl_link *link, int err)
{
    const char *text = err == PTL_ECLOSED ? "Unexpected end-of-file" : ptl_err_text(err);
    struct ptl_msg *reason;

    return ptl_msg_make(shard->node, &reason, "ttt", "transport_error", link->id, text) < 0
               ? NULL
               : reason;
}

/* How much the operator has to know of it. */
static enum ptl_log_level weight_of(const struct ptl_link *link, bool was_up, int err)
{
    bool holds = link->seeds != 0 || link->db.said_global;

    if (was_up && !is_to_stay(link)) {
        bool gone = err == PTL_ECLOSED || err > PTL_EFULL; /* or the kernel's word for it */
        return gone ? PTL_LOG_DEBUG : PTL_LOG_INFO;
    }
    if (was_up) {
        return err == PTL_ECLOSED && !holds ? PTL_LOG_INFO : PTL_LOG_WARN;
    }
    return link->keep_until != 0 && link->keep_backoff != 0 ? PTL_LOG_DEBUG : PTL_LOG_INFO;
}

void ptl_link_fail(struct ptl_shard *shard, struct ptl_link *link, int err)
{
    struct ptl_connection *connection = link->connection;

    if (link->state == PTL_LINK_FAILING) {
        link->again = err;
        return;
    }
    bool was_up = link->state == PTL_LINK_UP;
    if (was_up) {
        ptl_link_calm(shard, link);
    }
    if (shard->stop_step != PTL_STOP_NOT) {
        ptl_losses_of_link(shard, link); /* nobody is left here to be told of them */
    }
    ptl_link_dial_end(shard, link);
    link->state = PTL_LINK_FAILING;
    link->connection = NULL;
    link->failed_at = ++shard->failures;
    atomic_store(&shard->told_outside, PTL_TELLING_OUTSIDE);
    link->inherited = false;
    link->again = PTL_OK;
    link->untold = ptl_node_all_shards(shard->node);
    link->reason = failure_reason(shard, link, err);
    if (connection != NULL) {
        ptl_connection_close(connection, err, PTL_LOG_DEBUG);
    }
    ptl_leavings_begin(link);
    ptl_peer_room_reset(shard, link);
    ptl_link_weigh(shard, link);
    ptl_log_about(shard, weight_of(link, was_up, err), link_id(link), "%s %s: %s",
                  was_up ? "lost the link to" : "could not link to", link->id, ptl_err_text(err));
    link->db = (struct ptl_link_database){.attachment = 0};
    if (was_up) {
        ptl_node_linked(shard->node, link_id(link), false);
        tell_listeners(shard, link, false);
    }
    ptl_link_lose_seeds(shard, link);
    link->failing_next = NULL;
    if (shard->links.failing_last == NULL) {
        shard->links.failing_first = link;
    } else {
        shard->links.failing_last->failing_next = link;
    }
    shard->links.failing_last = link; /* told at the end of this turn */
    if (shard->links.untold == NULL) {
        shard->links.untold = link;
    }
}

/* Tell the shards outside of `blocked`; returns those that have no room now. */
static uint64_t tell_failure(struct ptl_shard *shard, struct ptl_link *link, uint64_t blocked)
{
    struct ptl_op op = {
        .kind = PTL_OP_LINK_DOWN,
        .to = PTL_TO_SHARD,
        .node = link_id(link),
        .epoch = link->failed_at,
        .watcher = shard->index,
        .whole = link->reason,
    };

    if (link->reason != NULL) {
        op.body = ptl_span(link->reason->body, link->reason->size);
        op.count = link->reason->count;
    }
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (ptl_directory_waits(&shard->directory, i)) {
            blocked |= bit; /* what the link has announced goes before its end */
        }
        if ((link->untold & bit & ~blocked) != 0 && ptl_shard_post(shard, i, &op, true) == PTL_OK) {
            link->untold &= ~bit;
        }
    }
    return link->untold;
}

static bool all_answered(const struct ptl_shard *shard, const struct ptl_link *link)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        if (atomic_load(&shard->node->shards[i].answered[shard->index]) < link->failed_at) {
            return false;
        }
    }
    return true;
}

/* All shards know, and what they send from now on is of the new epoch. */
static void begin_anew(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_msg_free(link->reason);
    link->reason = NULL;
    link->state = PTL_LINK_DOWN;
    link->idle_at = shard->now;
    if (link->again != PTL_OK) {
        ptl_link_fail(shard, link, link->again);
        return;
    }
    ptl_link_candidates_go_on(shard, link);
    if (link->keep_until != 0) {
        ptl_links_tick_at(&shard->links, link->keep_at);
    }
    if (link->state == PTL_LINK_DOWN && (link->waiting_first != NULL || link->watched.count != 0)) {
        ptl_link_dial(shard, link);
    }
}

/*
 * A shard is told of failures in their order: having been told of one says that it knows of all
 * before it.
 */
static void tell_failures(struct ptl_shard *shard, uint64_t *units)
{
    struct ptl_links *links = &shard->links;
    uint64_t blocked = 0;

    for (struct ptl_link *link = links->untold; link != NULL && *units > 0; --*units) {
        blocked |= tell_failure(shard, link, blocked);
        if (link == links->untold && link->untold == 0) {
            links->untold = link->failing_next;
        }
        link = blocked == ptl_node_all_shards(shard->node) ? NULL : link->failing_next;
    }
}

bool ptl_links_tell(struct ptl_shard *shard)
{
    struct ptl_links *links = &shard->links;
    uint64_t units = PTL_SLICE;

    tell_failures(shard, &units);
    while (links->failing_first != NULL &&
           ptl_leavings_clear(shard, links->failing_first, &units) &&
           all_answered(shard, links->failing_first)) {
        struct ptl_link *link = links->failing_first;
        links->failing_first = link->failing_next;
        if (links->failing_first == NULL) {
            links->failing_last = NULL;
        }
        begin_anew(shard, link);
        units -= units > 0;
    }
    shard->unfinished |= units == 0;
    return links->failing_first != NULL;
}

/* ---- Flushing ------------------------------------------------------------------------------ */

void ptl_links_flush(struct ptl_shard *shard)
{
    while (shard->links.dirty != NULL) {
        struct ptl_link *link = shard->links.dirty;
        shard->links.dirty = link->dirty_next;
        link->dirty = false;
        if (link->state == PTL_LINK_UP && ptl_link_unsent(link) != 0) {
            ptl_connection_flush(link->connection);
        }
    }
}

void ptl_link_sent(struct ptl_shard *shard, struct ptl_link *link)
{
    link->sent_at = shard->now;
    link->connection->answer_anyway = false;
    link->connection->answered_anyway = 0;
    ptl_link_weigh(shard, link);
    if (ptl_link_unsent(link) != 0) {
        ptl_link_dirty(shard, link);
    }
}

bool ptl_links_flushed(struct ptl_shard *shard)
{
    const struct ptl_link *link;
    uint32_t at = 0;

    while ((link = ptl_map_next(&shard->links.by_id, &at)) != NULL) {
        bool wanted = link->state == PTL_LINK_DIALING && link->watched.count != 0;
        if (link->state == PTL_LINK_FAILING || wanted || link->weight != 0 ||
            ptl_link_unsent(link) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- The end ------------------------------------------------------------------------------- */

static void free_link(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_free(shard->allocator, link->addresses, link->addresses_size);
    ptl_assert(!link->dirty && link->candidates == NULL && link->connection == NULL);
    drop_waiting(shard, link);
    ptl_peer_room_drop(shard, link);
    ptl_watched_drop(&link->watched);
    ptl_leavings_drop(shard, link);
    ptl_msg_free(link->reason);
    if (shard->links.last == link) {
        shard->links.last = NULL;
    }
    ptl_map_remove(&shard->links.by_id, link->hash, link);
    ptl_peer_limit_forget(shard->node, link_id(link));
    ptl_free(shard->allocator, link, sizeof(*link));
}

void ptl_link_forget(struct ptl_shard *shard, struct ptl_link *link)
{
    if (link->failed_at > shard->links.forgotten_at) {
        shard->links.forgotten_at = link->failed_at;
    }
    ptl_link_weigh_no_more(shard, link);
    free_link(shard, link);
}

void ptl_links_drop(struct ptl_shard *shard)
{
    struct ptl_link *link;

    shard->links.dirty = NULL;
    while ((link = ptl_map_take(&shard->links.by_id)) != NULL) {
        link->dirty = false;
        link->candidates = NULL;
        link->connection = NULL;
        free_link(shard, link);
    }
    ptl_map_drop(&shard->links.by_id);
    ptl_strangers_drop(&shard->links.strangers);
    while (shard->links.listeners != NULL) {
        struct ptl_link_listener *listener = shard->links.listeners;
        shard->links.listeners = listener->next;
        ptl_link_listener_free(shard, listener);
    }
}
