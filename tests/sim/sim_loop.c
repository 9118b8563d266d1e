#include "tests/sim/sim_loop.h"

#include <stdio.h>
#include <stdlib.h>

#define LISTENERS_MAX 16
#define RECEIVE_MAX 16384
#define SEND_MAX 65536

struct sim_loop_set {
    struct ptl_loop *loops[64];
};

struct ptl_stream {
    struct sim_loop *loop;
    struct ptl_stream *next, **link; /* all streams of the loop */
    struct sim_end *end;
    const struct ptl_stream_hooks *hooks;
    void *owner;
    struct ptl_span spans[PTL_SEND_SPANS_MAX]; /* of the send under way */
    unsigned span_count;
    bool listed;     /* in the loop's list of what to look at */
    bool adopted;    /* somebody owns it */
    bool connecting; /* `connected` has not been told */
    bool reading;
    bool afterthought; /* reading was stopped with bytes on their way up */
    bool told_end;
    bool sending;
    bool detaching;
    bool closing;
};

struct ptl_listener {
    struct sim_loop *loop;
    struct sim_socket *socket;
};

/* A resolution that waits for its answer. */
struct resolution {
    struct resolution *next;
    struct sim_loop *loop; /* NULL: it has been freed meanwhile */
    void *request;
    int err;
    struct ptl_address address;
    bool due;
};

struct sim_loop {
    struct ptl_loop base;
    const struct ptl_allocator *allocator;
    struct ptl_loop_hooks hooks;
    void *user;
    struct sim_host *host;
    struct sim_network *network;
    struct ptl_loop **place; /* where the maker knows it */
    unsigned number;
    struct ptl_stream *streams;
    unsigned stream_count, listener_count;
    struct ptl_listener *listeners[LISTENERS_MAX];
    struct ptl_stream **list, **spare; /* what to look at in the next poll; one being looked at */
    unsigned list_count, list_capacity, spare_capacity;
    struct resolution *resolutions;
    unsigned due_resolutions;
    bool accepting; /* a socket has something */
    bool woken;
    bool polling;
    uint8_t bytes[RECEIVE_MAX];
};

static struct sim_loop *sim(struct ptl_loop *loop)
{
    return (struct sim_loop *)loop;
}

static struct sim_random *chance(struct sim_loop *loop)
{
    return sim_network_random(loop->network);
}

/* ---- What to look at ------------------------------------------------------------------------- */

static void list(struct ptl_stream *stream)
{
    struct sim_loop *loop = stream->loop;
    if (stream->listed) {
        return;
    }
    if (loop->list_count == loop->list_capacity) {
        loop->list_capacity = loop->list_capacity * 2 + 16;
        loop->list = realloc(loop->list, loop->list_capacity * sizeof(struct ptl_stream *));
        ptl_assert(loop->list != NULL);
    }
    stream->listed = true;
    loop->list[loop->list_count++] = stream;
}

static void end_changed(void *owner)
{
    list(owner);
}

static void socket_changed(void *owner)
{
    struct ptl_listener *listener = owner;
    listener->loop->accepting = true;
}

