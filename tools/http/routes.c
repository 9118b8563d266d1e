#include "tools/http/routes.h"

#include "tools/http/api.h"
#include "tools/http/events.h"
#include "tools/http/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_MS 100                /* a sight that is no older is as good as a new one */
#define FAMILY_BYTES_MAX (4u << 20) /* of the database, for one answer */

#define PLAIN "text/plain; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"
#define JSON "application/json"

enum needs { NEEDS_NOTHING = 0, NEEDS_SURVEY = 1, NEEDS_NETWORK = 2 };

struct ptl_http_route {
    const char *path;
    unsigned needs;
    bool is_open; /* to all, token or not */
    /* Returns the status; the text is of the type. */
    unsigned (*write)(struct ptl_http_request *request, const struct ptl_sight *sight,
                      struct ptl_text *text);
    const char *type;
    json_t *(*json)(const struct ptl_sight *sight); /* instead of `write` */
};

/* ---- Answers -------------------------------------------------------------------------------- */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status,
                                 const char *type, struct ptl_text *text)
{
    if (text->has_no_memory || !text->bytes) {
        free(text->bytes);
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->size, text->bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text->bytes);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Connection", "close");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_UNAUTHORIZED) {
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    } else if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
    struct ptl_text text = {0};

    ptl_text_add(&text, "{\"error\":\"%s\"}\n", why);
    return send_text(connection, status, JSON, &text);
}

static void add_json(struct ptl_text *text, json_t *json)
{
    char *bytes = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (bytes) {
        ptl_text_add(text, "%s\n", bytes);
    } else {
        text->has_no_memory = true;
    }
    free(bytes);
    json_decref(json);
}

static unsigned write_health(struct ptl_http_request *request, const struct ptl_sight *sight,
                             struct ptl_text *text)
{
    (void)request;
    (void)sight;
    ptl_text_add(text, "ok\n");
    return MHD_HTTP_OK;
}

