#include "engine/port/pending.h"

#include "engine/message/name.h"
#include "engine/port/monitor.h"
#include "engine/port/port.h"

static bool same_target(const void *entry, struct ptl_span id)
{
    const struct ptl_monitoring *monitoring = entry;
    return ptl_span_equal(ptl_port_span(&monitoring->target), id);
}

static struct ptl_monitoring *first(const struct ptl_map *pending, uint64_t hash,
                                    const struct ptl_port *target)
{
    return ptl_map_find(pending, hash, same_target, ptl_port_span(target));
}

const struct ptl_monitoring *ptl_pending_find(const struct ptl_map *pending,
                                              const struct ptl_port *target)
{
    if (pending->count == 0) {
        return NULL;
    }
    return first(pending, ptl_name_hash(ptl_port_span(target)), target);
}

uint64_t ptl_port_pending_failure(const struct ptl_slot *slot, const struct ptl_port *target)
{
    if (slot == NULL || slot->more == NULL) {
        return UINT64_MAX;
    }
    const struct ptl_monitoring *notice = ptl_pending_find(&slot->more->pending, target);

    return notice == NULL ? UINT64_MAX : notice->epoch + 1;
}

/* Whether it may come to stand in its port's map. */
static bool may_pend(const struct ptl_monitoring *monitoring)
{
    return monitoring->owner != NULL && monitoring->target.kind == PTL_PORT_REMOTE &&
           (monitoring->kind == PTL_MONITOR_CALLBACK || monitoring->kind == PTL_MONITOR_MESSAGE);
}

int ptl_pending_reserve(struct ptl_monitoring *monitoring)
{
    if (!may_pend(monitoring)) {
        return PTL_OK;
    }
    struct ptl_port_more *more = monitoring->owner->more;
    if (ptl_map_reserve_all(&more->pending, more->may_pend + 1) < 0) {
        return PTL_ENOMEM;
    }
    more->may_pend++;
    monitoring->may_pend = true;
    return PTL_OK;
}

void ptl_pending_unreserve(struct ptl_monitoring *monitoring)
{
    if (monitoring->may_pend && ptl_slot_lives(monitoring->owner, monitoring->generation)) {
        monitoring->owner->more->may_pend--;
    }
    monitoring->may_pend = false;
}

void ptl_pending_add(struct ptl_monitoring *monitoring)
{
    ptl_assert(monitoring->may_pend); /* so there is room in the map */
    struct ptl_map *pending = &monitoring->owner->more->pending;
    struct ptl_monitoring *before = first(pending, monitoring->target_hash, &monitoring->target);

    if (before != NULL) {
        ptl_list_append(&before->same, &monitoring->same);
        return;
    }
    ptl_list_init(&monitoring->same);
    ptl_map_insert(pending, monitoring->target_hash, monitoring);
}

void ptl_pending_remove(struct ptl_monitoring *monitoring)
{
    if (!ptl_listed(&monitoring->same)) {
        return;
    }
    if (!ptl_slot_lives(monitoring->owner, monitoring->generation)) {
        ptl_list_remove(&monitoring->same); /* nobody looks into its port's map any more */
        return;
    }
    struct ptl_map *pending = &monitoring->owner->more->pending;
    uint64_t hash = monitoring->target_hash;
    /* Only the first of its target stands in the map; its place there is the next one's. */
    if (ptl_map_remove(pending, hash, monitoring) && !ptl_list_empty(&monitoring->same)) {
        ptl_map_insert(pending, hash,
                       ptl_container(monitoring->same.next, struct ptl_monitoring, same));
    }
    ptl_list_remove(&monitoring->same);
}
