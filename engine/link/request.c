#include "engine/link/request.h"

#include "engine/link/frames_in.h"
#include "engine/link/link.h"
#include "engine/link/linked.h"
#include "engine/link/observed_here.h"
#include "engine/link/observed_there.h"
#include "engine/link/outside.h"
#include "engine/link/peer_room.h"
#include "engine/link/permission.h"
#include "engine/link/relay_allowance.h"
#include "engine/link/spawn_allowance.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/message/words.h"
#include "engine/port/function.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/port/spawn.h"
#include "engine/port/spawn_init.h"
#include "engine/shard/node.h"
#include "engine/shard/take.h"

/* One request, half taken apart: what stands behind its name. */
struct request {
    struct ptl_shard *shard;
    struct ptl_link *link; /* NULL: from this node itself */
    struct ptl_cursor rest;
    uint32_t count;      /* values in `rest` */
    struct ptl_port *to; /* the port that it names, once that was taken */
    struct ptl_bottleneck *full;
    uint8_t *room; /* PTL_STRING_NAME_ROOM bytes, for the string last taken */
};

/*
 * Take a string off the front, in UTF-8; it is good until the next one is taken.  A null counts
 * as the empty one: real nodes send it so.
 */
static bool take_string(struct request *r, struct ptl_span *string)
{
    struct ptl_value value;

    if (r->count == 0 || ptl_next(&r->rest, &value) < 0) {
        return false;
    }
    r->count--;
    if (value.type == PTL_NULL) {
        *string = ptl_span("", 0);
        return true;
    }
    return ptl_string_name(&value, r->room, string) == PTL_OK;
}

static struct ptl_span rest_of(const struct request *r)
{
    return ptl_span(r->rest.at, (size_t)(r->rest.end - r->rest.at));
}

/* Port names come as bytes or as text, and mean the same characters. */
static bool take_name(struct request *r, struct ptl_span *name)
{
    return take_string(r, name) && name->size <= PTL_PORT_NAME_MAX;
}

static int malformed(struct request *r, const char *what)
{
    const char *from = r->link != NULL ? r->link->id : r->shard->node->self.id;

    ptl_log_about(r->shard, PTL_LOG_WARN, ptl_span_text(from),
                  "from %s: a request '%s' with missing or wrong arguments: ignored", from, what);
    return PTL_OK;
}

/* Whether the rules let the peer run that function. */
static bool is_let_run(const struct request *r, struct ptl_span function)
{
    return r->link == NULL || ptl_link_may(r->shard, r->link, PTL_MAY_SPAWN, function);
}

/*
 * Whether we send this for a peer.  Not to a node port: what is relayed there is a request, perhaps
 * to relay again, and one packet could go to and fro between two nodes as often as it has values.
 * And to nodes that are not linked only so often: each makes us look for it, connect and wait.
 */
static bool may_relay(const struct request *r)
{
    const struct ptl_port *to = r->to;

    if (r->link == NULL || to->kind != PTL_PORT_REMOTE) {
        return r->link == NULL || ptl_link_may_send(r->shard, r->link, to);
    }
    if (ptl_port_name(to).size == 0) {
        return false;
    }
    if (to->node_hash == r->link->hash) {
        return true; /* back to itself */
    }
    return ptl_link_may(r->shard, r->link, PTL_MAY_RELAY, ptl_port_node(to)) &&
           (ptl_node_is_linked(r->shard->node, ptl_port_node(to)) ||
            ptl_relay_allowed(r->link, r->shard->now, to->node_hash));
}

static int send_values(struct request *r, struct ptl_span body, uint32_t count)
{
    struct ptl_op op = {.kind = PTL_OP_MESSAGE, .body = body, .count = count};

    if (r->to->kind == PTL_PORT_NODE || !may_relay(r)) {
        return PTL_OK;
    }
    /* A peer's request waits for room with its connection; our own was accepted already, and what
     * goes back to the peer itself has its own limit (receive.c). */
    bool accepted = r->link == NULL || r->to->node_hash == r->link->hash;
    int err = ptl_route(r->shard->node, r->to, &op, accepted ? PTL_WAY_OWN : PTL_WAY_MESSAGE);
    if (err == PTL_EFULL) {
        ptl_bottleneck_at_port(r->full, r->to);
    }
    return err;
}

static bool take_port(struct request *r)
{
    struct ptl_span id;

    return take_string(r, &id) && ptl_port_read(&r->shard->node->self, id, r->to) == PTL_OK;
}

