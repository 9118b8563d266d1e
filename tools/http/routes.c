#include "tools/http/routes.h"

#include "tools/http/entries.h"
#include "tools/http/events.h"
#include "tools/http/metrics.h"
#include "tools/http/page.h"
#include "tools/stats/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_MS 100                /* a sight that is no older is as good as a new one */
#define FAMILY_BYTES_MAX (4u << 20) /* of the database, for one answer */

#define PLAIN "text/plain; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"
#define JSON "application/json"

enum needs { NEEDS_NOTHING = 0, NEEDS_SURVEY = 1, NEEDS_NETWORK = 2, NEEDS_ENTRIES = 4 };

struct ptl_http_route {
    const char *path;
    unsigned needs;
    bool is_open; /* to all, token or not */
    /* Returns the status; the text is of the type. */
    unsigned (*write)(struct ptl_http_request *request, const struct ptl_sight *sight,
                      struct ptl_text *text);
    const char *type;
    json_t *(*json)(const struct ptl_sight *sight); /* instead of `write` */
    /* Instead of both: it answers at once, and by itself. */
    enum MHD_Result (*send)(struct ptl_http *http, struct MHD_Connection *connection);
    const char *argument; /* it is for those requests that have this one */
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
    char *text = family->reply ? ptl_msg_json(family->reply) : NULL;
    json_t *array = text ? json_loads(text, 0, NULL) : NULL;
    json_t *object = json_incref(json_array_get(array, 0));

    json_decref(array);
    free(text);
    if (!json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static unsigned write_cluster(struct ptl_http_request *request, const struct ptl_sight *sight,
                              struct ptl_text *text)
{
    struct ptl_http *http = request->http;
    uint64_t now = ptl_sight_now_ms();

    pthread_mutex_lock(&http->lock);
    json_t *globals = family_of(&request->families[PTL_HTTP_GLOBALS]);
    json_t *listening = family_of(&request->families[PTL_HTTP_LISTENING]);
    pthread_mutex_unlock(&http->lock);
    ptl_neighbours_ask(http->neighbours, http->node, sight, now);
    json_t *neighbours = ptl_neighbours_json(http->neighbours, now);
    add_json(text, ptl_api_cluster(sight, globals, listening, neighbours));
    json_decref(globals);
    json_decref(listening);
    json_decref(neighbours);
    return MHD_HTTP_OK;
}

static unsigned write_history(struct ptl_http_request *request, const struct ptl_sight *sight,
                              struct ptl_text *text)
{
    add_json(text, ptl_history_json(&request->http->history, sight->node));
    return MHD_HTTP_OK;
}

static unsigned write_log(struct ptl_http_request *request, const struct ptl_sight *sight,
                          struct ptl_text *text)
{
    add_json(text, ptl_chronicle_json(request->http->chronicle, sight->node));
    return MHD_HTTP_OK;
}

/* What stands behind '?'; "": nothing. */
static const char *argument(struct MHD_Connection *connection, const char *name, size_t *size)
{
    const char *value = NULL;

    *size = 0;
    MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
                                  size);
    return value ? value : "";
}

static unsigned write_entries(struct ptl_http_request *request, const struct ptl_sight *sight,
                              struct ptl_text *text)
{
    const struct ptl_http_family *family = &request->families[PTL_HTTP_ENTRIES];
    struct ptl_entries_wish wish;
    size_t size;

    wish.family = argument(request->connection, "family", &size);
    wish.find = argument(request->connection, "find", &wish.find_size);
    wish.after = argument(request->connection, "after", &wish.after_size);
    pthread_mutex_lock(&request->http->lock);
    json_t *json = ptl_entries_json(&wish, family->err, family->reply);
    pthread_mutex_unlock(&request->http->lock);
    json_object_set_new(json, "node", json_string(sight->node));
    add_json(text, json);
    return MHD_HTTP_OK;
}

static enum MHD_Result send_page(struct ptl_http *http, struct MHD_Connection *connection)
{
    (void)http;
    return ptl_http_page(connection);
}

static enum MHD_Result open_stream(struct ptl_http *http, struct MHD_Connection *connection)
{
    bool is_refused;
    enum MHD_Result result = ptl_http_stream_open(http, connection, &is_refused);

