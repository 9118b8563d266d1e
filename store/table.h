/*
 * store/table.h - a hash table that grows and shrinks by one chain at a time.
 *
 *   bucket -> node -> node        every element embeds its node; the table never copies it
 *
 * Linear hashing: an insertion splits at most one chain, so none is ever slow, and a table that
 * finds no memory to grow goes on with longer chains: nothing here can fail.  Elements of one hash
 * keep their order, and stay side by side, when chains are split and joined: store/entry.c relies
 * on it.
 * Thread: one at a time.
 */
#pragma once

#include "io/alloc.h"

#include <stddef.h>
#include <stdint.h>

#define PTL_TABLE_FIRST 4     /* chains that need no memory of their own */
#define PTL_TABLE_KEPT 64     /* chains that stay once they are there: 480 bytes */
#define PTL_TABLE_SEGMENTS 24 /* doublings: 64 million chains */

/* Stands first in an element.  `next` and `hash` are the table's, `size` is the element's. */
struct ptl_table_node {
    struct ptl_table_node *next;
    uint32_t hash;
    uint32_t size;
};

/* Only table.c touches the fields but `count`. */
struct ptl_table {
    const struct ptl_allocator *allocator;
    uint32_t count;  /* elements */
    uint32_t chains; /* in use, at least PTL_TABLE_FIRST */
    struct ptl_table_node *first[PTL_TABLE_FIRST];
    struct ptl_table_node **segments[PTL_TABLE_SEGMENTS];
};

void ptl_table_init(struct ptl_table *table, const struct ptl_allocator *allocator);

/* Free the table's own memory; the elements are their owners' business. */
void ptl_table_drop(struct ptl_table *table);

/*
 * A hint that this chain will be looked at soon: fetch what leads to it into the processor's
 * caches.
 */
void ptl_table_expect(const struct ptl_table *table, uint32_t hash);

/* The first element of the chain that this hash belongs to, or NULL; its `next` leads on. */
struct ptl_table_node *ptl_table_chain(const struct ptl_table *table, uint32_t hash);

/* All elements, in no special order: the one behind `node` (NULL: the first), or NULL. */
struct ptl_table_node *ptl_table_next(const struct ptl_table *table,
                                      const struct ptl_table_node *node);

/* Put `node` in as the first of its chain. */
void ptl_table_insert(struct ptl_table *table, struct ptl_table_node *node, uint32_t hash);

/* Put `node` in right behind `before`, which is in the table with the same hash. */
void ptl_table_insert_after(struct ptl_table *table, struct ptl_table_node *before,
                            struct ptl_table_node *node);

/* The same, right before `after`. */
void ptl_table_insert_before(struct ptl_table *table, struct ptl_table_node *after,
                             struct ptl_table_node *node);

/* Take out `node`, which is in the table. */
void ptl_table_remove(struct ptl_table *table, struct ptl_table_node *node);

/* Put `node` into the place of `old`, which is in the table and leaves it. */
void ptl_table_replace(struct ptl_table *table, struct ptl_table_node *old,
                       struct ptl_table_node *node);

/* Take all elements out at once: a list through their `next`, or NULL. */
struct ptl_table_node *ptl_table_empty(struct ptl_table *table);
