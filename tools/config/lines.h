/*
 * tools/config/lines.h - a configuration's text, line by line: sections, keys and their values.
 *
 *   text --line--> inih --section, key, value--> whoever hears them
 *
 * inih says what a line means.  What it does not say is added here: which line it was, that a
 * section begins though no key is in it, and each line that is neither, not the first alone.
 */
#pragma once

#include "tools/config/text.h"

#define PTL_CONFIG_LINE_MAX 199 /* bytes of a line without its end: inih's own bound */

/* A section's name is NULL where its line is wrong.  inih cuts names at 49 bytes. */
struct ptl_config_hearer {
    void (*section)(void *data, unsigned line, const char *name);
    void (*key)(void *data, unsigned line, const char *key, const char *value);
    void *data;
};

/*
 * Go through the text; mistakes in how it is written are noted in `settings`, lines count from 1.
 * Strings live while the hearer has them.
 */
void ptl_config_lines(struct ptl_settings *settings, const struct ptl_config_text *text,
                      const struct ptl_config_hearer *hearer);
