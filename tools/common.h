/*
 * tools/common.h - what `run` and the client commands do alike: a node's options, waiting, names.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/command.h"
#include "tools/journal.h"
#include "tools/secret.h"

#include <signal.h>

#define PTL_DEFAULT_ADDRESS "127.0.0.1:4040"

/* The host's name, made fit for a node ID.  Owns: the buffer is the caller's. */
void ptl_host_name(char name[PTL_NODE_ID_MAX]);

/*
 * Fill in what every command's node has: ID, secret, certificates, framings, journal.
 * Owns: pointers into `options`, `secret` and `journal`, which must outlive the start.
 */
struct ptl_node_options ptl_common_options(const struct ptl_options *options, const char *id,
                                           const struct ptl_secret *secret,
                                           struct ptl_journal *journal);

/*
 * Hold back what a node is told by signals, first thing in a process: a SIGHUP in its first
 * milliseconds would end it, and a SIGTERM would be nothing to a process 1.  `before`: what was
 * held back already, for ptl_signals_let_go() where the command is none that takes signals.
 */
void ptl_signals_hold(sigset_t *before);
void ptl_signals_let_go(const sigset_t *before);

/*
 * Block SIGINT and SIGTERM on this thread and those it makes, and have them come to a descriptor;
 * `all`: SIGHUP, SIGUSR1 and SIGUSR2 too.
 * Returns it, or -errno.  SIGPIPE is ignored: a closed standard output is an error like any other.
 * In a process 1 orphans that end leave nothing behind.
 */
int ptl_signals_open(bool all);

/* From now on complaints are lines of this journal, of level error; NULL: of standard error.
 * Thread: the main one. */
void ptl_complain_to(struct ptl_journal *journal);

/* From now on those of standard error are lines of a node's log, of which they are the last, and
 * not "portolan: ...".  `node_id` NULL: it is not known.  Thread: the main one. */
void ptl_complain_as(enum ptl_log_format format, const char *node_id);

/* The line of a node that did not start: the journal's, or the error's own. */
int ptl_complain_start(struct ptl_journal *journal, int err);

/* The line of a command that has too few or too many arguments.  Returns PTL_EXIT_USAGE. */
int ptl_complain_form(const char *form);

/* The line of what the node refused, say "send".  Returns PTL_EXIT_OTHER. */
int ptl_complain_refused(const char *what, int err);

/* Whether a node ID is one that a client makes for itself (tools/client.h). */
bool ptl_client_is_id(const char *id);

/* Whether bytes are UTF-8. */
bool ptl_is_text(const char *text, size_t size);

/* A string as text; one that is not UTF-8 as the bytes that it is. */
void ptl_put_string(struct ptl_writer *writer, const char *text, size_t size);
