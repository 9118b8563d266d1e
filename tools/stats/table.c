#include "tools/stats/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN 2 /* blanks between two columns */

void ptl_table_begin(struct ptl_table *table, const char *const titles[])
{
    *table = (struct ptl_table){.titles = titles};
    while (titles[table->columns] && table->columns < PTL_TABLE_COLUMNS_MAX) {
        table->widths[table->columns] = strlen(titles[table->columns]) - 1;
        table->columns++;
    }
}

void ptl_table_end(struct ptl_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    *table = (struct ptl_table){.columns = 0};
}

/* In columns of a terminal: about as many as there are characters. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

/* The second of two control characters is one of U+0080 to U+009F. */
static void clean(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < ' ' || byte == 0x7f) {
            *at = '?';
        } else if (byte == 0xc2 && (unsigned char)at[1] >= 0x80 && (unsigned char)at[1] < 0xa0) {
            at[0] = at[1] = '?';
        }
    }
}

static bool has_room(struct ptl_table *table)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 256 : 2 * table->capacity;
        char **cells = realloc(table->cells, capacity * sizeof cells[0]);
        if (!cells) {
            return false;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    return true;
}

void ptl_table_cell(struct ptl_table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0 || table->has_no_memory || !has_room(table)) {
        if (size >= 0) {
            free(text);
        }
        table->has_no_memory = true;
        return;
    }
    clean(text);
    size_t *width = &table->widths[table->count % table->columns];
    if (width_of(text) > *width) {
        *width = width_of(text);
    }
    table->cells[table->count++] = text;
}

size_t ptl_table_rows(const struct ptl_table *table)
{
    return table->columns == 0 ? 0 : table->count / table->columns;
}

static void write_cell(const struct ptl_table *table, unsigned column, const char *text, FILE *out)
{
    int blanks = (int)(table->widths[column] - width_of(text));
    bool is_left = table->titles[column][0] == '<';
    bool is_last = column + 1 == table->columns;

    fprintf(out, "%*s%s%*s", is_left ? 0 : blanks, "", text, is_left && !is_last ? blanks : 0, "");
}

/* `cells` NULL: the titles. */
static void write_line(const struct ptl_table *table, char *const *cells, size_t width, FILE *out)
{
    size_t used = 0;

    for (unsigned i = 0; i < table->columns; i++) {
        size_t before = i > 0 ? BETWEEN : 0;
        bool is_end = i + 1 == table->columns && cells && cells[i][0] == '\0';
        if (is_end || (width != 0 && used + before + table->widths[i] > width)) {
            break;
        }
        fprintf(out, "%*s", (int)before, "");
        write_cell(table, i, cells ? cells[i] : table->titles[i] + 1, out);
        used += before + table->widths[i];
    }
}

void ptl_table_head(const struct ptl_table *table, size_t width, FILE *out)
{
    write_line(table, NULL, width, out);
}

void ptl_table_line(const struct ptl_table *table, size_t row, size_t width, FILE *out)
{
    write_line(table, table->cells + row * table->columns, width, out);
}

void ptl_table_print(const struct ptl_table *table, size_t width, FILE *out)
{
    ptl_table_head(table, width, out);
    fputc('\n', out);
    for (size_t row = 0; row < ptl_table_rows(table); row++) {
        ptl_table_line(table, row, width, out);
        fputc('\n', out);
    }
}
