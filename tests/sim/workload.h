/*
 * tests/sim/workload.h - what the simulated nodes have to do.
 *
 *   senders    ports and threads of the program; each sends numbered messages to a receiver it
 *              monitors, and begins a new run when the monitor fires
 *   receivers  count, are slow now and then, are killed and replaced
 *   errands    ports that live for one experiment and end: last words, strikes, calls, chains of
 *              deaths, monitors taken back, monitors of what never was, timers
 *   database   writers, registered ports and followers: database.h
 *
 * Every message says which actor it is for, so that one that reaches another port is seen.
 */
#pragma once

#include "tests/sim/world.h"

struct sim_workload *sim_workload_make(struct sim_world *world);
void sim_workload_free(struct sim_workload *workload);

/* A node has begun: give it functions, ports and threads. */
void sim_workload_node_up(struct sim_workload *workload, struct sim_node *node);

/* A node is about to be freed: whatever lived on it is no more. */
void sim_workload_node_down(struct sim_workload *workload, struct sim_node *node);

/* Begin the errands; end all that begins something new. */
void sim_workload_go(struct sim_workload *workload);
void sim_workload_calm(struct sim_workload *workload);
void sim_workload_finish(struct sim_workload *workload);

/* Have every sender of that node send a last burst, which must be flushed when it stops. */
void sim_workload_burst(struct sim_workload *workload, struct sim_node *node);

/* After a node has stopped and time has passed: has what it accepted arrived? */
void sim_workload_check_flushed(struct sim_workload *workload, struct sim_life life);
