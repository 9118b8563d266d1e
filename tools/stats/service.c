#include "tools/stats/service.h"

#include "tools/replies.h"
#include "tools/reply.h"
#include "tools/stats/api.h"
#include "tools/stats/arrival.h"
#include "tools/stats/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1       /* between two looks at what has come */
#define DENIED_MS 10000 /* between two lines about who may not ask */

/* At most so many of each. */
struct rows {
    unsigned links, ports, families;
};

struct question {
    struct question *next;
    struct ptl_port to;
    struct rows rows;
    uint64_t until_ms;
    bool is_begun; /* the survey under way, or the one that has come, is for it as well */
};

/* All of it is the port's shard's. */
struct service {
    struct ptl_replies *replies;
    struct ptl_journal *journal;
    struct ptl_permit *permit;
    uint64_t started_ms; /* about when the node was */
    struct question *first, **last;
    unsigned count;
    struct ptl_arrival *arrival; /* of the survey under way; NULL: there is none */
    struct ptl_sight *sight;     /* what the last one has shown, while somebody waits for it */
    uint64_t begun_ms;           /* when that began; 0: never */
    bool has_timer;
    uint64_t denied; /* and not told of */
    uint64_t denied_ms;
};

static void node_of(const struct ptl_port *port, char node[PTL_NODE_ID_MAX + 1])
{
    size_t size = strcspn(ptl_port_id(port), "#");

    memcpy(node, ptl_port_id(port), size);
    node[size] = '\0';
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void send(struct ptl_node *node, struct service *service, const struct ptl_port *to,
                 struct ptl_msg *msg)
{
    ptl_reply_send_now(node, service->replies, to, msg);
}

static void refuse(struct ptl_node *node, struct service *service, const struct ptl_port *to,
                   const char *word, const char *why)
{
    struct ptl_msg *msg;

    if (ptl_msg_make(node, &msg, "tt", word, why) == 0) {
        send(node, service, to, msg);
    }
}

static unsigned least(unsigned one, unsigned other)
{
    return one < other ? one : other;
}

/* What was surveyed for many is shown to each as far as it has asked for it.  NULL: no memory. */
static struct ptl_msg *show(struct ptl_node *node, struct ptl_sight *sight, const struct rows *rows)
{
    struct ptl_survey whole = sight->survey;
    struct ptl_writer writer;
    struct ptl_msg *msg = NULL;

    sight->survey.link_count = least(whole.link_count, rows->links);
    sight->survey.port_count = least(whole.port_count, rows->ports);
    sight->survey.slowest_count = least(whole.slowest_count, rows->ports);
    sight->survey.family_count = least(whole.family_count, rows->families);
    json_t *all = ptl_api_all(sight);
    sight->survey = whole;
    if (!all) {
        return NULL;
    }
    json_object_del(json_object_get(all, "node"), "log"); /* which HTTP alone keeps */
    ptl_writer_init(&writer, node);
    ptl_tree_put(&writer, all);
    json_decref(all);
    return ptl_writer_finish(&writer, &msg) < 0 ? NULL : msg;
}

struct looked_for {
    char node[PTL_NODE_ID_MAX + 1];
    bool is_linked;
};

static void compare_link(const char *node_id, void *data)
{
    struct looked_for *one = data;

    one->is_linked |= strcmp(node_id, one->node) == 0;
}

/* Whoever asks is linked; what has gone since would be looked for, and be a loss in the end. */
static bool is_there(struct ptl_node *node, const struct ptl_port *to)
{
    struct looked_for one = {.is_linked = false};

    node_of(to, one.node);
    ptl_links(node, compare_link, &one);
    return one.is_linked || strcmp(one.node, ptl_node_id(node)) == 0;
}

/* What does not fit is told by PTL_ESIZE alone, so the first try is here. */
static void answer(struct ptl_node *node, struct service *service, const struct question *question,
                   struct ptl_sight *sight)
{
    struct ptl_msg *msg = show(node, sight, &question->rows);
    int err = msg ? ptl_send(node, &question->to, msg) : PTL_ENOMEM;

    if (err == PTL_EFULL) {
        send(node, service, &question->to, msg);
        return;
    }
    ptl_msg_free(msg);
    if (err == PTL_ESIZE) {
        refuse(node, service, &question->to, "too_large",
               "the answer is larger than a message may be: ask for fewer links, ports, families");
    }
}

/* ---- Questions that wait -------------------------------------------------------------------- */

static struct question *take_out(struct service *service, struct question **at)
{
    struct question *question = *at;

    *at = question->next;
    if (service->last == &question->next) {
        service->last = at;
    }
    service->count--;
    return question;
}

/* The first that can be answered: its survey has come, or it has waited enough. */
static struct question *take_ready(struct service *service, uint64_t now)
{
    for (struct question **at = &service->first; *at; at = &(*at)->next) {
        bool is_shown = (*at)->is_begun && !service->arrival;
        if (is_shown || now >= (*at)->until_ms) {
            return take_out(service, at);
        }
    }
    return NULL;
}

static void answer_one(struct ptl_node *node, struct service *service, uint64_t now)
{
    struct question *question = take_ready(service, now);

    if (!question) {
        return;
    }
    bool has_come = question->is_begun && !service->arrival && service->sight;
    struct ptl_sight *sight = has_come ? service->sight : ptl_sight_make(node, service->started_ms);
    if (sight && is_there(node, &question->to)) {
        answer(node, service, question, sight);
    }
    if (!has_come) {
        ptl_sight_free(sight);
    }
    free(question);
}

/* ---- Surveys -------------------------------------------------------------------------------- */

static unsigned most(unsigned one, unsigned other)
{
    return one > other ? one : other;
}

/* All that wait, and have no survey yet, share this one.  0 of something stands for a default. */
static void begin_survey(struct ptl_node *node, struct service *service, uint64_t now)
{
    struct rows rows = {1, 1, 1};

    for (struct question *at = service->first; at; at = at->next) {
        rows = (struct rows){most(rows.links, at->rows.links), most(rows.ports, at->rows.ports),
                             most(rows.families, at->rows.families)};
        at->is_begun = true;
    }
    struct ptl_survey_options options = {
        .size = sizeof options,
        .links = rows.links,
        .ports = rows.ports,
        .families = rows.families,
    };
    ptl_sight_free(service->sight);
    service->sight = NULL;
    service->begun_ms = now;
    service->arrival = ptl_arrival_begin(node, &options, service->started_ms);
}

static bool is_survey_due(const struct service *service, uint64_t now)
{
    bool is_wanted = false;

    for (const struct question *at = service->first; at; at = at->next) {
        if (at->is_begun) {
            return false; /* these are answered first */
        }
        is_wanted = true;
    }
    return is_wanted && !service->arrival &&
           (service->begun_ms == 0 || now - service->begun_ms >= PTL_STATS_REST_MS);
}

static void collect(struct service *service)
{
    if (service->arrival && ptl_arrival_take(service->arrival, &service->sight)) {
        ptl_arrival_drop(service->arrival);
        service->arrival = NULL;
    }
}

static int look(struct ptl_node *node, void *data);

static void look_again(struct ptl_node *node, struct service *service)
{
    service->has_timer = ptl_after(node, LOOK_MS, look, service, NULL) == 0;
}

static int look(struct ptl_node *node, void *data)
{
    struct service *service = data;
    uint64_t now = ptl_sight_now_ms();

    collect(service);
    if (is_survey_due(service, now)) {
        begin_survey(node, service, now);
    }
    answer_one(node, service, now);
    service->has_timer = false;
    if (service->first) {
        look_again(node, service);
    } else {
        ptl_sight_free(service->sight);
        service->sight = NULL;
    }
    return 0;
}

/* ---- Who asks ------------------------------------------------------------------------------- */

static unsigned count_of_node(const struct service *service, const char *node)
{
    unsigned count = 0;

    for (const struct question *at = service->first; at; at = at->next) {
        char other[PTL_NODE_ID_MAX + 1];
        node_of(&at->to, other);
        count += strcmp(node, other) == 0;
    }
    return count;
}

static void tell_denied(struct service *service, const char *node)
{
    uint64_t now = ptl_sight_now_ms();
    char line[PTL_JOURNAL_LINE_MAX];

    service->denied++;
    if (service->denied_ms != 0 && now - service->denied_ms < DENIED_MS) {
        return;
    }
    snprintf(line, sizeof line, "%s may not observe, by the rules (%" PRIu64 " refused)", node,
             service->denied);
    service->denied_ms = now;
    service->denied = 0;
    ptl_journal_log(service->journal, PTL_LOG_WARN, line);
}

/* Why it is not asked, as the two values of the answer; false: it is. */
static bool has_objection(struct ptl_node *node, struct service *service, const char *asker,
                          const char **word, const char **why)
{
    if (strcmp(asker, ptl_node_id(node)) != 0 && !ptl_permit_observe(service->permit, asker)) {
        tell_denied(service, asker);
        *word = "not_allowed";
        *why = "the rules of this node do not let yours observe it";
        return true;
    }
    *word = "busy";
    *why = service->count == PTL_STATS_WAITING_MAX ? "too many ask this node"
                                                   : "your node asks before it is answered";
    return service->count == PTL_STATS_WAITING_MAX ||
           count_of_node(service, asker) >= PTL_STATS_OF_NODE_MAX;
}

/* ---- Questions ------------------------------------------------------------------------------ */

static bool is_key(const struct ptl_value *key, const char *name)
{
    return (key->type == PTL_TEXT || key->type == PTL_BYTES) && key->string.size == strlen(name) &&
           memcmp(key->string.chars, name, key->string.size) == 0;
}

static unsigned number_of(const struct ptl_value *value)
{
    bool is_number = value->type == PTL_INT && value->integer >= 0;

    return is_number && value->integer < PTL_STATS_ROWS_MAX ? (unsigned)value->integer
           : is_number                                      ? PTL_STATS_ROWS_MAX
                                                            : 0;
}

static void take_row(struct rows *rows, const struct ptl_value *key, const struct ptl_value *value)
{
    if (is_key(key, "links")) {
        rows->links = number_of(value);
    } else if (is_key(key, "ports")) {
        rows->ports = number_of(value);
    } else if (is_key(key, "families")) {
        rows->families = number_of(value);
    }
}

/* A map of numbers; what it says of other things is passed over.  False: it is none. */
static bool take_rows(struct ptl_cursor *cursor, struct rows *rows)
{
    struct ptl_value map, key, value;

    if (ptl_next(cursor, &map) < 0 || map.type != PTL_MAP) {
        return false;
    }
    for (uint32_t i = 0; i < map.count; i++) {
        struct ptl_cursor after;
        if (ptl_next(cursor, &key) < 0) {
            return false;
        }
        after = *cursor;
        if (ptl_next(cursor, &value) < 0 || ptl_skip(&after) < 0) {
            return false;
        }
        *cursor = after;
        take_row(rows, &key, &value);
    }
    return true;
}

static void add_question(struct service *service, const struct ptl_port *to,
                         const struct rows *rows)
{
    struct question *question = malloc(sizeof *question);

    if (question) {
        *question = (struct question){
            .to = *to,
            .rows = *rows,
            .until_ms = ptl_sight_now_ms() + PTL_STATS_PATIENCE_MS,
        };
        *service->last = question;
        service->last = &question->next;
        service->count++;
    }
}

static int take_question(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct service *service = data;
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct rows rows = {0, 0, 0};
    char asker[PTL_NODE_ID_MAX + 1];
    const char *word, *why;
    struct ptl_port to;

    if (ptl_msg_count(msg) != 3 || ptl_skip(&cursor) < 0 || !take_rows(&cursor, &rows) ||
        !ptl_reply_port(node, &cursor, &to)) {
        return 0;
    }
    node_of(&to, asker);
    if (has_objection(node, service, asker, &word, &why)) {
        refuse(node, service, &to, word, why);
        return 0;
    }
    add_question(service, &to, &rows);
    if (!service->has_timer) {
        look_again(node, service);
    }
    return 0;
}

/* ---- The port ------------------------------------------------------------------------------- */

static void release(void *data)
{
    struct service *service = data;

    while (service->first) {
        free(take_out(service, &service->first));
    }
    ptl_arrival_drop(service->arrival);
    ptl_sight_free(service->sight);
    ptl_replies_free(service->replies);
    free(service);
}

static struct service *make_service(struct ptl_journal *journal, struct ptl_permit *permit)
{
    struct service *service = calloc(1, sizeof *service);

    if (service) {
        service->replies = ptl_replies_make(PTL_STATS_SERVICE, journal);
        service->journal = journal;
        service->permit = permit;
        service->started_ms = ptl_sight_now_ms();
        service->last = &service->first;
    }
    if (service && !service->replies) {
        free(service);
        service = NULL;
    }
    return service;
}

int ptl_stats_service_start(struct ptl_node *node, struct ptl_journal *journal,
                            struct ptl_permit *permit)
{
    struct service *service = make_service(journal, permit);
    struct ptl_port port;

    if (!service) {
        return PTL_ENOMEM;
    }
    const struct ptl_port_tag tags[] = {{PTL_STATS_TAG, take_question, service},
                                        {NULL, NULL, NULL}};
    struct ptl_port_options options = {
        .size = sizeof options,
        .name = PTL_STATS_SERVICE,
        .tags = tags,
        .data = service,
        .release = release,
        .ignore_unhandled = true,
    };
    int err = ptl_port_new(node, &options, &port);
    if (err < 0) {
        release(service);
    }
    return err;
}
