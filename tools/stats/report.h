/*
 * tools/stats/report.h - an answer of the service `stats`, as text for people.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct ptl_table;

/*
 * Write it in whole lines: the node, its shards, links, busiest and slowest ports, families.
 * `before` is an earlier answer of the same node, or NULL: with it stands what has been done a
 * second since then.
 */
void ptl_report_write(const json_t *answer, const json_t *before, FILE *out);

/* A number of a JSON object, from 0 to 1e18; 0 where it has none of that name. */
double ptl_report_number(const json_t *object, const char *name);

/* A text of one, "" where it has none; it lives as long as the object. */
const char *ptl_report_text(const json_t *object, const char *name);

/* The next cells of a row: a port's messages, queue, and the times of its handlers. */
void ptl_report_port_cells(struct ptl_table *table, const json_t *port);
