#include "tools/http/chronicle.h"

#include "tools/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WHY_MAX 160

struct link_entry {
    double time; /* seconds since 1970 */
    bool is_up;
    bool has_stopped; /* it said goodbye */
    char node[201];
    char why[WHY_MAX];
};

struct line_entry {
    double time;
    enum ptl_log_level level;
    char line[PTL_JOURNAL_LINE_MAX];
};

struct ptl_chronicle {
    struct ptl_journal *journal;
    pthread_mutex_t lock; /* guards what follows */
    unsigned holds;       /* the caller, and the node for as long as it tells of links */
    uint64_t link_count, line_count;
    struct link_entry links[PTL_CHRONICLE_LINKS]; /* number i is at i % size, as below */
    struct line_entry lines[PTL_CHRONICLE_LINES];
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- What comes ----------------------------------------------------------------------------- */

/* Of ["transport_error", NODE, TEXT] the text. */
static void say_why(const struct ptl_node *node, const struct ptl_msg *reason,
                    struct link_entry *entry)
{
    const char *goodbye = ptl_err_text(PTL_EGOODBYE);
    const char *text;
    size_t size;

    if (reason && ptl_msg_read(node, reason, "**s", &text, &size) == 0) {
        entry->has_stopped = size == strlen(goodbye) && memcmp(text, goodbye, size) == 0;
        snprintf(entry->why, sizeof entry->why, "%.*s", (int)(size < WHY_MAX ? size : WHY_MAX),
                 text);
    }
}

static void on_link(struct ptl_node *node, const char *node_id, bool up,
                    const struct ptl_msg *reason, void *data)
{
    struct ptl_chronicle *chronicle = data;
    struct link_entry entry = {.time = now(), .is_up = up};

    if (ptl_client_is_id(node_id)) {
        return;
    }
    snprintf(entry.node, sizeof entry.node, "%s", node_id);
    say_why(node, reason, &entry);
    pthread_mutex_lock(&chronicle->lock);
    chronicle->links[chronicle->link_count++ % PTL_CHRONICLE_LINKS] = entry;
    pthread_mutex_unlock(&chronicle->lock);
}

/* Called under the journal's lock. */
static void on_line(void *data, enum ptl_log_level level, const char *line)
{
    struct ptl_chronicle *chronicle = data;

    if (level > PTL_LOG_WARN) {
        return;
    }
    pthread_mutex_lock(&chronicle->lock);
    struct line_entry *entry = &chronicle->lines[chronicle->line_count++ % PTL_CHRONICLE_LINES];
    entry->time = now();
    entry->level = level;
    snprintf(entry->line, sizeof entry->line, "%s", line);
    pthread_mutex_unlock(&chronicle->lock);
}

/* The last one who lets go frees it. */
static void let_go(void *data)
{
    struct ptl_chronicle *chronicle = data;

    pthread_mutex_lock(&chronicle->lock);
    bool is_last = --chronicle->holds == 0;
    pthread_mutex_unlock(&chronicle->lock);
    if (is_last) {
        pthread_mutex_destroy(&chronicle->lock);
        free(chronicle);
    }
}

int ptl_chronicle_begin(struct ptl_node *node, struct ptl_journal *journal,
                        struct ptl_chronicle **begun)
{
    struct ptl_chronicle *chronicle = calloc(1, sizeof *chronicle);

    *begun = chronicle;
    if (!chronicle) {
        return PTL_ENOMEM;
    }
    pthread_mutex_init(&chronicle->lock, NULL);
    chronicle->journal = journal;
    chronicle->holds = 2;
    ptl_journal_listen(journal, on_line, chronicle);
    int err = ptl_on_link_owned(node, on_link, chronicle, let_go);
    if (err < 0) {
        let_go(chronicle);
    }
    return err;
}

void ptl_chronicle_free(struct ptl_chronicle *chronicle)
{
    if (chronicle) {
        ptl_journal_listen(chronicle->journal, NULL, NULL);
        let_go(chronicle);
    }
}

/* ---- What is told --------------------------------------------------------------------------- */

uint64_t ptl_chronicle_count(struct ptl_chronicle *chronicle)
{
    pthread_mutex_lock(&chronicle->lock);
    uint64_t count = chronicle->link_count + chronicle->line_count;
    pthread_mutex_unlock(&chronicle->lock);
    return count;
}

/* Others choose what stands in there: where it is not UTF-8, each byte is a character. */
static json_t *text_of(const char *bytes)
{
    json_t *text = json_string(bytes);
    char shown[PTL_JOURNAL_LINE_MAX];
    size_t size = 0;

    for (; !text && bytes[size] != '\0' && size + 1 < sizeof shown; size++) {
        shown[size] = (unsigned char)bytes[size] < 0x80 ? bytes[size] : '?';
    }
    shown[size] = '\0';
    return text ? text : json_string(shown);
}

static json_t *link_json(const struct link_entry *entry)
{
    return json_pack("{s:f,s:o,s:b,s:b,s:o}", "time", entry->time, "node", text_of(entry->node),
                     "up", entry->is_up, "stopped", entry->has_stopped, "why", text_of(entry->why));
}

static json_t *line_json(const struct line_entry *entry)
{
    return json_pack("{s:f,s:s,s:o}", "time", entry->time, "level",
                     entry->level == PTL_LOG_ERROR ? "error" : "warn", "line",
                     text_of(entry->line));
}

/* The number of the oldest that is still there. */
static uint64_t first(uint64_t count, uint64_t room)
{
    return count > room ? count - room : 0;
}

json_t *ptl_chronicle_json(struct ptl_chronicle *chronicle, const char *node)
{
    json_t *links = json_array(), *lines = json_array();

    pthread_mutex_lock(&chronicle->lock);
    uint64_t link_count = chronicle->link_count, line_count = chronicle->line_count;
    for (uint64_t i = first(link_count, PTL_CHRONICLE_LINKS); i < link_count; i++) {
        json_array_append_new(links, link_json(&chronicle->links[i % PTL_CHRONICLE_LINKS]));
    }
    for (uint64_t i = first(line_count, PTL_CHRONICLE_LINES); i < line_count; i++) {
        json_array_append_new(lines, line_json(&chronicle->lines[i % PTL_CHRONICLE_LINES]));
    }
    pthread_mutex_unlock(&chronicle->lock);
    return json_pack("{s:s,s:I,s:o,s:o}", "node", node, "count",
                     (json_int_t)(link_count + line_count), "links", links, "lines", lines);
}
