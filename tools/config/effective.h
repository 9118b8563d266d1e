/*
 * tools/config/effective.h - what a node would run with: each option's value, and a digest of all.
 */
#pragma once

#include "tools/settings.h"

#include <stdio.h>

#define PTL_DIGEST_TEXT_SIZE 72 /* "sha256:" and 64 hexadecimal digits, a NUL included */

/*
 * Print each key with its value, as a configuration would have it, and where it comes from as a
 * comment behind it; keys without a value and secrets are comments.  False: it cannot be written.
 */
bool ptl_config_print(const struct ptl_settings *settings, FILE *file);

/* Whether the option's values are the same in both. */
bool ptl_config_is_same(const struct ptl_settings *one, const struct ptl_settings *two,
                        const struct ptl_option *option);

/*
 * The digest of all keys and values but secrets, wherever they were given: two nodes that have the
 * same one run alike.  False: there is none.
 */
bool ptl_config_digest(const struct ptl_settings *settings, char text[PTL_DIGEST_TEXT_SIZE]);
