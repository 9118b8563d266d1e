/*
 * A call: a temporary port for the reply, perhaps a monitor, perhaps a timer.  Whichever comes
 * first tells the caller, and the temporary port dies, and the others end with it.
 */
#include "engine/port/call.h"
#include "engine/port/death.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/callback.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

/* Whose the answer is.  Only one comes about, whoever is first. */
enum state {
    OPEN,
    ENDED,   /* told, or never to be: the caller's port or the node has ended */
    REFUSED, /* ptl_call() returns an error: that is the answer */
};

/* What belongs to the reply port; and, made in a handler, to the caller's port as well. */
struct call {
    struct ptl_belonging belonging; /* of the caller's port */
    struct ptl_node *node;
    struct ptl_port reply; /* the temporary port */
    unsigned timeout_ms;
    bool monitor;
    bool asks;                 /* a shard, not a port: replies are an error, or 0 and the result */
    unsigned place;            /* asks: that shard */
    struct ptl_op_words words; /* asks: in these */
    uint64_t epoch;            /* that the request is of: the monitor speaks for it */
    _Atomic uint8_t state;     /* enum state */
    _Atomic uint32_t holds;    /* the reply port's, and that of ptl_call() while it runs outside */
    struct ptl_port to;        /* asks: names nothing */
    ptl_reply_fn *tell;
    void *data;
    ptl_release_fn *release; /* of `data`, or NULL */
    struct ptl_slot *owner;  /* the caller's port, or NULL */
    uint32_t generation;     /* of the caller's port */
};

/* Whether it was still open. */
static bool decide(struct call *call, enum state state)
{
    uint8_t open = OPEN;

    return atomic_compare_exchange_strong(&call->state, &open, (uint8_t)state);
}

static void let_go(struct call *call)
{
    uint32_t before = atomic_fetch_sub(&call->holds, 1);
    ptl_assert(before > 0);
    if (before == 1) {
        ptl_free(call->node->allocator, call, sizeof(*call));
    }
}

/* A reply of the database's: an error, or 0 and the result.  Returns the error. */
static int unwrap(const struct ptl_msg *reply, struct ptl_msg *result)
{
    struct ptl_cursor cursor = ptl_msg_begin(reply);
    struct ptl_value err;

    if (ptl_next(&cursor, &err) < 0 || err.type != PTL_INT) {
        return PTL_ETYPE; /* somebody else's message to the reply port */
    }
    *result = ptl_msg_borrow(ptl_span(cursor.at, (size_t)(cursor.end - cursor.at)), 1);
    result->allocator = reply->allocator;
    return err.integer < 0 ? (int)err.integer : PTL_OK;
}

/* Tell the caller, as its own port; then let the reply port die. */
static void finish(struct call *call, int err, const struct ptl_msg *reply)
{
    struct ptl_shard *shard = ptl_shard_here(call->node);
    struct ptl_callback callback;

    if (!decide(call, ENDED)) {
        return;
    }
    /* From here on it is ours alone to tell: all other ends find that it is decided. */
    struct ptl_slot *owner = call->owner;
    ptl_belonging_remove(&call->belonging);
    if (ptl_slot_died(owner, call->generation)) {
        return;
    }
    /* What it makes belongs to the caller's port, not to the reply's. */
    ptl_callback_begin(shard, &callback, owner);
    call->tell(call->node, err, reply, call->data);
    ptl_callback_end(shard, &callback, "the answer to a call", ptl_span(NULL, 0));
}

/* The reply port is gone: with an answer, or killed by somebody, or for lack of memory. */
static void release_call(void *data)
{
    struct ptl_msg nothing = ptl_msg_borrow(ptl_span(NULL, 0), 0);
    struct call *call = data;

    if (call->asks && !ptl_shard_here(call->node)->closing) {
        finish(call, PTL_ENOPORT, NULL);
    } else if (!call->asks && !ptl_node_stopping(call->node)) {
        finish(call, PTL_ENOPORT, &nothing);
    }
    ptl_belonging_remove(&call->belonging);
    decide(call, ENDED);
    if (atomic_load(&call->state) == ENDED) {
        ptl_release(call->release, call->data);
    }
    let_go(call);
}