static unsigned write_ready(struct ptl_http_request *request, const struct ptl_sight *sight,
                            struct ptl_text *text)
{
    (void)request;
    if (ptl_sight_is_ready(sight)) {
        ptl_text_add(text, "ready\n");
        return MHD_HTTP_OK;
    }
    ptl_text_add(text, "%s\n", sight->is_draining ? "draining" : "not joined");
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned write_metrics(struct ptl_http_request *request, const struct ptl_sight *sight,
                              struct ptl_text *text)
{
    (void)request;
    ptl_metrics_write(sight, text);
    return MHD_HTTP_OK;
}

/* The one object in an array that an answer of the database is; NULL: there is none. */
static json_t *family_of(const struct ptl_http_family *family)
{
    json_t *array = family->json ? json_loads(family->json, JSON_DECODE_ANY, NULL) : NULL;
    json_t *object = json_incref(json_array_get(array, 0));

    json_decref(array);
    if (!json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static unsigned write_cluster(struct ptl_http_request *request, const struct ptl_sight *sight,
                              struct ptl_text *text)
{
    pthread_mutex_lock(&request->http->lock);
    json_t *globals = family_of(&request->families[PTL_HTTP_GLOBALS]);
    json_t *listening = family_of(&request->families[PTL_HTTP_LISTENING]);
    pthread_mutex_unlock(&request->http->lock);
    add_json(text, ptl_api_cluster(sight, globals, listening));
    json_decref(globals);
    json_decref(listening);
    return MHD_HTTP_OK;
}

static const struct ptl_http_route routes[] = {
    {"/metrics", NEEDS_SURVEY, false, write_metrics, METRICS, NULL},
    {"/healthz", NEEDS_NOTHING, true, write_health, PLAIN, NULL},
    {"/readyz", NEEDS_NOTHING, true, write_ready, PLAIN, NULL},
    {"/api/node", NEEDS_NOTHING, false, NULL, JSON, ptl_api_node},
    {"/api/links", NEEDS_SURVEY, false, NULL, JSON, ptl_api_links},
    {"/api/ports", NEEDS_SURVEY, false, NULL, JSON, ptl_api_ports},
    {"/api/database", NEEDS_SURVEY, false, NULL, JSON, ptl_api_database},
    {"/api/all", NEEDS_SURVEY, false, NULL, JSON, ptl_api_all},
    {"/api/events", NEEDS_NOTHING, false, NULL, NULL, NULL}, /* it has no end */
    {"/api/cluster", NEEDS_SURVEY | NEEDS_NETWORK, false, write_cluster, JSON, NULL},
};

static enum MHD_Result send_answer(struct ptl_http_request *request, const struct ptl_sight *sight)
{
    const struct ptl_http_route *route = request->route;
    struct ptl_text text = {0};
    unsigned status = MHD_HTTP_OK;

    if (route->json) {
        add_json(&text, route->json(sight));
    } else {
        status = route->write(request, sight, &text);
    }
    return send_text(request->connection, status, route->type, &text);
}

/* With the survey that it has waited for, or without one when the shards have not answered. */
static enum MHD_Result answer_now(struct ptl_http_request *request)
{
    struct ptl_http *http = request->http;

    if ((request->route->needs & NEEDS_SURVEY) != 0 && !request->is_late && http->sight) {
        return send_answer(request, http->sight);
    }
    struct ptl_sight *sight = ptl_http_look(http);
    enum MHD_Result result = sight ? send_answer(request, sight) : MHD_NO;
    ptl_sight_free(sight);
    return result;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

void ptl_http_request_drop(struct ptl_http_request *request)
{
    struct ptl_http *http = request->http;

    pthread_mutex_lock(&http->lock);
    bool is_last = --request->holds == 0;
    pthread_mutex_unlock(&http->lock);
    if (is_last) {
        for (unsigned i = 0; i < PTL_HTTP_FAMILIES; i++) {
            free(request->families[i].json);
        }
        free(request);
    }
}

static void take_family(struct ptl_http_request *request, unsigned which, int err,
                        const struct ptl_msg *reply)
{
    bool is_useful = err == 0 && ptl_msg_size(reply) <= FAMILY_BYTES_MAX;
    char *json = is_useful ? ptl_msg_json(reply) : NULL;
    struct ptl_http *http = request->http;

    pthread_mutex_lock(&http->lock);
    request->families[which].json = json;
    request->families[which].done = true;
    pthread_mutex_unlock(&http->lock);
    ptl_http_request_drop(request);
    if (err != PTL_ESTOPPED) {
        ptl_http_wake(http);
    }
}

static void on_globals(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    take_family(data, PTL_HTTP_GLOBALS, err, reply);
}

static void on_listening(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    take_family(data, PTL_HTTP_LISTENING, err, reply);
}

static void ask_family(struct ptl_http_request *request, unsigned which, const char *family,
                       ptl_reply_fn *tell)
{
    pthread_mutex_lock(&request->http->lock);
    request->holds++;
    pthread_mutex_unlock(&request->http->lock);
    int err = ptl_db_family(request->http->node, family, tell, request);
    if (err < 0) {
        take_family(request, which, err, NULL);
    }
}

static bool has_network(struct ptl_http_request *request)
{
    pthread_mutex_lock(&request->http->lock);
    bool done =
        request->families[PTL_HTTP_GLOBALS].done && request->families[PTL_HTTP_LISTENING].done;
    pthread_mutex_unlock(&request->http->lock);
    return done;
}

static bool has_all(struct ptl_http_request *request)
{
    unsigned needs = request->route->needs;

    return ((needs & NEEDS_SURVEY) == 0 || request->http->came >= request->asked) &&
           ((needs & NEEDS_NETWORK) == 0 || has_network(request));
}

/* Ask for what it needs.  A survey that has begun is as good as one that begins now. */
static void ask(struct ptl_http_request *request)
{
    struct ptl_http *http = request->http;
    uint64_t now = ptl_http_now_ms();
    bool is_fresh = http->sight && now - http->sight_ms <= FRESH_MS;

    request->until_ms = now + PTL_HTTP_SURVEY_MS;
    if ((request->route->needs & NEEDS_SURVEY) != 0 && !is_fresh) {
        request->is_late = !ptl_http_survey(http);
        request->asked = http->begun;
    }
    if ((request->route->needs & NEEDS_NETWORK) != 0) {
        ask_family(request, PTL_HTTP_GLOBALS, "'g", on_globals);
        ask_family(request, PTL_HTTP_LISTENING, "'l", on_listening);
    }
}

static void wait_for_all(struct ptl_http_request *request)
{
    struct ptl_http *http = request->http;

    request->next = http->waiting;
    request->link = &http->waiting;
    if (request->next) {
        request->next->link = &request->next;
    }
    http->waiting = request;
    MHD_suspend_connection(request->connection);
}

static void stop_waiting(struct ptl_http_request *request)
{
    *request->link = request->next;
    if (request->next) {
        request->next->link = request->link;
    }
    request->link = NULL;
    MHD_resume_connection(request->connection);
}

void ptl_http_go_on(struct ptl_http *http, bool all)
{
    struct ptl_http_request *request = http->waiting, *next;
    uint64_t now = ptl_http_now_ms();

    for (; request; request = next) {
        next = request->next;
        bool is_over = now >= request->until_ms || all;
        if (has_all(request) || is_over) {
            request->is_late |= !has_all(request);
            stop_waiting(request);
        }
    }
}

/* ---- Who may ask ---------------------------------------------------------------------------- */

/* Takes as long whatever is wrong with it. */
static bool is_same(const char *token, const char *shown)
{
    size_t size = strlen(token), shown_size = strlen(shown);
    unsigned char differs = size != shown_size;

    for (size_t i = 0; i < size; i++) {
        differs |= (unsigned char)(token[i] ^ shown[shown_size == 0 ? 0 : i % (shown_size + 1)]);
    }
    return differs == 0;
}

static bool has_token(const struct ptl_http *http, struct MHD_Connection *connection)
{
    static const char bearer[] = "Bearer ";
    const char *shown =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

    return shown && strncmp(shown, bearer, sizeof bearer - 1) == 0 &&
           is_same(http->token, shown + sizeof bearer - 1);
}

static bool is_host_here(struct MHD_Connection *connection)
{
    const char *host =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    char text[PTL_HTTP_ADDRESS_MAX];

    if (!host) {
        return true; /* no browser */
    }
    const char *last = strrchr(host, ':');
    if (host[0] == '\0' || host[0] == ':') {
        return false;
    }
    bool has_port = last && last[strspn(last + 1, "0123456789") + 1] == '\0';
    snprintf(text, sizeof text, "%s%s", host, has_port ? "" : ":80");
    return ptl_http_is_loopback(text);
}

static enum MHD_Result judge(struct ptl_http *http, struct MHD_Connection *connection,
                             const char *path, const char *method,
                             const struct ptl_http_route **route)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, path) == 0) {
            *route = &routes[i];
        }
    }
    if (http->token[0] != '\0' && !(*route && (*route)->is_open) && !has_token(http, connection)) {
        *route = NULL;
        return refuse(connection, MHD_HTTP_UNAUTHORIZED, "show the token of --http-token");
    }
    if (http->token[0] == '\0' && !is_host_here(connection)) {
        *route = NULL;
        return refuse(connection, MHD_HTTP_FORBIDDEN, "ask for localhost");
    }
    return *route ? MHD_YES : refuse(connection, MHD_HTTP_NOT_FOUND, "no such page");
}

