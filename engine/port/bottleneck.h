/*
 * engine/port/bottleneck.h - where something found no room, and may wait for it.
 *
 * What is for a port minds all that is on the way to it: the port's queue, its link, the ring to
 * their shard.  What is for a shard itself, or has to get through to a port that stays full, minds
 * the ring alone.  A value: nothing is owned.
 */
#pragma once

#include "engine/portolan.h"

enum ptl_bottleneck_kind {
    PTL_BOTTLENECK_NONE, /* a zeroed value */
    PTL_BOTTLENECK_PORT, /* whatever is full on the way to `port` */
    PTL_BOTTLENECK_RING, /* the ring to the shard `shard`, whatever is full behind it */
};

struct ptl_bottleneck {
    uint8_t kind; /* enum ptl_bottleneck_kind */
    union {
        struct ptl_port port; /* this node's own view of it */
        unsigned shard;
    };
};

static inline void ptl_bottleneck_at_port(struct ptl_bottleneck *bottleneck,
                                          const struct ptl_port *port)
{
    bottleneck->kind = PTL_BOTTLENECK_PORT;
    bottleneck->port = *port;
}

static inline void ptl_bottleneck_at_ring(struct ptl_bottleneck *bottleneck, unsigned shard)
{
    bottleneck->kind = PTL_BOTTLENECK_RING;
    bottleneck->shard = shard;
}
