/*
 * tools/stats/table.h - aligned columns of text.
 *
 *   titles --ptl_table_begin()--> [ cells, row by row ] --ptl_table_line()--> lines
 *
 * What others have called themselves shall not drive a terminal: control characters become '?'.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PTL_TABLE_COLUMNS_MAX 24

/* Only table.c touches the fields. */
struct ptl_table {
    const char *const *titles;
    unsigned columns;
    size_t widths[PTL_TABLE_COLUMNS_MAX];
    char **cells;
    size_t count, capacity;
    bool has_no_memory; /* then cells are missing */
};

/* Titles, NULL at the end: "<NODE" for a column that begins at the left, ">LINKS" at the right.
 * Owns: the titles must outlive the table; it is the caller's until ptl_table_end(). */
void ptl_table_begin(struct ptl_table *table, const char *const titles[]);
void ptl_table_end(struct ptl_table *table);

/* The next cell. */
void ptl_table_cell(struct ptl_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How many rows are whole. */
size_t ptl_table_rows(const struct ptl_table *table);

/* Write the heading, or a row, without the line's end: the columns that have room in `width` (0:
 * all). */
void ptl_table_head(const struct ptl_table *table, size_t width, FILE *out);
void ptl_table_line(const struct ptl_table *table, size_t row, size_t width, FILE *out);

/* All lines, behind each the line's end. */
void ptl_table_print(const struct ptl_table *table, size_t width, FILE *out);
