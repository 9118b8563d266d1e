/*
 * tools/client.h - a node for the time of one question: start, find the network, ask, wait, stop.
 *
 *   ptl_client_open() --> _link() --> ask: ptl_call(), ... --> _wait() --> _close()
 *                                          |                     ^
 *                                          '-- ptl_client_done() '  on the node's own shard
 */
#pragma once

#include "tools/common.h"

struct ptl_client {
    const struct ptl_options *options;
    struct ptl_node *node;
    struct ptl_journal journal;
    struct ptl_secret secret;
    char id[PTL_NODE_ID_MAX]; /* where --node gives none */
    struct ptl_list seeds;
    int signals; /* a descriptor that SIGINT and SIGTERM come to */
    int event;   /* a descriptor that tells of a change below */

    pthread_mutex_t lock; /* guards what follows: the node's shard writes, the main thread reads */
    bool linked;
    bool done;
    int code;        /* enum ptl_exit */
    char *text;      /* for standard output, or NULL; a block of malloc() */
    char *complaint; /* for standard error, or NULL; a block of malloc() */

    struct ptl_port port; /* what is asked about; set before the answer can come */
};

/*
 * Start the client's node.  Returns PTL_EXIT_OK, or another code after one line on standard error.
 * Owns: `client` is the caller's and stays in its place; ptl_client_close() whatever is returned.
 */
int ptl_client_open(struct ptl_client *client, const struct ptl_options *options);

/* Parse the first argument as a port's ID, into `client->port`.  Returns as above. */
int ptl_client_parse_port(struct ptl_client *client);

/* Wait for the first link to the network.  Returns as above. */
int ptl_client_link(struct ptl_client *client);

/* A message of the arguments from `index` on: JSON values, else text; complains. */
int ptl_client_message(struct ptl_client *client, int index, struct ptl_msg **msg);

/*
 * The answer is there: what to print and what to complain of.  Only the first one counts.
 * Owns: `text` and `complaint` (each may be NULL) are the client's.  Thread: any.
 */
void ptl_client_done(struct ptl_client *client, enum ptl_exit code, char *text, char *complaint);

/* The answer is that a port is gone for `reason`, or a link; prints the reason too if `print`. */
void ptl_client_gone(struct ptl_client *client, const struct ptl_msg *reason, bool print);

/*
 * Wait for the answer, `timeout_ms` at most (0: no limit); then print or complain.
 * Returns the exit code.
 */
int ptl_client_wait(struct ptl_client *client, unsigned timeout_ms);

/* Stop the node and free all. */
void ptl_client_close(struct ptl_client *client);
