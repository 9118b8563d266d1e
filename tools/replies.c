#include "tools/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TELL_MS 10000    /* between two lines about what was dropped */
#define ANSWER_EXTRA 128 /* bytes that an answer costs beside its own */
#define LINE_EXTRA 1024  /* that a port costs which answers wait for */

struct answer {
    struct answer *next;
    struct ptl_msg *msg;
};

/* What waits for one port.  It is there until it is told of room, though its answers be dropped. */
struct line {
    struct asker *asker;
    struct line *next;
    struct ptl_port to;
    struct answer *first, *last;
    size_t bytes;
};

/* The lines for one node. */
struct asker {
    struct ptl_replies *replies;
    struct asker *next;
    struct line *lines; /* never none */
    size_t bytes;
    int64_t patience_ms; /* when the service was last patient with it; 0: never */
};

struct ptl_replies {
    const char *name;
    struct ptl_journal *journal;
    struct asker *askers;
    unsigned asker_count;
    size_t bytes;
    uint64_t dropped; /* and not told of */
    int64_t told_ms;
    char last_dropped[PTL_PORT_ID_MAX + 1];
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1; /* never 0 */
}

static size_t weight(const struct ptl_msg *msg)
{
    return ptl_msg_size(msg) + ANSWER_EXTRA;
}

/* ---- What is dropped ------------------------------------------------------------------------ */

static void tell_dropped(struct ptl_replies *replies)
{
    char text[PTL_JOURNAL_LINE_MAX];

    snprintf(text, sizeof text, "%s: %" PRIu64 " answers were dropped: %s does not take them",
             replies->name, replies->dropped, replies->last_dropped);
    replies->dropped = 0;
    if (replies->journal) {
        ptl_journal_log(replies->journal, PTL_LOG_WARN, text);
    }
}

static void count_dropped(struct ptl_replies *replies, const struct ptl_port *to)
{
    int64_t now = now_ms();

    replies->dropped++;
    snprintf(replies->last_dropped, sizeof replies->last_dropped, "%s", ptl_port_id(to));
    if (replies->told_ms == 0 || now - replies->told_ms >= TELL_MS) {
        replies->told_ms = now;
        tell_dropped(replies);
    }
}

/* ---- Who waits ------------------------------------------------------------------------------ */

static bool same_node(const struct ptl_port *a, const struct ptl_port *b)
{
    size_t size = strcspn(ptl_port_id(a), "#");

    return strncmp(ptl_port_id(a), ptl_port_id(b), size) == 0 && ptl_port_id(b)[size] == '#';
}

static struct asker *find_asker(struct ptl_replies *replies, const struct ptl_port *to)
{
    struct asker *asker = replies->askers;

    while (asker && !same_node(&asker->lines->to, to)) {
        asker = asker->next;
    }
    return asker;
}

static struct line *find_line(struct asker *asker, const struct ptl_port *to)
{
    struct line *line = asker->lines;

    while (line && !ptl_port_equal(&line->to, to)) {
        line = line->next;
    }
    return line;
}

static void count_bytes(struct line *line, size_t more, size_t less)
{
    line->bytes += more - less;
    line->asker->bytes += more - less;
    line->asker->replies->bytes += more - less;
}

static bool is_full(const struct line *line)
{
    return line->bytes >= PTL_REPLIES_PORT_MAX || line->asker->bytes >= PTL_REPLIES_NODE_MAX;
}

static void take_first(struct line *line)
{
    struct answer *answer = line->first;

    line->first = answer->next;
    count_bytes(line, 0, weight(answer->msg));
    ptl_msg_free(answer->msg);
    free(answer);
}

static void drop_answers(struct line *line)
{
    while (line->first) {
        count_dropped(line->asker->replies, &line->to);
        take_first(line);
    }
}

static void free_asker(struct asker *asker)
{
    struct asker **at = &asker->replies->askers;

    while (*at != asker) {
        at = &(*at)->next;
    }
    *at = asker->next;
    asker->replies->asker_count--;
    free(asker);
}

/* Nothing will be told to it any more. */
static void free_line(struct line *line)
{
    struct asker *asker = line->asker;
    struct line **at = &asker->lines;

    drop_answers(line);
    while (*at != line) {
        at = &(*at)->next;
    }
    *at = line->next;
    count_bytes(line, 0, LINE_EXTRA);
    free(line);
    if (!asker->lines) {
        free_asker(asker);
    }
}

/* There is room: send what waits, and wait again when that was not enough. */
static void room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct line *line = data;
    int err = 0;

    (void)to;
    while (line->first && (err = ptl_send(node, &line->to, line->first->msg)) != PTL_EFULL) {
        take_first(line); /* any other error is for good */
    }
    if (!line->first || ptl_on_room(node, &line->to, room, line) < 0) {
        free_line(line);
    }
}