static struct ptl_stream *new_stream(struct sim_loop *loop)
{
    struct ptl_stream *stream = ptl_alloc(loop->allocator, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->loop = loop;
    stream->next = loop->streams;
    stream->link = &loop->streams;
    if (stream->next != NULL) {
        stream->next->link = &stream->next;
    }
    loop->streams = stream;
    loop->stream_count++;
    return stream;
}

static void drop_stream(struct ptl_stream *stream)
{
    struct sim_loop *loop = stream->loop;
    for (unsigned i = 0; stream->listed && i < loop->list_count; i++) {
        if (loop->list[i] == stream) {
            loop->list[i] = loop->list[--loop->list_count];
            break;
        }
    }
    *stream->link = stream->next;
    if (stream->next != NULL) {
        stream->next->link = stream->link;
    }
    loop->stream_count--;
    ptl_free(loop->allocator, stream, sizeof *stream);
}

static void own_end(struct ptl_stream *stream, struct sim_end *end)
{
    stream->end = end;
    sim_end_own(end, end_changed, stream);
}

/* Ask nothing of a stream that is on its way out. */
static void check_usable(const struct sim_loop *loop, const struct ptl_stream *stream)
{
    ptl_assert(stream->loop == loop);
    ptl_assert(!stream->closing);
    ptl_assert(!stream->detaching);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static int sim_listen(struct ptl_loop *base, const struct ptl_address *address,
                      struct ptl_listener **listener, struct ptl_address *bound)
{
    struct sim_loop *loop = sim(base);
    ptl_assert(loop->listener_count < LISTENERS_MAX);
    struct ptl_listener *made = ptl_alloc(loop->allocator, sizeof *made);
    if (made == NULL) {
        return PTL_ENOMEM;
    }
    made->loop = loop;
    int err = sim_socket_listen(loop->host, address, socket_changed, made, &made->socket, bound);
    if (err < 0) {
        ptl_free(loop->allocator, made, sizeof *made);
        return err;
    }
    loop->listeners[loop->listener_count++] = made;
    *listener = made;
    return 0;
}

static void sim_unlisten(struct ptl_loop *base, struct ptl_listener *listener)
{
    struct sim_loop *loop = sim(base);
    ptl_assert(listener->loop == loop);
    unsigned at = 0;
    while (loop->listeners[at] != listener) {
        at++;
    }
    loop->listeners[at] = loop->listeners[--loop->listener_count];
    sim_socket_close(listener->socket);
    ptl_free(loop->allocator, listener, sizeof *listener);
}

static void resolution_due(void *data)
{
    struct resolution *resolution = data;
    if (resolution->loop == NULL) {
        free(resolution);
        return;
    }
    resolution->due = true;
    resolution->loop->due_resolutions++;
}

static int sim_resolve(struct ptl_loop *base, const char *host_port, void *request)
{
    struct sim_loop *loop = sim(base);
    struct ptl_address address;
    int err = sim_network_resolve(loop->network, host_port, &address);
    if (err == PTL_EADDRESS) {
        return err;
    }
    struct resolution *resolution = calloc(1, sizeof *resolution);
    ptl_assert(resolution != NULL);
    bool numeric = host_port[0] == '[' || (host_port[0] >= '0' && host_port[0] <= '9');
    if (!numeric &&
        sim_random_chance(chance(loop), sim_network_weather(loop->network)->unresolved)) {
        err = PTL_ERESOLVE;
    }
    resolution->loop = loop;
    resolution->request = request;
    resolution->err = err;
    resolution->address = address;
    resolution->next = loop->resolutions;
    loop->resolutions = resolution;
    if (numeric) {
        resolution->due = true;
        loop->due_resolutions++;
        return 0;
    }
    sim_network_at(loop->network,
                   sim_network_now(loop->network) +
                       sim_random_scale(chance(loop), 10000, SIM_SECOND),
                   resolution_due, resolution);
    return 0;
}

static int sim_connect(struct ptl_loop *base, const struct ptl_address *address,
                       const struct ptl_stream_hooks *hooks, void *owner,
                       struct ptl_stream **stream)
{
    struct sim_loop *loop = sim(base);
    struct ptl_stream *made = new_stream(loop);
    if (made == NULL) {
        return PTL_ENOMEM;
    }
    int err = sim_end_connect(loop->host, address, end_changed, made, &made->end);
    if (err < 0) {
        drop_stream(made);
        return err;
    }
    made->hooks = hooks;
    made->owner = owner;
    made->adopted = true;
    made->connecting = true;
    *stream = made;
    return 0;
}

static int sim_attach(struct ptl_loop *base, int handle, const struct ptl_stream_hooks *hooks,
                      void *owner, struct ptl_stream **stream)
{
    struct sim_loop *loop = sim(base);
    struct ptl_stream *made = new_stream(loop);
    if (made == NULL) {
        return PTL_ENOMEM;
    }
    own_end(made, sim_end_from_handle(loop->network, handle));
    made->hooks = hooks;
    made->owner = owner;
    made->adopted = true;
    made->reading = true;
    list(made);
    sim_trace(loop->network, "attach", sim_end_number(made->end), loop->number);
    *stream = made;
    return 0;
}

static void sim_discard(struct ptl_loop *base, int handle)
{
    sim_end_close(sim_end_from_handle(sim(base)->network, handle));
}

static void sim_adopt(struct ptl_loop *base, struct ptl_stream *stream,
                      const struct ptl_stream_hooks *hooks, void *owner)
{
    check_usable(sim(base), stream);
    stream->hooks = hooks;
    stream->owner = owner;
    if (!stream->adopted) {
        stream->adopted = true;
        stream->reading = true;
        list(stream);
    }
}

static int sim_send(struct ptl_loop *base, struct ptl_stream *stream, const struct ptl_span spans[],
                    unsigned count)
{
    check_usable(sim(base), stream);
    ptl_assert(stream->adopted);
    ptl_assert(!stream->connecting);
    ptl_assert(!stream->sending);
    ptl_assert(count > 0 && count <= PTL_SEND_SPANS_MAX);
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        stream->spans[i] = spans[i];
        size += spans[i].size;
    }
    ptl_assert(size > 0);
    stream->span_count = count;
    stream->sending = true;
    list(stream);
    return 0;
}

static void sim_read(struct ptl_loop *base, struct ptl_stream *stream, bool on)
{
    check_usable(sim(base), stream);
    if (stream->reading && !on) {
        stream->afterthought = sim_random_chance(chance(sim(base)), 500);
    }
    stream->reading = on;
    list(stream);
}

/* Its windows are of any size as it is. */
static void sim_keep_short(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base;
    (void)stream;
}

static void sim_user_timeout(struct ptl_loop *base, struct ptl_stream *stream,
                             uint32_t milliseconds)
{
    check_usable(sim(base), stream);
    sim_end_user_timeout(stream->end, milliseconds * SIM_MILLISECOND);
}

static void sim_finish(struct ptl_loop *base, struct ptl_stream *stream)
{
    check_usable(sim(base), stream);
    ptl_assert(!stream->sending);
    sim_end_finish(stream->end);
}

/* What the simulated network has taken it delivers, or the connection fails. */
static size_t sim_unconfirmed(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base, (void)stream;
    return 0;
}

static void sim_detach(struct ptl_loop *base, struct ptl_stream *stream)
{
    check_usable(sim(base), stream);
    ptl_assert(!stream->connecting);
    ptl_assert(!stream->sending);
    stream->detaching = true;
    list(stream);
}

static void sim_close(struct ptl_loop *base, struct ptl_stream *stream)
{
    ptl_assert(stream->loop == sim(base));
    ptl_assert(!stream->closing);
    stream->closing = true;
    list(stream);
}

static void sim_wake(struct ptl_loop *base, struct ptl_loop *from)
{
    (void)from;
    sim(base)->woken = true;
}

static uint64_t sim_now(struct ptl_loop *base)
{
    return sim_network_now(sim(base)->network);
}

static uint64_t sim_coarse(struct ptl_loop *base)
{
    return sim_network_now(sim(base)->network) / 4000000 * 4000000;
}

static double sim_wall(struct ptl_loop *base)
{
    return 1.7e9 + (double)sim_network_now(sim(base)->network) / 1e9;
}

static void sim_random(struct ptl_loop *base, void *bytes, size_t size)
{
    sim_random_bytes(chance(sim(base)), bytes, size);
}

/* ---- Telling --------------------------------------------------------------------------------- */

static void note(struct ptl_stream *stream, const char *what, uint64_t detail)
{
    sim_trace(stream->loop->network, what, sim_end_number(stream->end), detail);
}

/* How much of `size` moves this time: now and then only a part. */
static size_t portion(struct sim_loop *loop, size_t size)
{
    if (size > 1 && sim_random_chance(chance(loop), sim_network_weather(loop->network)->short_io)) {
        return (size_t)sim_random_scale(chance(loop), 1, size);
    }
    return size;
}

static void tell_connected(struct ptl_stream *stream)
{
    int state = sim_end_state(stream->end);
    if (state == SIM_CONNECTING) {
        return;
    }
    stream->connecting = false;
    stream->reading = state == 0;
    stream->told_end = state < 0;
    note(stream, "connected", (uint64_t)-state);
    stream->hooks->connected(stream->owner, state);
    list(stream);
}

static void tell_received(struct ptl_stream *stream)
{
    struct sim_loop *loop = stream->loop;
    struct ptl_span ready = sim_end_peek(stream->end);
    size_t size = portion(loop, ready.size < RECEIVE_MAX ? ready.size : RECEIVE_MAX);

    memcpy(loop->bytes, ready.bytes, size);
    sim_end_consume(stream->end, size);
    stream->afterthought = false;
    note(stream, "received", size);
    if (ready.size > size || sim_end_state(stream->end) < 0 || sim_end_finished(stream->end)) {
        list(stream);
    }
    stream->hooks->received(stream->owner, ptl_span(loop->bytes, size));
    memset(loop->bytes, 0xdb, size);
}

static void tell_ended(struct ptl_stream *stream, int err)
{
    stream->told_end = true;
    note(stream, "ended", (uint64_t)-err);
    stream->hooks->ended(stream->owner, err);
}

static void look_at_reading(struct ptl_stream *stream)
{
    if (stream->told_end || (!stream->reading && !stream->afterthought)) {
        return;
    }
    int state = sim_end_state(stream->end);
    if (sim_end_peek(stream->end).size > 0) {
        tell_received(stream);
    } else if (stream->reading && state < 0) {
        tell_ended(stream, state);
    } else if (stream->reading && sim_end_finished(stream->end)) {
        tell_ended(stream, 0);
    }
}

static size_t write_spans(struct ptl_stream *stream, size_t size)
{
    size_t written = 0;
    for (unsigned i = 0; i < stream->span_count && written < size; i++) {
        struct ptl_span part = stream->spans[i];
        if (part.size > size - written) {
            part.size = size - written;
        }
        sim_end_write(stream->end, part);
        written += part.size;
    }
    return written;
}

static void look_at_sending(struct ptl_stream *stream)
{
    int state = sim_end_state(stream->end);
    size_t room = sim_end_room(stream->end);
    if (!stream->sending || (state == 0 && room == 0)) {
        return;
    }
    int result = state;
    if (state == 0) {
        size_t size = 0;
        for (unsigned i = 0; i < stream->span_count; i++) {
            size += stream->spans[i].size;
        }
        size = size < room ? size : room;
        result = (int)write_spans(stream, portion(stream->loop, size < SEND_MAX ? size : SEND_MAX));
    }
    stream->sending = false;
    note(stream, "sent", (uint64_t)(int64_t)result);
    stream->hooks->sent(stream->owner, result);
}

static void tell_closed(struct ptl_stream *stream)
{
    const struct ptl_stream_hooks *hooks = stream->hooks;
    void *owner = stream->owner;
    note(stream, "closed", 0);
    sim_end_close(stream->end);
    bool adopted = stream->adopted;
    drop_stream(stream);
    if (adopted && hooks->closed != NULL) {
        hooks->closed(owner);
    }
}

static void tell_detached(struct ptl_stream *stream)
{
    const struct ptl_stream_hooks *hooks = stream->hooks;
    void *owner = stream->owner;
    note(stream, "detached", 0);
    int handle = sim_end_to_handle(stream->end);
    drop_stream(stream);
    hooks->detached(owner, handle);
}

/* The stream may be gone afterwards. */
static void look_at(struct ptl_stream *stream)
{
    struct sim_random *random = chance(stream->loop);
    if (!stream->closing && stream->connecting) {
        tell_connected(stream);
        return;
    }
    bool sends_first = sim_random_chance(random, 500);
    if (sends_first && !stream->closing) {
        look_at_sending(stream);
    }
    /* What was on its way up may come before `detached`, or not. */
    if (!stream->closing && (!stream->detaching || sim_random_chance(random, 500))) {
        look_at_reading(stream);
    }
    if (!sends_first && !stream->closing) {
        look_at_sending(stream);
    }
    if (stream->closing) {
        tell_closed(stream);
    } else if (stream->detaching) {
        tell_detached(stream);
    }
}

static void accept_one(struct sim_loop *loop, struct ptl_listener *listener, struct sim_end *end,
                       const struct ptl_address *peer)
{
    struct ptl_stream *stream = new_stream(loop);
    if (stream == NULL) {
        sim_end_close(end);
        return;
    }
    own_end(stream, end);
    note(stream, "accepted", loop->number);
    loop->hooks.accepted(loop->user, listener, stream, peer);
    ptl_assert(stream->adopted || stream->closing);
}

static void tell_accepted(struct sim_loop *loop)
{
    loop->accepting = false;
    for (unsigned i = 0; i < loop->listener_count; i++) {
        struct ptl_listener *listener = loop->listeners[i];
        struct ptl_address peer;
        struct sim_end *end = sim_socket_accept(listener->socket, &peer);
        if (end != NULL) {
            loop->accepting = true; /* perhaps there are more: look again */
            accept_one(loop, listener, end, &peer);
        }
    }
}

static void tell_resolved(struct sim_loop *loop)
{
    struct resolution **at = &loop->resolutions;
    while (*at != NULL && !(*at)->due) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return;
    }
    struct resolution *resolution = *at;
    *at = resolution->next;
    loop->due_resolutions--;
    loop->hooks.resolved(loop->user, resolution->request, resolution->err, &resolution->address,
                         resolution->err == 0);
    free(resolution);
}

