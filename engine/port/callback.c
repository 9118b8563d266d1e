#include "engine/port/callback.h"

#include "engine/message/name.h"
#include "engine/port/death.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

/* The ID of a port, and its chosen name as long as it has one. */
void ptl_callback_log_slow(struct ptl_shard *shard, const struct ptl_slot *slot, uint32_t index,
                           uint32_t generation, uint64_t took, const char *kind,
                           struct ptl_span about)
{
    struct ptl_span name = ptl_span(NULL, 0);
    struct ptl_port port = {.id = "the program"};

    ptl_count(&shard->counts.slow, 1);
    if (slot != NULL) {
        ptl_port_make(&shard->node->self, shard->index, index, generation, &port);
        if (ptl_slot_lives(slot, generation) && slot->more != NULL && slot->more->name != NULL) {
            name = ptl_span(slot->more->name, slot->more->name_size);
        }
    }
    ptl_log_about(shard, PTL_LOG_WARN, ptl_span_text(port.id),
                  "%s of %s%s%.*s took %u ms%s%.*s%s: long work belongs in a thread", kind,
                  ptl_port_id(&port), name.size != 0 ? ", " : "", (int)name.size,
                  name.size != 0 ? (const char *)name.bytes : "", (unsigned)(took / 1000000),
                  about.size != 0 ? " for '" : "", (int)about.size,
                  about.size != 0 ? (const char *)about.bytes : "", about.size != 0 ? "'" : "");
}

void ptl_callback_begin(struct ptl_shard *shard, struct ptl_callback *callback,
                        struct ptl_slot *slot)
{
    ptl_shard_lap(shard);
    *callback = (struct ptl_callback){
        .slot = slot,
        .outer = shard->ports->self,
        .index = slot == NULL ? 0 : slot->index,
        .generation = slot == NULL ? 0 : slot->generation,
        .since = shard->coarse,
    };
    shard->ports->self = slot;
    shard->ports->fail_text[0] = 0;
    shard->ports->bottleneck.kind = PTL_BOTTLENECK_NONE;
}

void ptl_callback_end(struct ptl_shard *shard, const struct ptl_callback *callback,
                      const char *kind, struct ptl_span about)
{
    shard->ports->self = callback->outer;
    ptl_shard_lap(shard); /* and whoever called us is not blamed for it */
    if (shard->coarse - callback->since > PTL_CALLBACK_SLOW_NS) {
        ptl_callback_log_slow(shard, callback->slot, callback->index, callback->generation,
                              shard->coarse - callback->since, kind, about);
    }
}

bool ptl_callback_done(struct ptl_shard *shard, const struct ptl_callback *callback,
                       const char *kind, struct ptl_span about, int result)
{
    ptl_callback_end(shard, callback, kind, about);
    bool lives = callback->slot == NULL || ptl_slot_lives(callback->slot, callback->generation);
    if (result == 0 || result == PTL_LATER) {
        return result == 0 || !lives;
    }
    if (callback->slot == NULL) {
        ptl_log_about(shard, PTL_LOG_WARN, ptl_span_text(kind), "%s of the program has failed: %s",
                      kind, ptl_fail_text(shard, result));
    } else if (lives) {
        ptl_port_fail(shard, callback->slot, result);
    }
    return true;
}
