/*
 * tests/sim/view.h - a family as somebody sees it: its keys, and a print of each value.
 *
 * What the model expects, what a node holds, what a watcher has been told and what an answer says
 * are views, so that any two of them can be compared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_KEY_SIZE 96 /* bytes of a key with its NUL; IDs of ports are the longest */

struct sim_seen {
    char key[SIM_KEY_SIZE];
    uint64_t print;
};

/* Zero is an empty one.  Owns: whoever has it, until sim_view_drop(). */
struct sim_view {
    struct sim_seen *items; /* by key */
    uint32_t count;
    uint32_t capacity;
};

void sim_view_drop(struct sim_view *view);

/* NULL when it has no such key. */
const struct sim_seen *sim_view_find(const struct sim_view *view, const char *key);

/* Set a key, whether it is there or not; a key that is too long is cut. */
void sim_view_put(struct sim_view *view, const char *key, uint64_t print);

/* False when it was not there. */
bool sim_view_remove(struct sim_view *view, const char *key);

/* Whether they differ; `text` says where first. */
bool sim_views_differ(const struct sim_view *expected, const struct sim_view *found, char *text,
                      size_t size);