    return is_refused ? refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many streams")
                      : result;
}

static const struct ptl_http_route routes[] = {
    {"/", .is_open = true, .send = send_page},
    {"/metrics", NEEDS_SURVEY, .write = write_metrics, .type = METRICS},
    {"/healthz", .is_open = true, .write = write_health, .type = PLAIN},
    {"/readyz", .is_open = true, .write = write_ready, .type = PLAIN},
    {"/api/node", .json = ptl_api_node, .type = JSON},
    {"/api/links", NEEDS_SURVEY, .json = ptl_api_links, .type = JSON},
    {"/api/ports", NEEDS_SURVEY, .json = ptl_api_ports, .type = JSON},
    {"/api/database", NEEDS_SURVEY, .json = ptl_api_database, .type = JSON},
    {"/api/database", NEEDS_ENTRIES, .write = write_entries, .type = JSON, .argument = "family"},
    {"/api/all", NEEDS_SURVEY, .json = ptl_api_all, .type = JSON},
    {"/api/events", .send = open_stream},
    {"/api/cluster", NEEDS_SURVEY | NEEDS_NETWORK, .write = write_cluster, .type = JSON},
    {"/api/history", .write = write_history, .type = JSON},
    {"/api/log", .write = write_log, .type = JSON},
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
            ptl_msg_free(request->families[i].reply);
        }
        free(request);
    }
}

static void take_family(struct ptl_http_request *request, unsigned which, int err,
                        const struct ptl_msg *reply)
{
    size_t most = which == PTL_HTTP_ENTRIES ? PTL_ENTRIES_BYTES_MAX : FAMILY_BYTES_MAX;
    bool is_useful = err == 0 && ptl_msg_size(reply) <= most;
    struct ptl_msg *kept = is_useful ? ptl_msg_keep(reply) : NULL;
    struct ptl_http *http = request->http;

    pthread_mutex_lock(&http->lock);
    request->families[which].reply = kept;
    request->families[which].err = err == 0 && !is_useful ? PTL_ESIZE : err;
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

static void on_entries(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    take_family(data, PTL_HTTP_ENTRIES, err, reply);
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

static bool has_families(struct ptl_http_request *request)
{
    const struct ptl_http_family *families = request->families;
    unsigned needs = request->route->needs;

    pthread_mutex_lock(&request->http->lock);
    bool has_network = families[PTL_HTTP_GLOBALS].done && families[PTL_HTTP_LISTENING].done;
    bool done = ((needs & NEEDS_NETWORK) == 0 || has_network) &&
                ((needs & NEEDS_ENTRIES) == 0 || families[PTL_HTTP_ENTRIES].done);
    pthread_mutex_unlock(&request->http->lock);
    return done;
}

static bool has_all(struct ptl_http_request *request)
{
    unsigned needs = request->route->needs;

    return ((needs & NEEDS_SURVEY) == 0 || request->http->came >= request->asked) &&
           has_families(request);
}

/* Ask for what it needs.  A survey that has begun is as good as one that begins now. */
static void ask(struct ptl_http_request *request)
{
    struct ptl_http *http = request->http;
    uint64_t now = ptl_sight_now_ms();
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
    if ((request->route->needs & NEEDS_ENTRIES) != 0) {
        size_t size;
        const char *family = argument(request->connection, "family", &size);
        ask_family(request, PTL_HTTP_ENTRIES, family, on_entries);
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
    uint64_t now = ptl_sight_now_ms();

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

static bool has_argument(struct MHD_Connection *connection, const struct ptl_http_route *route)
{
    return !route->argument ||
           MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, route->argument);
}

static enum MHD_Result judge(struct ptl_http *http, struct MHD_Connection *connection,
                             const char *path, const char *method,
                             const struct ptl_http_route **route)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, path) == 0 && has_argument(connection, &routes[i])) {
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

/* What a question holds is much: only so many are open at a time. */
static bool count_question(struct ptl_http_request *request)
{
    request->is_question = (request->route->needs & NEEDS_ENTRIES) != 0;
    request->http->questions += request->is_question;
    return request->http->questions <= PTL_ENTRIES_QUESTIONS_MAX;
}

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

/* From now on it takes the answer.  What it has waited for us is not its time. */
static void note_question(struct MHD_Connection *connection)
{
    struct ptl_http_client *client = ptl_http_client_of(connection);

    if (client) {
        client->since_ms = ptl_sight_now_ms();
        client->has_asked = true;
    }
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
    note_question(connection);
    if (request) {
        return answer_now(request);
    }
    enum MHD_Result result = judge(data, connection, path, method, &route);
    if (!route) {
        return result;
    }
    if (route->send) {
        return route->send(data, connection);
    }
    request = begin(data, connection, route);
    if (!request) {
        return MHD_NO;
    }
    *place = request;
    if (!count_question(request)) {
        return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many questions at a time");
    }
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
        request->http->questions -= request->is_question;
        ptl_http_request_drop(request);
    }
}
