/*
 * tools/replies.h - the answers of a service: whoever does not take its own delays nobody else.
 *
 *   handler --ptl_reply_send()--> ptl_send() --no room--> [ answers that wait for that port ]
 *                                    ^                              |
 *                                    '------- ptl_on_room() --------'
 *
 * An answer that finds no room waits behind the others for the same port, and the service goes on.
 * Where a port lets more than PTL_REPLIES_PORT_MAX wait, or the ports of a node together more than
 * PTL_REPLIES_NODE_MAX, the service gives that node a moment, since it may only be busy, and then
 * drops what else it asks for.  Where all nodes together exceed PTL_REPLIES_MAX, the one that lets
 * most wait loses it.  What is dropped is counted and told.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/journal.h"

#define PTL_REPLIES_MAX ((size_t)4 << 20)        /* bytes that wait at one service */
#define PTL_REPLIES_NODE_MAX ((size_t)1 << 20)   /* for the ports of one node */
#define PTL_REPLIES_PORT_MAX ((size_t)256 << 10) /* for one port */
#define PTL_REPLIES_NODES_MAX 128                /* nodes that answers wait for */
#define PTL_REPLIES_PATIENCE_MS 20               /* with a node whose room is used up ... */
#define PTL_REPLIES_IMPATIENCE_MS 10000          /* ... once in so long */

struct ptl_replies;

/*
 * The answers of the service `name`, one port's; `journal` (may be NULL) is told of what is
 * dropped.  Both must outlive them.  NULL: no memory.  Owns: the caller, until ptl_replies_free().
 */
struct ptl_replies *ptl_replies_make(const char *name, struct ptl_journal *journal);

/* Drop what waits, and free.  Thread: the port's shard, when the port is gone.  May be NULL. */
void ptl_replies_free(struct ptl_replies *replies);

/*
 * Send `reply` from a handler of the service's port, which returns what this does: 0, or PTL_LATER
 * while there is patience with an asker.  Owns: `reply` is freed.
 */
PTL_MUST_CHECK int ptl_reply_send(struct ptl_node *node, struct ptl_replies *replies,
                                  const struct ptl_port *to, struct ptl_msg *reply);

/* The same from another callback of that port: without patience. */
void ptl_reply_send_now(struct ptl_node *node, struct ptl_replies *replies,
                        const struct ptl_port *to, struct ptl_msg *reply);
