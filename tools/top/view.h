/*
 * tools/top/view.h - nodes of a cluster as tables: what is shown, in which order.  Pure.
 */
#pragma once

#include "tools/stats/table.h"
#include "tools/top/cluster.h"

/* What nodes are sorted by: a column of the table, the largest first but for texts. */
struct ptl_view_order {
    unsigned column;
    bool is_reversed;
};

#define PTL_VIEW_BY_NODE 0

/* How many columns there are, and their titles. */
unsigned ptl_view_columns(void);
const char *ptl_view_title(unsigned column);

/* Sort the nodes of a view. */
void ptl_view_sort(struct ptl_cluster_view *view, const struct ptl_view_order *order);

/* A row a node, in their order.  Owns: the caller, until ptl_table_end(). */
void ptl_view_nodes(const struct ptl_cluster_view *view, struct ptl_table *table);

/* The ports of all nodes: those that most messages came for (since the last answer, where there
 * were two), and those whose handlers take longest; `most` of each. */
void ptl_view_busiest(const struct ptl_cluster_view *view, size_t most, struct ptl_table *table);
void ptl_view_slowest(const struct ptl_cluster_view *view, size_t most, struct ptl_table *table);

/* One line, without its end: how many there are, and what they do together. */
void ptl_view_summary(const struct ptl_cluster_view *view, FILE *out);

/* All of it as text. */
void ptl_view_print(const struct ptl_cluster_view *view, size_t width, FILE *out);
