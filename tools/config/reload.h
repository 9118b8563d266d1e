/*
 * tools/config/reload.h - a running node is told to look at its configuration file again.
 *
 *   SIGHUP --> the file, read anew --> every step judges --all content--> every step changes
 *                    |                       |
 *                    '------- a mistake -----'--> a line for each, and nothing is changed
 *
 * What can change while the node runs is a list of steps, a row each in reload.c; a line names the
 * other options that are not as they were at the start.
 */
#pragma once

#include "tools/config/reload_step.h"

/* Of a node that was started with these: they must outlive it. */
void ptl_running_init(struct ptl_running *running, struct ptl_node *node,
                      const struct ptl_options *options, struct ptl_secret *secret,
                      struct ptl_journal *journal);
void ptl_running_drop(struct ptl_running *running);

/* Read the file anew.  Thread: the main one. */
void ptl_config_reload(struct ptl_running *running);
