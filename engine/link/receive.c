#include "engine/link/receive.h"

#include "engine/link/connection.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/link_weight.h"
#include "engine/link/making.h"
#include "engine/link/peer_room.h"
#include "engine/link/permission.h"
#include "engine/link/request.h"
#include "engine/link/shard_links.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/stint.h"
#include "engine/shard/tower.h"

/* When what waits for a peer exceeds its room so many times, by answers to its own requests, it is
 * not read until it has taken some ... */
#define ANSWERS_MAX_ROOMS 2

/* ... or has taken nothing for so long: it may be waiting for us in the same way, or be gone. */
#define ANSWERS_WAIT_NS UINT64_C(250000000)

/*
 * It is read on then, but what it asks for is not held without end: when so many rooms of answers
 * were made while it took nothing at all, its link fails.  What others send to it does not count:
 * they are refused by the link's room.
 */
#define ANSWERS_END_ROOMS 4

/*
 * Bytes that one connection may bring in one turn while others wait: then it waits behind them.  A
 * ring takes some ten times as much, so that all have a part of what it has room for.
 */
#define SHARE_BYTES ((size_t)16 << 10)

static bool is_up(const struct ptl_connection *c)
{
    return ptl_link_runs_on(c->link, c);
}

/* The port that a packet is for; most are for the same one as the packet before. */
static int find_port(struct ptl_connection *c, struct ptl_span name)
{
    const struct ptl_identity *self = &c->shard->node->self;

    if (name.size == c->last_name_size && c->last_port.kind != PTL_PORT_NONE &&
        ptl_span_equal(name, ptl_span(c->last_name, c->last_name_size))) {
        return PTL_OK;
    }
    int err = ptl_port_at(self, ptl_span(self->id, self->id_size), name, &c->last_port);
    c->last_name_size = 0;
    c->last_allowed_by = 0;
    if (err == PTL_OK && name.size <= sizeof(c->last_name)) {
        memcpy(c->last_name, name.bytes, name.size);
        c->last_name_size = (uint8_t)name.size;
    } else if (err == PTL_OK) {
        c->last_name_size = UINT8_MAX; /* too long to be remembered */
    }
    return err;
}

/* Whether the peer is told which ports are full, and read all the same. */
static bool is_told(const struct ptl_connection *c)
{
    return (c->link->peer_features & PTL_FEATURE_ROOM) != 0;
}

/* A port of this shard may have become full just now: we hear of it by our ring, like others. */
static bool is_full(struct ptl_shard *shard, const struct ptl_port *port)
{
    return ptl_is_full(shard, port) || (ptl_fullness_any(shard) && port->shard == shard->index &&
                                        ptl_port_is_full(shard, port));
}

/* Whether the peer may send to the port that was found last; its flow remembers that it may. */
static bool may_send(struct ptl_connection *c)
{
    uint32_t number = c->link->permission.number;
    struct ptl_inflow *flow = c->framed ? c->frames_in.flow : NULL;

    bool is_known = c->last_allowed_by == number || (flow != NULL && flow->allowed_by == number);

    if (!is_known && !ptl_link_may_send(c->shard, c->link, &c->last_port)) {
        return false;
    }
    c->last_allowed_by = number;
    if (flow != NULL) {
        flow->allowed_by = number;
    }
    return true;
}

/* PTL_EFULL: *full says where; so with all that deliver. */
static int deliver_message(struct ptl_connection *c, struct ptl_span name, struct ptl_span body,
                           uint32_t count, const struct ptl_msg *whole, struct ptl_bottleneck *full)
{
    struct ptl_shard *shard = c->shard;
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .body = body,
        .count = count,
        .whole = whole,
    };

    if (find_port(c, name) < 0) {
        return PTL_OK; /* longer than any name: nobody has it */
    }
    if (!may_send(c)) {
        return PTL_OK;
    }
    if (is_full(shard, &c->last_port) &&
        (!is_told(c) || !ptl_peer_tell_full(shard, c->link, name))) {
        ptl_bottleneck_at_port(full, &c->last_port);
        return PTL_EFULL;
    }
    ptl_op_address(&op, &c->last_port);
    ptl_assert(c->last_port.kind != PTL_PORT_REMOTE && c->last_port.kind != PTL_PORT_NONE);
    unsigned place = c->last_port.shard;
    c->toward = (int)place;
    if (place == shard->index) {
        ptl_port_take(shard, &op);
        return PTL_OK;
    }
    int err = ptl_waiters_first(&shard->ports->waiters, place)
                  ? PTL_EFULL
                  : ptl_shard_post(shard, place, &op, false);
    if (err == PTL_EFULL) {
        ptl_bottleneck_at_ring(full, place);
    }
    return err;
}

