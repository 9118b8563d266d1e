#include "tools/common.h"
#include "tools/config/read.h"
#include "tools/settings.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define CODE_ARGUMENT 1 /* getopt's own, for what is no option */

/* ---- The command line ---------------------------------------------------------------------- */

/* What getopt takes: the table's rows, and two that are no options of a command. */
static void list_options(struct option list[PTL_OPTIONS_MAX + 3])
{
    size_t count = 0;

    for (; count < ptl_option_count; count++) {
        const struct ptl_option *option = &ptl_option_table[count];
        list[count] =
            (struct option){.name = option->name,
                            .has_arg = option->is_yes_no ? optional_argument : required_argument,
                            .val = PTL_OPTION_CODE + (int)count};
    }
    list[count++] = (struct option){.name = "help", .val = 'h'};
    list[count++] = (struct option){.name = "version", .val = 'V'};
    list[count] = (struct option){.name = NULL};
}

/* Does the text at hand go to a port, though it begins with a minus? */
static bool is_negative_number(const char *text)
{
    return text && text[0] == '-' && isdigit((unsigned char)text[1]);
}

static void take_argument(struct ptl_options *options, char *argument)
{
    if (!options->command) {
        options->command = argument;
    } else {
        options->arguments[options->argument_count++] = argument;
    }
}

/* One word, and its value behind it. */
static int take_word(struct ptl_options *options, char *word, int code)
{
    if (code == ':') {
        return ptl_complain(PTL_EXIT_USAGE, "%s needs a value: see portolan --help", word);
    }
    if (code == '?') {
        return ptl_complain(PTL_EXIT_USAGE, "there is no option %s: see portolan --help", word);
    }
    if (code == CODE_ARGUMENT) {
        take_argument(options, optarg);
    } else if (code == 'h') {
        options->help = true;
    } else if (code == 'V') {
        options->version = true;
    } else {
        const char *text = optarg ? optarg : "yes";
        ptl_settings_give(options->settings, &ptl_option_table[code - PTL_OPTION_CODE], text,
                          strlen(text), PTL_LAYER_FLAG, 0);
    }
    return PTL_EXIT_OK;
}

/* Every argument and option in order; leaves defaults and checks to others. */
static int take_all(int argc, char **argv, struct ptl_options *options)
{
    struct option list[PTL_OPTIONS_MAX + 3];
    int err = PTL_EXIT_OK;

    list_options(list);
    optind = 1;
    while (err == PTL_EXIT_OK && optind < argc) {
        if (is_negative_number(argv[optind])) {
            take_argument(options, argv[optind++]);
            continue;
        }
        char *word = argv[optind];
        int code = getopt_long(argc, argv, "-:hV", list, NULL);
        if (code == -1) {
            break; /* "--" */
        }
        err = take_word(options, word, code);
    }
    while (err == PTL_EXIT_OK && optind < argc) {
        take_argument(options, argv[optind++]);
    }
    return err;
}

static int check_accepted(const struct ptl_options *options, unsigned of)
{
    const char *argument = options->argument_count > 0 ? options->arguments[0] : "";

    for (const struct ptl_given *given = options->settings->givens; given; given = given->next) {
        if (!(given->option->of & of)) {
            bool is_two = strcmp(options->command, "db") == 0 && argument[0] != '\0';
            return ptl_complain(PTL_EXIT_USAGE, "'%s%s%s' takes no --%s: see portolan --help",
                                options->command, is_two ? " " : "", is_two ? argument : "",
                                given->option->name);
        }
    }
    return PTL_EXIT_OK;
}

/* ---- What stands below it ------------------------------------------------------------------ */

/* "a,b" where there may be several, as it is where there may not. */
static void give_variable(struct ptl_settings *settings, const struct ptl_option *option,
                          const char *text)
{
    while (option->is_repeated && strchr(text, ',')) {
        size_t size = strcspn(text, ",");
        ptl_settings_give(settings, option, text, size, PTL_LAYER_ENVIRONMENT, 0);
        text += size + 1;
    }
    ptl_settings_give(settings, option, text, strlen(text), PTL_LAYER_ENVIRONMENT, 0);
}

