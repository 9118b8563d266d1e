/*
 * `portolan init`: a first configuration, for somebody who has never seen one.
 *
 *   command line, questions on a terminal -> what the file says -> a new file, for its owner only
 */
#include "tools/common.h"
#include "tools/config/lines.h"
#include "tools/option_values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_OUTPUT "portolan.conf"
#define ANSWER_MAX 1024 /* bytes of an answer */
#define ATTEMPTS_MAX 3  /* at one question */

/* What the file says of a key, in its order; keys that are not here follow where they are given. */
static const struct entry {
    const char *key;
    const char *comment;
    const char *example; /* where nothing is given, behind a ';'; NULL: the default */
    const char *question;
} entries[] = {
    {"node", "; The node's ID, unique in the network.  Without one it is the host's name.\n",
     "rain", "The node's ID, unique in the network [the host's name]: "},
    {"bind",
     "; Where it listens; again for each more address.  0.0.0.0:4040 is every address of this\n"
     "; host.  Only 127.0.0.1 is out of others' reach.\n",
     NULL, "Where it listens, HOST:PORT [127.0.0.1:4040]: "},
    {"seed",
     "; A node of the network that this one joins; again for each more.  Without any, others\n"
     "; join this one.\n",
     "10.0.0.1:4040", "A node of the network to join, HOST:PORT [none]: "},
    {"secret",
     "; Who has the secret belongs to the network: it is the same on all nodes.  `secret-file =\n"
     "; PATH` in its place names a file that holds it.  Whoever may read this file has it, too.\n",
     NULL, NULL},
    {"no-global", "; A node holds the network's whole database, or, with yes, asks its seed.\n",
     "yes", NULL},
    {"log", "; What is logged: error, warn, info or debug.\n", NULL, NULL},
};

#define ENTRIES (sizeof entries / sizeof entries[0])

static const char head[] =
    "; The configuration of a portolan node.  Behind a ; is a comment; a key is called like the\n"
    "; option of `portolan run` that it stands for, and --key on the command line, or a variable\n"
    "; PORTOLAN_KEY, counts more than it does here.\n"
    ";\n"
    ";   portolan config check FILE      is it right, and what does it come to?\n"
    ";   portolan run --config FILE      start the node\n"
    ";\n"
    "; All keys that there are, with their defaults, are printed by the first of these.\n";

static const char tail[] = "\n; A profile says what is different for some nodes: portolan run "
                           "--config FILE --profile edge\n"
                           ";[profile edge]\n"
                           ";no-global = yes\n"
                           ";[profile lab]\n"
                           ";inherit = edge\n"
                           ";log = debug\n";

/* ---- What is given ------------------------------------------------------------------------- */

static bool is_given(const struct ptl_settings *settings, const char *key)
{
    return ptl_settings_text(settings, key, PTL_LAYER_FLAG) != NULL;
}

/* The value as it is to stand in the file: a path is one from here, wherever the file is. */
static bool value_of(const struct ptl_given *given, char value[PATH_MAX])
{
    char here[PATH_MAX] = "";
    bool is_relative = given->option->is_path && given->text[0] != '/' && given->text[0] != '\0';

    if (is_relative && !getcwd(here, sizeof here)) {
        return false;
    }
    return snprintf(value, PATH_MAX, "%s%s%s", here, is_relative ? "/" : "", given->text) <
           PATH_MAX;
}

/* Whether a value comes out of the file as it went in. */
static bool is_writable(const struct ptl_given *given)
{
    char value[PATH_MAX];

    if (!value_of(given, value)) {
        return false;
    }
    size_t size = strlen(value);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f ||
            (value[i] == ' ' && (i == 0 || i + 1 == size || strchr(";#", value[i + 1])))) {
            return false;
        }
    }
    return size > 0 && !strchr("\"';#", value[0]) && ptl_is_text(value, size) &&
           strlen(given->option->name) + 3 + size <= PTL_CONFIG_LINE_MAX;
}

