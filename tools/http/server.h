/*
 * tools/http/server.h - a node over HTTP: metrics, health, and /api.
 *
 *   HTTP thread --poll--> libmicrohttpd --request--> routes.h --> answer, or wait for a sight
 *        ^--- eventfd ---- shard: a survey is done ------------------'
 *
 * One thread of its own serves all; it never waits for the node, so that a shard that hangs keeps
 * nobody from being answered, and no request keeps a shard.  However many ask, there is one survey
 * at a time.  A connection is for one request: it is closed behind the answer, or when its peer has
 * taken longer than PTL_HTTP_LIFE_MS, to ask or to take the answer.
 */
#pragma once

#include "tools/journal.h"

#define PTL_HTTP_CONNECTIONS_MAX 64 /* at a time; others wait in the system's queue */
#define PTL_HTTP_REQUEST_MAX 16384  /* bytes of a request's lines */
#define PTL_HTTP_LIFE_MS 8000       /* of a connection, to ask, and again to take the answer */
#define PTL_HTTP_SURVEY_MS 2000     /* for that long a request waits for the shards */
#define PTL_HTTP_TOKEN_MAX 4096     /* bytes of a token */

struct ptl_http;

struct ptl_http_options {
    const char *address; /* "PORT", or HOST:PORT */
    const char *token;   /* who asks must show it; "": nobody must.  Copied */
};

/*
 * Serve.  Errors: -errno of the address, PTL_ESECRET (others can reach it, and there is no token),
 * PTL_ENOMEM.  Owns: the caller, until ptl_http_free(); node and journal must outlive
 * ptl_http_stop().
 */
PTL_MUST_CHECK int ptl_http_start(struct ptl_node *node, struct ptl_journal *journal,
                                  const struct ptl_http_options *options, struct ptl_http **http);

/* From now on /readyz says that the node drains: no new work is to be sent to it.  Thread: any. */
void ptl_http_drain(struct ptl_http *http);

/* Serve no more: before the node is stopped.  NULL is allowed, here and below. */
void ptl_http_stop(struct ptl_http *http);

/* Free it: after the node was stopped, when nothing that was asked can be answered any more. */
void ptl_http_free(struct ptl_http *http);
