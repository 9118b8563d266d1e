#include "engine/link/observed_here.h"

#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_weight.h"
#include "engine/link/permission.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/monitor.h"
#include "engine/port/reason.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"

/* What the peer has said of one that it has set by a frame.  It is its monitoring's `data`. */
struct watch {
    const struct ptl_allocator *allocator;
    uint64_t tag;
    uint8_t watcher_size;
    char watcher[];
};

static void free_watch(void *data)
{
    struct watch *watch = data;
    ptl_free(watch->allocator, watch, sizeof(*watch) + watch->watcher_size);
}

static struct watch *make_watch(struct ptl_shard *shard, uint64_t tag, struct ptl_span watcher)
{
    struct watch *watch = ptl_alloc_raw(shard->allocator, sizeof(*watch) + watcher.size);

    if (watch != NULL) {
        watch->allocator = shard->allocator;
        watch->tag = tag;
        watch->watcher_size = (uint8_t)watcher.size;
        ptl_copy((uint8_t *)watch->watcher, watcher.bytes, watcher.size);
    }
    return watch;
}

/* ---- Finding ------------------------------------------------------------------------------- */

/* They stand in one map: those of frames by their tag, those of requests by the port's name. */
static bool same_name(const void *entry, struct ptl_span name)
{
    const struct ptl_monitoring *monitoring = entry;
    return monitoring->data == NULL && ptl_span_equal(ptl_port_name(&monitoring->target), name);
}

static bool same_tag(const void *entry, struct ptl_span tag)
{
    const struct ptl_monitoring *monitoring = entry;
    const struct watch *watch = monitoring->data;
    return watch != NULL && memcmp(&watch->tag, tag.bytes, tag.size) == 0;
}

/* Tags are the peer's choice. */
static uint64_t hash_of_tag(uint64_t tag)
{
    return ptl_name_hash(ptl_span(&tag, sizeof(tag)));
}

static struct ptl_monitoring *find_named(const struct ptl_link *link, struct ptl_span name)
{
    return ptl_map_find(&link->observed_here, ptl_name_hash(name), same_name, name);
}

static struct ptl_monitoring *find_tagged(const struct ptl_link *link, uint64_t tag)
{
    return ptl_map_find(&link->observed_here, hash_of_tag(tag), same_tag,
                        ptl_span(&tag, sizeof(tag)));
}

static uint64_t hash_of(const struct ptl_monitoring *monitoring)
{
    const struct watch *watch = monitoring->data;
    return watch != NULL ? hash_of_tag(watch->tag)
                         : ptl_name_hash(ptl_port_name(&monitoring->target));
}

/* ---- Telling ------------------------------------------------------------------------------- */

static int tell(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                const struct watch *watch, const struct ptl_msg *reason)
{
    if (watch == NULL) {
        return ptl_link_request_values(shard, link, "kil0", name,
                                       ptl_span(reason->body, reason->size), reason->count);
    }
    return ptl_link_answer_monitor(shard, link, watch->tag,
                                   ptl_span(watch->watcher, watch->watcher_size), reason);
}

/* It does not observe that port after all: it is told, for this reason (NULL: no memory). */
static int answer(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_port *target,
                  const struct watch *watch, struct ptl_msg *reason)
{
    int err = reason == NULL ? PTL_ENOMEM : tell(shard, link, ptl_port_name(target), watch, reason);

    ptl_msg_free(reason);
    return err;
}

static int deny(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_port *target,
                const struct watch *watch)
{
    struct ptl_msg *reason;
    int err =
        ptl_msg_make(shard->node, &reason, "ttp", "not_allowed", ptl_err_text(PTL_EDENIED), target);

    return answer(shard, link, target, watch, err < 0 ? NULL : reason);
}

/* It has as many as it may. */
static int refuse(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_port *target,
                  const struct watch *watch)
{
    struct ptl_msg *reason;
    int err = ptl_msg_make(shard->node, &reason, "ttt", "transport_error", shard->node->self.id,
                           ptl_err_text(PTL_ELIMIT));

    ptl_log_about(shard, PTL_LOG_WARN, ptl_link_id(link),
                  "%s has %u monitors here: more are refused", link->id, link->observed_here.count);
    return answer(shard, link, target, watch, err < 0 ? NULL : reason);
}

