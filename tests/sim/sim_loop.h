/*
 * tests/sim/sim_loop.h - io/loop.h on the virtual network: any number of loops in one thread.
 *
 *   shard of a node --ptl_loop_*()--> sim_loop --> sim_end, sim_socket (network.h)
 *
 * A poll never waits: it runs the hooks of what is ready, in random order, some of it only at a
 * later poll.  Whoever drives the simulation asks sim_loop_ready() which loops need a poll.  The
 * contract of io/loop.h is asserted: hooks only within a poll, one send at a time, nothing asked of
 * a stream that was closed.  Bytes told to `received` are overwritten after the call, bytes to
 * send are read at the last moment, so that nobody gets away with borrowing them for too long.
 */
#pragma once

#include "tests/sim/network.h"

/* Loops of `host`, for struct ptl_node_options.  A value that must outlive the node. */
struct sim_maker {
    struct ptl_loop_maker maker; /* give the address of this to the node */
    struct sim_host *host;
    struct sim_loop_set *loops;
};

/* Owns: the maker holds memory until sim_maker_drop(), when all its loops must have been freed. */
void sim_maker_init(struct sim_maker *maker, struct sim_host *host);
void sim_maker_drop(struct sim_maker *maker);

/* The loop that shard `shard` has opened, or NULL. */
struct ptl_loop *sim_maker_loop(const struct sim_maker *maker, unsigned shard);

/* Whether a poll would do something now. */
bool sim_loop_ready(const struct ptl_loop *loop);

/* Streams and listeners that are open in it. */
unsigned sim_loop_open(const struct ptl_loop *loop);
