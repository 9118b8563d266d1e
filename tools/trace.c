#include "tools/inquest.h"
#include "tools/network_service.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 1000 /* nodes that are drawn */
#define DEPTH_MAX 50    /* links from the first node to the last */

/*
 * The links of the network.  Every node found is asked once, as soon as it is found; when all have
 * answered, the graph is drawn as a tree, each node below the first that leads to it.
 */

enum answer {
    ANSWER_NONE,
    ANSWER_ORDINARY,
    ANSWER_GLOBAL,
    ANSWER_UNASKED, /* beyond a limit */
};

struct place {
    struct ptl_probe probe;
    char id[PTL_NODE_ID_MAX + 1];
    unsigned depth;
    enum answer answer;
    struct place **links;
    size_t link_count;
    struct place *parent; /* in the tree */
    struct place *next;   /* while the tree is made: of those that were found, the next one */
    bool found;
};

struct trace {
    struct ptl_client *client;
    struct ptl_inquest inquest;
    struct place *root;
    void *places; /* a tree of tsearch(), by ID */
    size_t count;
    bool more; /* than PLACES_MAX */
};

static void fail(struct trace *trace, enum ptl_exit code, const char *text)
{
    ptl_client_done(trace->client, code, NULL, strdup(text));
}

/* ---- The graph ------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->id, ((const struct place *)b)->id);
}

static int by_linked_id(const void *a, const void *b)
{
    return by_id(*(struct place *const *)a, *(struct place *const *)b);
}

static void free_place(void *place)
{
    free(((struct place *)place)->links);
    free(place);
}

/* The place of a node, made when it is new; NULL beyond the limit or without memory. */
static struct place *find_place(struct trace *trace, const char *id, size_t size, bool *new)
{
    struct place *place = calloc(1, sizeof *place);

    if (!place || size >= sizeof place->id) {
        free(place);
        return NULL;
    }
    memcpy(place->id, id, size);
    struct place **known = tfind(place, &trace->places, by_id);
    *new = known == NULL;
    if (known || trace->count == PLACES_MAX || !tsearch(place, &trace->places, by_id)) {
        trace->more = trace->more || !known;
        free(place);
        return known ? *known : NULL;
    }
    trace->count++;
    return place;
}

static void ask_place(struct trace *trace, struct place *place)
{
    if (place->depth > DEPTH_MAX) {
        place->answer = ANSWER_UNASKED;
    } else if (!ptl_client_is_id(place->id)) { /* clients answer nobody */
        ptl_inquest_ask(&trace->inquest, &place->probe, place->id);
    }
}

/* One node that `place` is linked to. */
static void add_link(struct trace *trace, struct place *place, const struct ptl_value *id)
{
    const char *own = ptl_node_id(trace->client->node);
    bool new = false;

    if ((id->type != PTL_TEXT && id->type != PTL_BYTES) ||
        (strlen(own) == id->string.size && memcmp(own, id->string.chars, id->string.size) == 0)) {
        return;
    }
    struct place *linked = find_place(trace, id->string.chars, id->string.size, &new);
    if (!linked) {
        return;
    }
    place->links[place->link_count++] = linked;
    if (new) {
        linked->depth = place->depth + 1;
        ask_place(trace, linked);
    }
}

/* By ID, so that the same network is always drawn the same, and each once. */
static void sort_links(struct place *place)
{
    size_t count = 0;

    qsort(place->links, place->link_count, sizeof place->links[0], by_linked_id);
    for (size_t i = 0; i < place->link_count; i++) {
        if (count == 0 || place->links[count - 1] != place->links[i]) {
            place->links[count++] = place->links[i];
        }
    }
    place->link_count = count;
}

/* [[NODEID...], GLOBAL] */
static void take_links(struct trace *trace, struct place *place, const struct ptl_msg *reply)
{
    struct ptl_cursor cursor = ptl_msg_begin(reply);
    struct ptl_value value;
    bool global;

    if (ptl_msg_read(NULL, reply, "*b", &global) < 0 || ptl_next(&cursor, &value) < 0 ||
        value.type != PTL_ARRAY) {
        return;
    }
    place->links = calloc(value.count + (size_t)1, sizeof place->links[0]);
    if (!place->links) {
        return;
    }
    place->answer = global ? ANSWER_GLOBAL : ANSWER_ORDINARY;
    for (uint32_t left = value.count; left > 0; left--) {
        struct ptl_cursor at = cursor;
        if (ptl_next(&at, &value) < 0 || ptl_skip(&cursor) < 0) {
            break;
        }
        add_link(trace, place, &value);
    }
    sort_links(place);
}

/* ---- The drawing ---------------------------------------------------------------------------- */