/* An empty variable is none. */
static void give_environment(struct ptl_settings *settings, unsigned of)
{
    char name[PTL_VARIABLE_MAX];

    for (size_t i = 0; i < ptl_option_count; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        ptl_option_variable(option, name);
        const char *text = getenv(name);
        if ((option->of & of) && (option->is_for_clients || (option->of & of & PTL_OF_RUN)) &&
            text && text[0] != '\0') {
            give_variable(settings, option, text);
        }
    }
}

/* The file of `config check` is the one that it checks. */
static const char *file_of(const struct ptl_options *options)
{
    if (strcmp(options->command, "config") == 0 && options->argument_count == 2) {
        return options->arguments[1];
    }
    return ptl_settings_text(options->settings, "config", PTL_LAYER_ENVIRONMENT);
}

/* The environment, the file and the defaults of a node that is to run, or is looked at. */
static int give_run(struct ptl_options *options)
{
    const char *file = file_of(options);
    const char *profile = ptl_settings_text(options->settings, "profile", PTL_LAYER_ENVIRONMENT);

    if (profile && !file) {
        return ptl_complain(PTL_EXIT_USAGE, "--profile %s is one of a file: name it with --config",
                            profile);
    }
    if (file) {
        ptl_config_read(options->settings, file, profile);
    }
    ptl_settings_give_defaults(options->settings);
    return PTL_EXIT_OK;
}

/* Whether all mistakes are of the file. */
static bool are_of_file(const struct ptl_settings *settings)
{
    for (size_t i = 0; i < settings->mistake_count && i < PTL_MISTAKES_MAX; i++) {
        if (!settings->mistakes[i].is_of_file) {
            return false;
        }
    }
    return !settings->has_no_memory;
}

/* The doctor tells of a file's mistakes among the rest that it finds. */
static int complain_of_mistakes(const struct ptl_options *options)
{
    return strcmp(options->command, "doctor") == 0 && are_of_file(options->settings)
               ? PTL_EXIT_OK
               : ptl_settings_complain(options->settings);
}

/* All that is not on the command line, and what it comes to. */
static int complete(struct ptl_options *options)
{
    unsigned of = ~0u; /* an unknown command is complained of elsewhere */
    bool is_known = ptl_options_of(options->command,
                                   options->argument_count > 0 ? options->arguments[0] : NULL, &of);
    int err = check_accepted(options, of);

    if (err != PTL_EXIT_OK) {
        return err;
    }
    if (is_known && !(of & PTL_OF_INIT)) { /* which writes what it is told to, and nothing else */
        give_environment(options->settings, of);
        err = of & PTL_OF_RUN ? give_run(options) : PTL_EXIT_OK;
    }
    if (err == PTL_EXIT_OK) {
        ptl_settings_take(options->settings, options);
        if (strcmp(options->command, "run") == 0) {
            ptl_complain_as(ptl_journal_format(options->log_format), options->node);
        }
        err = complain_of_mistakes(options);
    }
    return err;
}

int ptl_options_parse(int argc, char **argv, struct ptl_options *options)
{
    *options = (struct ptl_options){
        .timeout_ms = 10000, .probe_ms = 2000, .links = 20, .ports = 10, .families = 20};
    /* Arguments are gathered at the front of argv, where what was there has been read already. */
    options->arguments = argv;
    options->settings = ptl_settings_new();
    if (!options->settings) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    int err = take_all(argc, argv, options);
    if (err != PTL_EXIT_OK || options->help || options->version || !options->command) {
        return err;
    }
    return complete(options);
}

void ptl_options_free(struct ptl_options *options)
{
    ptl_settings_free(options->settings);
    options->settings = NULL;
}