/* On the reply port's shard: let it die, and the call with it. */
static void end_reply(struct ptl_shard *shard, const struct ptl_port *reply)
{
    struct ptl_slot *slot = ptl_slot_find(&shard->ports->table, reply->slot, reply->generation);

    if (slot != NULL) {
        ptl_port_die(shard, slot, NULL);
    }
}

static int on_reply(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct call *call = data;
    struct ptl_port reply = call->reply;
    struct ptl_msg result;

    if (call->asks) {
        int err = unwrap(msg, &result);
        finish(call, err, err == PTL_OK ? &result : NULL);
    } else {
        finish(call, PTL_OK, msg);
    }
    end_reply(ptl_shard_here(node), &reply); /* it has done its work: a normal death */
    return 0;
}

static int on_timeout(struct ptl_node *node, void *data)
{
    struct call *call = data;
    struct ptl_port reply = call->reply;

    finish(call, PTL_ETIMEOUT, NULL);
    end_reply(ptl_shard_here(node), &reply);
    return 0;
}

static int on_down(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason,
                   void *data)
{
    struct call *call = data;
    struct ptl_port reply = call->reply;

    (void)port;
    finish(call, PTL_ENOPORT, reason);
    end_reply(ptl_shard_here(node), &reply);
    return 0;
}

/* The caller's port is gone: nobody is to be told. */
static void end_call(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    struct call *call = ptl_container(belonging, struct call, belonging);

    struct ptl_port reply = call->reply;
    decide(call, ENDED);
    call->owner = NULL;
    end_reply(shard, &reply);
}

/* To a shard; it is the database that answers so. */
static int ask(struct call *call, const struct ptl_msg *request)
{
    struct ptl_shard *shard = ptl_shard_here(call->node);
    struct ptl_op op = {
        .kind = PTL_OP_DIRECTORY,
        .to = PTL_TO_SHARD,
        .as.words = call->words,
        .body = ptl_msg_body(request),
        .count = request->count,
        .whole = request,
    };

    if (ptl_node_stopping(call->node)) {
        return PTL_ESTOPPED;
    }
    if (shard == NULL) {
        return ptl_submit(call->node, call->place, &op, PTL_WAY_MESSAGE);
    }
    int err = ptl_shard_post(shard, call->place, &op, false);
    if (err == PTL_EFULL) {
        ptl_bottleneck_at_ring(&shard->ports->bottleneck, call->place);
    }
    return err;
}

static int send_request(struct call *call, const struct ptl_msg *msg)
{
    struct ptl_msg *request;
    int err = ptl_msg_make(call->node, &request, "mp", msg, &call->reply);

    if (err == PTL_OK) {
        err = call->asks ? ask(call, request) : ptl_send(call->node, &call->to, request);
        ptl_msg_free(request);
    }
    return err;
}

/* On the reply port's shard, as the reply port: its timer and monitor belong to it. */
static int arm(struct call *call)
{
    struct ptl_node *node = call->node;
    int err = PTL_OK;

    if (call->monitor) {
        err = ptl_monitor_since(node, &call->to, on_down, call, call->epoch);
    }
    if (err == PTL_OK && call->timeout_ms != 0) {
        err = ptl_after(node, call->timeout_ms, on_timeout, call, NULL);
    }
    return err;
}

/* The first message to the reply port of a call from outside: set it up from within. */
static int on_start(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct call *call = data;
    int err = arm(call);

    (void)msg;
    if (err < 0) {
        finish(call, err, NULL);
        return err;
    }
    return ptl_port_on(node, &call->reply, NULL, on_reply, call);
}

static struct call *make_call(struct ptl_node *node, const struct ptl_port *to, unsigned timeout_ms,
                              bool monitor, ptl_reply_fn *tell, void *data)
{
    struct call *call = ptl_alloc(node->allocator, sizeof(*call));

    if (call != NULL) {
        call->node = node;
        call->timeout_ms = timeout_ms;
        call->monitor = monitor;
        call->to = *to; /* as this node sees it */
        call->tell = tell;
        call->data = data;
        call->belonging.end = end_call;
        atomic_init(&call->holds, 2);
    }
    return call;
}

