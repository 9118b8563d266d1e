#include "engine/directory/outlet_packet.h"

#include "engine/directory/attachment.h"
#include "engine/directory/key.h"
#include "engine/directory/node_directory.h"
#include "engine/directory/post.h"
#include "engine/link/peer_limit.h"
#include "engine/port/fullness.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"
#include "engine/shard/slice.h"

/* Pieces that one outlet may make in one turn. */
#define PIECES_A_TURN 16

/* Of what its feed has had to tell, so many may be void in one piece. */
#define VOIDS_A_PIECE 256

/* The first packet of a watched family may be so large, and so many entries may be looked at for
 * it; the rest of the copy follows as changes. */
#define COPY_BYTES ((size_t)1 << 20)
#define COPY_LOOKS (4 * PTL_SLICE)

/* How often the log tells of a peer's entries that are left out. */
#define LEFT_OUT_NS UINT64_C(60000000000)

/* Changes of one owner and family, or of one family, that go into one packet. */
struct batch {
    struct ptl_shard *shard;
    struct ptl_outlet *outlet;
    uint64_t attachment;
    size_t entry_max;  /* a larger entry is left out: the peer does not take it */
    size_t packet_max; /* a packet that has grown to this goes */
    uint32_t set_count, del_count;
    uint16_t owner_size;
    uint16_t family_size;
    uint8_t owner[PTL_OWNER_MAX];
    uint8_t family[PTL_FAMILY_MAX];
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static int route(struct ptl_shard *shard, const struct ptl_outlet *outlet, struct ptl_op *op)
{
    return ptl_route(shard->node, &outlet->peer->port, op, PTL_WAY_MESSAGE);
}

static void queue(struct ptl_shard *shard, struct ptl_outlet *outlet, const struct ptl_op *op)
{
    struct ptl_parcel *parcel = ptl_parcel_make(op, shard->allocator);

    ptl_assert((outlet->first == NULL) == (outlet->last == NULL));
    if (parcel == NULL) {
        ptl_directory_fail(shard, ptl_port_node(&outlet->peer->port), PTL_ENOMEM);
    } else if (outlet->last == NULL) {
        outlet->first = outlet->last = parcel;
    } else {
        outlet->last->next = parcel;
        outlet->last = parcel;
    }
}

/* Send the packet that was made, `count` values, or keep it until there is room. */
static void send_packet(struct ptl_shard *shard, struct ptl_outlet *outlet, uint32_t count)
{
    const struct ptl_buffer *packet = &shard->directory->packet;
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .body = ptl_buffer_span(packet),
        .count = count,
    };

    if (packet->err < 0) {
        ptl_directory_fail(shard, ptl_port_node(&outlet->peer->port), packet->err);
        return;
    }
    int err = outlet->first != NULL ? PTL_EFULL : route(shard, outlet, &op);
    if (err == PTL_EFULL) {
        queue(shard, outlet, &op);
    } else if (err < 0) {
        ptl_directory_fail(shard, ptl_port_node(&outlet->peer->port), err);
    }
}

/* Packets that found no room before, which go before all others.  False: there is still none. */
static bool send_queued(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    while (outlet->first != NULL) {
        struct ptl_parcel *parcel = outlet->first;
        struct ptl_op op;
        ptl_op_unpack(parcel->bytes, &op);
        int err = route(shard, outlet, &op);
        if (err == PTL_EFULL) {
            return false;
        }
        if (err < 0) {
            ptl_directory_fail(shard, ptl_port_node(&outlet->peer->port), err);
        }
        outlet->first = parcel->next;
        if (outlet->first == NULL) {
            outlet->last = NULL;
        }
        ptl_parcel_free(parcel, shard->allocator);
    }
    return true;
}

static struct ptl_buffer *begin_packet(struct ptl_shard *shard, const char *request)
{
    struct ptl_buffer *packet = &shard->directory->packet;

    ptl_buffer_clear(packet);
    ptl_key_put(packet, ptl_span_text(request));
    return packet;
}

/* ---- Gathering ------------------------------------------------------------------------------ */

static void put_gathered(struct ptl_buffer *packet, const struct batch *batch)
{
    const struct ptl_shard_directory *directory = batch->shard->directory;
    struct ptl_span sets = ptl_buffer_span(&directory->sets);
    struct ptl_span dels = ptl_buffer_span(&directory->dels);

    ptl_key_put(packet, ptl_span(batch->family, batch->family_size));
    ptl_cbor_put_head(packet, PTL_CBOR_MAP, batch->set_count);
    ptl_buffer_append(packet, sets.bytes, sets.size);
    ptl_cbor_put_head(packet, PTL_CBOR_ARRAY, batch->del_count);
    ptl_buffer_append(packet, dels.bytes, dels.size);
    if (directory->sets.err < 0 || directory->dels.err < 0) {
        packet->err = PTL_ENOMEM;
    }
}

