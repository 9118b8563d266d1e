/*
 * tools/http/routes.h - what is asked for, by whom, and what the answer is.
 *
 *   /                   the page: page.h            /api/node      who it is, and its numbers
 *   /metrics            Prometheus                  /api/links     one by one
 *   /healthz            the process lives           /api/ports     the busiest and the slowest
 *   /readyz             joined, and does not drain  /api/database  families; with ?family=F, and
 *                                                                  &find=TEXT &after=KEY: entries
 *                                                   /api/cluster   who is in the network
 *                                                   /api/all       the first four in one
 *                                                   /api/events    that once a second: events.h
 *                                                   /api/history   ten minutes of numbers
 *                                                   /api/log       links that came and went, and
 *                                                                  warnings: chronicle.h
 *
 * Where there is a token it is wanted ("Authorization: Bearer TOKEN") for all but health and the
 * page, which has nothing secret in it: it asks for the token.  Without one only names of this
 * machine are taken in "Host", so that no page that a browser has elsewhere from can ask under a
 * name of its own.
 */
#pragma once

#include "tools/http/inside.h"

/* As libmicrohttpd calls them. */
enum MHD_Result ptl_http_answer(void *data, struct MHD_Connection *connection, const char *path,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **place);
void ptl_http_answered(void *data, struct MHD_Connection *connection, void **place,
                       enum MHD_RequestTerminationCode why);

/* Let those go on that wait and have what they wait for, or no more time; `all`: every one. */
void ptl_http_go_on(struct ptl_http *http, bool all);
