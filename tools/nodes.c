#include "tools/inquest.h"
#include "tools/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Who is in the network: first both families that say so are read, then every node that can be
 * asked is asked for the time.
 */

enum state {
    STATE_VOUCHED, /* it has no address: the node it is attached to says that it is there */
    STATE_DOWN,
    STATE_UP,
};

struct row {
    struct ptl_probe probe;
    char *id;
    struct ptl_cursor addresses; /* in family 'l; at its end when there are none */
    bool global;
    enum state state;
};

struct nodes {
    struct ptl_client *client;
    struct ptl_inquest inquest;
    struct ptl_msg *listening; /* family 'l: node -> array of addresses */
    struct row *rows;          /* in order of their IDs once all are there */
    size_t count;
};

static void fail(struct nodes *nodes, int err)
{
    ptl_client_done(nodes->client, PTL_EXIT_OTHER, NULL, strdup(ptl_err_text(err)));
}

/* ---- The addresses of a row ----------------------------------------------------------------- */

/* Step to the next address; false at the end. */
static bool next_address(struct ptl_cursor *cursor, uint32_t *left, struct ptl_value *address)
{
    while (*left > 0) {
        struct ptl_cursor at = *cursor;
        (*left)--;
        if (ptl_next(&at, address) < 0 || ptl_skip(cursor) < 0) {
            return false;
        }
        if (address->type == PTL_TEXT || address->type == PTL_BYTES) {
            return true;
        }
    }
    return false;
}

/* The place before a row's first address, and how many values follow. */
static struct ptl_cursor first_address(const struct row *row, uint32_t *left)
{
    struct ptl_cursor cursor = row->addresses;
    struct ptl_value value;

    *left = ptl_next(&cursor, &value) == 0 && value.type == PTL_ARRAY ? value.count : 0;
    return cursor;
}

static bool has_address(const struct row *row)
{
    struct ptl_value address;
    uint32_t left;
    struct ptl_cursor cursor = first_address(row, &left);

    return next_address(&cursor, &left, &address);
}

/* ---- Printing ------------------------------------------------------------------------------- */

/* What other nodes have called themselves shall not drive the terminal. */
static void print_clean(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        fputc((unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i], out);
    }
}

static void print_row(FILE *out, const struct row *row, size_t width)
{
    static const char *const states[] = {"up*", "down", "up"};
    struct ptl_value address;
    uint32_t left;
    struct ptl_cursor cursor = first_address(row, &left);
    const char *separator = "";

    fputc('\n', out);
    print_clean(out, row->id, strlen(row->id));
    fprintf(out, "%*s  %-8s  %-5s  ", (int)(width - strlen(row->id)), "",
            row->global ? "global" : "ordinary", states[row->state]);
    while (next_address(&cursor, &left, &address)) {
        fputs(separator, out);
        print_clean(out, address.string.chars, address.string.size);
        separator = ",";
    }
    fputs(separator[0] == '\0' ? "-" : "", out);
}

/* Without the last line's end. */
static void print_table(FILE *out, const struct nodes *nodes)
{
    size_t width = strlen("NODE");
    bool vouched = false;

    for (size_t i = 0; i < nodes->count; i++) {
        size_t size = strlen(nodes->rows[i].id);
        width = size > width ? size : width;
        vouched = vouched || nodes->rows[i].state == STATE_VOUCHED;
    }
    fprintf(out, "%-*s  %-8s  %-5s  %s", (int)width, "NODE", "KIND", "STATE", "ADDRESSES");
    for (size_t i = 0; i < nodes->count; i++) {
        print_row(out, &nodes->rows[i], width);
    }
    if (vouched) {
        fputs("\n* has no address to be asked at: the node it is attached to says so", out);
    }
}

static void put_pair(struct ptl_writer *writer, const char *key, const char *text)
{
    ptl_put_text(writer, key, strlen(key));
    ptl_put_string(writer, text, strlen(text));
}