static int snd(struct request *r)
{
    if (!take_port(r)) {
        return malformed(r, "snd");
    }
    return send_values(r, rest_of(r), r->count);
}

/* Answer with the values that came along, then what `put` adds. */
static int answer(struct request *r, void (*put)(struct ptl_writer *, const void *),
                  const void *data)
{
    struct ptl_writer writer;
    struct ptl_msg rest = ptl_msg_borrow(rest_of(r), r->count);

    ptl_writer_init(&writer, r->shard->node);
    int err = ptl_put_values(&writer, &rest);
    if (err == PTL_OK) {
        put(&writer, data);
        err = writer.err;
    }
    if (err == PTL_OK) {
        err = send_values(r, ptl_writer_body(&writer), writer.count);
    }
    ptl_writer_drop(&writer);
    return err;
}

static void put_time(struct ptl_writer *writer, const void *data)
{
    ptl_put_float(writer, *(const double *)data);
}

static int time_request(struct request *r)
{
    double now = ptl_loop_wall(r->shard->loop);

    if (!take_port(r)) {
        return malformed(r, "time");
    }
    return answer(r, put_time, &now);
}

static void put_truth(struct ptl_writer *writer, const void *data)
{
    ptl_put_bool(writer, *(const bool *)data);
}

static void put_refusal(struct ptl_writer *writer, const void *data)
{
    const char *text = data;
    ptl_put_text(writer, text, strlen(text));
}

static int eval(struct request *r)
{
    struct ptl_span code;

    if (!take_string(r, &code)) {
        return malformed(r, "eval");
    }
    if (r->count == 0) {
        return PTL_OK; /* nobody wants an answer */
    }
    if (!take_port(r)) {
        return malformed(r, "eval");
    }
    return answer(r, put_refusal, "portolan evaluates no code");
}

static int devnull(struct request *r)
{
    (void)r;
    return PTL_OK;
}

/* What needs no room at the port waits for the ring to its shard alone: the port may be full for
 * ever, and this be what ends it. */
static int wait_for_ring(struct request *r, int err)
{
    if (err == PTL_EFULL) {
        ptl_bottleneck_at_ring(r->full, ptl_place_of(r->shard->node, r->to));
    }
    return err;
}

/* The port of ours that has this name, into r->to.  Errors: PTL_ENAME: nobody can have it. */
static int find_here(struct request *r, struct ptl_span name)
{
    const struct ptl_identity *self = &r->shard->node->self;

    return ptl_port_at(self, ptl_span(self->id, self->id_size), name, r->to);
}

static int mon1(struct request *r)
{
    struct ptl_span name;

    if (r->link == NULL || !take_name(r, &name)) {
        return malformed(r, "mon1");
    }
    if (name.size == 0) {
        return PTL_OK; /* the node port lives as long as the link */
    }
    int err = find_here(r, name);
    if (err == PTL_OK) {
        err = wait_for_ring(r, ptl_link_peer_observes(r->shard, r->link, r->to));
    }
    return err == PTL_ENAME ? malformed(r, "mon1") : err; /* a name that nobody can have */
}

/* The number that its sender knows a monitor by. */
static bool take_tag(struct request *r, uint64_t *tag)
{
    struct ptl_value value;

    if (r->link == NULL || r->count == 0 || ptl_next(&r->rest, &value) < 0) {
        return false;
    }
    r->count--;
    *tag = value.type == PTL_INT && value.integer >= 0 ? (uint64_t)value.integer : value.natural;
    return value.type == PTL_UINT || (value.type == PTL_INT && value.integer >= 0);
}

static int monitor(struct request *r)
{
    struct ptl_span name, watcher;
    uint64_t tag;

    if (!take_tag(r, &tag) || !take_name(r, &name) || name.size == 0 ||
        find_here(r, name) == PTL_ENAME || !take_name(r, &watcher)) {
        return malformed(r, PTL_REQUEST_MONITOR);
    }
    return wait_for_ring(r, ptl_link_peer_monitors(r->shard, r->link, r->to, tag, watcher));
}

static int unmonitor(struct request *r)
{
    uint64_t tag;

    if (!take_tag(r, &tag)) {
        return malformed(r, PTL_REQUEST_UNMONITOR);
    }
    ptl_link_peer_unmonitors(r->shard, r->link, tag);
    return PTL_OK;
}

static int down(struct request *r)
{
    uint64_t tag;

    if (!take_tag(r, &tag)) {
        return malformed(r, PTL_REQUEST_DOWN);
    }
    struct ptl_msg reason = ptl_msg_borrow(rest_of(r), r->count);
    return ptl_link_monitor_down(r->shard, r->link, tag, &reason, r->full);
}