/* ---- Requests ------------------------------------------------------------------------------- */

static struct ptl_http_request *begin(struct ptl_http *http, struct MHD_Connection *connection,
                                      const struct ptl_http_route *route)
{
    struct ptl_http_request *request = calloc(1, sizeof *request);

    if (request) {
        request->http = http;
        request->connection = connection;
        request->route = route;
        request->holds = 1;
    }
    return request;
}

static enum MHD_Result open_stream(struct ptl_http *http, struct MHD_Connection *connection)
{
    bool is_refused;
    enum MHD_Result result = ptl_http_stream_open(http, connection, &is_refused);

    return is_refused ? refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many streams")
                      : result;
}

/* It is called with the request's head, and once more when it has waited. */
enum MHD_Result ptl_http_answer(void *data, struct MHD_Connection *connection, const char *path,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **place)
{
    const struct ptl_http_route *route = NULL;
    struct ptl_http_request *request = *place;

    (void)version;
    (void)upload;
    (void)upload_size; /* what follows the head is not read */
    if (request) {
        return answer_now(request);
    }
    enum MHD_Result result = judge(data, connection, path, method, &route);
    if (!route) {
        return result;
    }
    if (!route->type) {
        return open_stream(data, connection);
    }
    request = begin(data, connection, route);
    if (!request) {
        return MHD_NO;
    }
    *place = request;
    ask(request);
    request->is_late |= atomic_load(&request->http->is_stopping);
    if (has_all(request) || request->is_late) {
        return answer_now(request);
    }
    wait_for_all(request);
    return MHD_YES;
}

void ptl_http_answered(void *data, struct MHD_Connection *connection, void **place,
                       enum MHD_RequestTerminationCode why)
{
    struct ptl_http_request *request = *place;

    (void)data;
    (void)connection;
    (void)why;
    if (request) {
        if (request->link) {
            *request->link = request->next;
            if (request->next) {
                request->next->link = request->link;
            }
        }
        *place = NULL;
        ptl_http_request_drop(request);
    }
}