/* Give every place the first parent that leads to it, level by level. */
static void make_tree(struct place *root)
{
    struct place *last = root;

    root->found = true;
    for (struct place *place = root; place; place = place->next) {
        for (size_t i = 0; i < place->link_count; i++) {
            struct place *linked = place->links[i];
            if (!linked->found) {
                linked->found = true;
                linked->parent = place;
                last = last->next = linked;
            }
        }
    }
}

static void draw_place(FILE *out, const struct place *place, unsigned depth, bool again)
{
    static const char *const answers[] = {"?", "ordinary", "global", "..."};

    fprintf(out, "%s%*s", depth > 0 ? "\n" : "", (int)(2 * depth), "");
    for (const char *at = place->id; *at != '\0'; at++) {
        fputc((unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at, out);
    }
    fprintf(out, "  %s", again ? "^" : answers[place->answer]);
}

/* No deeper than DEPTH_MAX + 1: places beyond have no links. */
static void draw(FILE *out, const struct place *place, unsigned depth)
{
    draw_place(out, place, depth, false);
    for (size_t i = 0; i < place->link_count; i++) {
        const struct place *linked = place->links[i];
        if (linked->parent == place) {
            draw(out, linked, depth + 1);
        } else if (linked != place->parent) {
            draw_place(out, linked, depth + 1, true);
        }
    }
}

static void print(struct trace *trace)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        fail(trace, PTL_EXIT_OTHER, ptl_err_text(PTL_ENOMEM));
        return;
    }
    make_tree(trace->root);
    draw(out, trace->root, 0);
    if (trace->more) {
        fprintf(out, "\n... and more than %d nodes", PLACES_MAX);
    }
    if (fclose(out) != 0) {
        free(text);
        fail(trace, PTL_EXIT_OTHER, ptl_err_text(PTL_ENOMEM));
        return;
    }
    ptl_client_done(trace->client, PTL_EXIT_OK, text, NULL);
}

/* ---- Asking --------------------------------------------------------------------------------- */

/* Without an answer of the first node there is no tree. */
static void complain(struct trace *trace, int err, const struct ptl_msg *reply)
{
    if (reply) {
        ptl_client_gone(trace->client, reply, false);
    } else {
        fail(trace, err == PTL_ETIMEOUT ? PTL_EXIT_REACH : PTL_EXIT_OTHER, ptl_err_text(err));
    }
}

static void take_answer(struct ptl_inquest *inquest, struct ptl_probe *probe, int err,
                        const struct ptl_msg *reply)
{
    struct trace *trace = inquest->client->data;
    struct place *place = (struct place *)probe; /* its first member */

    if (err < 0 && place == trace->root) {
        complain(trace, err, reply);
        return;
    }
    inquest->open++; /* ours, lest all is told before all are asked */
    if (err == 0) {
        take_links(trace, place, reply);
    }
    if (--inquest->open == 0) {
        print(trace);
    }
}

/* On the node's shard, where all the rest happens. */
static int begin(struct ptl_node *node, void *data)
{
    struct trace *trace = data;
    const char *id = trace->client->options->arguments[0];
    bool new;

    (void)node;
    trace->root = find_place(trace, id, strlen(id), &new);
    if (trace->root) {
        ptl_inquest_ask(&trace->inquest, &trace->root->probe, id);
    } else {
        fail(trace, PTL_EXIT_OTHER, ptl_err_text(PTL_ENOMEM));
    }
    return 0;
}

static int check_node(struct ptl_client *client)
{
    const char *id = client->options->arguments[0];

    int err =
        strchr(id, '#') ? PTL_ENAME : ptl_port_parse(client->node, id, strlen(id), &client->port);
    return err < 0 ? ptl_complain(PTL_EXIT_USAGE, "'%s' is not a node: %s", id, ptl_err_text(err))
                   : PTL_EXIT_OK;
}

static int trace_links(struct ptl_client *client)
{
    struct trace *trace = client->data;

    trace->client = client;
    trace->inquest = (struct ptl_inquest){
        .client = client,
        .port = PTL_NETWORK_SERVICE,
        .tag = "links",
        .timeout_ms = client->options->probe_ms,
        .tell = take_answer,
    };
    int err = ptl_after(client->node, 0, begin, trace, NULL);
    return err < 0 ? ptl_complain_refused("ask the node", err) : ptl_client_wait(client, 0);
}

int ptl_command_trace(const struct ptl_options *options)
{
    struct trace trace = {.count = 0};

    if (options->argument_count != 1) {
        return ptl_complain_form("trace NODE");
    }
    int code = ptl_client_run(options, check_node, trace_links, &trace);
    tdestroy(trace.places, free_place);
    return code;
}