static void put_addresses(struct ptl_writer *writer, const struct row *row)
{
    struct ptl_value value;
    struct ptl_cursor cursor = row->addresses;

    if (ptl_next(&cursor, &value) < 0 || value.type != PTL_ARRAY) {
        ptl_put_array(writer, 0);
        return;
    }
    cursor = row->addresses;
    if (ptl_reply_values(writer, &cursor, 1) < 0) {
        ptl_put_null(writer); /* never: the message was read whole */
    }
}

/* {"node":ID,"kind":"global","state":"up","asked":true,"addresses":[...]} */
static char *row_json(const struct row *row)
{
    struct ptl_writer writer;
    struct ptl_msg *msg;

    ptl_writer_init(&writer, NULL);
    ptl_put_map(&writer, 5);
    put_pair(&writer, "node", row->id);
    put_pair(&writer, "kind", row->global ? "global" : "ordinary");
    put_pair(&writer, "state", row->state == STATE_DOWN ? "down" : "up");
    ptl_put_text(&writer, "asked", strlen("asked"));
    ptl_put_bool(&writer, row->state != STATE_VOUCHED);
    ptl_put_text(&writer, "addresses", strlen("addresses"));
    put_addresses(&writer, row);
    if (ptl_writer_finish(&writer, &msg) < 0) {
        return NULL;
    }
    char *json = ptl_value_json(msg);
    ptl_msg_free(msg);
    return json;
}

/* One object a line, without the last line's end. */
static void print_json(FILE *out, const struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        char *json = row_json(&nodes->rows[i]);
        fprintf(out, "%s%s", i > 0 ? "\n" : "", json ? json : "null");
        free(json);
    }
}

static void print(struct nodes *nodes)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        fail(nodes, PTL_ENOMEM);
        return;
    }
    if (nodes->client->options->json) {
        print_json(out, nodes);
    } else {
        print_table(out, nodes);
    }
    if (fclose(out) != 0) {
        free(text);
        fail(nodes, PTL_ENOMEM);
        return;
    }
    if (size == 0) {
        free(text);
        text = NULL; /* no node, no line */
    }
    ptl_client_done(nodes->client, PTL_EXIT_OK, text, NULL);
}

/* ---- Asking --------------------------------------------------------------------------------- */

static void take_time(struct ptl_inquest *inquest, struct ptl_probe *probe, int err,
                      const struct ptl_msg *reply)
{
    struct row *row = (struct row *)probe; /* its first member */

    (void)reply;
    row->state = err == 0 ? STATE_UP : STATE_DOWN;
    if (inquest->open == 0) {
        print(inquest->client->data);
    }
}

static void ask_all(struct nodes *nodes)
{
    struct ptl_inquest *inquest = &nodes->inquest;

    *inquest = (struct ptl_inquest){
        .client = nodes->client,
        .port = "",
        .tag = "time",
        .timeout_ms = nodes->client->options->probe_ms,
        .tell = take_time,
        .open = 1, /* ours, lest all is told before all are asked */
    };
    for (size_t i = 0; i < nodes->count; i++) {
        if (has_address(&nodes->rows[i])) {
            ptl_inquest_ask(inquest, &nodes->rows[i].probe, nodes->rows[i].id);
        }
    }
    if (--inquest->open == 0) {
        print(nodes);
    }
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->id, ((const struct row *)b)->id);
}

/* Whether a node is to be shown: not ourselves, and no other client unless it is asked for. */
static bool is_wanted(const struct nodes *nodes, const char *id)
{
    return strcmp(id, ptl_node_id(nodes->client->node)) != 0 &&
           (nodes->client->options->all || !ptl_client_is_id(id));
}

/* The map of a family: the place before its first pair, and their number. */
static struct ptl_cursor first_pair(const struct ptl_msg *msg, uint32_t *count)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    *count = ptl_next(&cursor, &value) == 0 && value.type == PTL_MAP ? value.count : 0;
    return cursor;
}

