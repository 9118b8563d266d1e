/*
 * A line of the log, as it is written: of io/log_writer.h, which promises that it is one line, and
 * harmless, whoever has made up its text.
 *
 *   text --characters--> as they are | escaped | '?' --> head TEXT end, cut so that it fits
 */
#include "io/base.h"
#include "io/log_writer.h"
#include "io/utf8.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#define REPLACEMENT 0xfffd /* for what is no character */

_Static_assert(8 * PTL_LOG_NODE_MAX < PTL_LOG_LINE_MAX, "there is room for a text beside any ID");

/* What is written so far; `room` is what it may have at most. */
struct sheet {
    char *bytes;
    size_t size;
    size_t room;
};

/* ---- Characters ---------------------------------------------------------------------------- */

/* The character that begins there, and its bytes; where there is none, one byte that is none. */
static uint32_t take_character(struct ptl_span text, size_t *size)
{
    uint8_t first = text.bytes[0];
    size_t whole = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    *size = 1;
    if (whole == 1) {
        return first;
    }
    if (whole > text.size || !ptl_utf8_valid(ptl_span(text.bytes, whole))) {
        return REPLACEMENT;
    }
    *size = whole;
    uint32_t character = first & (0x7fu >> whole);
    for (size_t i = 1; i < whole; i++) {
        character = character << 6 | (text.bytes[i] & 0x3f);
    }
    return character;
}

/* Moves a cursor, ends a line, or turns the direction in which all that follows is read. */
static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
           (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069) || character == 0xfeff;
}

/* At most 6 bytes for each. */
static size_t write_character(char out[8], enum ptl_log_format format, uint32_t character)
{
    if (format != PTL_LOG_JSON) {
        out[0] = '?';
        return is_control(character) || character == REPLACEMENT
                   ? 1
                   : ptl_utf8_put((uint8_t *)out, character);
    }
    if (character == '"' || character == '\\') {
        out[0] = '\\';
        out[1] = (char)character;
        return 2;
    }
    return is_control(character) ? (size_t)snprintf(out, 8, "\\u%04x", (unsigned)character)
                                 : ptl_utf8_put((uint8_t *)out, character);
}

/* As much of it as there is room for. */
static void put_text(struct sheet *sheet, enum ptl_log_format format, struct ptl_span text)
{
    char out[8];
    size_t size;

    while (text.size > 0) {
        size_t count = write_character(out, format, take_character(text, &size));
        if (count > sheet->room - sheet->size) {
            return;
        }
        memcpy(sheet->bytes + sheet->size, out, count);
        sheet->size += count;
        text = ptl_span(text.bytes + size, text.size - size);
    }
}

/* What we say ourselves, and always fits. */
static void put(struct sheet *sheet, const char *words)
{
    size_t size = strlen(words);

    ptl_assert(sheet->size + size < PTL_LOG_LINE_MAX);
    memcpy(sheet->bytes + sheet->size, words, size);
    sheet->size += size;
}

/* ---- Heads --------------------------------------------------------------------------------- */

static void put_time(struct sheet *sheet, int digits)
{
    struct timeval now;
    struct tm utc;
    char when[40];

    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    size_t size = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when + size, sizeof(when) - size, ".%0*dZ", digits,
             (int)(digits == 3 ? now.tv_usec / 1000 : now.tv_usec));
    put(sheet, when);
}

static void put_member(struct sheet *sheet, const char *name, const char *text)
{
    put(sheet, name);
    put_text(sheet, PTL_LOG_JSON, ptl_span_text(text));
}

static void put_object_head(struct sheet *sheet, const char *node_id, const char *level)
{
    char thread[16] = "";

    put(sheet, "{\"time\":\"");
    put_time(sheet, 6);
    put_member(sheet, "\",\"level\":\"", level);
    if (node_id != NULL && node_id[0] != '\0') {
        put_member(sheet, "\",\"node\":\"", node_id);
    }
    if (pthread_getname_np(pthread_self(), thread, sizeof(thread)) == 0) {
        put_member(sheet, "\",\"thread\":\"", thread);
    }
    put(sheet, "\",\"message\":\"");
}

static void put_head(struct sheet *sheet, enum ptl_log_format format, const char *node_id,
                     enum ptl_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"}; /* of syslog(3) */

    ptl_assert((unsigned)level < sizeof(names) / sizeof(names[0]));
    switch (format) {
    case PTL_LOG_TEXT:
        put_time(sheet, 3);
        put(sheet, " ");
        put(sheet, names[level]);
        put(sheet, " ");
        return;
    case PTL_LOG_JSON:
        put_object_head(sheet, node_id, names[level]);
        return;
    case PTL_LOG_JOURNAL:
        put(sheet, priorities[level]);
        return;
    }
    ptl_unreachable("no format of the log");
}

size_t ptl_log_line(enum ptl_log_format format, const char *node_id, enum ptl_log_level level,
                    const char *text, char line[PTL_LOG_LINE_MAX])
{
    const char *end = format == PTL_LOG_JSON ? "\"}\n" : "\n";
    struct sheet sheet = {.bytes = line, .room = PTL_LOG_LINE_MAX - 1 - strlen(end)};

    put_head(&sheet, format, node_id, level);
    put_text(&sheet, format, ptl_span_text(text));
    put(&sheet, end);
    line[sheet.size] = '\0';
    return sheet.size;
}
