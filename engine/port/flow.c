#include "engine/port/flow.h"

#include "engine/message/name.h"
#include "engine/port/fullness.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/take.h"

void ptl_flow_make_ready(struct ptl_shard *shard, struct ptl_port_more *more)
{
    if (!ptl_listed(&more->listed) && !more->waiting && !ptl_queue_empty(&more->queue)) {
        ptl_list_append(&shard->ports->ready, &more->listed);
    }
}

/* Where the shards are told about, when the queue is full: the port's name, as they know it. */
static struct ptl_span told_name(struct ptl_shard *shard, struct ptl_slot *slot)
{
    struct ptl_port_more *more = slot->more;

    if (more->name == NULL) {
        struct ptl_port port;
        ptl_port_make(&shard->node->self, shard->index, slot->index, slot->generation, &port);
        struct ptl_span name = ptl_port_name(&port);
        _Static_assert(sizeof(more->made_name) == PTL_NAME_MADE_SIZE, "a made name fits");
        memcpy(more->made_name, name.bytes, name.size);
        return ptl_span(more->made_name, sizeof(more->made_name));
    }
    return ptl_span(more->name, more->name_size);
}

void ptl_flow_weigh(struct ptl_shard *shard, struct ptl_slot *slot)
{
    struct ptl_port_more *more = slot->more;
    size_t room = shard->node->options.port_room;

    if (!more->fullness.full && ptl_queue_weight(&more->queue) > room) {
        more->fullness.name = told_name(shard, slot);
        ptl_fullness_set(shard, &more->fullness, true);
        /* Half empty, not one below the mark: a queue at its limit would tell all shards with each
     * message. */
    } else if (more->fullness.full && ptl_queue_weight(&more->queue) <= room / 2) {
        ptl_fullness_set(shard, &more->fullness, false);
    }
}

void ptl_flow_put(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_parcel *parcel,
                  bool first)
{
    ptl_assert(slot->more != NULL);
    uint64_t before = ptl_queue_weight(&slot->more->queue);

    ptl_queue_put(&slot->more->queue, parcel, first);
    shard->ports->queued++;
    shard->ports->queued_bytes += ptl_queue_weight(&slot->more->queue) - before;
    ptl_flow_weigh(shard, slot);
}

void ptl_flow_put_notice(struct ptl_shard *shard, struct ptl_monitoring *monitoring, bool first)
{
    struct ptl_queue *queue = &monitoring->owner->more->queue;
    uint64_t before = ptl_queue_weight(queue);

    ptl_queue_put_notice(queue, &monitoring->notice, first);
    shard->ports->queued++;
    shard->ports->queued_bytes += ptl_queue_weight(queue) - before;
    ptl_flow_weigh(shard, monitoring->owner);
}

struct ptl_queued ptl_flow_take(struct ptl_shard *shard, struct ptl_port_more *more)
{
    ptl_assert(shard->ports->queued > 0);
    uint64_t before = ptl_queue_weight(&more->queue);
    struct ptl_queued first = ptl_queue_take(&more->queue);

    shard->ports->queued--;
    shard->ports->queued_bytes -= before - ptl_queue_weight(&more->queue);
    return first;
}

void ptl_flow_drop_op(struct ptl_shard *shard, const struct ptl_op *op)
{
    if (op->kind == PTL_OP_HANDLER || op->kind == PTL_OP_REGISTER) {
        ptl_op_drop(shard, op);
    }
}

void ptl_flow_drop_first(struct ptl_shard *shard, struct ptl_port_more *more)
{
    struct ptl_queued first = ptl_flow_take(shard, more);
    struct ptl_op op;

    if (first.notice != NULL) {
        ptl_monitoring_free(shard, ptl_flow_monitoring(first.notice));
        return;
    }
    ptl_op_unpack(first.parcel->bytes, &op);
    ptl_flow_drop_op(shard, &op);
    ptl_parcel_free(first.parcel, shard->allocator);
}