/* ---- Messages in a row ---------------------------------------------------------------------- */

struct row {
    struct ptl_stint stint;
    struct ptl_msg last; /* its bytes lie in the input */
    uint64_t messages;   /* for ports: those of all stints that are over, and others */
    uint64_t bytes;      /* of the values of those in stints */
};

static void end_row(struct ptl_shard *shard, struct row *row)
{
    uint64_t took = ptl_stint_end(shard, &row->stint);

    row->messages += row->stint.count;
    if (took != 0) {
        shard->tower->slow(shard, row->stint.slot, row->stint.generation, row->stint.count, took,
                           &row->last);
    }
    row->stint.count = 0;
}

/* Who has the flow's port, which is one of this shard's.  False: it is not, or nobody has it. */
static bool find_here(struct ptl_connection *c, struct ptl_inflow *flow)
{
    struct ptl_port_table *table = &c->shard->ports->table;

    if (flow->kind == PTL_PORT_NONE) {
        if (find_port(c, flow->name) < 0) {
            return false;
        }
        flow->kind = (uint8_t)c->last_port.kind;
        flow->shard = c->last_port.shard;
        flow->slot = c->last_port.slot;
        flow->generation = c->last_port.generation;
    }
    if (flow->shard != c->shard->index || flow->kind != PTL_PORT_NAMED) {
        return flow->shard == c->shard->index && flow->kind == PTL_PORT_SLOT;
    }
    if (ptl_slot_find(table, flow->slot, flow->generation) == NULL) {
        const struct ptl_slot *slot = ptl_slot_named(table, flow->name);
        if (slot == NULL) {
            return false;
        }
        flow->slot = slot->index;
        flow->generation = slot->generation;
    }
    return true;
}

/* What this shard's own port knows of itself is newer than what the ring has told. */
static bool is_full_here(struct ptl_shard *shard, const struct ptl_inflow *flow)
{
    const struct ptl_slot *slot = ptl_slot_find(&shard->ports->table, flow->slot, flow->generation);

    return slot != NULL && slot->more != NULL && slot->more->fullness.full;
}

/*
 * The short way of a message in a flow, to a port of this shard that is not full.  False: it is not
 * that, and goes the long way.
 */
static bool take_here(struct ptl_connection *c, const struct ptl_packet *packet, struct row *row)
{
    struct ptl_shard *shard = c->shard;
    struct ptl_inflow *flow = c->frames_in.flow;

    if (flow == NULL || flow->allowed_by != c->link->permission.number || !find_here(c, flow) ||
        (ptl_fullness_any(shard) && is_full_here(shard, flow))) {
        return false;
    }
    if (!ptl_stint_goes_on(&row->stint, flow->slot, flow->generation)) {
        end_row(shard, row);
        ptl_stint_begin(shard, &row->stint, flow->slot, flow->generation);
    }
    row->stint.count++;
    row->bytes += packet->body.size;
    row->last = ptl_msg_borrow(packet->body, packet->count);
    row->last.allocator = shard->allocator; /* of copies that are kept */
    c->toward = (int)shard->index;
    /* The handler may close the connection, and with it the flow. */
    shard->tower->message(shard, row->stint.slot, row->stint.generation, &row->last);
    return true;
}

/* ---- Packets -------------------------------------------------------------------------------- */

/* It has to take answers first: it waits for room on the way to its own node port. */
static int wait_for_peer(const struct ptl_connection *c, struct ptl_bottleneck *full)
{
    const struct ptl_link *link = c->link;

    full->kind = PTL_BOTTLENECK_PORT;
    int err = ptl_port_at(&c->shard->node->self, ptl_span(link->id, link->id_size),
                          ptl_span(NULL, 0), &full->port);
    return err < 0 ? err : PTL_EFULL;
}

