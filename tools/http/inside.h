/*
 * tools/http/inside.h - what the files of this folder share of a server.
 *
 * Everything is the HTTP thread's, but for what stands under the lock.
 */
#pragma once

#include "tools/http/chronicle.h"
#include "tools/http/history.h"
#include "tools/http/listen.h"
#include "tools/http/neighbours.h"
#include "tools/http/server.h"
#include "tools/stats/sight.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

/* A connection, from its first byte on. */
struct ptl_http_client {
    struct ptl_http_client *next, **link;
    struct MHD_Connection *connection;
    uint64_t since_ms; /* it has to ask, or to take the answer; 0: it has only come */
    bool has_asked;
    bool is_stream; /* it lasts for as long as it is read */
};

/* NULL: there was no memory for one. */
static inline struct ptl_http_client *ptl_http_client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* A family of the database, asked for by one request. */
struct ptl_http_family {
    struct ptl_msg *reply; /* a map; NULL: no answer, or none that can be used */
    int err;
    bool done;
};

/* The network as the database has it is two of them; the last is one that was asked for. */
enum { PTL_HTTP_GLOBALS, PTL_HTTP_LISTENING, PTL_HTTP_ENTRIES, PTL_HTTP_FAMILIES };

/* One request.  It is freed when it has been answered and nobody else refers to it. */
struct ptl_http_request {
    struct ptl_http_request *next, **link; /* among those that wait; NULL: it does not */
    struct ptl_http *http;
    struct MHD_Connection *connection;
    const struct ptl_http_route *route;
    uint64_t until_ms; /* then it is answered with what there is */
    uint64_t asked;    /* the number of the survey that is recent enough */
    bool is_late;
    bool is_question; /* one of those that are counted in `questions` */
    /* Under the lock. */
    unsigned holds; /* the connection, and questions that are not answered */
    struct ptl_http_family families[PTL_HTTP_FAMILIES];
};

struct ptl_http {
    struct ptl_node *node;
    struct ptl_journal *journal;
    char token[PTL_HTTP_TOKEN_MAX + 1];
    bool is_loopback;
    struct MHD_Daemon *daemon;
    int wake; /* an eventfd */
    pthread_t thread;
    uint64_t started_ms;
    _Atomic bool is_stopping, is_draining;

    struct ptl_chronicle *chronicle;
    struct ptl_neighbours *neighbours;
    struct ptl_history history;

    struct ptl_http_client *clients;
    unsigned client_count;
    struct ptl_http_request *waiting;
    struct ptl_http_stream *streams; /* events.c */
    unsigned stream_count;
    unsigned questions;      /* entries that were asked for and are not answered */
    uint64_t events_ms;      /* when they are told next, or were asked for */
    uint64_t events_asked;   /* the number of the survey that they wait for; 0: none */
    struct ptl_sight *sight; /* the last one with a survey, or NULL */
    uint64_t sight_ms;       /* when it came */
    uint64_t begun, came;    /* surveys, by number: one is under way while they differ */

    pthread_mutex_t lock; /* guards what follows */
    struct ptl_sight *arrived;
    bool has_arrived; /* perhaps without a sight: there was no memory */
};

/* Have the HTTP thread look around.  Thread: any. */
void ptl_http_wake(struct ptl_http *http);

/* A new sight, without a survey.  NULL: no memory. */
struct ptl_sight *ptl_http_look(struct ptl_http *http);

/* Have a survey made, unless one is under way already.  False: that cannot be. */
bool ptl_http_survey(struct ptl_http *http);

/* Take what has arrived since. */
void ptl_http_collect(struct ptl_http *http);

/* Let go of it once: the last one frees it.  Thread: any. */
void ptl_http_request_drop(struct ptl_http_request *request);
