#include "engine/link/observed_here.h"

#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_weight.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/monitor.h"
#include "engine/port/reason.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"

static bool same_target(const void *entry, struct ptl_span name)
{
    const struct ptl_monitoring *monitoring = entry;
    return ptl_span_equal(ptl_port_name(&monitoring->target), name);
}

int ptl_link_peer_observes(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    struct ptl_port target;
    uint64_t hash = ptl_name_hash(name);
    struct ptl_span self = ptl_span(shard->node->self.id, shard->node->self.id_size);

    if (ptl_map_find(&link->observed_here, hash, same_target, name) != NULL) {
        return PTL_OK;
    }
    int err = ptl_port_at(&shard->node->self, self, name, &target);
    if (err < 0 || ptl_map_reserve(&link->observed_here) < 0) {
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
    ptl_map_insert(&link->observed_here, hash, monitoring);
    return PTL_OK;
}

void ptl_link_peer_leaves(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    uint64_t hash = ptl_name_hash(name);
    struct ptl_monitoring *monitoring = ptl_map_find(&link->observed_here, hash, same_target, name);

    if (monitoring != NULL) {
        ptl_map_remove(&link->observed_here, hash, monitoring);
        ptl_monitoring_take_back(shard, monitoring->id);
    }
}

/* More waits than messages and control ops together may use. */
static bool is_past_share(struct ptl_shard *shard, struct ptl_link *link)
{
    size_t room = shard->node->options.link_room;

    return ptl_link_weight(shard, link) > room + PTL_CONTROL_SHARE(room);
}

void ptl_link_peer_died(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                        const struct ptl_msg *reason)
{
    uint64_t hash = ptl_name_hash(name);
    struct ptl_monitoring *monitoring = ptl_map_find(&link->observed_here, hash, same_target, name);

    if (monitoring == NULL) {
        return;
    }
    ptl_map_remove(&link->observed_here, hash, monitoring);
    if (link->state != PTL_LINK_UP) {
        return; /* it is among the leavings, and whoever observed is gone */
    }
    struct ptl_msg instead = ptl_reason_short();
    if (reason->size > PTL_REASON_SMALL && is_past_share(shard, link)) {
        reason = &instead;
    }
    if (ptl_link_request_values(shard, link, "kil0", name, ptl_span(reason->body, reason->size),
                                reason->count) < 0) {
        /* The peer must learn of it in some way: as a lost link, if there is no memory. */
        ptl_link_fail(shard, link, PTL_ENOMEM);
    }
}
