/*
 * tests/replay/wire.h - the other end of a node's connection: a plain socket on which a test says
 * the lines and packets it wants to, and takes the answers apart.
 *
 * Nothing waits for longer than WIRE_WAIT_MS; a wait that ends so is a failed assertion.
 */
#pragma once

#include "tests/common/random.h"
#include "tests/replay/recording.h"

#include "io/handshake.h"

#include <pthread.h>

#define WIRE_WAIT_MS 20000

struct wire {
    int socket;
    struct ptl_handshake handshake;
    struct ptl_decoder decoder;
    enum ptl_framing framing; /* what we send */
    struct sim_random *cuts;  /* NULL: what is sent is not cut into pieces */
    struct packets got;
    pthread_t parting;
    bool parts;
    uint8_t rest[8192]; /* what came with the opening and is none of it */
    size_t rest_size;
};

/* Wait for a connection. */
int wire_accept(int listener);

int wire_dial(const char *address);

/* What a side says of itself: as struct recorded_side. */
struct wire_opening {
    const char *node_id;
    const char *secret;
    const char *framings;
    const char *lines;
    const char *third; /* said instead of the computed one; NULL */
};

/* Open the connection.  Owns: the wire has the socket, and is the caller's until wire_close(). */
void wire_open(struct wire *wire, int socket, const struct wire_opening *opening,
               struct sim_random *cuts);

void wire_close(struct wire *wire);

/* From now on only wait for the node to say goodbye, beside the test, and then do so too. */
void wire_part(struct wire *wire);

/* Send bytes as they are. */
void wire_send(struct wire *wire, struct ptl_span bytes);

/* Send a packet that stands as JSON, in the connection's framing. */
void wire_say(struct wire *wire, const char *json);

/* Send one packet. */
void wire_packet(struct wire *wire, struct ptl_span name, const struct ptl_msg *msg);

/* The moment until which to wait for what must come now; in milliseconds. */
int64_t wire_patience(void);

/* Wait for more and add its packets to `got`; false: nothing came until then, or the end did. */
bool wire_take(struct wire *wire, int64_t until_ms);

/*
 * Wait until a message has come to `name`, and return it.  Owns: the wire, until it takes more.
 */
const struct packet *wire_wait(struct wire *wire, const char *name);

/*
 * The first packet of this request to the node port that has come or will: heartbeats and others
 * before it are passed over.  Owns: as wire_wait().
 */
const struct packet *wire_wait_request(struct wire *wire, const char *request);

/* Forget what has come. */
void wire_forget(struct wire *wire);
