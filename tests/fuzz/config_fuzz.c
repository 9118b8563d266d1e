/*
 * Any bytes as a configuration file: what is wrong in it is told in lines that an operator can
 * read, and where nothing is, what `config check` prints is a configuration that comes to the same.
 *
 *   [ whether a profile is picked, "a" | bytes ]
 */
#include "tests/fuzz/input.h"
#include "tools/config/effective.h"
#include "tools/config/lines.h"
#include "tools/config/read.h"
#include "tools/config/warnings.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATH_SIZE 32

/* A file of these bytes that is gone when it is closed; `path` leads to it. */
static int open_file(struct ptl_span bytes, char path[PATH_SIZE])
{
    int file = memfd_create("portolan.conf", MFD_CLOEXEC);

    ptl_assert(file >= 0);
    ptl_assert(write(file, bytes.bytes, bytes.size) == (ssize_t)bytes.size);
    snprintf(path, PATH_SIZE, "/proc/self/fd/%d", file);
    return file;
}

/* A line for an operator; a tab in it is the file's own. */
static void check_line(const char *line, size_t size_max)
{
    ptl_assert(strlen(line) < size_max);
    for (const char *at = line; *at != '\0'; at++) {
        ptl_assert(((unsigned char)*at >= 0x20 && *at != 0x7f) || *at == '\t');
    }
}

static void hear_mistake(void *data, enum ptl_exit code, const char *mistake)
{
    (void)data, (void)code;
    check_line(mistake, PTL_MISTAKE_MAX + PTL_WHERE_MAX);
}

static void hear_warning(void *data, const char *warning)
{
    (void)data;
    check_line(warning, PTL_WARNING_MAX);
}

/* What a file comes to.  Owns: the caller frees the settings. */
static struct ptl_settings *settle(struct ptl_options *options, const char *path,
                                   const char *profile)
{
    struct ptl_settings *settings = ptl_settings_new();

    ptl_assert(settings != NULL);
    *options = (struct ptl_options){.settings = settings};
    ptl_config_read(settings, path, profile);
    ptl_settings_give_defaults(settings);
    ptl_settings_take(settings, options);
    ptl_settings_tell(settings, hear_mistake, NULL);
    return settings;
}

/* Whether all lines are ones that a file can have: a path that was made longer need not be. */
static bool can_be_read(const char *text)
{
    for (size_t size; *text != '\0'; text += size + (text[size] == '\n')) {
        size = strcspn(text, "\n");
        if (size > PTL_CONFIG_LINE_MAX) {
            return false;
        }
    }
    return true;
}

/* What is printed of it, read again, comes to the same. */
static void check_printed(const struct ptl_settings *settings)
{
    char digest[PTL_DIGEST_TEXT_SIZE], again[PTL_DIGEST_TEXT_SIZE], path[PATH_SIZE];
    struct ptl_options options;
    size_t size = 0;
    char *text = NULL;
    FILE *file = open_memstream(&text, &size);

    ptl_assert(file != NULL && ptl_config_print(settings, file));
    fclose(file);
    if (can_be_read(text)) {
        int descriptor = open_file(ptl_span(text, size), path);
        struct ptl_settings *printed = settle(&options, path, NULL);
        ptl_assert(printed->mistake_count == 0);
        ptl_assert(ptl_config_digest(settings, digest) && ptl_config_digest(printed, again));
        ptl_assert(strcmp(digest, again) == 0);
        ptl_settings_free(printed);
        close(descriptor);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    const char *profile = (fuzz_byte(&input) & 1) != 0 ? "a" : NULL;
    struct ptl_options options;
    char path[PATH_SIZE];

    int descriptor = open_file(fuzz_rest(&input), path);
    struct ptl_settings *settings = settle(&options, path, profile);
    if (settings->mistake_count == 0) {
        ptl_config_warn(&options, hear_warning, NULL);
        check_printed(settings);
    }
    ptl_settings_free(settings);
    close(descriptor);
    return 0;
}
