/*
 * tools/bench/link.h - one node of ours, which has a link of its own to every target.
 */
#pragma once

#include "tools/common.h"

struct ptl_bench_link {
    struct ptl_node *node; /* NULL: it could not be started */
    char id[PTL_NODE_ID_MAX + 1];
    char seed_id[PTL_NODE_ID_MAX + 1]; /* the first node linked */
};

/* What all of them have in common. */
struct ptl_bench_linking {
    const struct ptl_options *options;
    const struct ptl_list *seeds;
    const char *behind; /* whom they lead to, where that is a proxy of this process; else NULL */
    int signals;        /* a descriptor that SIGINT and SIGTERM come to */
    const struct ptl_secret *secret;
    struct ptl_journal *journal;
};

/*
 * Start the node `id` and wait until it is linked to a seed.  Returns an exit code, that of a
 * signal if one came first; after one line on standard error if it is neither that nor PTL_EXIT_OK.
 * Owns: the caller stops `link->node` unless NULL.
 */
int ptl_bench_link_start(struct ptl_bench_link *link, const struct ptl_bench_linking *linking,
                         const char *id);