static int mon0(struct request *r)
{
    struct ptl_span name;

    if (r->link == NULL || !take_name(r, &name)) {
        return malformed(r, "mon0");
    }
    ptl_link_peer_leaves(r->shard, r->link, name);
    return PTL_OK;
}

static int kil0(struct request *r)
{
    struct ptl_span name;

    if (r->link == NULL || !take_name(r, &name)) {
        return malformed(r, "kil0");
    }
    struct ptl_msg reason = ptl_msg_borrow(rest_of(r), r->count);
    return ptl_link_port_down(r->shard, r->link, name, &reason, r->full);
}

/* Whether the peer may spawn once more now.  Where it may not, that is as if there were no such
 * function: what it sends there is dropped, and a monitor tells. */
static bool may_spawn(const struct request *r)
{
    struct ptl_link *link = r->link;

    if (ptl_spawn_allowed(link, r->shard->now, ptl_limit(&r->shard->node->limits.spawn_rate))) {
        return true;
    }
    ptl_log_about(r->shard, PTL_LOG_WARN, ptl_span_text(link->id),
                  "from %s: a port is not spawned: it does so more often than spawn_rate allows",
                  link->id);
    return false;
}

/* An op for a port of this node, named by the request. */
static int pass(struct request *r, uint8_t kind, struct ptl_span name)
{
    struct ptl_op op = {.kind = kind, .body = rest_of(r), .count = r->count};

    if (find_here(r, name) < 0) {
        return PTL_OK; /* nobody has such a name */
    }
    if (kind == PTL_OP_KILL && r->link != NULL &&
        !ptl_link_may_to_port(r->shard, r->link, PTL_MAY_KILL, r->to)) {
        return PTL_OK;
    }
    ptl_op_address(&op, r->to);
    if (r->link != NULL && kind == PTL_OP_SPAWN) {
        if (!may_spawn(r)) {
            return PTL_OK;
        }
        op.node = ptl_span(r->link->id, r->link->id_size); /* whose doing it is */
    }
    /* A peer's own request is carried out as it is read, in its order; one of ours goes through
     * the ring like all that this node sends. */
    ptl_assert(r->to->kind != PTL_PORT_REMOTE);
    if (r->to->shard == r->shard->index && r->link != NULL) {
        ptl_shard_take(r->shard, &op);
        return PTL_OK;
    }
    return wait_for_ring(r, ptl_shard_post(r->shard, r->to->shard, &op, r->link == NULL));
}

static int kil1(struct request *r)
{
    struct ptl_span name;

    if (!take_name(r, &name)) {
        return malformed(r, "kil1");
    }
    return name.size == 0 ? malformed(r, "kil1") : pass(r, PTL_OP_KILL, name);
}

static int spawn(struct request *r)
{
    struct ptl_span name;

    if (!take_name(r, &name) || name.size == 0 || r->count == 0) {
        return malformed(r, PTL_SPAWN_REQUEST);
    }
    if (find_here(r, name) < 0 || r->to->kind != PTL_PORT_NAMED) {
        return malformed(r, PTL_SPAWN_REQUEST);
    }
    struct ptl_cursor cursor = r->rest;
    uint8_t function_room[PTL_STRING_NAME_ROOM];
    struct ptl_span function;
    if (ptl_spawn_name(&cursor, function_room, &function) && !is_let_run(r, function)) {
        return PTL_OK; /* there will be no such port, as whoever monitors it is told */
    }
    return pass(r, PTL_OP_SPAWN, name); /* which makes nothing where there is no function */
}

static int full(struct request *r)
{
    struct ptl_span name;

    if (r->link == NULL || !take_name(r, &name) || name.size == 0) {
        return malformed(r, PTL_REQUEST_FULL);
    }
    return ptl_peer_says_full(r->shard, r->link, name);
}

static int room(struct request *r)
{
    struct ptl_span name;

    if (r->link == NULL || !take_name(r, &name)) {
        return malformed(r, PTL_REQUEST_ROOM);
    }
    ptl_peer_says_room(r->shard, r->link, name);
    return PTL_OK;
}

static int can(struct request *r);

