#include "tools/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ptl_settings *ptl_settings_new(void)
{
    struct ptl_settings *settings = calloc(1, sizeof *settings);

    if (!settings) {
        return NULL;
    }
    settings->end = &settings->givens;
    settings->mistakes = calloc(PTL_MISTAKES_MAX, sizeof *settings->mistakes);
    if (!settings->mistakes) {
        free(settings);
        return NULL;
    }
    return settings;
}

void ptl_settings_free(struct ptl_settings *settings)
{
    if (!settings) {
        return;
    }
    while (settings->givens) {
        struct ptl_given *given = settings->givens;
        settings->givens = given->next;
        free(given);
    }
    free(settings->mistakes);
    free(settings);
}

void ptl_settings_give(struct ptl_settings *settings, const struct ptl_option *option,
                       const char *text, size_t size, unsigned layer, unsigned line)
{
    struct ptl_given *given = malloc(sizeof *given + size + 1);

    if (!given) {
        settings->has_no_memory = true;
        return;
    }
    *given = (struct ptl_given){.option = option, .layer = layer, .line = line};
    memcpy(given->text, text, size);
    given->text[size] = '\0';
    *settings->end = given;
    settings->end = &given->next;
}

void ptl_settings_give_defaults(struct ptl_settings *settings)
{
    for (size_t i = 0; i < ptl_option_count; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        if (option->usual) {
            ptl_settings_give(settings, option, option->usual, strlen(option->usual),
                              PTL_LAYER_DEFAULT, 0);
        }
    }
}

struct ptl_settings *ptl_settings_again(const struct ptl_settings *settings)
{
    struct ptl_settings *again = ptl_settings_new();

    if (again) {
        again->is_again = true;
    }
    for (const struct ptl_given *given = settings->givens; again && given; given = given->next) {
        if (given->line == 0) {
            ptl_settings_give(again, given->option, given->text, strlen(given->text), given->layer,
                              0);
        }
    }
    return again;
}

/* ---- Mistakes ------------------------------------------------------------------------------ */

bool ptl_settings_is_full(const struct ptl_settings *settings)
{
    return settings->mistake_count >= PTL_MISTAKES_MAX;
}

/* The place of one more, or NULL where it is only counted. */
static struct ptl_mistake *add_mistake(struct ptl_settings *settings)
{
    size_t index = settings->mistake_count++;

    return index < PTL_MISTAKES_MAX ? &settings->mistakes[index] : NULL;
}

void ptl_settings_mistake(struct ptl_settings *settings, unsigned line, const char *format, ...)
{
    struct ptl_mistake *mistake = add_mistake(settings);
    va_list arguments;

    if (mistake) {
        mistake->line = line;
        mistake->is_of_file = true;
        va_start(arguments, format);
        vsnprintf(mistake->text, sizeof mistake->text, format, arguments);
        va_end(arguments);
    }
}

/* A value that its option does not take. */
static void tell_wrong(struct ptl_settings *settings, struct ptl_given *given, const char *why)
{
    struct ptl_mistake *mistake = add_mistake(settings);
    char where[PTL_WHERE_MAX];

    given->is_wrong = true;
    if (!mistake) {
        return;
    }
    mistake->line = given->line;
    mistake->is_of_file = given->line > 0;
    if (given->line > 0) {
        snprintf(mistake->text, sizeof mistake->text, "%s %s", given->option->name, why);
    } else {
        ptl_settings_where(settings, given, where);
        snprintf(mistake->text, sizeof mistake->text, "%s %s", where, why);
    }
}

static int compare_lines(const void *left, const void *right)
{
    const struct ptl_mistake *one = left, *two = right;

    return one->line < two->line ? -1 : one->line > two->line;
}

void ptl_settings_tell(const struct ptl_settings *settings, ptl_mistake_fn *tell, void *data)
{
    size_t told = ptl_settings_is_full(settings) ? PTL_MISTAKES_MAX : settings->mistake_count;
    char line[PTL_MISTAKE_MAX + PTL_WHERE_MAX];

    if (settings->has_no_memory) {
        tell(data, PTL_EXIT_OTHER, "no memory");
        return;
    }
    qsort(settings->mistakes, told, sizeof *settings->mistakes, compare_lines);
    for (size_t i = 0; i < told; i++) {
        const struct ptl_mistake *mistake = &settings->mistakes[i];
        if (!mistake->is_of_file) {
            tell(data, PTL_EXIT_USAGE, mistake->text);
            continue;
        }
        if (mistake->line == 0) {
            snprintf(line, sizeof line, "%s: %s", settings->file, mistake->text);
        } else {
            snprintf(line, sizeof line, "%s:%u: %s", settings->file, mistake->line, mistake->text);
        }
        tell(data, PTL_EXIT_START, line);
    }
    if (settings->mistake_count > told) {
        snprintf(line, sizeof line, "... and %zu more mistakes", settings->mistake_count - told);
        tell(data, PTL_EXIT_START, line);
    }
}