/* The store does not change while a packet is made: no key is in `sets` and in `dels`. */
static void flush(struct batch *batch)
{
    struct ptl_shard *shard = batch->shard;
    struct ptl_outlet *outlet = batch->outlet;

    if (batch->set_count + batch->del_count == 0) {
        return;
    }
    if (outlet->form == PTL_PACKET_OWNED) {
        struct ptl_buffer *packet = begin_packet(shard, "portolan::db");
        ptl_key_put(packet, ptl_span(batch->owner, batch->owner_size));
        ptl_cbor_put_head(packet, PTL_CBOR_UINT, batch->attachment);
        put_gathered(packet, batch);
        send_packet(shard, outlet, 6);
    } else {
        const char *request = outlet->form == PTL_PACKET_FAMILY ? "g_chg2" : "g_upd";
        put_gathered(begin_packet(shard, request), batch);
        send_packet(shard, outlet, 4);
    }
    batch->set_count = batch->del_count = 0;
    ptl_buffer_clear(&shard->directory->sets);
    ptl_buffer_clear(&shard->directory->dels);
}

/* The number that others know an owner's attachment by: ours is not kept in the store. */
static uint64_t attachment_of(const struct ptl_shard *shard, const struct ptl_source *source)
{
    bool own = ptl_span_equal(source->owner, ptl_directory_self(&shard->node->self));

    return own ? atomic_load(&shard->node->directory->attachment)
               : ptl_attachment_told(source->attachment);
}

static void regroup(struct batch *batch, const struct ptl_change *change)
{
    flush(batch);
    ptl_assert(change->family.size <= PTL_FAMILY_MAX);
    batch->family_size = (uint16_t)change->family.size;
    memcpy(batch->family, change->family.bytes, change->family.size);
    if (batch->outlet->form == PTL_PACKET_OWNED) {
        ptl_assert(change->source.owner.size <= PTL_OWNER_MAX);
        batch->owner_size = (uint16_t)change->source.owner.size;
        memcpy(batch->owner, change->source.owner.bytes, change->source.owner.size);
        batch->attachment = attachment_of(batch->shard, &change->source);
    }
}

static bool belongs(const struct batch *batch, const struct ptl_change *change)
{
    return ptl_span_equal(ptl_span(batch->family, batch->family_size), change->family) &&
           (batch->outlet->form != PTL_PACKET_OWNED ||
            ptl_span_equal(ptl_span(batch->owner, batch->owner_size), change->source.owner));
}

/* The log tells of them once a minute: they may be many, and be set again and again. */
static void note_left_out(const struct batch *batch, struct ptl_span family, struct ptl_span key)
{
    struct ptl_shard *shard = batch->shard;
    struct ptl_peer *peer = batch->outlet->peer;

    peer->left_out++;
    if (peer->left_out_at != 0 && shard->now - peer->left_out_at < LEFT_OUT_NS) {
        return;
    }
    struct ptl_span node = ptl_port_node(&peer->port);
    ptl_log(shard->node, PTL_LOG_WARN,
            "%.*s takes no entries of more than %zu bytes: '%.*s' of '%.*s' is left out%s",
            (int)node.size, (const char *)node.bytes, batch->entry_max, (int)key.size,
            (const char *)key.bytes, (int)family.size, (const char *)family.bytes,
            peer->left_out > 1 ? ", and others were" : "");
    peer->left_out_at = shard->now;
    peer->left_out = 0;
}

static bool fits(const struct batch *batch, struct ptl_span family, struct ptl_span key,
                 struct ptl_span value)
{
    if (key.size + value.size <= batch->entry_max) {
        return true;
    }
    note_left_out(batch, family, key);
    return false;
}

static void gather(struct batch *batch, const struct ptl_change *change)
{
    struct ptl_shard_directory *directory = batch->shard->directory;

    if (batch->set_count + batch->del_count == 0 || !belongs(batch, change)) {
        regroup(batch, change);
    }
    /* An older value that it has must go, too. */
    if (change->kind == PTL_CHANGE_DELETED ||
        !fits(batch, change->family, change->key, change->value)) {
        ptl_key_put(&directory->dels, change->key);
        batch->del_count++;
    } else {
        ptl_key_put(&directory->sets, change->key);
        ptl_buffer_append(&directory->sets, change->value.bytes, change->value.size);
        batch->set_count++;
    }
}

/* Bytes that wait to become a packet; a little more go with them: names and heads. */
static size_t gathered(const struct batch *batch)
{
    return batch->shard->directory->sets.size + batch->shard->directory->dels.size;
}

/* ---- Whole owners and families --------------------------------------------------------------- */

static void tell_owner(struct batch *batch, const struct ptl_change *change)
{
    bool lost = change->kind == PTL_CHANGE_LOST;

    flush(batch);
    struct ptl_buffer *packet =
        begin_packet(batch->shard, lost ? "portolan::db_lost" : "portolan::db_owner");
    ptl_key_put(packet, change->source.owner);
    ptl_cbor_put_head(packet, PTL_CBOR_UINT, attachment_of(batch->shard, &change->source));
    send_packet(batch->shard, batch->outlet, 3);
}

