/*
 * tools/top/screen.h - a cluster on a terminal, and keys to look at it by.
 *
 *   terminal.h   what the terminal is and was     screen.c   what is on it, which key does what
 */
#pragma once

#include "tools/top/cluster.h"

/*
 * Show it until a key or a signal ends that.  The terminal is then as it was before, whatever has
 * ended it but a signal that no program can take.  Returns the exit code, or -1: the terminal
 * cannot be drawn on, and nothing was.
 */
int ptl_screen_show(struct ptl_client *client, struct ptl_cluster *cluster);
