/*
 * tools/config/read.h - a configuration file becomes settings.
 */
#pragma once

#include "tools/settings.h"

/*
 * Read the file, and note all that it gives and all that is wrong in it.  `profile` is the one that
 * counts; NULL: what stands at its top only.
 * Owns: `file` must outlive the settings.
 */
void ptl_config_read(struct ptl_settings *settings, const char *file, const char *profile);
