#include "tools/config/text.h"

#include "tools/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse_size(struct ptl_settings *settings)
{
    ptl_settings_mistake(settings, 0,
                         "has more than %zu bytes: it can be no configuration, name another file",
                         PTL_CONFIG_BYTES_MAX);
    return false;
}

/* A pipe's size is known at its end only: one byte too many is read. */
static bool read_all(struct ptl_settings *settings, int file, struct ptl_config_text *text)
{
    while (text->size <= PTL_CONFIG_BYTES_MAX) {
        ssize_t count = read(file, text->bytes + text->size, PTL_CONFIG_BYTES_MAX + 1 - text->size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            ptl_settings_mistake(settings, 0, "cannot be read: %s", strerror(errno));
            return false;
        }
        if (count == 0) {
            return true;
        }
        text->size += (size_t)count;
    }
    return refuse_size(settings);
}

static bool read_open_file(struct ptl_settings *settings, int file, struct ptl_config_text *text)
{
    struct stat status;

    if (fstat(file, &status) != 0) {
        ptl_settings_mistake(settings, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    settings->file_mode = status.st_mode;
    settings->file_owner = status.st_uid;
    if (S_ISDIR(status.st_mode)) {
        ptl_settings_mistake(settings, 0, "is a folder: name a file in it");
        return false;
    }
    if (settings->is_again && !S_ISREG(status.st_mode)) {
        ptl_settings_mistake(settings, 0, "is no file but a pipe or device: it is read once");
        return false;
    }
    if (S_ISREG(status.st_mode) && status.st_size > (off_t)PTL_CONFIG_BYTES_MAX) {
        return refuse_size(settings);
    }
    return read_all(settings, file, text);
}

/* What would not show, or change the terminal that a complaint is shown on: C0 and C1 controls but
 * for tabs and ends of lines, of which a carriage return is one before a line feed only. */
static bool is_control(const struct ptl_config_text *text, size_t at)
{
    unsigned char byte = (unsigned char)text->bytes[at];
    unsigned char next = at + 1 < text->size ? (unsigned char)text->bytes[at + 1] : 0;

    if (byte == '\r') {
        return next != '\n';
    }
    return (byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f ||
           (byte == 0xc2 && next >= 0x80 && next < 0xa0);
}

static bool check_text(struct ptl_settings *settings, const struct ptl_config_text *text)
{
    unsigned line = 1;

    for (size_t i = 0; i < text->size; i++) {
        unsigned char byte = (unsigned char)text->bytes[i];
        if (is_control(text, i) && byte == '\r') {
            ptl_settings_mistake(settings, line,
                                 "a carriage return ends no line by itself: end "
                                 "lines with a line feed");
            return false;
        }
        if (is_control(text, i)) {
            ptl_settings_mistake(settings, line,
                                 "the byte 0x%02x is none of a text: is this a configuration?",
                                 (unsigned)byte);
            return false;
        }
        line += byte == '\n';
    }
    if (!ptl_is_text(text->bytes, text->size)) {
        ptl_settings_mistake(settings, 0, "is no text in UTF-8: is this a configuration?");
        return false;
    }
    return true;
}

bool ptl_config_text_read(struct ptl_settings *settings, const char *path,
                          struct ptl_config_text *text)
{
    *text = (struct ptl_config_text){.bytes = malloc(PTL_CONFIG_BYTES_MAX + 1)};
    if (!text->bytes) {
        settings->has_no_memory = true;
        return false;
    }
    int wait = settings->is_again ? O_NONBLOCK : 0; /* for the writer of a pipe */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | wait);
    if (file < 0) {
        ptl_settings_mistake(settings, 0, "cannot be opened: %s", strerror(errno));
    }
    bool good = file >= 0 && read_open_file(settings, file, text) && check_text(settings, text);
    if (file >= 0) {
        close(file);
    }
    if (!good) {
        free(text->bytes);
        text->bytes = NULL;
    }
    return good;
}
