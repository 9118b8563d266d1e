/*
 * tools/inquest.h - one question to many nodes at once, each with its own time to answer.
 *
 *   ptl_inquest_ask() --> [ probe, probe ] --ptl_call()--> "NODE#PORT"
 *                                                                 |
 *                                 tell() <--- reply, or none -----'
 *
 * All on the shard of a client's node, from its callbacks: nothing here is locked.
 */
#pragma once

#include "tools/client.h"

struct ptl_inquest;

/* What one node is asked: part of what the caller knows of that node.  Only inquest.c touches
 * it. */
struct ptl_probe {
    struct ptl_inquest *inquest;
    struct ptl_probe *next;
    struct ptl_port to;
};

/* The answer, as of ptl_call(); or another error, and no reply. */
typedef void ptl_inquest_fn(struct ptl_inquest *inquest, struct ptl_probe *probe, int err,
                            const struct ptl_msg *reply);

struct ptl_inquest {
    struct ptl_client *client;
    const char *port; /* "" is the node port */
    const char *tag;  /* the whole question */
    unsigned timeout_ms;
    ptl_inquest_fn *tell;
    size_t open; /* asked and not told; counted down before `tell` is called */

    /* The rest is inquest.c's: what finds no room yet. */
    struct ptl_probe *first;
    struct ptl_probe *last;
    bool asking;
    bool waits;
};

/* Ask one more node; `tell` may be called inside of this call where there can be no answer. */
void ptl_inquest_ask(struct ptl_inquest *inquest, struct ptl_probe *probe, const char *node_id);
