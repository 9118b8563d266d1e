#include "tools/stats/report.h"

#include "engine/portolan.h"
#include "tools/stats/amount.h"
#include "tools/stats/table.h"

#include <stdbool.h>
#include <string.h>

#define NUMBER_MAX 1e18 /* more is nonsense, and fits no integer */

double ptl_report_number(const json_t *object, const char *name)
{
    double number = json_number_value(json_object_get(object, name));

    return !(number > 0) ? 0 : number < NUMBER_MAX ? number : NUMBER_MAX;
}

const char *ptl_report_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static const json_t *part(const json_t *answer, const char *name)
{
    return json_object_get(answer, name);
}

/* ---- The node ------------------------------------------------------------------------------- */

/* As cells of a table are: of what comes from elsewhere nothing drives the terminal. */
static void write_head(const json_t *node, FILE *out)
{
    static const char *const none[] = {"<", NULL};
    struct ptl_table table;
    char addresses[512] = "";
    size_t index, used = 0;
    json_t *address;

    json_array_foreach(part(node, "addresses"), index, address)
    {
        int size = snprintf(addresses + used, sizeof addresses - used, ", %s",
                            json_is_string(address) ? json_string_value(address) : "?");
        used = size > 0 && used + (size_t)size < sizeof addresses ? used + (size_t)size : used;
    }
    ptl_table_begin(&table, none);
    ptl_table_cell(&table, "%s: %s, %s, portolan %s, up %s%s", ptl_report_text(node, "node"),
                   is_true(node, "global") ? "global" : "ordinary",
                   is_true(node, "draining") ? "draining"
                   : is_true(node, "ready")  ? "ready"
                                             : "not joined",
                   ptl_report_text(node, "version"),
                   ptl_amount_span(ptl_report_number(node, "up_seconds")).text, addresses);
    if (ptl_table_rows(&table) == 1) {
        ptl_table_line(&table, 0, 0, out);
    }
    fputs("\n\n", out);
    ptl_table_end(&table);
}

/* ---- Shards --------------------------------------------------------------------------------- */

/* What has passed since the node began, and what it has. */
static const char *const passed[] = {"taken",   "received", "sent",          "dropped",
                                     "refused", "lost",     "link_bytes_in", "link_bytes_out"};
static const char *const passed_titles[] = {"<SHARD",     ">TAKEN",   ">FROM LINKS", ">TO LINKS",
                                            ">DROPPED",   ">REFUSED", ">LOST",       ">BYTES IN",
                                            ">BYTES OUT", NULL};
static const char *const had[] = {"ports",  "links",        "monitors",   "timers", "watches",
                                  "queued", "queued_bytes", "link_bytes", "full"};
static const char *const had_titles[] = {"<SHARD",     ">PORTS",   ">LINKS",  ">MONITORS",
                                         ">TIMERS",    ">WATCHES", ">QUEUED", ">AT PORTS",
                                         ">FOR LINKS", ">FULL",    NULL};

_Static_assert(sizeof passed / sizeof passed[0] + 2 ==
                   sizeof passed_titles / sizeof passed_titles[0],
               "a title for each");
_Static_assert(sizeof had / sizeof had[0] + 2 == sizeof had_titles / sizeof had_titles[0],
               "a title for each");

static bool is_bytes(const char *name)
{
    return strstr(name, "bytes") != NULL;
}

static void add_counts(struct ptl_table *table, const json_t *counts, const char *const names[],
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double number = ptl_report_number(counts, names[i]);
        ptl_table_cell(table, "%s",
                       is_bytes(names[i]) ? ptl_amount_bytes(number).text
                                          : ptl_amount_whole((uint64_t)number).text);
    }
}

static void add_rates(struct ptl_table *table, const json_t *node, const json_t *before)
{
    double seconds =
        ptl_report_number(node, "up_seconds") - ptl_report_number(before, "up_seconds");

    if (!before || !(seconds > 0)) {
        return; /* or it is another process by now */
    }
    ptl_table_cell(table, "a second");
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        double more = ptl_report_number(part(node, "counts"), passed[i]) -
                      ptl_report_number(part(before, "counts"), passed[i]);
        double rate = more > 0 ? more / seconds : 0;
        ptl_table_cell(table, "%s",
                       is_bytes(passed[i]) ? ptl_amount_bytes(rate).text
                                           : ptl_amount_count(rate).text);
    }
}

