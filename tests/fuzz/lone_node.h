/*
 * tests/fuzz/lone_node.h - one node of ours on the virtual network, and connections to it whose
 * other ends the fuzzer holds.
 *
 *   target --lone_wire_say()--> virtual TCP --> node "rain", with some ports, a function, watches
 *     ^                                           |
 *     '------ handshake, TLS, packets <-----------'   what it says must be right, whatever it hears
 *
 * Time is the network's and chance is seeded, so that an input is the whole of a run.  What must
 * hold of the node is asserted here: it comes to rest, each line of its log is one, it says nothing
 * that is malformed, and leaves no memory behind.
 */
#pragma once

#include "engine/link/frames_in.h"
#include "engine/portolan.h"
#include "io/framing.h"
#include "io/handshake.h"
#include "io/tls.h"
#include "tests/fuzz/input.h"
#include "tests/sim/sim_loop.h"

#define LONE_WIRES 4

/* ---- The node ------------------------------------------------------------------------------ */

struct lone_kind {
    unsigned shards;
    bool is_ordinary;
    enum ptl_tls_use tls; /* its certificate is the pair that wires have, too */
    unsigned fail_from;   /* its so-manieth request for memory gets none, nor do later ones ... */
    unsigned fail_count;  /* ... up to so many; 0: all get some */
};

void lone_node_begin(const struct lone_kind *kind);

/* It stops, or ends without a word; wires are closed before.  Nothing is left of either. */
void lone_node_end(bool stops);

struct ptl_node *lone_node(void);

/* Let that much virtual time pass, and take what comes on all wires. */
void lone_node_run(uint64_t duration);

/* A second peer that means well joins, and a message of its comes back from the node's "echo". */
void lone_node_check(void);

/* ---- Connections to it --------------------------------------------------------------------- */

struct lone_wire {
    struct sim_end *end; /* NULL: there is none */
    struct ptl_handshake handshake;
    struct ptl_tls *tls;
    struct ptl_buffer in;   /* lines that have not come whole */
    struct ptl_buffer said; /* all that has come of the node in the clear, its first bytes */
    struct ptl_decoder decoder;
    struct ptl_frames_in frames;
    bool has_greeted;
    bool has_proved;
    bool is_up;   /* the node has proved itself: packets come */
    bool is_over; /* nothing that comes is looked at any more */
    uint64_t incarnation;
    unsigned heard; /* packets for its port "r" */
};

/* What one says of itself. */
struct lone_greeting {
    const char *id;
    const char *framings;
    uint64_t incarnation;
    bool tls;
    struct ptl_span edits; /* position (two bytes) and change, one after another */
};

/* Connect.  What was there is closed. */
void lone_wire_open(struct lone_wire *wire);
void lone_wire_close(struct lone_wire *wire);

/* Say the two first lines. */
void lone_wire_greet(struct lone_wire *wire, const struct lone_greeting *greeting);

/* Say the third, if what it proves is known; inside TLS, where both have wanted that. */
void lone_wire_prove(struct lone_wire *wire);

/* Say anything: sealed, where TLS is up, unless it is `raw`. */
void lone_wire_say(struct lone_wire *wire, struct ptl_span bytes, struct fuzz_cuts cuts, bool raw);

/* The nth of the target's wires. */
struct lone_wire *lone_wire(unsigned number);
