/*
 * engine/node/tower.h - how the rooms of the engine stand on each other.
 *
 * A room uses those below it.  What it asks of one above goes through a table of functions, which
 * is set here and nowhere else.
 */
#pragma once

struct ptl_node;

/* Give a new node its tables: the first thing that is done with it. */
void ptl_tower_raise(struct ptl_node *node);
