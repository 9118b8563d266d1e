/*
 * tools/config/text.h - a configuration file's bytes: read once, bounded, and looked at as a text.
 */
#pragma once

#include "tools/settings.h"

#define PTL_CONFIG_BYTES_MAX ((size_t)256 << 10) /* of a file */

struct ptl_config_text {
    char *bytes;
    size_t size;
};

/*
 * Read the file; its mode and owner are noted in `settings`.  False where it cannot be read, is a
 * folder, larger than PTL_CONFIG_BYTES_MAX or no text in UTF-8: that is a mistake, and noted.
 * Owns: the bytes are the caller's, who frees them.
 */
bool ptl_config_text_read(struct ptl_settings *settings, const char *path,
                          struct ptl_config_text *text);
