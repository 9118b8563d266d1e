#include "engine/port/death.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/estate.h"
#include "engine/port/fullness.h"
#include "engine/port/observers.h"
#include "engine/port/reason.h"
#include "engine/port/shard_ports.h"
#include "engine/port/spawner.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

const char *ptl_fail_text(const struct ptl_shard *shard, int result)
{
    if (shard->ports->fail_text[0] != 0 && result != PTL_ENOMEM) {
        return shard->ports->fail_text;
    }
    return ptl_err_text(result < 0 ? result : PTL_EHANDLER);
}

void ptl_port_fail(struct ptl_shard *shard, struct ptl_slot *slot, int result)
{
    struct ptl_msg *reason;

    if (ptl_msg_make(shard->node, &reason, "tt", "die", ptl_fail_text(shard, result)) < 0) {
        reason = NULL;
    }
    ptl_port_die(shard, slot, reason);
    ptl_msg_free(reason);
}

struct ptl_msg *ptl_port_no_such(struct ptl_shard *shard, const struct ptl_port *port)
{
    struct ptl_msg *reason;

    return ptl_msg_make(shard->node, &reason, "ttt", "no_such_port",
                        "cannot monitor nonexistent port", ptl_port_id(port)) < 0
               ? NULL
               : reason;
}

void ptl_port_chosen(struct ptl_shard *shard, struct ptl_span name, struct ptl_port *port)
{
    struct ptl_span self = ptl_span(shard->node->self.id, shard->node->self.id_size);

    if (ptl_port_at(&shard->node->self, self, name, port) < 0) {
        port->id[0] = 0;
    }
}

static void retire(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_msg *reason)
{
    struct ptl_port_more *more = slot->more;

    /* Off the lists of the living: both places in it are used again while it is dead. */
    ptl_list_remove(&more->listed);
    ptl_list_remove(&more->retrying);
    more->release = slot->release;
    more->release_data = slot->data;
    if (more->spawner != NULL) {
        ptl_spawner_give(shard, more->spawner);
    }
    if (more->observers.count != 0) {
        more->reason = ptl_reason_keep(shard, reason);
    }
    if (more->fullness.full) {
        ptl_fullness_set(shard, &more->fullness, false);
    }
}

void ptl_port_die(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_msg *reason)
{
    struct ptl_port_more *more = slot->more;
    ptl_release_fn *release = slot->release;
    void *data = slot->data;

    ptl_assert(atomic_load_explicit(&slot->state, memory_order_relaxed) == PTL_SLOT_ALIVE);
    if (more == NULL) {
        ptl_slot_give(&shard->ports->table, slot);
        ptl_release(release, data);
        return;
    }
    retire(shard, slot, reason);
    ptl_slot_give(&shard->ports->table, slot); /* from here on what it has made counts as ended */
    more->slot = NULL;
    ptl_estate_leave(shard, more);
}

void ptl_port_vanish(struct ptl_shard *shard, struct ptl_slot *slot)
{
    struct ptl_port port;

    ptl_port_chosen(shard, ptl_span(slot->more->name, slot->more->name_size), &port);
    struct ptl_msg *reason = ptl_port_no_such(shard, &port);
    ptl_port_die(shard, slot, reason);
    ptl_msg_free(reason);
}

void ptl_ports_drop(struct ptl_shard *shard)
{
    shard->ports->estate_units = UINT64_MAX; /* all goes now */
    for (uint32_t i = 0; i < shard->ports->table.slot_count; i++) {
        struct ptl_slot *slot = ptl_slot_at(&shard->ports->table, i);
        if (atomic_load(&slot->state) == PTL_SLOT_ALIVE) {
            if (slot->more != NULL) {
                /* Nobody is told any more, and no ring is waited for. */
                ptl_map_drop(&slot->more->observers);
                ptl_untold_cancel(shard, &slot->more->fullness.untold);
                slot->more->fullness = (struct ptl_fullness){.full = false};
            }
            ptl_port_die(shard, slot, NULL);
        }
    }
    ptl_estates_clear(shard);
    ptl_ports_forget(shard);
}