static int check_writable(const struct ptl_settings *settings)
{
    for (const struct ptl_given *given = settings->givens; given; given = given->next) {
        if (ptl_option_is_key(given->option) && !is_writable(given)) {
            return ptl_complain(PTL_EXIT_USAGE,
                                "the value of --%s cannot stand in a configuration: it has more "
                                "than a line of %d bytes holds, a comment's sign, quotes or "
                                "blanks around it",
                                given->option->name, PTL_CONFIG_LINE_MAX);
        }
    }
    return PTL_EXIT_OK;
}

/* ---- Questions ----------------------------------------------------------------------------- */

/* One line without its end.  False at the end of all input. */
static bool read_answer(char answer[ANSWER_MAX])
{
    if (!fgets(answer, ANSWER_MAX, stdin)) {
        return false;
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    return true;
}

/* An empty answer is the default.  False when there will be no good one. */
static bool ask(struct ptl_settings *settings, const struct entry *entry)
{
    const struct ptl_option *option = ptl_option_find(entry->key, strlen(entry->key));
    char answer[ANSWER_MAX];
    char why[PTL_WHY_MAX];

    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct ptl_options nobody = {0};
        printf("%s", entry->question);
        if (fflush(stdout) != 0 || !read_answer(answer)) {
            return false;
        }
        if (answer[0] == '\0') {
            return true;
        }
        if (option->take(option, answer, &nobody, why)) {
            ptl_settings_give(settings, option, answer, strlen(answer), PTL_LAYER_FLAG, 0);
            return true;
        }
        printf("%s %s\n", entry->key, why);
    }
    return false;
}

/* People are asked, scripts are not. */
static int ask_all(struct ptl_settings *settings)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return PTL_EXIT_OK;
    }
    for (size_t i = 0; i < ENTRIES; i++) {
        if (entries[i].question && !is_given(settings, entries[i].key) &&
            !ask(settings, &entries[i])) {
            return ptl_complain(PTL_EXIT_OTHER, "there was no answer: nothing was written");
        }
    }
    return settings->has_no_memory ? ptl_complain(PTL_EXIT_OTHER, "no memory") : PTL_EXIT_OK;
}

/* A fresh secret where none is given. */
static int make_secret(struct ptl_settings *settings)
{
    char secret[PTL_SECRET_TEXT_SIZE];

    if (is_given(settings, "secret") || is_given(settings, "secret-file")) {
        return PTL_EXIT_OK;
    }
    if (!ptl_secret_generate(secret)) {
        return ptl_complain(PTL_EXIT_OTHER, "the system has no random bytes: %s", strerror(errno));
    }
    ptl_settings_give(settings, ptl_option_find("secret", 6), secret, strlen(secret),
                      PTL_LAYER_FLAG, 0);
    return settings->has_no_memory ? ptl_complain(PTL_EXIT_OTHER, "no memory") : PTL_EXIT_OK;
}

/* What was answered counts as well as what was given. */
static int check_secret(struct ptl_settings *settings)
{
    struct ptl_options all = {.settings = settings};

    ptl_settings_take(settings, &all);
    return all.secret ? ptl_secret_judge_size(&all, strlen(all.secret)) : PTL_EXIT_OK;
}

/* ---- The file ------------------------------------------------------------------------------ */

/* Whether a flag counts: where one value is taken it is the last one that was given. */
static bool is_last(const struct ptl_settings *settings, const struct ptl_given *given)
{
    return given->option->is_repeated ||
           given->text == ptl_settings_text(settings, given->option->name, PTL_LAYER_FLAG);
}

/* All values of a key; whether there was one. */
static bool write_key(const struct ptl_settings *settings, const char *key, FILE *file)
{
    char value[PATH_MAX];
    bool any = false;

    for (const struct ptl_given *given = settings->givens; given; given = given->next) {
        if (strcmp(given->option->name, key) == 0 && is_last(settings, given) &&
            value_of(given, value)) {
            fprintf(file, "%s = %s\n", key, value);
            any = true;
        }
    }
    return any;
}

