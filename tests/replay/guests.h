/*
 * tests/replay/guests.h - the nodes around a recorded one that the recording does not show, but of
 * which it speaks: who they were and what they brought is in one table.
 *
 *   guest (a wire) --g_slave DB, g_set, g_upd--> our node, in the recorded one's place
 *
 * When the recorded node says that there is an entry, or no more, the guest that brings it says so
 * to ours before; what no guest brings is the program's own to set.
 */
#pragma once

#include "tests/replay/database.h"
#include "tests/replay/wire.h"

#define GUESTS_MAX 4

struct guest_role; /* a line of the table */

struct guest {
    const struct guest_role *role;
    struct wire wire;
    bool linked;
    bool left;
    struct entries brought;
};

struct guests {
    const struct recording *recording;
    const char *host;      /* our node's ID */
    struct ptl_node *node; /* set by guests_come() */
    int listener;          /* of the guest that is our node's seed; -1 */
    char seed_address[32]; /* "": there is none */
    struct guest at[GUESTS_MAX];
    unsigned count;
};

/* Read the table for the node that plays `host`. */
void guests_invite(struct guests *guests, const struct recording *recording, const char *host);

/* Our node has started: have those come that are there from the start. */
void guests_come(struct guests *guests, struct ptl_node *node);

/*
 * Wait until our node, which is global, has what the guests began with: it may be asked about that.
 * What a seed tells it while it is not is at the seed to ask for.
 */
void guests_be_known(struct guests *guests);

/*
 * Our side of the recording says this packet: have the guests bring about what it says.  What
 * `known` has already, with the same value, is nobody's to bring.  Calls `own` for entries that
 * our node's program is to set and delete.
 */
void guests_act(struct guests *guests, const struct packet *packet, const struct entries *known,
                entry_fn *own, void *data);

/* Take what our node has told them, and forget it. */
void guests_listen(struct guests *guests);

/* All leave. */
void guests_leave(struct guests *guests);

/* Where a node of the recording listens: its array of addresses, or NULL.  Owns: the caller. */
struct ptl_msg *recorded_addresses(const struct recording *recording, const char *node_id);
