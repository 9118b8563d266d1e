/*
 * tools/common.h - what `run` and the client commands do alike: a node's options, waiting, names.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/command.h"
#include "tools/journal.h"
#include "tools/secret.h"

#define PTL_DEFAULT_ADDRESS "127.0.0.1:4040"

/* The host's name, made fit for a node ID.  Owns: the buffer is the caller's. */
void ptl_host_name(char name[PTL_NODE_ID_MAX]);

/*
 * Fill in what every command's node has: ID, secret, framings, journal.  Owns: pointers into
 * `options`, `secret` and `journal`, which must outlive the start.
 */
struct ptl_node_options ptl_common_options(const struct ptl_options *options, const char *id,
                                           const struct ptl_secret *secret,
                                           struct ptl_journal *journal);

/*
 * Block SIGINT and SIGTERM on this thread and those it makes, and have them come to a descriptor.
 * Returns it, or -errno.  SIGPIPE is ignored: a closed standard output is an error like any other.
 */
int ptl_signals_open(void);

/* The line of a node that did not start: the journal's, or the error's own. */
int ptl_complain_start(struct ptl_journal *journal, int err);