static void write_entry(const struct ptl_settings *settings, const struct entry *entry, FILE *file)
{
    const struct ptl_option *option = ptl_option_find(entry->key, strlen(entry->key));
    bool any;

    fprintf(file, "\n%s", entry->comment);
    any = write_key(settings, entry->key, file);
    any = (option->choice && write_key(settings, "secret-file", file)) || any;
    if (!any && entry->example) {
        fprintf(file, ";%s = %s\n", entry->key, entry->example);
    } else if (!any) {
        fprintf(file, "%s = %s\n", entry->key, option->usual);
    }
}

static bool has_entry(const struct ptl_option *option)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        if (strcmp(entries[i].key, option->name) == 0) {
            return true;
        }
    }
    return option->choice != NULL; /* it stands with the other of its choice */
}

static void write_all(const struct ptl_settings *settings, FILE *file)
{
    fputs(head, file);
    for (size_t i = 0; i < ENTRIES; i++) {
        write_entry(settings, &entries[i], file);
    }
    for (size_t i = 0; i < ptl_option_count; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        if (ptl_option_is_key(option) && !has_entry(option) && is_given(settings, option->name)) {
            fputc('\n', file);
            write_key(settings, option->name, file);
        }
    }
    fputs(tail, file);
}

/* Never one that is there, nor through a link: O_EXCL. */
static int write_file(const struct ptl_settings *settings, const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);

    if (descriptor < 0) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot make %s: %s%s", path, strerror(errno),
                            errno == EEXIST ? ": it is left as it is, name another --output" : "");
    }
    FILE *file = fdopen(descriptor, "w");
    bool good = file && fchmod(descriptor, 0600) == 0; /* whatever the umask took away */
    if (good) {
        write_all(settings, file);
        good = fflush(file) == 0 && !ferror(file) && fsync(descriptor) == 0;
    }
    int err = errno;
    if (file) {
        good = fclose(file) == 0 && good;
    } else {
        close(descriptor);
    }
    if (!good) {
        unlink(path);
        return ptl_complain(PTL_EXIT_OTHER, "cannot write %s: %s", path, strerror(err));
    }
    return PTL_EXIT_OK;
}

/* What to type next: here, and where other commands are to talk to the node. */
static bool print_steps(const struct ptl_settings *settings, const char *path)
{
    const char *secret_file = ptl_settings_text(settings, "secret-file", PTL_LAYER_FLAG);
    bool good = printf("%s is written: portolan run --config %s\n", path, path) >= 0;

    if (secret_file) {
        good = good &&
               printf("other commands need its secret, too: --secret-file %s\n", secret_file) >= 0;
    } else {
        good = good && printf("other commands need its secret, too: export "
                              "PORTOLAN_SECRET=\"$(sed -n 's/^secret = //p' %s)\"\n",
                              path) >= 0;
    }
    return good && fflush(stdout) == 0;
}

int ptl_command_init(const struct ptl_options *options)
{
    const char *path = options->output ? options->output : DEFAULT_OUTPUT;

    if (options->argument_count > 0 || options->config || options->profile) {
        return ptl_complain_form("init [--output FILE] [OPTION OF run...]");
    }
    if (access(path, F_OK) == 0) { /* before anybody answers questions for nothing */
        return ptl_complain(PTL_EXIT_OTHER, "%s is there already: name another --output", path);
    }
    int code = ask_all(options->settings);
    if (code == PTL_EXIT_OK) {
        code = make_secret(options->settings);
    }
    if (code == PTL_EXIT_OK) {
        code = check_secret(options->settings);
    }
    if (code == PTL_EXIT_OK) {
        code = check_writable(options->settings);
    }
    if (code == PTL_EXIT_OK) {
        code = write_file(options->settings, path);
    }
    if (code == PTL_EXIT_OK && !print_steps(options->settings, path)) {
        code = ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
    }
    return code;
}