static int call_inside(struct ptl_shard *shard, struct call *call, const struct ptl_msg *msg)
{
    struct ptl_slot *self = shard->ports->self;
    struct ptl_slot *reply =
        ptl_slot_find(&shard->ports->table, call->reply.slot, call->reply.generation);
    struct ptl_port_more *more = NULL;

    ptl_assert(reply != NULL); /* made just now, on this shard */
    if (self != NULL) {
        more = ptl_port_more(shard, self);
        if (more == NULL) {
            return PTL_ENOMEM;
        }
    }
    /* As the caller: it keeps its place among what the caller sends to that port, and is as stale
     * as what a caller sends who has not been told of a failure yet. */
    call->epoch = ptl_epoch_of(shard, &call->to);
    int err = send_request(call, msg);
    if (err == PTL_OK) {
        shard->ports->self = reply;
        err = arm(call);
        shard->ports->self = self;
    }
    if (err == PTL_OK && more != NULL) {
        call->owner = self;
        call->generation = self->generation;
        ptl_belonging_add(&more->belongings, &call->belonging);
    }
    return err;
}

static int call_outside(struct call *call, const struct ptl_msg *msg)
{
    /* The monitor first, so that it is set when the request is under way.  The link may fail before
     * the request is there, and be told before the monitor is set. */
    call->epoch = ptl_epoch_outside(call->node, &call->to);
    if (call->epoch == PTL_TELLING_OUTSIDE) {
        return PTL_EFULL;
    }
    int err = ptl_sendf(call->node, &call->reply, "n");

    return err == PTL_OK ? send_request(call, msg) : err;
}

/* From a thread; never refused, or the port would stay.  Returns the call's error. */
static int end_reply_outside(struct ptl_node *node, const struct ptl_port *reply, int err)
{
    struct ptl_op op = {.kind = PTL_OP_KILL};

    if (ptl_route(node, reply, &op, PTL_WAY_OWN) < 0) {
        ptl_log(node, PTL_LOG_ERROR, "out of memory: the reply port of a call stays");
    }
    return err;
}

/* Make the reply port and send the request.  Owns: `call` is freed in the end. */
static int begin(struct call *call, const struct ptl_msg *msg)
{
    struct ptl_node *node = call->node;
    struct ptl_shard *shard = ptl_shard_here(node);
    struct ptl_port_options options = {
        .size = sizeof(options),
        .handler = shard != NULL ? on_reply : on_start,
        .data = call,
        .release = release_call,
    };
    int err = ptl_port_new(node, &options, &call->reply);
    if (err < 0) {
        let_go(call);
        let_go(call);
        return err;
    }
    struct ptl_port reply = call->reply;
    err = shard != NULL ? call_inside(shard, call, msg) : call_outside(call, msg);
    if (err < 0 && !decide(call, REFUSED)) {
        err = PTL_OK; /* it has been told that the port is gone: that is the answer */
    } else if (err < 0 && shard != NULL) {
        end_reply(shard, &reply); /* untold: the error is the answer */
    } else if (err < 0) {
        err = end_reply_outside(node, &reply, err);
    }
    let_go(call);
    return err;
}

int ptl_call(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg,
             unsigned timeout_ms, bool monitor, ptl_reply_fn *tell, void *data)
{
    return ptl_call_owned(node, to, msg, timeout_ms, monitor, tell, data, NULL);
}

int ptl_call_owned(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg,
                   unsigned timeout_ms, bool monitor, ptl_reply_fn *tell, void *data,
                   ptl_release_fn *release)
{
    struct ptl_port own;

    to = ptl_port_own_view(&node->self, to, &own);
    if (to == NULL) {
        return PTL_EINVAL;
    }
    struct call *call = make_call(node, to, timeout_ms, monitor, tell, data);
    if (call == NULL) {
        return PTL_ENOMEM;
    }
    call->release = release;
    return begin(call, msg);
}

int ptl_call_shard(struct ptl_node *node, unsigned place, const struct ptl_op_words *words,
                   const struct ptl_msg *msg, ptl_reply_fn *tell, void *data,
                   ptl_release_fn *release)
{
    static const struct ptl_port none;
    struct call *call = make_call(node, &none, 0, false, tell, data);

    if (call == NULL) {
        return PTL_ENOMEM;
    }
    call->asks = true;
    call->place = place;
    call->words = *words;
    call->release = release;
    return begin(call, msg);
}
