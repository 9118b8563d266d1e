/*
 * engine/port/node_ports.h - what all shards of a node share of the room of ports.
 */
#pragma once

#include "engine/shard/map.h"

#include <pthread.h>
#include <stdatomic.h>

struct ptl_node;

struct ptl_node_ports {
    _Atomic unsigned next_shard; /* for ports made by the program's threads */
    pthread_mutex_t lock;        /* guards what follows: rarely touched, never for long */
    struct ptl_map functions;    /* struct ptl_function */
};

/* Make it, and free it, if there is one.  Errors: PTL_ENOMEM.  Thread: the node's maker. */
PTL_MUST_CHECK int ptl_node_ports_init(struct ptl_node *node);
void ptl_node_ports_drop(struct ptl_node *node);
