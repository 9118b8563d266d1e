/*
 * engine/shard/id_tree.h - what is found by its ID when there is no memory: a tree through those
 * who stand in it.
 *
 *           6                 each stands where the bits of its spread ID lead, as far up as there
 *         0/ \1               was room
 *        3    9
 *         \1
 *          7
 *
 * A map (map.h) is faster, and asks for memory to grow.  Here nothing can fail, and nothing takes
 * more than 64 steps; of a million some 25.  Thread: one at a time.
 */
#pragma once

#include "io/base.h"

/* Embedded in who is to be found. */
struct ptl_id_place {
    uint64_t id;
    struct ptl_id_place *sides[2];
};

/* Add one whose `id` is set, and is no other's in this tree.  *root is NULL at first. */
void ptl_id_tree_add(struct ptl_id_place **root, struct ptl_id_place *place);

/* Who has this ID, or NULL. */
struct ptl_id_place *ptl_id_tree_find(struct ptl_id_place *root, uint64_t id);

/* Take out one that is there. */
void ptl_id_tree_remove(struct ptl_id_place **root, const struct ptl_id_place *place);
