/*
 * tests/common/village.h - a few nodes on the virtual network: a test counts what they do in a
 * minute that takes no time.
 *
 * Nodes are stepped by the test's own thread, in order; nothing is left to chance but delays.
 * village_begin() forgets the village before it.
 */
#pragma once

#include "engine/node/node.h"
#include "tests/sim/sim_loop.h"

#define VILLAGE_NODES_MAX 4

void village_begin(void);

/* All nodes end without a word.  Their memory is counted: none may be left. */
void village_end(void);

/*
 * Start a node, on a host of its own that listens at village_address(), its number (from 0) in the
 * order of starting.  Of the options, id, seeds and limits count; `log` is told all lines.
 */
struct ptl_node *village_start(const struct ptl_node_options *options);
const char *village_address(unsigned number);

/* The address of a host that is off: nobody answers there. */
const char *village_dark_address(void);

/* Let that much virtual time pass. */
void village_run(uint64_t duration);

/* From now on a node gets no memory, or gets it again. */
void village_starve(unsigned number, bool starve);

/* From now on a node has no turn, and so reads nothing, or has turns again. */
void village_still(unsigned number, bool still);

/* How many turns a node's shards have had. */
uint64_t village_turns(unsigned number);

/* Bytes that a node's allocator has given out. */
size_t village_bytes(unsigned number);
