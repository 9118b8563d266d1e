/*
 * tests/fuzz/lone_program.h - the program around the lone node: ports that peers can send to, and
 * what it wants of those who are linked.
 *
 *   "echo" answers   "late" takes each message at the second try   "frail" dies of its first one
 *   "make" may be spawned   families "f" and "'l" are watched
 */
#pragma once

#include "engine/portolan.h"

void lone_program_start(struct ptl_node *node);

/* Something that a program does: `act` says what, to the peer of that ID. */
#define LONE_ACTS 12
void lone_program_act(struct ptl_node *node, unsigned act, const char *peer);
