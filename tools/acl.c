/*
 * portolan acl check - whether rules for what other nodes may do are right, and what they say.
 */
#include "tools/common.h"
#include "tools/rules_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_mistake(void *data, const char *mistake)
{
    (void)data;
    ptl_complain(PTL_EXIT_START, "%s", mistake);
}

static void print_question_mistake(void *data, unsigned line, const char *what)
{
    (void)data;
    (void)line;
    ptl_complain(PTL_EXIT_USAGE, "%s", what);
}

/* A line of the file, from 1, without its end. */
static const char *find_line(const struct ptl_rules_file *file, unsigned line, size_t *size)
{
    const char *at = file->text, *end = file->text + file->size;

    for (unsigned i = 1; i < line; i++) {
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1; /* there is such a line */
    }
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    *size = (size_t)((line_end ? line_end : end) - at);
    *size -= *size > 0 && at[*size - 1] == '\r';
    return at;
}

static int print_verdict(const char *path, const struct ptl_rules_file *file, bool allows,
                         unsigned line)
{
    const char *verdict = allows ? "allowed" : "denied";
    int printed;

    if (line == 0) {
        printed = printf("%s: no rule of %s fits\n", verdict, path);
    } else {
        size_t size;
        const char *text = find_line(file, line, &size);
        printed = printf("%s by %s:%u: %.*s\n", verdict, path, line, (int)size, text);
    }
    if (printed < 0 || fflush(stdout) != 0) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
    }
    return allows ? PTL_EXIT_OK : PTL_EXIT_DENIED;
}

static int print_count(const char *path, unsigned count)
{
    bool good =
        printf("%s: %u rule%s\n", path, count, count == 1 ? "" : "s") >= 0 && fflush(stdout) == 0;

    return good ? PTL_EXIT_OK : ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
}

static int ask(const char *path, const struct ptl_rules_file *file, char *const words[], int count)
{
    unsigned line;

    if (count == 0) {
        return print_count(path, ptl_rules_count(file->rules));
    }
    int answer = ptl_rules_ask(file->rules, (const char *const *)words, (size_t)count,
                               print_question_mistake, NULL, &line);
    return answer < 0 ? PTL_EXIT_USAGE : print_verdict(path, file, answer == 1, line);
}

int ptl_command_acl(const struct ptl_options *options)
{
    struct ptl_rules_file file;

    if (options->argument_count < 2 || strcmp(options->arguments[0], "check") != 0) {
        return ptl_complain_form("acl check FILE [NODE [by PROOF] ACTION [OBJECT]]");
    }
    const char *path = options->arguments[1];
    int code = ptl_rules_file_read(path, false, print_mistake, NULL, &file);
    if (code == PTL_EXIT_OK) {
        code = ask(path, &file, options->arguments + 2, options->argument_count - 2);
    }
    ptl_rules_file_drop(&file);
    return code;
}
