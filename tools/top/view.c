#include "tools/top/view.h"

#include "tools/stats/amount.h"
#include "tools/stats/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- Numbers of a node ---------------------------------------------------------------------- */

enum kind { TEXT, RATE, BYTE_RATE, WHOLE, BYTES, SPAN };

static const char *const titles[] = {"<NODE",     "<KIND",    "<STATE",   ">LINKS",   ">TAKEN/s",
                                     ">IN/s",     ">OUT/s",   ">B IN/s",  ">B OUT/s", ">QUEUE",
                                     ">FULL",     ">LOST",    ">UP",      ">PORTS",   ">REGISTERED",
                                     ">FAMILIES", ">ENTRIES", "<VERSION", NULL};

static const struct column {
    enum kind kind;
    const char *count;    /* of an answer's "counts" */
    const char *also;     /* what is added to it, or NULL */
    bool is_without_ours; /* the link by which we ask is none of the cluster's */
} columns[] = {
    {TEXT, NULL, NULL, false},
    {TEXT, NULL, NULL, false},
    {TEXT, NULL, NULL, false},
    {WHOLE, "links", NULL, true},
    {RATE, "taken", NULL, false},
    {RATE, "received", NULL, false},
    {RATE, "sent", NULL, false},
    {BYTE_RATE, "link_bytes_in", NULL, false},
    {BYTE_RATE, "link_bytes_out", NULL, false},
    {BYTES, "queued_bytes", "link_bytes", false},
    {WHOLE, "full", NULL, false},
    {WHOLE, "lost", NULL, false},
    {SPAN, NULL, NULL, false},
    {WHOLE, "ports", NULL, false},
    {WHOLE, "registrations", NULL, false},
    {WHOLE, "families", NULL, false},
    {WHOLE, "entries", NULL, false},
    {TEXT, NULL, NULL, false},
};

#define COLUMNS (sizeof columns / sizeof columns[0])
enum { NODE, KIND, STATE, VERSION = COLUMNS - 1 };

_Static_assert(COLUMNS < PTL_TABLE_COLUMNS_MAX, "a table has room for them");
_Static_assert(sizeof titles / sizeof titles[0] == COLUMNS + 1, "a title for each");

unsigned ptl_view_columns(void)
{
    return COLUMNS;
}

const char *ptl_view_title(unsigned column)
{
    return titles[column] + 1;
}

static const json_t *node_of(const json_t *answer)
{
    return json_object_get(answer, "node");
}

static double sum_of(const json_t *answer, const struct column *column)
{
    const json_t *counts = json_object_get(node_of(answer), "counts");
    double sum = ptl_report_number(counts, column->count);

    if (column->is_without_ours) {
        return sum > 0 ? sum - 1 : 0;
    }

    return column->also ? sum + ptl_report_number(counts, column->also) : sum;
}

/* Seconds between the last two answers; 0: there are none of one process. */
static double seconds_of(const struct ptl_cluster_node *node)
{
    double seconds = ptl_report_number(node_of(node->answer), "up_seconds") -
                     ptl_report_number(node_of(node->before), "up_seconds");

    return node->before && seconds > 0 ? seconds : 0;
}

static double number_of(const struct ptl_cluster_node *node, const struct column *column)
{
    double seconds = seconds_of(node);

    if (column->kind == SPAN) {
        return ptl_report_number(node_of(node->answer), "up_seconds");
    }
    if (column->kind != RATE && column->kind != BYTE_RATE) {
        return sum_of(node->answer, column);
    }
    double more = sum_of(node->answer, column) - sum_of(node->before, column);
    return seconds > 0 && more > 0 ? more / seconds : 0;
}

/* ---- Order ---------------------------------------------------------------------------------- */

struct sorted {
    struct ptl_cluster_node node;
    double number;
    const char *text;
};

static const char *text_of(const struct ptl_cluster_node *node, unsigned column)
{
    switch (column) {
    case KIND:
        return node->is_global ? "global" : "ordinary";
    case VERSION:
        return ptl_report_text(node_of(node->answer), "version");
    default:
        return "";
    }
}

/* The largest first; of those that are alike the first by ID, as they came. */
static int compare(const void *a, const void *b)
{
    const struct sorted *one = a, *other = b;
    int texts = strcmp(one->text, other->text);

    if (one->number != other->number) {
        return one->number < other->number ? 1 : -1;
    }
    return texts != 0 ? texts : strcmp(one->node.id, other->node.id);
}

