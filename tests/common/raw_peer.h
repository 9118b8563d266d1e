/*
 * tests/common/raw_peer.h - a peer that is a socket in the test's hands: as much of the opening as
 * the test wants, with the secret or without, from whatever address of this machine.
 *
 * What does not come in a minute fails the test.
 */
#pragma once

#include "tests/common/witness.h"

#include "io/buffer.h"
#include "io/handshake.h"

struct raw_peer {
    int socket;
    struct ptl_handshake handshake;
    struct ptl_buffer out; /* gathered, to be sent at once */
};

/* Connect to where the node listens; `from` is an address of ours, "127.0.0.2". */
int raw_connect(struct ptl_node *node);
int raw_connect_from(struct ptl_node *node, const char *from);

/* The next connection to a listening socket. */
int raw_accept(int listener);

/* Connect and say this, without knowing any secret.  Returns the socket. */
int raw_stranger(struct ptl_node *node, const char *from, const char *text);

void raw_say(int socket, const char *text);

/* Read until there are so many line ends or the other side closes; returns how many bytes came. */
size_t raw_read_lines(int socket, char *bytes, size_t room, unsigned lines);

/* Wait until these bytes have come. */
void raw_read_until(int socket, const char *wanted);

/* Whether the other side has closed by now; what it has sent is read and forgotten. */
bool raw_is_closed(int socket);

/* Wait for that. */
void raw_await_close(int socket);

/*
 * Greets, and gathers all three lines in peer->out without sending any.  The connection is made
 * already; `more` is what else its greeting says.
 */
void raw_greet(struct raw_peer *peer, int socket, const char *id, const char *more);

/* The same for one of our own framing. */
void raw_greet_with_frames(struct raw_peer *peer, int socket, const char *id);

/* All three lines of a peer of 127.0.0.1, gathered. */
void raw_open(struct raw_peer *peer, struct ptl_node *node, const char *id);

/* Gather a packet: for the port of this name, JSON values. */
void raw_gather(struct raw_peer *peer, const char *name, const char *values);

void raw_send(struct raw_peer *peer);

/* Send the first two lines of what raw_greet() has gathered; the proof stays. */
void raw_send_greeting(struct raw_peer *peer);

void raw_close(struct raw_peer *peer);