static void shuffle(struct sim_loop *loop)
{
    for (unsigned i = loop->list_count; i > 1; i--) {
        unsigned other = (unsigned)sim_random_below(chance(loop), i);
        struct ptl_stream *stream = loop->list[i - 1];
        loop->list[i - 1] = loop->list[other];
        loop->list[other] = stream;
    }
}

static void look_at_listed(struct sim_loop *loop)
{
    unsigned deferred = sim_network_weather(loop->network)->deferred;
    shuffle(loop);
    /* What hooks list from here on is for the next poll. */
    struct ptl_stream **current = loop->list;
    unsigned count = loop->list_count, capacity = loop->list_capacity;
    loop->list = loop->spare;
    loop->list_capacity = loop->spare_capacity;
    loop->list_count = 0;
    for (unsigned i = 0; i < count; i++) {
        current[i]->listed = false;
        if (deferred > 0 && sim_random_chance(chance(loop), deferred)) {
            list(current[i]);
        } else {
            look_at(current[i]);
        }
    }
    loop->spare = current;
    loop->spare_capacity = capacity;
}

static void sim_poll(struct ptl_loop *base, uint64_t until_ns)
{
    struct sim_loop *loop = sim(base);
    (void)until_ns; /* the one who drives the simulation asks the node itself */
    ptl_assert(!loop->polling);
    loop->polling = true;
    loop->woken = false;
    if (loop->due_resolutions > 0) {
        tell_resolved(loop);
    }
    if (loop->accepting) {
        tell_accepted(loop);
    }
    look_at_listed(loop);
    loop->polling = false;
}

