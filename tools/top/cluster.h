/*
 * tools/top/cluster.h - all nodes of the network, asked again and again how they fare.
 *
 *   families 'l and 'g, watched --> [ nodes ] --"stats", one question a node and round--> answers
 *                                       '--ptl_cluster_look()--> a view: what is shown
 *
 * What is known of nodes is the client's shard's; whoever shows it takes a view, and is told by a
 * descriptor when there is something new.  A node that has gone is kept for PTL_CLUSTER_KEPT_MS.
 */
#pragma once

#include "tools/client.h"

#include <jansson.h>

#define PTL_CLUSTER_NODES_MAX 4096 /* others are not shown */
#define PTL_CLUSTER_ASKED_MAX 64   /* that are asked and have not answered, at a time */
#define PTL_CLUSTER_KEPT_MS 600000
#define PTL_CLUSTER_PORTS 10     /* of each node, busiest and slowest ... */
#define PTL_CLUSTER_PORTS_MAX 20 /* and of the one that is looked at closely */

enum ptl_cluster_state {
    PTL_NODE_UNASKED, /* so far */
    PTL_NODE_ANSWERS,
    PTL_NODE_SILENT,  /* it does not answer */
    PTL_NODE_REFUSES, /* its rules do not let us observe it, or it is too busy */
    PTL_NODE_STRANGE, /* it has no such service */
};

/* A node, as it was last heard of. */
struct ptl_cluster_node {
    char id[PTL_NODE_ID_MAX + 1];
    enum ptl_cluster_state state;
    bool is_global;
    bool has_address; /* that is known to all */
    uint64_t seen_ms; /* when it last answered, 0: never; of ptl_sight_now_ms(), as all times */
    json_t *answer;   /* its last one, or NULL */
    json_t *before;   /* and the one before that */
};

/* All of them at one moment. */
struct ptl_cluster_view {
    struct ptl_cluster_node *nodes; /* by their IDs */
    size_t count;
    uint64_t now_ms;
    uint64_t rounds; /* that have ended: all nodes have answered, or have not in time */
    bool is_over;    /* no memory: nobody is asked any more */
};

struct ptl_cluster;

/*
 * Begin to ask, every so many milliseconds; `is_paced`: not before all have answered the last
 * question, or have not in time.  Errors: of ptl_db_watch(), PTL_ENOMEM, -errno.
 * Owns: the caller, until ptl_cluster_free() when the client's node has stopped.
 */
PTL_MUST_CHECK int ptl_cluster_begin(struct ptl_client *client, unsigned every_ms, bool is_paced,
                                     struct ptl_cluster **cluster);
void ptl_cluster_free(struct ptl_cluster *cluster);

/* A descriptor that can be read when there is something new; ptl_cluster_look() empties it. */
int ptl_cluster_event(const struct ptl_cluster *cluster);

/* Take a view.  False: no memory.  Owns: the caller, until ptl_cluster_view_drop(). */
bool ptl_cluster_look(struct ptl_cluster *cluster, struct ptl_cluster_view *view);
void ptl_cluster_view_drop(struct ptl_cluster *cluster, struct ptl_cluster_view *view);

/* From the next question on more is asked of that node, of its links, ports, families; "": of
 * none. */
void ptl_cluster_open(struct ptl_cluster *cluster, const char *node_id);
