#include "tools/config/lines.h"

#include <ini.h>
#include <string.h>

#define SECTION_MAX 49 /* bytes of a section's name: inih cuts what is longer */

struct reader {
    struct ptl_settings *settings;
    const struct ptl_config_hearer *hearer;
    const char *at;
    const char *end;
    unsigned line;        /* the one that inih has */
    bool is_awaited;      /* it has a key, which inih has not told of yet */
    bool section_follows; /* it begins a section: the next one is SECTION_KEY */
    bool is_section_key;  /* it is */
};

/* A key without a name and a value behind each line that begins a section: inih tells of keys only,
 * and says with each in which section it is. */
static const char section_key[] = "=";

/* Whether nothing but a comment stands there. */
static bool is_blank(const char *text, size_t size)
{
    size_t blanks = 0;

    while (blanks < size && strchr(" \t\r", text[blanks])) {
        blanks++;
    }
    return blanks == size || text[blanks] == ';' || text[blanks] == '#';
}

/* inih takes any line that has a bracket for a section, and passes over what is behind it. */
static bool check_section(struct reader *reader, const char *text, size_t size)
{
    const char *bracket = memchr(text, ']', size);

    if (bracket && bracket - text - 1 > SECTION_MAX) {
        ptl_settings_mistake(reader->settings, reader->line,
                             "a section has at most %d bytes between its brackets", SECTION_MAX);
        return false;
    }
    if (!bracket || memchr(text, ';', (size_t)(bracket - text)) ||
        !is_blank(bracket + 1, size - (size_t)(bracket + 1 - text))) {
        ptl_settings_mistake(reader->settings, reader->line,
                             "a section has a line to itself: [profile NAME]");
        return false;
    }
    return true;
}

/* The line as inih is to have it; one that is wrong is empty for it.  Returns its size. */
static size_t judge_line(struct reader *reader, const char *text, size_t size, size_t most)
{
    if (size > most) {
        ptl_settings_mistake(reader->settings, reader->line,
                             "is a line of %zu bytes, %zu are the most: a long secret goes into a "
                             "secret-file",
                             size, most);
        return 0;
    }
    if (is_blank(text, size)) {
        return 0;
    }
    if (text[0] == '[') {
        reader->section_follows = check_section(reader, text, size);
        if (!reader->section_follows) {
            reader->hearer->section(reader->hearer->data, reader->line, NULL);
            return 0;
        }
        return size;
    }
    reader->is_awaited = true;
    return size;
}

/* What inih has not told of by the time that it asks for the next line is no key. */
static void end_line(struct reader *reader)
{
    if (reader->is_awaited) {
        ptl_settings_mistake(
            reader->settings, reader->line,
            "is neither 'key = value' nor [profile NAME]; a comment begins with ;");
    }
    reader->is_awaited = false;
    reader->is_section_key = false;
}

/* inih's reader, in the manner of fgets().  Lines have no blanks in front: to inih these would mean
 * that the line before goes on. */
static char *next_line(char *buffer, int room, void *stream)
{
    struct reader *reader = stream;
    size_t most = (size_t)room - 1 < PTL_CONFIG_LINE_MAX ? (size_t)room - 1 : PTL_CONFIG_LINE_MAX;

    end_line(reader);
    if (reader->section_follows) {
        reader->section_follows = false;
        reader->is_section_key = true;
        memcpy(buffer, section_key, sizeof section_key);
        return buffer;
    }
    if (reader->at == reader->end) {
        return NULL;
    }
    reader->line++;
    const char *text = reader->at;
    const char *stop = memchr(text, '\n', (size_t)(reader->end - text));
    reader->at = stop ? stop + 1 : reader->end;
    stop = stop ? stop : reader->end;
    while (text < stop && (*text == ' ' || *text == '\t')) {
        text++;
    }
    while (text < stop && stop[-1] == '\r') {
        stop--;
    }
    size_t size = judge_line(reader, text, (size_t)(stop - text), most);
    memcpy(buffer, text, size);
    buffer[size] = '\0';
    return buffer;
}

static int hear(void *data, const char *section, const char *key, const char *value)
{
    struct reader *reader = data;

    reader->is_awaited = false;
    if (reader->is_section_key) {
        reader->hearer->section(reader->hearer->data, reader->line, section);
    } else if (key[0] == '\0') {
        ptl_settings_mistake(reader->settings, reader->line, "has no key before the '='");
    } else {
        reader->hearer->key(reader->hearer->data, reader->line, key, value ? value : "");
    }
    return 1;
}

void ptl_config_lines(struct ptl_settings *settings, const struct ptl_config_text *text,
                      const struct ptl_config_hearer *hearer)
{
    static const char mark[] = "\xef\xbb\xbf"; /* that editors of other systems write */
    struct reader reader = {.settings = settings, .hearer = hearer, .at = text->bytes};

    reader.end = text->bytes + text->size;
    if (text->size >= 3 && memcmp(text->bytes, mark, 3) == 0) {
        reader.at += 3;
    }
    int result = ini_parse_stream(next_line, &reader, hear, &reader);
    if (result < 0) { /* its line otherwise, of which all is said */
        settings->has_no_memory = true;
    }
}