static const char *sim_remark(struct ptl_loop *base)
{
    (void)base;
    return NULL;
}

/* Nobody listens on more than one address of a host. */
static unsigned sim_interfaces(struct ptl_loop *base, const struct ptl_address *address,
                               bool loopback, struct ptl_address out[static PTL_INTERFACES_MAX])
{
    (void)base;
    (void)loopback;
    out[0] = *address;
    return 1;
}

static void sim_free(struct ptl_loop *base)
{
    struct sim_loop *loop = sim(base);
    ptl_assert(!loop->polling);
    while (loop->listener_count > 0) {
        sim_unlisten(base, loop->listeners[0]);
    }
    while (loop->streams != NULL) {
        sim_end_close(loop->streams->end);
        drop_stream(loop->streams);
    }
    for (struct resolution *next = loop->resolutions; next != NULL;) {
        struct resolution *resolution = next;
        next = resolution->next;
        resolution->loop = NULL;
        if (resolution->due) {
            free(resolution);
        }
    }
    *loop->place = NULL;
    free(loop->list);
    free(loop->spare);
    ptl_free(loop->allocator, loop, sizeof *loop);
}

/* ---- Making loops ---------------------------------------------------------------------------- */

static bool sim_ready(struct ptl_loop *base)
{
    return sim_loop_ready(base);
}

