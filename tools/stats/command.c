/*
 * portolan stats NODE - how a node fares: once, or again and again.
 */
#include "tools/client.h"
#include "tools/stats/ask.h"
#include "tools/stats/report.h"
#include "tools/stats/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After it was asked for the first time it is the client's shard's. */
struct stats {
    struct ptl_client *client;
    struct ptl_lines lines;
    json_t *before;
    uint64_t told;
};

static void fail(struct stats *stats, int code, char *why)
{
    ptl_client_done(stats->client, (enum ptl_exit)code, NULL, why ? why : strdup("no memory"));
}

/* ---- Telling -------------------------------------------------------------------------------- */

/* A block of malloc(), without the last line's end; NULL: no memory. */
static char *make_text(const struct stats *stats, const json_t *answer)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        return NULL;
    }
    ptl_report_write(answer, stats->before, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    if (size > 0 && text[size - 1] == '\n') {
        text[size - 1] = '\0';
    }
    return text;
}

/* Between two reports is an empty line; an object is a line. */
static bool tell(struct stats *stats, const json_t *answer)
{
    bool json = stats->client->options->json;
    char *text = json ? json_dumps(answer, JSON_COMPACT) : make_text(stats, answer);

    bool good = text && (json || stats->told == 0 || ptl_client_add_line(stats->client, "")) &&
                ptl_client_add_line(stats->client, text);
    free(text);
    return good;
}

/* ---- Asking --------------------------------------------------------------------------------- */

static int ask(struct ptl_node *node, void *data);

/* Whoever reads slowly is told less often. */
static int ask_when_read(struct ptl_node *node, void *data)
{
    struct stats *stats = data;

    return ptl_lines_full(&stats->lines) ? PTL_LATER : ask(node, data);
}

static void take_answer(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct stats *stats = data;
    const struct ptl_options *options = stats->client->options;
    char *why;
    int code;

    json_t *answer = ptl_stats_answer(err, reply, &code, &why);
    if (!answer) {
        fail(stats, code, why);
        return;
    }
    bool good = tell(stats, answer);
    json_decref(stats->before);
    stats->before = answer;
    stats->told++;
    if (!good) {
        fail(stats, PTL_EXIT_OTHER, NULL);
    } else if (options->every_ms == 0 || stats->told == options->count) {
        ptl_client_done(stats->client, PTL_EXIT_OK, NULL, NULL);
    } else if (ptl_after(node, options->every_ms, ask_when_read, stats, NULL) < 0) {
        fail(stats, PTL_EXIT_OTHER, NULL);
    }
}

static int ask(struct ptl_node *node, void *data)
{
    struct stats *stats = data;
    const struct ptl_options *options = stats->client->options;
    struct ptl_msg *msg;

    int err = ptl_stats_question(node, options->links, options->ports, options->families, &msg);
    if (err == 0) {
        err = ptl_call(node, &stats->client->port, msg, options->timeout_ms, true, take_answer,
                       stats);
        ptl_msg_free(msg);
    }
    if (err < 0) {
        fail(stats, PTL_EXIT_OTHER, strdup(ptl_err_text(err)));
    }
    return 0;
}

static int begin(struct ptl_client *client)
{
    struct stats *stats = client->data;

    stats->client = client;
    client->lines = &stats->lines;
    int err = ptl_after(client->node, 0, ask, stats, NULL);
    return err < 0 ? ptl_complain_refused("ask the node", err) : ptl_client_wait(client, 0);
}

static int parse_service(struct ptl_client *client)
{
    const char *node = client->options->arguments[0];
    char id[PTL_PORT_ID_MAX + 1];

    int size = snprintf(id, sizeof id, "%s#" PTL_STATS_SERVICE, node);
    if (strchr(node, '#') || (size_t)size >= sizeof id ||
        ptl_port_parse(client->node, id, (size_t)size, &client->port) < 0) {
        return ptl_complain(PTL_EXIT_USAGE, "'%s' is no node's ID", node);
    }
    return PTL_EXIT_OK;
}

int ptl_command_stats(const struct ptl_options *options)
{
    struct stats stats = {.told = 0};

    if (options->argument_count != 1) {
        return ptl_complain_form("stats NODE");
    }
    if (options->count > 0 && options->every_ms == 0) {
        return ptl_complain(PTL_EXIT_USAGE, "--count says how often: --every says when");
    }
    ptl_lines_init(&stats.lines);
    int code = ptl_client_run(options, parse_service, begin, &stats);
    ptl_lines_free(&stats.lines);
    json_decref(stats.before);
    return code;
}
