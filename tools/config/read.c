#include "tools/config/read.h"

#include "tools/config/lines.h"
#include "tools/config/profiles.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct ptl_settings *settings;
    struct ptl_config_profiles profiles;
    unsigned
        seen[PTL_OPTIONS_MAX]; /* in this section: the line of the first, by the table's rows */
    bool is_lost;              /* in a section that there is not */
};

static void hear_section(void *data, unsigned line, const char *name)
{
    struct reading *reading = data;

    memset(reading->seen, 0, sizeof reading->seen);
    reading->is_lost =
        !name || !ptl_config_profile_begin(&reading->profiles, reading->settings, line, name);
}

static void tell_unknown(struct ptl_settings *settings, unsigned line, const char *key)
{
    const char *like = ptl_settings_is_full(settings) ? NULL : ptl_option_like(key);

    if (like) {
        ptl_settings_mistake(settings, line, "there is no key '%s': is it '%s'?", key, like);
    } else {
        ptl_settings_mistake(settings, line,
                             "there is no key '%s': 'portolan config check /dev/null' prints all "
                             "that there are",
                             key);
    }
}

/* What is easily written and means something else. */
static bool check_value(struct ptl_settings *settings, unsigned line, const char *key,
                        const char *value)
{
    if (value[0] == '"' || value[0] == '\'') {
        ptl_settings_mistake(settings, line, "%s: write values without quotes", key);
    } else if (strstr(value, " #") || strstr(value, "\t#")) {
        ptl_settings_mistake(settings, line, "%s: a comment behind a value begins with ;, not #",
                             key);
    } else {
        return true;
    }
    return false;
}

/* A path of the file is one from the file's own folder, wherever the node is started. */
static void give_path(struct ptl_settings *settings, const struct ptl_option *option,
                      const char *value, unsigned line)
{
    const char *slash = strrchr(settings->file, '/');
    char path[PATH_MAX];

    if (value[0] == '/' || value[0] == '\0' || !slash) {
        ptl_settings_give(settings, option, value, strlen(value), PTL_LAYER_NONE, line);
        return;
    }
    int size = snprintf(path, sizeof path, "%.*s/%s", (int)(slash - settings->file), settings->file,
                        value);
    if (size >= (int)sizeof path) {
        ptl_settings_mistake(settings, line, "%s: the path is too long", option->name);
    } else {
        ptl_settings_give(settings, option, path, (size_t)size, PTL_LAYER_NONE, line);
    }
}

static void hear_option(struct reading *reading, unsigned line, const struct ptl_option *option,
                        const char *value)
{
    unsigned *seen = &reading->seen[option - ptl_option_table];

    if (*seen > 0 && !option->is_repeated) {
        ptl_settings_mistake(reading->settings, line,
                             "%s is given already, at line %u: it can be given once", option->name,
                             *seen);
        return;
    }
    *seen = line;
    if (!check_value(reading->settings, line, option->name, value)) {
        return;
    }
    if (option->is_path) {
        give_path(reading->settings, option, value, line);
    } else {
        ptl_settings_give(reading->settings, option, value, strlen(value), PTL_LAYER_NONE, line);
    }
}

static void hear_key(void *data, unsigned line, const char *key, const char *value)
{
    struct reading *reading = data;
    const struct ptl_option *option = ptl_option_find(key, strlen(key));

    if (option && ptl_option_is_key(option)) {
        hear_option(reading, line, option, value);
    } else if (strcmp(key, "inherit") != 0) {
        tell_unknown(reading->settings, line, key);
    } else if (reading->profiles.count > 0 && !reading->is_lost) {
        ptl_config_profile_inherit(&reading->profiles, reading->settings, line, value);
    } else if (!reading->is_lost) {
        ptl_settings_mistake(reading->settings, line, "inherit stands in a [profile NAME]");
    }
}

/* All is read, so that it is known which profiles count. */
static void set_layers(struct reading *reading)
{
    for (struct ptl_given *given = reading->settings->givens; given; given = given->next) {
        if (given->line > 0) {
            given->layer = ptl_config_profiles_layer(&reading->profiles, given->line);
        }
    }
}

void ptl_config_read(struct ptl_settings *settings, const char *file, const char *profile)
{
    struct reading reading = {.settings = settings};
    const struct ptl_config_hearer hearer = {
        .section = hear_section, .key = hear_key, .data = &reading};
    struct ptl_config_text text;

    settings->file = file;
    if (!ptl_config_text_read(settings, file, &text)) {
        return;
    }
    ptl_config_lines(settings, &text, &hearer);
    free(text.bytes);
    ptl_config_profiles_judge(&reading.profiles, settings);
    if (profile) {
        ptl_config_profiles_pick(&reading.profiles, settings, profile);
    }
    set_layers(&reading);
}
