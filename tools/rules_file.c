#include "tools/rules_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who hears of the mistakes of which file. */
struct hearer {
    const char *path;
    ptl_rules_file_mistake_fn *tell;
    void *data;
};

static int complain(const struct hearer *hearer, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tell what is wrong with the file as a whole; returns `code`. */
static int complain(const struct hearer *hearer, int code, const char *format, ...)
{
    char what[256], mistake[PTL_RULES_MISTAKE_MAX];
    va_list values;

    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    snprintf(mistake, sizeof mistake, "%s: %s", hearer->path, what);
    hearer->tell(hearer->data, mistake);
    return code;
}

static void tell_line(void *data, unsigned line, const char *what)
{
    const struct hearer *hearer = data;
    char mistake[PTL_RULES_MISTAKE_MAX];

    if (line == 0) {
        complain(hearer, 0, "%s", what);
        return;
    }
    snprintf(mistake, sizeof mistake, "%s:%u: %s", hearer->path, line, what);
    hearer->tell(hearer->data, mistake);
}

/* What it is, and who may write it. */
static int look(const struct hearer *hearer, int descriptor, bool again)
{
    struct stat status;

    if (fstat(descriptor, &status) != 0) {
        return complain(hearer, PTL_EXIT_START, "cannot be read: %s", strerror(errno));
    }
    if (S_ISDIR(status.st_mode)) {
        return complain(hearer, PTL_EXIT_START, "is a folder: name a file in it");
    }
    if (again && !S_ISREG(status.st_mode)) {
        return complain(hearer, PTL_EXIT_START, "is no file but a pipe or device: it is read once");
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & S_IWOTH) != 0) {
        return complain(hearer, PTL_EXIT_START,
                        "can be written by anybody: type 'chmod o-w %s', and look what it says",
                        hearer->path);
    }
    return PTL_EXIT_OK;
}

/* One byte too many is read where there is one: then it is too large. */
static int read_text(const struct hearer *hearer, int descriptor, struct ptl_rules_file *file)
{
    ssize_t count = 1;

    file->text = malloc(PTL_RULES_BYTES_MAX + 1);
    if (!file->text) {
        return complain(hearer, PTL_EXIT_OTHER, "no memory");
    }
    while (count != 0 && file->size <= PTL_RULES_BYTES_MAX) {
        count = read(descriptor, file->text + file->size, PTL_RULES_BYTES_MAX + 1 - file->size);
        if (count < 0 && errno != EINTR) {
            return complain(hearer, PTL_EXIT_START, "cannot be read: %s", strerror(errno));
        }
        file->size += count > 0 ? (size_t)count : 0;
    }
    return PTL_EXIT_OK;
}

static int read_rules(struct hearer *hearer, struct ptl_rules_file *file)
{
    int err = ptl_rules_read(file->text, file->size, tell_line, hearer, &file->rules);

    if (err == PTL_ENOMEM) {
        return complain(hearer, PTL_EXIT_OTHER, "no memory");
    }
    return err < 0 ? PTL_EXIT_START : PTL_EXIT_OK;
}

int ptl_rules_file_read(const char *path, bool again, ptl_rules_file_mistake_fn *tell, void *data,
                        struct ptl_rules_file *file)
{
    struct hearer hearer = {.path = path, .tell = tell, .data = data};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (again ? O_NONBLOCK : 0));

    *file = (struct ptl_rules_file){.size = 0};
    if (descriptor < 0) {
        return complain(&hearer, PTL_EXIT_START, "cannot be opened: %s", strerror(errno));
    }
    int code = look(&hearer, descriptor, again);
    if (code == PTL_EXIT_OK) {
        code = read_text(&hearer, descriptor, file);
    }
    close(descriptor);
    return code == PTL_EXIT_OK ? read_rules(&hearer, file) : code;
}

void ptl_rules_file_drop(struct ptl_rules_file *file)
{
    ptl_rules_free(file->rules);
    free(file->text);
    *file = (struct ptl_rules_file){.size = 0};
}