static int deliver_request(struct ptl_connection *c, struct ptl_span body, uint32_t count,
                           const struct ptl_msg *whole, struct ptl_bottleneck *full)
{
    struct ptl_msg borrowed = ptl_msg_borrow(body, count);
    struct ptl_link *link = c->link;
    uint64_t limit = ptl_link_room(c->shard) * ANSWERS_MAX_ROOMS;

    if (ptl_link_weight(c->shard, link) > limit && !c->answer_anyway) {
        return wait_for_peer(c, full);
    }
    if (c->answered_anyway > c->shard->node->options.link_room * ANSWERS_END_ROOMS) {
        return PTL_EUNREAD;
    }
    size_t before = ptl_connection_unsent(c);
    int err = ptl_request(c->shard, link, whole != NULL ? whole : &borrowed, full);
    if (c->answer_anyway && ptl_connection_unsent(c) > before) {
        c->answered_anyway += ptl_connection_unsent(c) - before;
    }
    if (err == PTL_EFULL && full->kind == PTL_BOTTLENECK_RING) {
        c->toward = (int)full->shard;
    }
    return err;
}

static int deliver(struct ptl_connection *c, struct ptl_span name, struct ptl_span body,
                   uint32_t count, const struct ptl_msg *whole, struct ptl_bottleneck *full)
{
    full->kind = PTL_BOTTLENECK_NONE;
    if (name.size == 0) {
        return deliver_request(c, body, count, whole, full);
    }
    return deliver_message(c, name, body, count, whole, full);
}

/* Wait until there is room there. */
static int pause(struct ptl_connection *c, const struct ptl_bottleneck *full)
{
    struct ptl_waiter *waiter = ptl_alloc(c->shard->allocator, sizeof(*waiter));

    ptl_assert(full->kind != PTL_BOTTLENECK_NONE); /* whoever found no room has said where */
    ptl_assert(c->hearing == PTL_HEARS && c->waiter == NULL);
    if (waiter == NULL) {
        return PTL_ENOMEM;
    }
    waiter->kind = PTL_WAITER_CONNECTION;
    waiter->at = *full;
    waiter->connection = c;
    waiter->known_at = &c->waiter;
    ptl_waiters_add(c->shard, waiter);
    ptl_connection_hold(c);
    return PTL_OK;
}

static int stall(struct ptl_connection *c, const struct ptl_packet *packet,
                 const struct ptl_bottleneck *full)
{
    ptl_assert(c->stalled == NULL);
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .to = PTL_TO_NAME,
        .name = packet->name,
        .body = packet->body,
        .count = packet->count,
    };

    c->stalled = ptl_parcel_make(&op, c->shard->allocator);
    return c->stalled == NULL ? PTL_ENOMEM : pause(c, full);
}

static int take_packet(struct ptl_connection *c, const struct ptl_packet *packet, struct row *row)
{
    struct ptl_bottleneck full;

    if (take_here(c, packet, row)) {
        return PTL_OK;
    }
    end_row(c->shard, row);
    if (packet->oddity != 0) {
        ptl_log_about(c->shard, PTL_LOG_WARN, ptl_span_text(c->link->id), "from %s: %s",
                      c->link->id, ptl_err_text(packet->oddity));
        return PTL_OK;
    }
    if (packet->empty) {
        return PTL_OK;
    }
    if (packet->name.size > PTL_PORT_NAME_MAX) {
        return PTL_OK; /* nobody has it */
    }
    row->messages += packet->name.size != 0;
    int err = deliver(c, packet->name, packet->body, packet->count, NULL, &full);
    return err == PTL_EFULL ? stall(c, packet, &full) : err;
}

/*
 * So many bytes more were taken: let others have their turn, if some wait for the same ring.  It
 * waits for its turn alone: the port that the last message was for may be full for ever.
 */
static int share(struct ptl_connection *c, size_t bytes)
{
    const struct ptl_waiters *waiters = &c->shard->ports->waiters;

    c->taken = c->turn == c->shard->now ? c->taken + bytes : bytes;
    c->turn = c->shard->now;
    if (c->toward < 0 || c->taken <= SHARE_BYTES || c->hearing != PTL_HEARS) {
        return PTL_OK;
    }
    if (!waiters->telling && (waiters->rings >> c->toward & 1) == 0) {
        return PTL_OK;
    }
    struct ptl_bottleneck ring;
    ptl_bottleneck_at_ring(&ring, (unsigned)c->toward);
    return pause(c, &ring);
}

static struct ptl_connection *making_of(struct ptl_making *making)
{
    return (struct ptl_connection *)((char *)making - offsetof(struct ptl_connection, making));
}

/* What all hold of messages in the making may cost some of them their links: this one's, too. */
static void count_making(struct ptl_connection *c)
{
    struct ptl_shard *shard = c->shard;
    struct ptl_makings *all = &shard->links->makings;
    struct ptl_making *victim;

    ptl_making_count(all, &c->making, ptl_connection_held(c));
    while ((victim = ptl_makings_victim(all, shard->node->options.making_room)) != NULL) {
        ptl_making_end(all, victim);
        ptl_link_fail(shard, making_of(victim)->link, PTL_ENOMEM);
    }
}

