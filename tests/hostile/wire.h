/*
 * tests/hostile/wire.h - one connection to a node, of somebody who means well or does not.
 *
 *   wire_dial() --> connecting --> opening --> up --> ended
 *
 * A wire never blocks: its owner polls `fd` for wire_events() and calls wire_work().  It speaks the
 * opening by io/handshake.h; what follows are packets in CBOR, or whatever bytes its owner adds.
 */
#pragma once

#include "io/buffer.h"
#include "io/framing.h"
#include "io/handshake.h"
#include "tests/common/random.h"

#include <poll.h>

/* What the first line says of us. */
enum wire_style {
    WIRE_PLAIN,  /* a real node that takes no part in the database */
    WIRE_GLOBAL, /* one that does */
    WIRE_OURS,   /* a portolan node */
    WIRE_JSON,   /* as WIRE_PLAIN, but it wants JSON */
};

enum wire_state {
    WIRE_NONE,
    WIRE_CONNECTING,
    WIRE_OPENING,
    WIRE_UP,
    WIRE_ENDED,
};

struct wire;
typedef void wire_take_fn(struct wire *wire, const struct ptl_packet *packet, void *data);

/* Where a wire leads and what it says there. */
struct wire_options {
    uint16_t port;      /* of 127.0.0.1 */
    unsigned source;    /* it comes from 127.0.0.SOURCE; 0: the kernel chooses */
    const char *id;     /* copied */
    const char *secret; /* lives as long as the wire */
    enum wire_style style;
    unsigned lag_ms;      /* what it says in the opening leaves so much later */
    uint64_t incarnation; /* of WIRE_OURS; 0: a random one */
    wire_take_fn *take;   /* called with every packet; may be NULL */
    void *data;
};

/* All zero is none.  Only wire.c writes the fields, but `deaf`. */
struct wire {
    int fd;
    enum wire_state state;
    bool deaf; /* reads nothing */
    struct wire_options options;
    struct ptl_handshake handshake;
    struct ptl_decoder decoder;
    struct ptl_buffer in;  /* lines of the opening that are not whole */
    struct ptl_buffer out; /* what is to be sent ... */
    size_t out_at;         /* ... from here on */
    uint64_t hold_until;   /* ms: nothing leaves before */
    uint64_t packets;      /* taken */
    bool proved;
    char id[256];
};

uint64_t wire_now_ms(void);
uint64_t wire_now_us(void);

/* Begin.  Returns whether there is a descriptor for it. */
bool wire_dial(struct wire *wire, const struct wire_options *options, struct sim_random *random);

/* A connection without a word of ours, for those who say what they like; it is up at once. */
bool wire_dial_raw(struct wire *wire, uint16_t port, unsigned source);

/* What to poll for, and what to do then. */
short wire_events(const struct wire *wire);
void wire_work(struct wire *wire, short revents);

/*
 * Poll these wires once, for at most so long, and work.
 */
void wire_poll(struct wire *wires, unsigned count, unsigned timeout_ms);

/* Add a packet.  `format` has a letter a value of the packet, its port's name first:
 *   s  const char *        u  uint64_t        z  size_t: a byte string of so many zeros
 *   m  struct ptl_span: one encoded value     M  struct ptl_span, unsigned: so many of them
 */
void wire_say(struct wire *wire, const char *format, ...);

/* How many bytes are not sent yet. */
size_t wire_unsent(const struct wire *wire);

/* Close it and give everything back.  `reset`: with a RST. */
void wire_close(struct wire *wire, bool reset);