static const struct ptl_loop_ops ops = {
    .listen = sim_listen,
    .unlisten = sim_unlisten,
    .resolve = sim_resolve,
    .connect = sim_connect,
    .attach = sim_attach,
    .discard = sim_discard,
    .adopt = sim_adopt,
    .send = sim_send,
    .read = sim_read,
    .user_timeout = sim_user_timeout,
    .keep_short = sim_keep_short,
    .finish = sim_finish,
    .unconfirmed = sim_unconfirmed,
    .detach = sim_detach,
    .close = sim_close,
    .ready = sim_ready,
    .poll = sim_poll,
    .wake = sim_wake,
    .now = sim_now,
    .coarse = sim_coarse,
    .wall = sim_wall,
    .random = sim_random,
    .remark = sim_remark,
    .interfaces = sim_interfaces,
    .free = sim_free,
};

static int open_loop(void *data, unsigned shard, const struct ptl_allocator *allocator,
                     const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **made)
{
    struct sim_maker *maker = data;
    struct sim_loop *loop = ptl_alloc(allocator, sizeof *loop);
    if (loop == NULL) {
        return PTL_ENOMEM;
    }
    ptl_assert(shard < 64 && maker->loops->loops[shard] == NULL);
    loop->base.ops = &ops;
    loop->allocator = allocator;
    loop->hooks = *hooks;
    loop->user = user;
    loop->host = maker->host;
    loop->network = sim_host_network(maker->host);
    loop->number = shard;
    loop->place = &maker->loops->loops[shard];
    *loop->place = &loop->base;
    *made = &loop->base;
    return 0;
}