/* Of several codes the file's says most. */
static void complain(void *data, enum ptl_exit code, const char *mistake)
{
    int *result = data;

    ptl_complain(code, "%s", mistake);
    if (*result == PTL_EXIT_OK || code != PTL_EXIT_USAGE) {
        *result = (int)code;
    }
}

int ptl_settings_complain(const struct ptl_settings *settings)
{
    int result = PTL_EXIT_OK;

    ptl_settings_tell(settings, complain, &result);
    return result;
}

/* ---- Which values count -------------------------------------------------------------------- */

static bool is_choice(const struct ptl_option *one, const struct ptl_option *two)
{
    return one == two || (one->choice && two->choice && strcmp(one->choice, two->choice) == 0);
}

/* Raise the layer of the option, and of those with which it is a choice. */
static void raise_layers(struct ptl_settings *settings, const struct ptl_given *given)
{
    for (size_t i = 0; i < ptl_option_count; i++) {
        if (is_choice(given->option, &ptl_option_table[i]) && given->layer > settings->layers[i]) {
            settings->layers[i] = given->layer;
        }
    }
}

bool ptl_settings_counts(const struct ptl_settings *settings, const struct ptl_given *given)
{
    return given->layer != PTL_LAYER_NONE &&
           given->layer == settings->layers[given->option - ptl_option_table];
}

/* Two different ones of a choice, in one place. */
static void judge_choice(struct ptl_settings *settings, struct ptl_given *given)
{
    char why[PTL_WHY_MAX];
    const struct ptl_given *other = settings->givens;

    while (other != given && (other->option == given->option || other->layer != given->layer ||
                              !is_choice(other->option, given->option))) {
        other = other->next;
    }
    if (other != given && given->layer != PTL_LAYER_NONE) {
        snprintf(why, sizeof why, "and %s are given: choose one", other->option->name);
        tell_wrong(settings, given, why);
    }
}

static void judge(struct ptl_settings *settings, struct ptl_given *given)
{
    struct ptl_options nobody = {0};
    char why[PTL_WHY_MAX];

    if (!given->option->take(given->option, given->text, &nobody, why)) {
        tell_wrong(settings, given, why);
    } else if (given->option->choice) {
        judge_choice(settings, given);
    }
}

static bool is_same_option_wrong(const struct ptl_settings *settings, const struct ptl_given *given)
{
    const struct ptl_given *other = settings->givens;

    while (other != given && (other->option != given->option || !other->is_wrong)) {
        other = other->next;
    }
    return other != given;
}

void ptl_settings_take(struct ptl_settings *settings, struct ptl_options *options)
{
    char why[PTL_WHY_MAX];

    for (struct ptl_given *given = settings->givens; given; given = given->next) {
        judge(settings, given);
        raise_layers(settings, given);
    }
    for (struct ptl_given *given = settings->givens; given; given = given->next) {
        if (ptl_settings_counts(settings, given) && !given->is_wrong &&
            !given->option->take(given->option, given->text, options, why) &&
            !is_same_option_wrong(settings, given)) { /* one too many is told once */
            tell_wrong(settings, given, why);
        }
    }
}

const char *ptl_settings_text(const struct ptl_settings *settings, const char *name, unsigned layer)
{
    const char *text = NULL;

    for (const struct ptl_given *given = settings->givens; given; given = given->next) {
        if (given->layer >= layer && strcmp(given->option->name, name) == 0) {
            layer = given->layer;
            text = given->text;
        }
    }
    return text;
}

void ptl_settings_where(const struct ptl_settings *settings, const struct ptl_given *given,
                        char where[PTL_WHERE_MAX])
{
    if (given->layer == PTL_LAYER_FLAG) {
        snprintf(where, PTL_WHERE_MAX, "--%s", given->option->name);
    } else if (given->layer == PTL_LAYER_ENVIRONMENT) {
        char variable[PTL_VARIABLE_MAX];
        ptl_option_variable(given->option, variable);
        snprintf(where, PTL_WHERE_MAX, "%s", variable);
    } else if (given->line > 0) {
        snprintf(where, PTL_WHERE_MAX, "%s:%u", settings->file, given->line);
    } else {
        snprintf(where, PTL_WHERE_MAX, "default");
    }
}

void ptl_settings_line(const struct ptl_settings *settings, const char *name,
                       char where[PTL_WHERE_MAX])
{
    where[0] = '\0';
    for (const struct ptl_given *given = settings->givens; given; given = given->next) {
        if (given->line > 0 && strcmp(given->option->name, name) == 0 &&
            ptl_settings_counts(settings, given)) {
            snprintf(where, PTL_WHERE_MAX, "%s:%u: ", settings->file, given->line);
        }
    }
}