/* The next pair; `id` NULL where its key is none, or there is no memory. */
static bool next_pair(struct ptl_cursor *cursor, char **id, struct ptl_cursor *value)
{
    struct ptl_value key;

    if (ptl_next(cursor, &key) < 0) {
        return false;
    }
    *id = key.type == PTL_TEXT || key.type == PTL_BYTES ? strndup(key.string.chars, key.string.size)
                                                        : NULL;
    *value = *cursor;
    return ptl_skip(cursor) == 0;
}

static void add_row(struct nodes *nodes, char *id, struct ptl_cursor addresses, bool global)
{
    if (!id || !is_wanted(nodes, id)) {
        free(id);
        return;
    }
    nodes->rows[nodes->count++] = (struct row){
        .id = id,
        .addresses = addresses,
        .global = global,
    };
}

/* The rows of family 'l are in order; those of 'g alone are added behind them. */
static void mark_globals(struct nodes *nodes, const struct ptl_msg *globals)
{
    uint32_t count;
    struct ptl_cursor cursor = first_pair(globals, &count);
    size_t listening = nodes->count;
    struct ptl_cursor none = {NULL, NULL};
    struct ptl_cursor value;
    struct row row;

    while (count-- > 0 && next_pair(&cursor, &row.id, &value)) {
        struct row *known =
            row.id ? bsearch(&row, nodes->rows, listening, sizeof row, by_id) : NULL;
        if (known) {
            known->global = true;
            free(row.id);
        } else {
            add_row(nodes, row.id, none, true);
        }
    }
}

static void take_globals(struct ptl_node *node, int err, const struct ptl_msg *globals, void *data)
{
    struct nodes *nodes = data;
    uint32_t listening_count;
    uint32_t global_count;
    struct ptl_cursor addresses;
    char *id;

    (void)node;
    if (err < 0) {
        fail(nodes, err);
        return;
    }
    struct ptl_cursor cursor = first_pair(nodes->listening, &listening_count);
    first_pair(globals, &global_count);
    nodes->rows = calloc((size_t)listening_count + global_count + 1, sizeof nodes->rows[0]);
    if (!nodes->rows) {
        fail(nodes, PTL_ENOMEM);
        return;
    }
    while (listening_count-- > 0 && next_pair(&cursor, &id, &addresses)) {
        add_row(nodes, id, addresses, false);
    }
    qsort(nodes->rows, nodes->count, sizeof nodes->rows[0], by_id);
    mark_globals(nodes, globals);
    qsort(nodes->rows, nodes->count, sizeof nodes->rows[0], by_id);
    ask_all(nodes);
}

static void take_listening(struct ptl_node *node, int err, const struct ptl_msg *listening,
                           void *data)
{
    struct nodes *nodes = data;

    if (err == 0) {
        nodes->listening = ptl_msg_keep(listening);
        err = nodes->listening ? ptl_db_family(node, "'g", take_globals, nodes) : PTL_ENOMEM;
    }
    if (err < 0) {
        fail(nodes, err);
    }
}

static int show_nodes(struct ptl_client *client)
{
    struct nodes *nodes = client->data;
    const struct ptl_options *options = client->options;

    nodes->client = client;
    client->doubt = "has the node lost the network?";
    int err = ptl_db_family(client->node, "'l", take_listening, nodes);
    return err < 0 ? ptl_complain_refused("ask the database", err)
                   : ptl_client_wait(client, options->timeout_ms + options->probe_ms);
}

int ptl_command_nodes(const struct ptl_options *options)
{
    struct nodes nodes = {.count = 0};

    if (options->argument_count > 0) {
        return ptl_complain(PTL_EXIT_USAGE, "nodes takes no argument '%s': see portolan --help",
                            options->arguments[0]);
    }
    int code = ptl_client_run(options, NULL, show_nodes, &nodes);
    for (size_t i = 0; i < nodes.count; i++) {
        free(nodes.rows[i].id);
    }
    free(nodes.rows);
    ptl_msg_free(nodes.listening);
    return code;
}