static void maker_random(void *data, void *bytes, size_t size)
{
    struct sim_maker *maker = data;

    sim_random_bytes(sim_network_random(sim_host_network(maker->host)), bytes, size);
}

void sim_maker_init(struct sim_maker *maker, struct sim_host *host)
{
    maker->loops = calloc(1, sizeof *maker->loops);
    ptl_assert(maker->loops != NULL);
    maker->host = host;
    maker->maker =
        (struct ptl_loop_maker){.open = open_loop, .random = maker_random, .maker = maker};
}

void sim_maker_drop(struct sim_maker *maker)
{
    for (unsigned i = 0; i < 64; i++) {
        ptl_assert(maker->loops->loops[i] == NULL);
    }
    free(maker->loops);
    maker->loops = NULL;
}

struct ptl_loop *sim_maker_loop(const struct sim_maker *maker, unsigned shard)
{
    return maker->loops->loops[shard];
}

bool sim_loop_ready(const struct ptl_loop *base)
{
    const struct sim_loop *loop = (const struct sim_loop *)base;
    return loop->woken || loop->accepting || loop->list_count > 0 || loop->due_resolutions > 0;
}

unsigned sim_loop_open(const struct ptl_loop *base)
{
    const struct sim_loop *loop = (const struct sim_loop *)base;
    return loop->stream_count + loop->listener_count;
}
