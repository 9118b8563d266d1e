/*
 * tools/config/warnings.h - what would work and is not secure, or not what was meant.
 */
#pragma once

#include "tools/settings.h"

#define PTL_WARNING_MAX 1024 /* bytes of one, its NUL included */

typedef void ptl_warn_fn(void *data, const char *warning);

/* Tell of each thing to be warned of, what to do about it included. */
void ptl_config_warn(const struct ptl_options *options, ptl_warn_fn *warn, void *data);