static void write_shards(const json_t *node, const json_t *before, const char *const titles[],
                         const char *const names[], size_t count, FILE *out)
{
    struct ptl_table table;
    size_t index;
    json_t *shard;

    ptl_table_begin(&table, titles);
    json_array_foreach(part(node, "shards"), index, shard)
    {
        ptl_table_cell(&table, "%zu", index);
        add_counts(&table, shard, names, count);
    }
    ptl_table_cell(&table, "all");
    add_counts(&table, part(node, "counts"), names, count);
    if (names == passed) {
        add_rates(&table, node, before);
    }
    ptl_table_print(&table, 0, out);
    fputc('\n', out);
    ptl_table_end(&table);
}

/* The bound of the bucket below which that share of all times is, in nanoseconds. */
static double below(const json_t *buckets, double all, double share)
{
    double found = 0;
    size_t index;
    json_t *bucket;

    json_array_foreach(buckets, index, bucket)
    {
        found += ptl_report_number(bucket, "count");
        if (found >= share * all) {
            return ptl_report_number(bucket, "below_ns");
        }
    }
    return 0;
}

static void write_handlers(const json_t *handlers, FILE *out)
{
    const json_t *buckets = part(handlers, "buckets");
    double all = 0;
    size_t index;
    json_t *bucket;

    json_array_foreach(buckets, index, bucket)
    {
        all += ptl_report_number(bucket, "count");
    }
    if (all > 0) {
        fprintf(out, "handlers: %.0f timed, mean %s, half below %s, 99 %% below %s\n", all,
                ptl_amount_nanoseconds(ptl_report_number(handlers, "sum_ns") / all).text,
                ptl_amount_nanoseconds(below(buckets, all, 0.5)).text,
                ptl_amount_nanoseconds(below(buckets, all, 0.99)).text);
    }
}

/* Those that there were. */
static void write_failed(const json_t *failed, FILE *out)
{
    static const char *const reasons[] = {
#define REASON(name, what) #name,
        PTL_STATS_REASONS(REASON)
#undef REASON
    };
    const char *between = "handshakes failed:";

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        double count = ptl_report_number(failed, reasons[i]);
        if (count > 0) {
            fprintf(out, "%s %s %.0f", between, reasons[i], count);
            between = ",";
        }
    }
    fputs(between[0] == ',' ? "\n" : "", out);
}

static void write_node(const json_t *node, const json_t *before, FILE *out)
{
    write_head(node, out);
    write_shards(node, before, passed_titles, passed, sizeof passed / sizeof passed[0], out);
    write_shards(node, NULL, had_titles, had, sizeof had / sizeof had[0], out);
    const json_t *counts = part(node, "counts");
    fprintf(out, "database: %.0f entries in %.0f families, %.0f ports registered\n",
            ptl_report_number(counts, "entries"), ptl_report_number(counts, "families"),
            ptl_report_number(counts, "registrations"));
    fprintf(out, "links made: %.0f, lost: %.0f, given up: %.0f\n",
            ptl_report_number(counts, "links_up"), ptl_report_number(counts, "links_lost"),
            ptl_report_number(counts, "links_unreachable"));
    write_handlers(part(node, "handlers"), out);
    write_failed(part(node, "handshakes_failed"), out);
}

/* ---- Links, ports, families ----------------------------------------------------------------- */

/* "links: 20 of 53" */
static void write_title(const json_t *found, const char *what, size_t shown, FILE *out)
{
    double all = ptl_report_number(found, "all");

    fprintf(out, "\n%s: %zu of %.0f%s\n", what, shown, all,
            all > 0 || is_true(found, "complete") ? "" : ": a shard does not answer");
}

static void write_table(struct ptl_table *table, FILE *out)
{
    if (ptl_table_rows(table) > 0) {
        ptl_table_print(table, 0, out);
    }
    ptl_table_end(table);
}

