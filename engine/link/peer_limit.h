/*
 * engine/link/peer_limit.h - how large a message another node takes, where that is less than we
 * make.
 *
 *   link's owner, coming up --set--> [ node: bytes ] <--ask-- whoever sends, on any thread
 *
 * A node of ours tells its limit in its greeting.  What is larger is refused where it is sent: on
 * the wire it would cost the link, and everybody who uses it.  The limit is known until the link is
 * forgotten, so also between two connections.  In most networks all have one limit: then nothing is
 * kept here, and asking costs a comparison.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/map.h"
#include "io/framing.h"

#include <stdatomic.h>

struct ptl_peer_limits {
    struct ptl_map by_node; /* guarded by the links' lock */
    _Atomic uint32_t count; /* of the map; read without the lock */
    _Atomic uint64_t least; /* of all that were ever set while there was one */
};

void ptl_peer_limits_init(struct ptl_node *node);
void ptl_peer_limits_drop(struct ptl_node *node);

/*
 * That node takes messages of `bytes` (0: it has not said), and is sent them in `framing`.  Without
 * memory nothing is kept: then the link's owner finds out.  Thread: any.
 */
void ptl_peer_limit_set(struct ptl_node *node, struct ptl_span peer, uint64_t bytes,
                        enum ptl_framing framing);

/* It is forgotten.  Thread: any. */
void ptl_peer_limit_forget(struct ptl_node *node, struct ptl_span peer);

/* Whether that node (not our own) refuses a message of this size.  Thread: any. */
bool ptl_peer_refuses(struct ptl_node *node, struct ptl_span peer, size_t size);

/*
 * What it takes for sure, in its framing: values in JSON may take six times their bytes.  SIZE_MAX:
 * at least what we take.  Thread: any.
 */
size_t ptl_peer_takes(struct ptl_node *node, struct ptl_span peer);
