/*
 * tools/config/reload.h - a running node is told to look at its configuration file again.
 */
#pragma once

#include "tools/journal.h"
#include "tools/settings.h"

/*
 * Read the file anew.  What can change while the node runs, which is the level of its log, changes;
 * of what cannot a line says so.  A file with mistakes changes nothing, and each is a line.
 * `options` are those that the node was started with, and stay.
 */
void ptl_config_reload(struct ptl_node *node, const struct ptl_options *options,
                       struct ptl_journal *journal);
