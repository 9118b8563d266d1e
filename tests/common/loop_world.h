/*
 * tests/common/loop_world.h - loops with real sockets: what the tests of the loop share.
 */
#pragma once

#include "io/address.h"
#include "io/loop.h"
#include "tests/common/stream_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define WAKES 2000
#define FLOOD_BYTES ((size_t)8 << 20)
#else
#define WAKES 20000
#define FLOOD_BYTES ((size_t)64 << 20)
#endif
#define CONNECTIONS 1000
#define STUCK_NS ((uint64_t)60 * 1000000000) /* a test that waits so long has failed */

/* A loop, and what it accepts: the next of `ends`. */
struct side {
    struct ptl_loop *loop;
    struct ptl_listener *listener;
    struct ptl_address address;
    struct end *ends;
    unsigned ends_max;
    unsigned accepted;
    bool refuse; /* close what is accepted */
    unsigned resolved;
    void *request;
    int resolve_err;
    unsigned count;
    struct ptl_address addresses[PTL_RESOLVE_MAX];
};

/* Counts what is allocated; `left` allocations will still succeed. */
struct memory {
    _Atomic long bytes;
    _Atomic long left;
};

/* Of all loops of the test that runs. */
extern struct memory memory;
extern const struct ptl_allocator counting;

/* Where the loops of the test that runs come from. */
extern const struct ptl_loop_maker *loop_world_maker;

extern const struct ptl_loop_hooks side_hooks;

/* A loop with room for `ends_max` accepted connections in `ends`. */
void open_side(struct side *side, struct end *ends, unsigned ends_max);

/* Listen on a numeric address; `side->address` is where. */
void listen_at(struct side *side, const char *text);

/* Begin to connect to where the side listens. */
void connect_end(struct end *end, struct side *side);

/* One poll that does not wait for ever. */
void poll_once(struct ptl_loop *loop);

/* Poll until the fact holds; a fact that never comes fails the test. */
#define AWAIT(loop, fact)                                                                          \
    do {                                                                                           \
        uint64_t stuck_at = ptl_loop_now(loop) + STUCK_NS;                                         \
        while (!(fact)) {                                                                          \
            if (ptl_loop_now(loop) > stuck_at) {                                                   \
                fail_msg("never came: %s", #fact);                                                 \
            }                                                                                      \
            poll_once(loop);                                                                       \
        }                                                                                          \
    } while (0)

/* Begin to send; the result comes in `end->sent`. */
void send_span(struct end *end, const void *bytes, size_t size);

/* Send all, however short the sends come out. */
void send_all(struct end *end, const uint8_t *bytes, size_t size);

/* Close, and wait for it. */
void close_end(struct end *end);

/* A loop that listens, and one connection with both ends on it. */
struct pair {
    struct side side;
    struct end client;
    struct end server;
};

void open_pair(struct pair *pair);

/* Of this process. */
unsigned count_descriptors(void);

/*
 * Run the tests on loops of each kind that can be had here; argv[1] is the filter.  Returns how
 * many have failed.
 */
int loop_world_main(int argc, char **argv, const struct CMUnitTest tests[], size_t count);

/* The same on io_uring alone: what is about it. */
int loop_world_main_uring(int argc, char **argv, const struct CMUnitTest tests[], size_t count);

/* Around every test: whatever it did, its loops have given all memory back, by the right sizes. */
int loop_world_set_up(void **state);
int loop_world_tear_down(void **state);