static void reverse(struct ptl_cluster_view *view)
{
    for (size_t i = 0; i < view->count / 2; i++) {
        struct ptl_cluster_node kept = view->nodes[i];
        view->nodes[i] = view->nodes[view->count - 1 - i];
        view->nodes[view->count - 1 - i] = kept;
    }
}

void ptl_view_sort(struct ptl_cluster_view *view, const struct ptl_view_order *order)
{
    const struct column *column = &columns[order->column];
    struct sorted *sorted = malloc((view->count + 1) * sizeof sorted[0]);

    for (size_t i = 0; sorted && i < view->count; i++) {
        const struct ptl_cluster_node *node = &view->nodes[i];
        bool is_silent = node->state != PTL_NODE_ANSWERS;
        sorted[i] = (struct sorted){.node = *node, .text = text_of(node, order->column)};
        sorted[i].number = order->column == STATE ? (double)node->state
                           : column->kind == TEXT ? 0
                           : is_silent            ? -1
                                                  : number_of(node, column);
    }
    if (sorted) {
        qsort(sorted, view->count, sizeof sorted[0], compare);
    }
    for (size_t i = 0; sorted && i < view->count; i++) {
        view->nodes[i] = sorted[i].node;
    }
    free(sorted);
    if (order->is_reversed) {
        reverse(view);
    }
}

/* ---- The nodes' table ----------------------------------------------------------------------- */

static void add_state(const struct ptl_cluster_view *view, const struct ptl_cluster_node *node,
                      struct ptl_table *table)
{
    static const char *const states[] = {"asked", "up", "not answering", "refuses", "no stats"};
    const json_t *known = node_of(node->answer);

    if (node->state == PTL_NODE_SILENT && node->seen_ms > 0) {
        ptl_table_cell(table, "not answering, seen %s ago",
                       ptl_amount_span((double)(view->now_ms - node->seen_ms) / 1000).text);
    } else if (node->state == PTL_NODE_SILENT && !node->has_address) {
        ptl_table_cell(table, "no address");
    } else if (node->state == PTL_NODE_ANSWERS && !json_is_true(json_object_get(known, "ready"))) {
        ptl_table_cell(table, "not joined");
    } else {
        ptl_table_cell(table, "%s", states[node->state]);
    }
}

static struct ptl_amount amount_of(double number, enum kind kind)
{
    switch (kind) {
    case RATE:
        return ptl_amount_count(number);
    case BYTE_RATE:
    case BYTES:
        return ptl_amount_bytes(number);
    case SPAN:
        return ptl_amount_span(number);
    case WHOLE:
    case TEXT:
        break;
    }
    return ptl_amount_whole((uint64_t)number);
}

static void add_number(const struct ptl_cluster_node *node, const struct column *column,
                       struct ptl_table *table)
{
    bool is_rate = column->kind == RATE || column->kind == BYTE_RATE;

    if (node->state != PTL_NODE_ANSWERS || (is_rate && seconds_of(node) == 0)) {
        ptl_table_cell(table, "-");
    } else {
        ptl_table_cell(table, "%s", amount_of(number_of(node, column), column->kind).text);
    }
}

void ptl_view_nodes(const struct ptl_cluster_view *view, struct ptl_table *table)
{
    ptl_table_begin(table, titles);
    for (size_t i = 0; i < view->count; i++) {
        const struct ptl_cluster_node *node = &view->nodes[i];
        for (unsigned k = 0; k < COLUMNS; k++) {
            if (k == NODE) {
                ptl_table_cell(table, "%s", node->id);
            } else if (k == STATE) {
                add_state(view, node, table);
            } else if (columns[k].kind == TEXT) {
                ptl_table_cell(table, "%s", text_of(node, k));
            } else {
                add_number(node, &columns[k], table);
            }
        }
    }
}

/* ---- The ports of all ----------------------------------------------------------------------- */

struct port {
    const json_t *port;
    double rate;  /* messages a second */
    double first; /* what it is sorted by */
};

static const json_t *ports_of(const json_t *answer, const char *which)
{
    return json_object_get(json_object_get(answer, "ports"), which);
}

/* Messages that came for it between two answers, a second. */
static double rate_of(const struct ptl_cluster_node *node, const json_t *port)
{
    double seconds = seconds_of(node);
    size_t index;
    json_t *before;

    json_array_foreach(seconds > 0 ? ports_of(node->before, "ports") : NULL, index, before)
    {
        if (strcmp(ptl_report_text(before, "port"), ptl_report_text(port, "port")) == 0) {
            double more =
                ptl_report_number(port, "messages") - ptl_report_number(before, "messages");
            return more > 0 ? more / seconds : 0;
        }
    }
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct port *one = a, *other = b;
    double more = ptl_report_number(one->port, "messages");
    double than = ptl_report_number(other->port, "messages");

    if (one->first != other->first) {
        return one->first < other->first ? 1 : -1;
    }
    return (more < than) - (more > than);
}

