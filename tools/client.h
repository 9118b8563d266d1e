/*
 * tools/client.h - a node for the time of one question: start, find the network, ask, wait, stop.
 *
 *   ptl_client_run() -- prepare --> link --> ask: ptl_call(), ... ptl_client_wait() --> stop
 *                                                  |                     ^
 *                                                  '-- ptl_client_done() '  on the node's own shard
 */
#pragma once

#include "tools/common.h"
#include "tools/lines.h"

struct ptl_client {
    const struct ptl_options *options;
    void *data; /* the command's own */
    struct ptl_node *node;
    struct ptl_journal journal;
    struct ptl_secret secret;
    char id[PTL_NODE_ID_MAX]; /* where --node gives none */
    const char *doubt;        /* why no answer may come in time: a question */
    struct ptl_lines *lines;  /* to be written while it waits; NULL: none */
    struct ptl_list seeds;
    int signals; /* a descriptor that SIGINT and SIGTERM come to */
    int event;   /* a descriptor that tells of a change below */

    pthread_mutex_t lock; /* guards what follows: the node's shard writes, the main thread reads */
    bool linked;
    bool done;
    char seed_id[PTL_NODE_ID_MAX + 1]; /* the first node linked; set before `linked` */
    int code;                          /* enum ptl_exit */
    char *text;                        /* for standard output, or NULL; a block of malloc() */
    char *complaint;                   /* for standard error, or NULL; a block of malloc() */

    struct ptl_port port; /* what is asked about; set before the answer can come */
};

/* One step of a command; returns PTL_EXIT_OK, or another code after one line on standard error. */
typedef int ptl_client_step(struct ptl_client *client);

/*
 * Start a client's node, `prepare` the question (NULL: nothing to do), wait for the first link to
 * the network, `ask`, and stop the node.  No callback runs afterwards.  Returns the exit code.
 * Owns: `data` is for the steps, as client->data.
 */
int ptl_client_run(const struct ptl_options *options, ptl_client_step *prepare,
                   ptl_client_step *ask, void *data);

/* A step: parse the first argument as a port's ID, into `client->port`. */
ptl_client_step ptl_client_parse_port;

/* Seeds as given, else the default. */
void ptl_client_seeds(const struct ptl_options *options, struct ptl_list *seeds);

/* An ID for a client that has none: "HOST/cli/RANDOM". */
void ptl_client_make_id(char id[PTL_NODE_ID_MAX]);

/* A message of the arguments from `index` on: JSON values, else text; complains. */
int ptl_client_message(struct ptl_client *client, int index, struct ptl_msg **msg);

/*
 * The answer is there: what to print and what to complain of.  Only the first one counts.
 * Owns: `text` and `complaint` (each may be NULL) are the client's.  Thread: any.
 */
void ptl_client_done(struct ptl_client *client, enum ptl_exit code, char *text, char *complaint);

/* Whether a monitor that ends for `reason` never was one, or ends since the node cannot be reached:
 * what else there is are reasons of ports that die. */
bool ptl_client_is_failure(const struct ptl_msg *reason);

/* The answer is that a port is gone for `reason`, a link, or that rules do not allow it; prints the
 * reason too if `print`. */
void ptl_client_gone(struct ptl_client *client, const struct ptl_msg *reason, bool print);

/* The answer is the one value of `msg`, to be printed as JSON. */
void ptl_client_print_value(struct ptl_client *client, const struct ptl_msg *msg);

/*
 * The one value of `msg` as JSON, or NULL when there is no memory.  Owns: the caller, until free().
 */
char *ptl_value_json(const struct ptl_msg *msg);

/*
 * Print a line, by client->lines, while the answer is still to come.  False: no memory.
 * Thread: any.
 */
bool ptl_client_add_line(struct ptl_client *client, const char *line);

/*
 * Wait for the answer, `timeout_ms` at most (0: no limit); then print or complain.
 * Returns the exit code.
 */
int ptl_client_wait(struct ptl_client *client, unsigned timeout_ms);
