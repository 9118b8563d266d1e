/*
 * tests/replay/recording.h - a recorded connection of two real nodes, taken apart: who said what in
 * the opening, and the packets of both in the order in which they came.
 *
 * Both kinds of recordings in tests/data/aemp-captures are read into this one form.  What does not
 * fit is a failed assertion of the test.
 */
#pragma once

#include "engine/message/message.h"
#include "io/buffer.h"
#include "io/framing.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

enum recorded_end { RECORDED_CLIENT, RECORDED_SERVER, RECORDED_ENDS };

/* One packet, as it was said by somebody.  Owns name and message. */
struct packet {
    char *name; /* of the port, with a NUL behind */
    size_t name_size;
    struct ptl_msg *msg;
    enum recorded_end from;
    struct ptl_span raw; /* its bytes in the recording */
    bool used;           /* for who compares */
};

struct packets {
    struct packet *at;
    size_t count;
    size_t capacity;
};

struct recorded_side {
    const char *node_id;
    const char *third;        /* the third line, without its end */
    char lines[1024];         /* the first two, with their ends */
    char framings[64];        /* what it offered, as in its greeting */
    enum ptl_framing framing; /* what it sent */
    struct ptl_buffer bytes;
    size_t packets_from;
};

struct recording {
    json_t *index; /* what the texts lie in */
    const char *name;
    const char *secret;
    struct recorded_side sides[RECORDED_ENDS];
    struct packets packets;
};

/* Add a copy of a decoded packet; returns it, good until the next one is added. */
struct packet *packets_add(struct packets *packets, const struct ptl_packet *packet);

void packets_drop(struct packets *packets);

/* The string that is the `index`th value; empty when it is none.  Owns: the packet. */
struct ptl_span packet_string(const struct packet *packet, unsigned index);

/* Whether it goes to the node port and its first value is `request`. */
bool packet_requests(const struct packet *packet, const char *request);

/* Call `play` for every recording that is not of TLS.  Returns how many there were. */
unsigned recordings_each(void (*play)(const struct recording *recording, void *data), void *data);

/* How a test plays them. */
struct manner {
    unsigned shards;
    bool in_turn;            /* the client waits for what the server said before */
    struct sim_random *cuts; /* NULL: what one side said at once comes at once */
};

/* The same in a manner, which `play` gets as its data.  `seed`: of the cuts, 0: none. */
unsigned recordings_play(void (*play)(const struct recording *recording, void *data),
                         struct manner manner, uint64_t seed);