static size_t copy_bytes(const struct batch *batch)
{
    size_t ours = batch->shard->node->options.message_bytes_max;
    size_t theirs = batch->entry_max > SIZE_MAX / 2 ? SIZE_MAX : batch->entry_max * 2;

    return least(least(ours, theirs) / 4, COPY_BYTES);
}

/* Take as much of the copy as the first packet may hold.  Returns how many entries that is. */
static uint32_t gather_copy(struct batch *batch)
{
    struct ptl_buffer *sets = &batch->shard->directory->sets;
    struct ptl_watch *watch = batch->outlet->watch;
    struct ptl_change change;
    size_t most = copy_bytes(batch);
    uint32_t count = 0;

    for (uint32_t i = 0; i < COPY_LOOKS && sets->size <= most && ptl_watch_copies(watch); i++) {
        bool taken = ptl_watch_take(watch, &change);
        ptl_assert(taken && (change.kind == PTL_CHANGE_ADDED || change.kind == PTL_CHANGE_NONE));
        if (change.kind == PTL_CHANGE_ADDED &&
            fits(batch, change.family, change.key, change.value)) {
            ptl_key_put(sets, change.key);
            ptl_buffer_append(sets, change.value.bytes, change.value.size);
            count++;
        }
    }
    return count;
}

/* Now begins a copy of the family: the peer is to forget what is not in this packet. */
static void tell_family(struct batch *batch)
{
    struct ptl_shard_directory *directory = batch->shard->directory;

    flush(batch);
    uint32_t count = gather_copy(batch);
    struct ptl_buffer *packet = begin_packet(batch->shard, "g_chg1");
    ptl_key_put(packet, ptl_outlet_family(batch->outlet));
    ptl_cbor_put_head(packet, PTL_CBOR_MAP, count);
    ptl_buffer_append(packet, directory->sets.bytes, directory->sets.size);
    packet->err = directory->sets.err < 0 ? PTL_ENOMEM : packet->err;
    send_packet(batch->shard, batch->outlet, 3);
    ptl_buffer_clear(&directory->sets);
}

static void tell_all(struct batch *batch)
{
    struct ptl_outlet *outlet = batch->outlet;

    if (outlet->form == PTL_PACKET_FAMILY) {
        tell_family(batch);
    } else if (outlet->copy != PTL_COPY_DUE) {
        /* There was no memory for what it has not taken: only a new link begins anew. */
        ptl_directory_fail(batch->shard, ptl_port_node(&outlet->peer->port), PTL_ENOMEM);
    }
    if (outlet->copy == PTL_COPY_DUE) {
        ptl_outlet_set_copy(outlet, PTL_COPY_BEGUN);
    }
}

/* ---- Draining ------------------------------------------------------------------------------- */

/* Make one packet, or a few small ones.  False: nothing is left to take. */
static bool make_some(struct batch *batch)
{
    struct ptl_watch *watch = batch->outlet->watch;
    struct ptl_change change;
    uint32_t voids = 0;

    while (gathered(batch) < batch->packet_max && batch->outlet->first == NULL &&
           voids < VOIDS_A_PIECE) {
        if (!ptl_watch_take(watch, &change)) {
            flush(batch);
            return false;
        }
        switch (change.kind) {
        case PTL_CHANGE_ALL:
            tell_all(batch);
            break;
        case PTL_CHANGE_OWNER:
        case PTL_CHANGE_LOST:
            tell_owner(batch, &change);
            break;
        case PTL_CHANGE_ADDED:
        case PTL_CHANGE_CHANGED:
        case PTL_CHANGE_DELETED:
            gather(batch, &change);
            break;
        case PTL_CHANGE_NONE:
            voids++;
            break;
        }
    }
    flush(batch);
    return true;
}

enum ptl_drained ptl_outlet_drain_packets(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    size_t takes = ptl_peer_takes(shard->node, ptl_port_node(&outlet->peer->port));
    struct batch batch = {
        .shard = shard,
        .outlet = outlet,
        .entry_max = takes == SIZE_MAX ? SIZE_MAX : takes / 2,
        .packet_max = least(ptl_outlet_packet_bytes(shard), takes / 4),
    };

    ptl_buffer_clear(&shard->directory->sets);
    ptl_buffer_clear(&shard->directory->dels);
    /* Room is looked at before each piece: what was taken from the watch is told, or queued,
     * never lost. */
    for (unsigned i = 0; i < PIECES_A_TURN; i++) {
        if (!ptl_room_for(shard, &outlet->peer->port) || !send_queued(shard, outlet)) {
            return PTL_DRAIN_NO_ROOM;
        }
        if (make_some(&batch)) {
            continue;
        }
        ptl_assert(gathered(&batch) == 0); /* all of it is in packets by now */
        if (outlet->copy != PTL_COPY_ANEW) {
            return outlet->first == NULL ? PTL_DRAINED : PTL_DRAIN_NO_ROOM;
        }
        ptl_outlet_set_copy(outlet, PTL_COPY_BEGUN);
        ptl_feed_again(outlet->watch);
        return PTL_DRAIN_MORE;
    }
    return PTL_DRAIN_MORE;
}