static void add_link(struct ptl_table *table, const json_t *link)
{
    bool is_up = is_true(link, "up");

    ptl_table_cell(table, "%s", ptl_report_text(link, "node"));
    ptl_table_cell(table, "%s", is_true(link, "global") ? "global" : "ordinary");
    ptl_table_cell(table, "%s%s", is_up ? "up" : "begins", is_true(link, "full") ? ", full" : "");
    ptl_table_cell(table, "%s%s", is_up ? ptl_report_text(link, "framing") : "-",
                   is_true(link, "encrypted") ? ", TLS" : "");
    ptl_table_cell(table, "%s", ptl_amount_span(ptl_report_number(link, "up_ms") / 1000).text);
    ptl_table_cell(table, "%.0f", ptl_report_number(link, "messages_in"));
    ptl_table_cell(table, "%.0f", ptl_report_number(link, "messages_out"));
    ptl_table_cell(table, "%s", ptl_amount_bytes(ptl_report_number(link, "bytes_in")).text);
    ptl_table_cell(table, "%s", ptl_amount_bytes(ptl_report_number(link, "bytes_out")).text);
    ptl_table_cell(table, "%s", ptl_amount_bytes(ptl_report_number(link, "queued_bytes")).text);
    ptl_table_cell(table, "%s", is_up ? ptl_report_text(link, "address") : "-");
}

static void write_links(const json_t *links, FILE *out)
{
    static const char *const titles[] = {"<NODE",      "<KIND",  "<STATE",   "<FRAMING",
                                         ">FOR",       ">IN",    ">OUT",     ">BYTES IN",
                                         ">BYTES OUT", ">QUEUE", "<ADDRESS", NULL};
    struct ptl_table table;
    size_t index;
    json_t *link;

    ptl_table_begin(&table, titles);
    json_array_foreach(part(links, "links"), index, link)
    {
        add_link(&table, link);
    }
    write_title(links, "links", json_array_size(part(links, "links")), out);
    write_table(&table, out);
}

void ptl_report_port_cells(struct ptl_table *table, const json_t *port)
{
    ptl_table_cell(table, "%.0f", ptl_report_number(port, "messages"));
    ptl_table_cell(table, "%s", ptl_amount_bytes(ptl_report_number(port, "queued_bytes")).text);
    ptl_table_cell(table, "%s",
                   ptl_amount_nanoseconds(ptl_report_number(port, "handled_mean_ns")).text);
    ptl_table_cell(table, "%s",
                   ptl_amount_nanoseconds(ptl_report_number(port, "handled_max_ns")).text);
}

static void add_port(struct ptl_table *table, const json_t *port)
{
    ptl_table_cell(table, "%s", ptl_report_text(port, "port"));
    ptl_table_cell(table, "%.0f", ptl_report_number(port, "shard"));
    ptl_report_port_cells(table, port);
    ptl_table_cell(table, "%s",
                   is_true(port, "full")    ? "full"
                   : is_true(port, "waits") ? "waits"
                                            : "");
}

/* `shown`: "ports", of as many as there are, or "slowest", of those that were timed. */
static void write_ports(const json_t *found, const char *shown, const char *what, FILE *out)
{
    static const char *const titles[] = {"<PORT", ">SHARD", ">MESSAGES", ">QUEUE",
                                         ">MEAN", ">MOST",  "<STATE",    NULL};
    struct ptl_table table;
    size_t index;
    json_t *port;

    ptl_table_begin(&table, titles);
    json_array_foreach(part(found, shown), index, port)
    {
        add_port(&table, port);
    }
    write_title(found, what, ptl_table_rows(&table), out);
    write_table(&table, out);
}

static void write_families(const json_t *database, FILE *out)
{
    static const char *const titles[] = {"<FAMILY", ">KEYS", NULL};
    struct ptl_table table;
    size_t index;
    json_t *family;

    ptl_table_begin(&table, titles);
    json_array_foreach(part(database, "families"), index, family)
    {
        ptl_table_cell(&table, "%s", ptl_report_text(family, "family"));
        ptl_table_cell(&table, "%.0f", ptl_report_number(family, "keys"));
    }
    write_title(database, "largest families", ptl_table_rows(&table), out);
    write_table(&table, out);
}

void ptl_report_write(const json_t *answer, const json_t *before, FILE *out)
{
    const json_t *ports = part(answer, "ports");

    write_node(part(answer, "node"), part(before, "node"), out);
    write_links(part(answer, "links"), out);
    write_ports(ports, "ports", "busiest ports", out);
    if (json_array_size(part(ports, "slowest")) > 0) {
        write_ports(ports, "slowest", "slowest ports", out);
    }
    write_families(part(answer, "database"), out);
}