/* All of them, sorted; NULL: no memory.  Owns: the caller. */
static struct port *gather(const struct ptl_cluster_view *view, bool slowest, size_t *count)
{
    struct port *ports = malloc((view->count * PTL_CLUSTER_PORTS_MAX + 1) * sizeof ports[0]);

    *count = 0;
    for (size_t i = 0; ports && i < view->count; i++) {
        const struct ptl_cluster_node *node = &view->nodes[i];
        const json_t *found = ports_of(node->answer, slowest ? "slowest" : "ports");
        size_t index;
        json_t *port;
        json_array_foreach(node->state == PTL_NODE_ANSWERS ? found : NULL, index, port)
        {
            if (index < PTL_CLUSTER_PORTS_MAX) {
                double rate = rate_of(node, port);
                double mean = ptl_report_number(port, "handled_mean_ns");
                ports[(*count)++] = (struct port){port, rate, slowest ? mean : rate};
            }
        }
    }
    if (ports) {
        qsort(ports, *count, sizeof ports[0], by_first);
    }
    return ports;
}

static void show_ports(const struct ptl_cluster_view *view, bool slowest, size_t most,
                       struct ptl_table *table)
{
    static const char *const busiest_titles[] = {"<BUSIEST PORTS", ">MSG/s", ">MESSAGES", ">QUEUE",
                                                 ">MEAN",          ">MOST",  NULL};
    static const char *const slowest_titles[] = {"<SLOWEST PORTS", ">MSG/s", ">MESSAGES", ">QUEUE",
                                                 ">MEAN",          ">MOST",  NULL};
    size_t count;
    struct port *ports = gather(view, slowest, &count);

    ptl_table_begin(table, slowest ? slowest_titles : busiest_titles);
    for (size_t i = 0; ports && i < count && i < most; i++) {
        const json_t *port = ports[i].port;
        ptl_table_cell(table, "%s", ptl_report_text(port, "port"));
        ptl_table_cell(table, "%s", ptl_amount_count(ports[i].rate).text);
        ptl_report_port_cells(table, port);
    }
    free(ports);
}

void ptl_view_busiest(const struct ptl_cluster_view *view, size_t most, struct ptl_table *table)
{
    show_ports(view, false, most, table);
}

void ptl_view_slowest(const struct ptl_cluster_view *view, size_t most, struct ptl_table *table)
{
    show_ports(view, true, most, table);
}

/* ---- All of it ------------------------------------------------------------------------------ */

static const struct column taken = {RATE, "taken", NULL, false};
static const struct column bytes_in = {BYTE_RATE, "link_bytes_in", NULL, false};
static const struct column queue = {BYTES, "queued_bytes", "link_bytes", false};

void ptl_view_summary(const struct ptl_cluster_view *view, FILE *out)
{
    size_t globals = 0, answering = 0;
    double messages = 0, bytes = 0, queued = 0;

    for (size_t i = 0; i < view->count; i++) {
        const struct ptl_cluster_node *node = &view->nodes[i];
        globals += node->is_global;
        if (node->state == PTL_NODE_ANSWERS) {
            answering++;
            messages += number_of(node, &taken);
            bytes += number_of(node, &bytes_in);
            queued += number_of(node, &queue);
        }
    }
    fprintf(out, "nodes: %zu (%zu global), answering: %zu, messages/s: %s, bytes/s: %s, queue: %s",
            view->count, globals, answering, ptl_amount_count(messages).text,
            ptl_amount_bytes(bytes).text, ptl_amount_bytes(queued).text);
}

static void print_ports(struct ptl_table *table, size_t width, FILE *out)
{
    if (ptl_table_rows(table) > 0) {
        fputc('\n', out);
        ptl_table_print(table, width, out);
    }
    ptl_table_end(table);
}

void ptl_view_print(const struct ptl_cluster_view *view, size_t width, FILE *out)
{
    struct ptl_table table;

    ptl_view_summary(view, out);
    fputs("\n\n", out);
    ptl_view_nodes(view, &table);
    ptl_table_print(&table, width, out);
    ptl_table_end(&table);
    ptl_view_busiest(view, PTL_CLUSTER_PORTS, &table);
    print_ports(&table, width, out);
    ptl_view_slowest(view, PTL_CLUSTER_PORTS, &table);
    print_ports(&table, width, out);
}