/* Sorted by their words. */
static const struct {
    struct ptl_word word;
    int (*run)(struct request *);
} requests[] = {
    {PTL_WORD(""), devnull},
    {PTL_WORD(PTL_SPAWN_REQUEST), spawn},
    {PTL_WORD("can"), can},
    {PTL_WORD("devnull"), devnull},
    {PTL_WORD("eval"), eval},
    {PTL_WORD("kil0"), kil0},
    {PTL_WORD("kil1"), kil1},
    {PTL_WORD("mon0"), mon0},
    {PTL_WORD("mon1"), mon1},
    {PTL_WORD(PTL_REQUEST_DOWN), down},
    {PTL_WORD(PTL_REQUEST_FULL), full},
    {PTL_WORD(PTL_REQUEST_MONITOR), monitor},
    {PTL_WORD(PTL_REQUEST_ROOM), room},
    {PTL_WORD(PTL_REQUEST_UNMONITOR), unmonitor},
    {PTL_WORD("snd"), snd},
    {PTL_WORD("time"), time_request},
};

static int find(struct ptl_span name)
{
    return ptl_words_find(requests, sizeof(requests) / sizeof(requests[0]), sizeof(requests[0]),
                          name);
}

/* A request of the database's; NULL: the word is not one. */
static const struct ptl_inquiry_word *find_outside(const struct request *r, struct ptl_span name)
{
    const struct ptl_link_outside *outside = r->shard->node->link_outside;
    int index = ptl_words_find(outside->words, outside->word_count, sizeof(*outside->words), name);

    return index < 0 ? NULL : &outside->words[index];
}

/* Let the database take a request. */
static int inquire(const struct request *r, const struct ptl_inquiry_word *word)
{
    struct ptl_inquiry inquiry = {
        .shard = r->shard,
        .link = r->link,
        .name = word->word.text,
        .values = rest_of(r),
        .count = r->count,
        .full = r->full,
    };

    return word->take(&inquiry);
}

/* Whether the word is a registered function's. */
static bool is_function(struct request *r, struct ptl_span name)
{
    struct ptl_function function;

    return ptl_node_function(r->shard->node, name, &function);
}

static int can(struct request *r)
{
    struct ptl_span name;

    if (!take_string(r, &name)) {
        return malformed(r, "can");
    }
    bool known = find(name) >= 0 || find_outside(r, name) != NULL || is_function(r, name);
    if (!take_port(r)) {
        return malformed(r, "can");
    }
    return answer(r, put_truth, &known);
}

/*
 * Any function is called by its name, as with real nodes: as a port of its own, whose name nobody
 * knows, and which is gone as soon as it keeps nothing.  It counts as one that the peer spawned.
 */
static int call(struct request *r, const struct ptl_msg *msg)
{
    char name[PTL_NAME_SPAWNED_SIZE];

    ptl_name_spawned(&r->shard->node->self, r->shard->index, ++r->shard->ports->spawn_counter,
                     name);
    r->rest = ptl_msg_begin(msg); /* the function's name goes first */
    r->count = ptl_msg_count(msg);
    return pass(r, PTL_OP_SPAWN, ptl_span(name, sizeof(name)));
}

static int unknown(const struct request *r, struct ptl_span name)
{
    const char *from = r->link != NULL ? r->link->id : r->shard->node->self.id;

    ptl_log_about(r->shard, PTL_LOG_DEBUG, ptl_span_text(from),
                  "from %s: unknown request '%.*s': ignored", from, (int)name.size,
                  (const char *)name.bytes);
    return PTL_OK;
}

int ptl_request(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_msg *msg,
                struct ptl_bottleneck *full)
{
    uint8_t room[PTL_STRING_NAME_ROOM];
    struct ptl_port to;
    struct request r = {
        .shard = shard,
        .link = link,
        .rest = ptl_msg_begin(msg),
        .count = ptl_msg_count(msg),
        .to = &to,
        .full = full,
        .room = room,
    };
    struct ptl_span name;

    if (r.count == 0) {
        return PTL_OK;
    }
    if (!take_string(&r, &name)) {
        return malformed(&r, "?");
    }
    int index = find(name);
    if (index >= 0) {
        return requests[index].run(&r);
    }
    /* The database is for peers: a program of this node has functions of its own for it. */
    const struct ptl_inquiry_word *word = link == NULL ? NULL : find_outside(&r, name);
    if (word != NULL) {
        return inquire(&r, word);
    }
    if (!is_function(&r, name)) {
        return unknown(&r, name);
    }
    return is_let_run(&r, name) ? call(&r, msg) : PTL_OK;
}

void ptl_request_take(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    struct ptl_bottleneck full;

    if (op->kind == PTL_OP_MESSAGE) {
        int err = ptl_request(shard, NULL, msg, &full);
        (void)err; /* without memory or room it is lost: no monitor stands for a request */
    }
}