static struct asker *make_asker(struct ptl_replies *replies)
{
    struct asker *asker = NULL;

    if (replies->asker_count < PTL_REPLIES_NODES_MAX && (asker = calloc(1, sizeof *asker))) {
        asker->replies = replies;
        asker->next = replies->askers;
        replies->askers = asker;
        replies->asker_count++;
    }
    return asker;
}

/* A line for a port to which there was no room just now. */
static struct line *make_line(struct ptl_node *node, struct asker *asker, const struct ptl_port *to)
{
    struct line *line = calloc(1, sizeof *line);

    if (!line || ptl_on_room(node, to, room, line) < 0) {
        free(line);
        return NULL;
    }
    line->asker = asker;
    line->to = *to;
    line->next = asker->lines;
    asker->lines = line;
    count_bytes(line, LINE_EXTRA, 0);
    return line;
}

/* Returns whether the answer waits now, and is the line's. */
static bool append(struct line *line, struct ptl_msg *msg)
{
    struct answer *answer = malloc(sizeof *answer);

    if (!answer) {
        return false;
    }
    *answer = (struct answer){.msg = msg};
    if (line->first) {
        line->last->next = answer;
    } else {
        line->first = answer;
    }
    line->last = answer;
    count_bytes(line, weight(msg), 0);
    return true;
}

/* Room for one who lets little wait is made by the node that lets most wait. */
static void make_place(struct ptl_replies *replies)
{
    struct asker *worst = replies->askers;

    for (struct asker *asker = replies->askers; asker; asker = asker->next) {
        worst = asker->bytes > worst->bytes ? asker : worst;
    }
    for (struct line *line = worst ? worst->lines : NULL; line; line = line->next) {
        drop_answers(line);
    }
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* Whether to try again in a moment, for a node whose room is used up. */
static bool is_patient(struct asker *asker)
{
    int64_t now = now_ms();

    if (asker->patience_ms == 0 || now - asker->patience_ms >= PTL_REPLIES_IMPATIENCE_MS) {
        asker->patience_ms = now;
    }
    return now - asker->patience_ms < PTL_REPLIES_PATIENCE_MS;
}

/* Where the answer can wait; NULL: it cannot. */
static struct line *place(struct ptl_node *node, struct ptl_replies *replies,
                          const struct ptl_port *to)
{
    if (replies->bytes >= PTL_REPLIES_MAX) {
        make_place(replies);
    }
    struct asker *asker = find_asker(replies, to);
    struct line *line = asker ? find_line(asker, to) : NULL;
    if (!asker) {
        asker = make_asker(replies);
    }
    if (!line && asker && asker->bytes < PTL_REPLIES_NODE_MAX) {
        line = make_line(node, asker, to);
    }
    if (asker && !asker->lines) {
        free_asker(asker);
    }
    return line && !is_full(line) && replies->bytes < PTL_REPLIES_MAX ? line : NULL;
}

static int send_reply(struct ptl_node *node, struct ptl_replies *replies, const struct ptl_port *to,
                      struct ptl_msg *reply, bool may_wait)
{
    struct asker *asker = find_asker(replies, to);
    struct line *before = asker ? find_line(asker, to) : NULL; /* it comes behind these */
    int result = 0;

    if (before && may_wait && is_full(before) && is_patient(asker)) {
        result = PTL_LATER; /* no ptl_send() has failed here, so it is for a millisecond */
    } else if (before || ptl_send(node, to, reply) == PTL_EFULL) {
        struct line *line = place(node, replies, to);
        if (line && append(line, reply)) {
            return 0;
        }
        count_dropped(replies, to);
    }
    ptl_msg_free(reply);
    return result;
}

int ptl_reply_send(struct ptl_node *node, struct ptl_replies *replies, const struct ptl_port *to,
                   struct ptl_msg *reply)
{
    return send_reply(node, replies, to, reply, true);
}

void ptl_reply_send_now(struct ptl_node *node, struct ptl_replies *replies,
                        const struct ptl_port *to, struct ptl_msg *reply)
{
    send_reply(node, replies, to, reply, false);
}

/* ---- Life ----------------------------------------------------------------------------------- */

struct ptl_replies *ptl_replies_make(const char *name, struct ptl_journal *journal)
{
    struct ptl_replies *replies = calloc(1, sizeof *replies);

    if (replies) {
        replies->name = name;
        replies->journal = journal;
    }
    return replies;
}

void ptl_replies_free(struct ptl_replies *replies)
{
    if (!replies) {
        return;
    }
    while (replies->askers) {
        free_line(replies->askers->lines);
    }
    if (replies->dropped > 0) {
        tell_dropped(replies);
    }
    free(replies);
}
