/*
 * tools/http/events.h - /api/events: what /api/all says, once a second, as server-sent events.
 *
 *   survey, once a second --> news --> every stream that has read the one before
 *                                '--> who has not: misses it, and is closed when it misses many
 *
 * All streams share the text, so that many cost little more than one.
 * Thread: the HTTP one.
 */
#pragma once

#include "tools/http/inside.h"

#define PTL_HTTP_STREAMS_MAX 16 /* at a time */
#define PTL_HTTP_EVENTS_MS 1000 /* between two */
#define PTL_HTTP_MISSED_MAX 10  /* a stream that has missed so many in a row is closed */

/* Begin one: the answer to that request.  `is_refused`: there are as many as there may be. */
enum MHD_Result ptl_http_stream_open(struct ptl_http *http, struct MHD_Connection *connection,
                                     bool *is_refused);

/* Tell news if it is time; returns in how many milliseconds it is again. */
unsigned ptl_http_events_work(struct ptl_http *http);

/* Have all streams end. */
void ptl_http_events_end(struct ptl_http *http);
