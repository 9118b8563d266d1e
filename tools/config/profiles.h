/*
 * tools/config/profiles.h - the profiles of a configuration, and which inherits from which.
 *
 *   [profile edge]            picked:     layer 4
 *   inherit = remote           `- remote: layer 3
 *                                 `- the file's top: layer 2
 */
#pragma once

#include "tools/settings.h"

#define PTL_PROFILES_MAX 64
#define PTL_PROFILE_NAME_MAX 40 /* bytes, without its NUL; what inih has cut has more */

struct ptl_config_profile {
    char name[PTL_PROFILE_NAME_MAX + 1];
    char inherits[PTL_PROFILE_NAME_MAX + 1]; /* "": from the top only */
    unsigned line;
    unsigned inherit_line;
    unsigned layer; /* PTL_LAYER_NONE until it is picked */
};

struct ptl_config_profiles {
    struct ptl_config_profile items[PTL_PROFILES_MAX];
    size_t count;
};

/* A section begins.  False, and a mistake, where it is no profile, or one that is there already. */
bool ptl_config_profile_begin(struct ptl_config_profiles *profiles, struct ptl_settings *settings,
                              unsigned line, const char *section);

/* The profile that was begun last inherits. */
void ptl_config_profile_inherit(struct ptl_config_profiles *profiles, struct ptl_settings *settings,
                                unsigned line, const char *name);

/* Look for what is inherited and is not there, and for circles. */
void ptl_config_profiles_judge(const struct ptl_config_profiles *profiles,
                               struct ptl_settings *settings);

/* Give the profile of that name, and those that it inherits from, their layers. */
void ptl_config_profiles_pick(struct ptl_config_profiles *profiles, struct ptl_settings *settings,
                              const char *name);

/* The layer of what stands at that line. */
unsigned ptl_config_profiles_layer(const struct ptl_config_profiles *profiles, unsigned line);
