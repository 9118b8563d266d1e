#include "tools/config/profiles.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 400 /* bytes of names in a complaint */

static struct ptl_config_profile *find(struct ptl_config_profiles *profiles, const char *name)
{
    for (size_t i = 0; i < profiles->count; i++) {
        if (strcmp(profiles->items[i].name, name) == 0) {
            return &profiles->items[i];
        }
    }
    return NULL;
}

static const struct ptl_config_profile *find_const(const struct ptl_config_profiles *profiles,
                                                   const char *name)
{
    for (size_t i = 0; i < profiles->count; i++) {
        if (strcmp(profiles->items[i].name, name) == 0) {
            return &profiles->items[i];
        }
    }
    return NULL;
}

static bool is_name(const char *name)
{
    size_t size = strlen(name);

    return size > 0 && size <= PTL_PROFILE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               size;
}

bool ptl_config_profile_begin(struct ptl_config_profiles *profiles, struct ptl_settings *settings,
                              unsigned line, const char *section)
{
    bool is_profile = strncmp(section, "profile", 7) == 0 && strchr(" \t", section[7]);
    const char *name = is_profile ? section + 7 + strspn(section + 7, " \t") : "";

    if (!is_profile || !is_name(name)) {
        ptl_settings_mistake(
            settings, line,
            "there is no section [%s]: keys stand at the top, or in [profile NAME] "
            "with a name of up to %d letters, digits and ._-",
            section, PTL_PROFILE_NAME_MAX);
        return false;
    }
    const struct ptl_config_profile *same = find(profiles, name);
    if (same) {
        ptl_settings_mistake(settings, line,
                             "[profile %s] is there already, at line %u: write it once", name,
                             same->line);
        return false;
    }
    if (profiles->count == PTL_PROFILES_MAX) {
        ptl_settings_mistake(settings, line, "there are more than %d profiles", PTL_PROFILES_MAX);
        return false;
    }
    struct ptl_config_profile *profile = &profiles->items[profiles->count++];
    *profile = (struct ptl_config_profile){.line = line};
    snprintf(profile->name, sizeof profile->name, "%s", name);
    return true;
}

void ptl_config_profile_inherit(struct ptl_config_profiles *profiles, struct ptl_settings *settings,
                                unsigned line, const char *name)
{
    struct ptl_config_profile *profile = &profiles->items[profiles->count - 1];

    if (profile->inherit_line > 0) {
        ptl_settings_mistake(settings, line, "inherit is given already, at line %u: give it once",
                             profile->inherit_line);
    } else if (!is_name(name)) {
        ptl_settings_mistake(settings, line, "inherit takes the name of a profile");
    } else {
        profile->inherit_line = line;
        snprintf(profile->inherits, sizeof profile->inherits, "%s", name);
    }
}

/* "edge, remote" */
static void name_all(const struct ptl_config_profiles *profiles, char names[NAMES_MAX])
{
    size_t used = (size_t)snprintf(names, NAMES_MAX, "%s", profiles->count == 0 ? "none" : "");

    for (size_t i = 0; i < profiles->count && used < NAMES_MAX; i++) {
        used += (size_t)snprintf(names + used, NAMES_MAX - used, "%s%s", i > 0 ? ", " : "",
                                 profiles->items[i].name);
    }
}

/* Whether the way from a profile comes back to it, which is the first in the file that it meets. */
static bool closes_circle(const struct ptl_config_profiles *profiles,
                          const struct ptl_config_profile *start)
{
    const struct ptl_config_profile *at = start;

    for (size_t steps = 0; steps < profiles->count; steps++) {
        at = find_const(profiles, at->inherits);
        if (!at || at < start) {
            return false;
        }
        if (at == start) {
            return true;
        }
    }
    return false;
}

void ptl_config_profiles_judge(const struct ptl_config_profiles *profiles,
                               struct ptl_settings *settings)
{
    char names[NAMES_MAX];

    for (size_t i = 0; i < profiles->count; i++) {
        const struct ptl_config_profile *profile = &profiles->items[i];
        if (profile->inherit_line > 0 && !find_const(profiles, profile->inherits)) {
            name_all(profiles, names);
            ptl_settings_mistake(settings, profile->inherit_line,
                                 "there is no [profile %s] to inherit from; there are: %s",
                                 profile->inherits, names);
        } else if (closes_circle(profiles, profile)) {
            ptl_settings_mistake(settings, profile->inherit_line,
                                 "[profile %s] inherits from itself, by %s: cut the circle",
                                 profile->name, profile->inherits);
        }
    }
}

void ptl_config_profiles_pick(struct ptl_config_profiles *profiles, struct ptl_settings *settings,
                              const char *name)
{
    struct ptl_config_profile *picked = find(profiles, name);
    unsigned layer = PTL_LAYER_FILE + PTL_PROFILES_MAX;
    char names[NAMES_MAX];

    if (!picked) {
        name_all(profiles, names);
        ptl_settings_mistake(settings, 0, "there is no [profile %s]; there are: %s", name, names);
        return;
    }
    /* A way that comes back to where it was ends there; the circle was told. */
    for (struct ptl_config_profile *at = picked; at && at->layer == PTL_LAYER_NONE;
         at = find(profiles, at->inherits)) {
        at->layer = layer--;
    }
}

unsigned ptl_config_profiles_layer(const struct ptl_config_profiles *profiles, unsigned line)
{
    unsigned layer = PTL_LAYER_FILE;

    for (size_t i = 0; i < profiles->count && profiles->items[i].line < line; i++) {
        layer = profiles->items[i].layer;
    }
    return layer;
}