/* ---- Coming and going ---------------------------------------------------------------------- */

static int add(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_port *target,
               struct watch *watch)
{
    if (ptl_map_reserve(&link->observed_here) < 0) {
        return PTL_ENOMEM;
    }
    struct ptl_monitoring *monitoring = ptl_monitoring_make(shard, PTL_MONITOR_LINK, target);
    if (monitoring == NULL) {
        return PTL_ENOMEM;
    }
    monitoring->link = link;
    int err = ptl_monitoring_add(shard, monitoring);
    if (err < 0) {
        ptl_monitoring_free(shard, monitoring);
        return err;
    }
    monitoring->data = watch;
    monitoring->release = watch == NULL ? NULL : free_watch;
    ptl_map_insert(&link->observed_here, hash_of(monitoring), monitoring);
    return PTL_OK;
}

/* Owns: `watch` becomes the monitor's, or is freed. */
static int observe(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_port *target,
                   struct watch *watch)
{
    int err;

    if (!ptl_link_may_to_port(shard, link, PTL_MAY_MONITOR, target)) {
        err = deny(shard, link, target, watch);
    } else if (link->observed_here.count < ptl_limit(&shard->node->limits.monitors_max)) {
        err = add(shard, link, target, watch);
        watch = err == PTL_OK ? NULL : watch;
    } else {
        err = refuse(shard, link, target, watch);
    }
    if (watch != NULL) {
        free_watch(watch);
    }
    return err;
}

int ptl_link_peer_observes(struct ptl_shard *shard, struct ptl_link *link,
                           const struct ptl_port *target)
{
    bool does = find_named(link, ptl_port_name(target)) != NULL;

    return does ? PTL_OK : observe(shard, link, target, NULL);
}

int ptl_link_peer_monitors(struct ptl_shard *shard, struct ptl_link *link,
                           const struct ptl_port *target, uint64_t tag, struct ptl_span watcher)
{
    if (find_tagged(link, tag) != NULL) {
        return PTL_OK;
    }
    struct watch *watch = make_watch(shard, tag, watcher);
    return watch == NULL ? PTL_ENOMEM : observe(shard, link, target, watch);
}

static void leave(struct ptl_shard *shard, struct ptl_link *link,
                  const struct ptl_monitoring *monitoring)
{
    if (monitoring != NULL) {
        ptl_map_remove(&link->observed_here, hash_of(monitoring), monitoring);
        ptl_monitoring_take_back(shard, monitoring->id);
    }
}

void ptl_link_peer_leaves(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    leave(shard, link, find_named(link, name));
}

void ptl_link_peer_unmonitors(struct ptl_shard *shard, struct ptl_link *link, uint64_t tag)
{
    leave(shard, link, find_tagged(link, tag));
}

/* ---- The end of a port ----------------------------------------------------------------------- */

/* More waits than messages and control ops together may use. */
static bool is_past_share(struct ptl_shard *shard, struct ptl_link *link)
{
    size_t room = shard->node->options.link_room;

    return ptl_link_weight(shard, link) > room + PTL_CONTROL_SHARE(room);
}

void ptl_link_peer_port_died(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                             const struct ptl_msg *reason)
{
    struct ptl_link *link = monitoring->link;

    if (!ptl_map_remove(&link->observed_here, hash_of(monitoring), monitoring) ||
        link->state != PTL_LINK_UP) {
        return; /* it is among the leavings, and whoever observed is gone */
    }
    struct ptl_msg instead = ptl_reason_short();
    if (reason->size > PTL_REASON_SMALL && is_past_share(shard, link)) {
        reason = &instead;
    }
    if (tell(shard, link, ptl_port_name(&monitoring->target), monitoring->data, reason) < 0) {
        /* The peer must learn of it in some way: as a lost link, if there is no memory. */
        ptl_link_fail(shard, link, PTL_ENOMEM);
    }
}