/* Which rule the peer's frame breaks, or which one it says that ours do, by its number. */
static void log_fault(const struct ptl_connection *c)
{
    const struct ptl_frames_in *in = &c->frames_in;

    if (in->fault != PTL_FAULT_NONE) {
        ptl_log_about(c->shard, PTL_LOG_WARN, ptl_link_id(c->link),
                      "from %s: a frame with error %u of docs/wire.md", c->link->id, in->fault);
    } else {
        ptl_log_about(c->shard, PTL_LOG_WARN, ptl_link_id(c->link),
                      "%s says of our frames: error %u of docs/wire.md", c->link->id,
                      (unsigned)in->peer_code);
    }
}

/* Say so to the peer, if that can be done in one go: the link fails next. */
static void tell_fault(struct ptl_connection *c)
{
    if (!c->sending && ptl_frames_out_error(&c->out, c->frames_in.fault) == PTL_OK &&
        ptl_connection_send(c) < 0) {
        ptl_log_about(c->shard, PTL_LOG_DEBUG, ptl_link_id(c->link), "%s was not told of its fault",
                      c->link->id);
    }
}

/* Packet by packet.  False: the connection is not the link's any more. */
static bool read_packets(struct ptl_connection *c, struct ptl_span *input, struct row *row)
{
    struct ptl_packet packet;

    while (c->hearing == PTL_HEARS) {
        size_t before = input->size;
        int got = ptl_connection_decode(c, input, &packet);
        if (got == 0) {
            break;
        }
        if (got == PTL_EFRAME) {
            log_fault(c);
        }
        if (got < 0 && c->framed && c->frames_in.fault != PTL_FAULT_NONE) {
            tell_fault(c);
        }
        int err = got < 0 ? got : take_packet(c, &packet, row);
        if (err == PTL_OK && is_up(c)) {
            err = share(c, before - input->size);
        }
        if (err < 0 && is_up(c)) {
            ptl_link_fail(c->shard, c->link, err);
        }
        if (!is_up(c)) {
            return false;
        }
    }
    return true;
}

bool ptl_connection_read(struct ptl_connection *c, struct ptl_span *input)
{
    struct ptl_shard *shard = c->shard;
    struct row row = {.stint.count = 0};
    int err = ptl_permission_renew(shard, c->link);

    if (err < 0) {
        ptl_link_fail(shard, c->link, err);
        return false;
    }
    bool goes_on = read_packets(c, input, &row);
    end_row(shard, &row);
    ptl_count(&shard->counts.received, row.messages);
    ptl_count(&shard->counts.taken_bytes, row.bytes);
    if (!goes_on) {
        return false;
    }
    c->link->messages_in += row.messages;
    /* What is left of the input is the beginning of a packet: the decoder holds it. */
    count_making(c);
    return is_up(c);
}

/* Whether that is the way to this link's own node. */
static bool is_for_peer(const struct ptl_bottleneck *at, const struct ptl_link *link)
{
    return at->kind == PTL_BOTTLENECK_PORT && at->port.kind == PTL_PORT_REMOTE &&
           at->port.node_hash == link->hash;
}

bool ptl_connection_waits_for_peer(const struct ptl_connection *c)
{
    const struct ptl_link *link = c->link;

    return c->hearing == PTL_HEARS_LATER && c->waiter != NULL &&
           c->shard->stop_step == PTL_STOP_NOT && is_for_peer(&c->waiter->at, link) &&
           c->shard->now - link->sent_at >= ANSWERS_WAIT_NS;
}

bool ptl_connection_unstall(struct ptl_connection *c)
{
    struct ptl_parcel *parcel = c->stalled;
    struct ptl_bottleneck full;
    struct ptl_op op;

    ptl_assert(c->hearing == PTL_HEARS);
    if (parcel == NULL) {
        return true;
    }
    ptl_op_unpack(parcel->bytes, &op);
    int err = deliver(c, op.name, op.body, op.count, op.whole, &full);
    if (err == PTL_EFULL) {
        err = pause(c, &full);
        if (err == PTL_OK) {
            return false;
        }
    }
    c->stalled = NULL;
    ptl_parcel_free(parcel, c->shard->allocator);
    if (err < 0 && is_up(c)) {
        ptl_link_fail(c->shard, c->link, err);
    }
    return is_up(c);
}
