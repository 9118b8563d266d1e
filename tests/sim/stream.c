/*
 * The virtual TCP.  An event that concerns a stream holds a reference to it, so that a stream that
 * both ends have closed lives until the last packet of it has come to rest.
 */
#include "tests/sim/network.h"

#include "tests/sim/network_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RETRANSMISSIONS_MAX 15
#define RETRANSMISSION_FIRST (200 * SIM_MILLISECOND)
#define RETRANSMISSION_LAST (3 * SIM_SECOND)
#define CONNECT_PATIENCE (127 * SIM_SECOND)

struct sim_end {
    struct sim_stream *stream;
    struct sim_host *host;
    unsigned index;
    int state; /* SIM_CONNECTING, 0 or an error */
    bool held; /* by a loop, a handle or a backlog: not closed yet */
    bool gone; /* its machine has been switched off */
    bool timer_armed;
    sim_notify_fn *notify;
    void *owner;
    uint64_t user_timeout;
};

/* What end `i` writes and end `1 - i` reads.  Positions count bytes from the stream's beginning. */
struct direction {
    uint8_t *bytes; /* from position `read` to `accepted`, at `head` */
    size_t head, capacity;
    uint64_t accepted, arrived, acked, read;
    uint64_t ack_asked;    /* the highest acknowledgement on its way */
    uint64_t last_arrival; /* packets of one direction do not overtake each other */
    uint64_t unacked_since;
    uint64_t send_window, receive_window;
    uint64_t cut_at; /* what lies from here on does not arrive */
    enum sim_cut cut_how;
    unsigned retransmissions;
    bool retransmitting;
    bool silent; /* nothing arrives any more */
    bool fin, fin_arrived;
};

struct sim_stream {
    struct sim_network *network;
    struct sim_stream *next;
    uint64_t number;
    unsigned references; /* events under way */
    uint64_t asked_at;
    bool established;
    struct sim_end ends[2]; /* 0 has connected, 1 has accepted */
    struct direction directions[2];
    struct ptl_address target; /* where end 0 connects to */
    struct ptl_address peer;   /* end 0's own address */
};

struct sim_socket {
    struct sim_host *host;
    struct sim_socket *next;
    struct ptl_address address;
    struct sim_end *backlog[SIM_BACKLOG];
    unsigned waiting;
    sim_notify_fn *notify;
    void *owner;
    bool gone;
};

/* ---- Events of a stream ---------------------------------------------------------------------- */

static void post(struct sim_stream *stream, uint64_t at,
                 void (*call)(void *data, uint64_t argument), uint64_t argument)
{
    stream->references++;
    sim_network_post(stream->network, at, call, stream, argument);
}

static void forget_if_done(struct sim_stream *stream)
{
    if (stream->references > 0 || stream->ends[0].held || stream->ends[1].held) {
        return;
    }
    struct sim_stream **at = &stream->network->streams;
    while (*at != stream) {
        at = &(*at)->next;
    }
    *at = stream->next;
    free(stream->directions[0].bytes);
    free(stream->directions[1].bytes);
    free(stream);
}

static void event_done(struct sim_stream *stream)
{
    stream->references--;
    forget_if_done(stream);
}

static void tell(struct sim_end *end)
{
    if (end->notify != NULL) {
        end->notify(end->owner);
    }
}

static struct sim_path *path_from(struct sim_end *end)
{
    struct sim_end *peer = &end->stream->ends[1 - end->index];
    return &end->stream->network->paths[end->host->index][peer->host->index];
}

static uint64_t travel_time(struct sim_end *from)
{
    struct sim_random *random = &from->stream->network->random;
    const struct sim_path *path = path_from(from);
    uint64_t jitter = sim_random_below(random, path->jitter);
    if (sim_random_chance(random, 10)) {
        jitter *= 8; /* a lost packet, sent again */
    }
    return path->delay + jitter;
}

/* Whether nothing from `end` reaches the other host at this moment. */
static bool blocked(struct sim_end *end)
{
    return path_from(end)->parted || !end->stream->ends[1 - end->index].host->on;
}

/* ---- Failing --------------------------------------------------------------------------------- */

static void fail(struct sim_end *end, int err)
{
    struct sim_network *network = end->stream->network;
    if (!end->held || end->gone || end->state < 0) {
        return;
    }
    sim_trace(network, "failed", end->stream->number * 2 + end->index, (uint64_t)-err);
    end->state = err;
    tell(end);
}

static void reset_arrives(void *data, uint64_t index)
{
    struct sim_stream *stream = data;
    struct sim_end *end = &stream->ends[index];
    if (!blocked(&stream->ends[1 - index]) && !stream->directions[1 - index].silent) {
        fail(end, -ECONNRESET);
    }
    event_done(stream);
}

/* A receiver believes a reset only when it has all that was sent before (RFC 5961). */
static void send_reset(struct sim_end *from)
{
    uint64_t at = from->stream->network->now + travel_time(from);
    uint64_t not_before = from->stream->directions[from->index].last_arrival;
    post(from->stream, at < not_before ? not_before : at, reset_arrives, 1 - from->index);
}

/* ---- Data on its way ------------------------------------------------------------------------- */

static void ack_arrives(void *data, uint64_t argument)
{
    struct sim_stream *stream = data;
    unsigned index = argument & 1;
    uint64_t position = argument >> 1;
    struct direction *direction = &stream->directions[index];
    struct sim_end *sender = &stream->ends[index];

    if (stream->directions[1 - index].silent || !sender->held || sender->gone ||
        sender->state < 0) {
        event_done(stream);
        return;
    }
    if (blocked(&stream->ends[1 - index])) {
        post(stream, stream->network->now + RETRANSMISSION_FIRST, ack_arrives, argument);
        event_done(stream);
        return;
    }
    if (position > direction->acked) {
        direction->acked = position;
        direction->unacked_since = stream->network->now;
        tell(sender);
    }
    event_done(stream);
}

/* A full receive window acknowledges nothing: so does a kernel whose reader stands still. */
static void acknowledge(struct sim_stream *stream, unsigned index)
{
    struct direction *direction = &stream->directions[index];
    uint64_t position = direction->read + direction->receive_window;
    if (position > direction->arrived) {
        position = direction->arrived;
    }
    if (position <= direction->ack_asked) {
        return;
    }
    direction->ack_asked = position;
    post(stream, stream->network->now + travel_time(&stream->ends[1 - index]), ack_arrives,
         position << 1 | index);
}

/* What a middlebox resets has no manners: the last packets may be lost even so. */
static void fail_rudely(struct sim_end *end)
{
    struct sim_random *random = &end->stream->network->random;
    struct direction *incoming = &end->stream->directions[1 - end->index];
    if (sim_random_chance(random, 300)) {
        incoming->arrived -= sim_random_below(random, incoming->arrived - incoming->read + 1);
    }
    fail(end, -ECONNRESET);
}

static void apply_cut(struct sim_stream *stream, unsigned index)
{
    struct direction *direction = &stream->directions[index];
    if (direction->silent) {
        return;
    }
    direction->silent = true;
    sim_trace(stream->network, "cut", stream->number * 2 + index, direction->cut_how);
    if (direction->cut_how == SIM_CUT_SILENT) {
        return;
    }
    stream->directions[1 - index].silent = true;
    if (direction->cut_how != SIM_CUT_RESET_FROM) {
        fail_rudely(&stream->ends[1 - index]);
    }
    if (direction->cut_how != SIM_CUT_RESET_TO) {
        fail_rudely(&stream->ends[index]);
    }
}

static void take_up_to(struct sim_stream *stream, unsigned index, uint64_t position)
{
    struct direction *direction = &stream->directions[index];
    bool cut = position >= direction->cut_at;
    uint64_t limit = cut ? direction->cut_at : position;

    direction->fin_arrived = direction->fin && limit > direction->accepted;
    if (limit > direction->accepted) {
        limit = direction->accepted;
    }
    if (limit > direction->arrived) {
        direction->arrived = limit;
    }
    acknowledge(stream, index);
    tell(&stream->ends[1 - index]);
    if (cut) {
        apply_cut(stream, index);
    }
}

static void segment_arrives(void *data, uint64_t argument);

static void retransmit(struct sim_stream *stream, unsigned index)
{
    struct direction *direction = &stream->directions[index];
    if (direction->retransmitting || direction->retransmissions == RETRANSMISSIONS_MAX) {
        return;
    }
    uint64_t wait = RETRANSMISSION_FIRST << direction->retransmissions++;
    if (wait > RETRANSMISSION_LAST) {
        wait = RETRANSMISSION_LAST;
    }
    wait += sim_random_below(&stream->network->random, wait);
    direction->retransmitting = true;
    post(stream, stream->network->now + wait, segment_arrives, UINT64_MAX << 1 | index);
}

/* `argument` is direction and position; a position beyond the last byte is the end's FIN. */
static void segment_arrives(void *data, uint64_t argument)
{
    struct sim_stream *stream = data;
    unsigned index = argument & 1;
    uint64_t position = argument >> 1;
    struct direction *direction = &stream->directions[index];
    struct sim_end *receiver = &stream->ends[1 - index];

    if (position == UINT64_MAX >> 1) {
        direction->retransmitting = false;
        position = direction->accepted + direction->fin;
    }
    if (direction->silent || stream->ends[index].gone) {
        event_done(stream);
        return;
    }
    if (blocked(&stream->ends[index])) {
        retransmit(stream, index);
    } else if (receiver->held && !receiver->gone && receiver->state >= 0) {
        direction->retransmissions = 0;
        take_up_to(stream, index, position);
    } else {
        send_reset(receiver);
    }
    event_done(stream);
}

static void send_segment(struct sim_end *end, uint64_t position)
{
    struct direction *direction = &end->stream->directions[end->index];
    uint64_t at = end->stream->network->now + travel_time(end);
    if (at < direction->last_arrival) {
        at = direction->last_arrival;
    }
    direction->last_arrival = at;
    post(end->stream, at, segment_arrives, position << 1 | end->index);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

static void init_direction(struct sim_network *network, struct direction *direction)
{
    direction->cut_at = UINT64_MAX;
    direction->send_window = sim_random_scale(&network->random, 4096, 1 << 18);
    direction->receive_window = sim_random_scale(&network->random, 4096, 1 << 18);
}

static struct sim_stream *make_stream(struct sim_network *network)
{
    struct sim_stream *stream = sim_must_alloc(sizeof *stream);
    stream->network = network;
    stream->number = network->streams_made++;
    stream->next = network->streams;
    network->streams = stream;
    for (unsigned i = 0; i < 2; i++) {
        stream->ends[i].stream = stream;
        stream->ends[i].index = i;
        init_direction(network, &stream->directions[i]);
    }
    return stream;
}

static struct sim_host *host_of(struct sim_network *network, const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - address);
    for (unsigned i = 0; i < network->host_count; i++) {
        struct sim_host *host = network->hosts[i];
        if (strlen(host->ip) == size && memcmp(host->ip, address, size) == 0) {
            return host;
        }
    }
    return NULL;
}

/* One of the sockets that listen on `address`, as a kernel chooses with SO_REUSEPORT. */
static struct sim_socket *find_socket(struct sim_network *network, const char *address)
{
    struct sim_socket *found = NULL;
    unsigned count = 0;
    for (struct sim_socket *at = network->sockets; at != NULL; at = at->next) {
        if (!at->gone && strcmp(at->address.text, address) == 0) {
            count++;
            if (sim_random_below(&network->random, count) == 0) {
                found = at;
            }
        }
    }
    return found;
}

static void connect_fails(void *data, uint64_t err)
{
    struct sim_stream *stream = data;
    if (stream->ends[0].held && stream->ends[0].state == SIM_CONNECTING) {
        fail(&stream->ends[0], -(int)err);
    }
    event_done(stream);
}

static void connect_succeeds(void *data, uint64_t argument)
{
    struct sim_stream *stream = data;
    struct sim_end *end = &stream->ends[0];
    (void)argument;
    if (end->held && !end->gone && end->state == SIM_CONNECTING) {
        end->state = 0;
        stream->established = true;
        tell(end);
    }
    event_done(stream);
}

static void syn_arrives(void *data, uint64_t argument);

static void syn_again(struct sim_stream *stream, uint64_t attempt)
{
    uint64_t now = stream->network->now;
    if (now - stream->asked_at > CONNECT_PATIENCE) {
        post(stream, now, connect_fails, ETIMEDOUT);
        return;
    }
    post(stream, now + (SIM_SECOND << (attempt > 5 ? 5 : attempt)), syn_arrives, attempt + 1);
}

static void enter_backlog(struct sim_stream *stream, struct sim_socket *socket)
{
    struct sim_end *end = &stream->ends[1];
    end->held = true;
    stream->network->open_ends++;
    socket->backlog[socket->waiting++] = end;
    post(stream, stream->network->now + travel_time(end), connect_succeeds, 0);
    if (socket->notify != NULL) {
        socket->notify(socket->owner);
    }
}

static void syn_arrives(void *data, uint64_t attempt)
{
    struct sim_stream *stream = data;
    struct sim_end *end = &stream->ends[0];
    if (!end->held || end->gone) {
        event_done(stream);
        return;
    }
    if (blocked(end)) {
        syn_again(stream, attempt);
        event_done(stream);
        return;
    }
    struct sim_socket *socket = find_socket(stream->network, stream->target.text);
    if (socket == NULL) {
        post(stream, stream->network->now + travel_time(end), connect_fails, ECONNREFUSED);
    } else if (socket->waiting == SIM_BACKLOG) {
        syn_again(stream, attempt);
    } else {
        enter_backlog(stream, socket);
    }
    event_done(stream);
}

/* Send the first packet, as the weather has it. */
static void send_syn(struct sim_stream *stream)
{
    struct sim_network *network = stream->network;
    struct sim_weather *weather = &network->weather;
    uint64_t at = network->now + travel_time(&stream->ends[0]);

    if (sim_random_chance(&network->random, weather->refused)) {
        sim_network_fault(network, SIM_FAULT_REFUSED, stream->number);
        post(stream, at, connect_fails, ECONNREFUSED);
    } else if (sim_random_chance(&network->random, weather->hanging)) {
        sim_network_fault(network, SIM_FAULT_HANGING, stream->number);
        post(stream, network->now + CONNECT_PATIENCE, connect_fails, ETIMEDOUT);
    } else if (sim_random_chance(&network->random, weather->slow)) {
        sim_network_fault(network, SIM_FAULT_SLOW, stream->number);
        at += sim_random_between(&network->random, SIM_SECOND, 9 * SIM_SECOND);
        post(stream, at, syn_arrives, 0);
    } else {
        post(stream, at, syn_arrives, 0);
    }
}

int sim_end_connect(struct sim_host *host, const struct ptl_address *address, sim_notify_fn *notify,
                    void *owner, struct sim_end **end)
{
    struct sim_host *target = host_of(host->network, address->text);
    if (target == NULL) {
        return PTL_EADDRESS;
    }
    struct sim_stream *stream = make_stream(host->network);
    stream->asked_at = host->network->now;
    stream->target = *address;
    snprintf(stream->peer.text, sizeof stream->peer.text, "%s:%u", host->ip, host->next_port++);
    stream->ends[0].host = host;
    stream->ends[1].host = target;
    stream->ends[0].state = SIM_CONNECTING;
    stream->ends[0].held = true;
    host->network->open_ends++;
    sim_end_own(&stream->ends[0], notify, owner);
    sim_trace(host->network, "connect", stream->number, host->index * 256 + target->index);
    send_syn(stream);
    *end = &stream->ends[0];
    return 0;
}

/* ---- Listening ------------------------------------------------------------------------------- */

int sim_socket_listen(struct sim_host *host, const struct ptl_address *address,
                      sim_notify_fn *notify, void *owner, struct sim_socket **socket,
                      struct ptl_address *bound)
{
    struct ptl_address real = *address;
    const char *colon = strrchr(address->text, ':');
    if (colon == NULL || host_of(host->network, address->text) == NULL) {
        return PTL_EADDRESS;
    }
    if (host_of(host->network, address->text) != host) {
        return -EADDRNOTAVAIL;
    }
    if (strcmp(colon, ":0") == 0) {
        snprintf(real.text, sizeof real.text, "%s:%u", host->ip, host->next_port++);
    }
    struct sim_socket *made = sim_must_alloc(sizeof *made);
    made->host = host;
    made->address = real;
    made->notify = notify;
    made->owner = owner;
    made->next = host->network->sockets;
    host->network->sockets = made;
    *socket = made;
    if (bound != NULL) {
        *bound = real;
    }
    return 0;
}

void sim_socket_close(struct sim_socket *socket)
{
    struct sim_socket **at = &socket->host->network->sockets;
    for (unsigned i = 0; i < socket->waiting; i++) {
        struct sim_end *end = socket->backlog[i];
        if (!end->gone) {
            send_reset(end);
        }
        end->state = -ECONNABORTED; /* so that closing it says nothing more */
        sim_end_close(end);
    }
    while (*at != socket) {
        at = &(*at)->next;
    }
    *at = socket->next;
    free(socket);
}

struct sim_end *sim_socket_accept(struct sim_socket *socket, struct ptl_address *peer)
{
    if (socket->waiting == 0) {
        return NULL;
    }
    struct sim_end *end = socket->backlog[0];
    socket->waiting--;
    memmove(socket->backlog, socket->backlog + 1, socket->waiting * sizeof socket->backlog[0]);
    *peer = end->stream->peer;
    return end;
}

/* ---- Ends ------------------------------------------------------------------------------------ */

void sim_end_own(struct sim_end *end, sim_notify_fn *notify, void *owner)
{
    end->notify = notify;
    end->owner = owner;
}

int sim_end_state(const struct sim_end *end)
{
    return end->state;
}

static struct direction *incoming_of(struct sim_end *end)
{
    return &end->stream->directions[1 - end->index];
}

bool sim_end_finished(const struct sim_end *end)
{
    const struct direction *incoming = &end->stream->directions[1 - end->index];
    return incoming->fin_arrived && incoming->read == incoming->arrived;
}

size_t sim_end_room(const struct sim_end *end)
{
    const struct direction *outgoing = &end->stream->directions[end->index];
    uint64_t used = outgoing->accepted - outgoing->acked;
    return used >= outgoing->send_window ? 0 : (size_t)(outgoing->send_window - used);
}

uint64_t sim_end_number(const struct sim_end *end)
{
    return end->stream->number * 2 + end->index;
}

static void store(struct direction *direction, struct ptl_span bytes)
{
    size_t held = (size_t)(direction->accepted - direction->read);
    if (direction->head + held + bytes.size > direction->capacity) {
        size_t capacity = 2 * (held + bytes.size) + 1024;
        uint8_t *fresh = sim_must_alloc(capacity);
        if (held > 0) {
            memcpy(fresh, direction->bytes + direction->head, held);
        }
        free(direction->bytes);
        direction->bytes = fresh;
        direction->capacity = capacity;
        direction->head = 0;
    }
    memcpy(direction->bytes + direction->head + held, bytes.bytes, bytes.size);
    direction->accepted += bytes.size;
}

static void check_timeout(void *data, uint64_t index)
{
    struct sim_stream *stream = data;
    struct sim_end *end = &stream->ends[index];
    struct direction *outgoing = &stream->directions[index];

    end->timer_armed = false;
    if (end->held && !end->gone && end->state == 0 && end->user_timeout != 0 &&
        outgoing->accepted > outgoing->acked) {
        uint64_t due = outgoing->unacked_since + end->user_timeout;
        if (due <= stream->network->now) {
            fail(end, -ETIMEDOUT);
        } else {
            end->timer_armed = true;
            post(stream, due, check_timeout, index);
        }
    }
    event_done(stream);
}

static void arm_timeout(struct sim_end *end)
{
    struct direction *outgoing = &end->stream->directions[end->index];
    if (end->timer_armed || end->user_timeout == 0 || outgoing->accepted == outgoing->acked) {
        return;
    }
    end->timer_armed = true;
    post(end->stream, outgoing->unacked_since + end->user_timeout, check_timeout, end->index);
}

void sim_end_write(struct sim_end *end, struct ptl_span bytes)
{
    struct direction *outgoing = &end->stream->directions[end->index];
    ptl_assert(end->held && end->state == 0);
    ptl_assert(bytes.size <= sim_end_room(end));
    if (bytes.size == 0) {
        return;
    }
    if (outgoing->accepted == outgoing->acked) {
        outgoing->unacked_since = end->stream->network->now;
    }
    store(outgoing, bytes);
    send_segment(end, outgoing->accepted);
    arm_timeout(end);
}

struct ptl_span sim_end_peek(struct sim_end *end)
{
    struct direction *incoming = incoming_of(end);
    return ptl_span(incoming->bytes + incoming->head, (size_t)(incoming->arrived - incoming->read));
}

void sim_end_consume(struct sim_end *end, size_t size)
{
    struct direction *incoming = incoming_of(end);
    ptl_assert(size <= incoming->arrived - incoming->read);
    incoming->head += size;
    incoming->read += size;
    acknowledge(end->stream, 1 - end->index);
}

void sim_end_user_timeout(struct sim_end *end, uint64_t duration)
{
    end->user_timeout = duration;
    arm_timeout(end);
}

void sim_end_finish(struct sim_end *end)
{
    struct direction *outgoing = &end->stream->directions[end->index];

    if (!end->gone && end->state == 0 && !outgoing->fin) {
        outgoing->fin = true;
        send_segment(end, outgoing->accepted + 1);
    }
}

void sim_end_close(struct sim_end *end)
{
    struct direction *incoming = incoming_of(end);

    ptl_assert(end->held);
    end->held = false;
    end->stream->network->open_ends--;
    sim_end_own(end, NULL, NULL);
    if (!end->gone && end->state == 0) {
        if (incoming->arrived > incoming->read) {
            send_reset(end);
        } else {
            sim_end_finish(end);
        }
    } else if (!end->gone && end->state == SIM_CONNECTING && end->stream->ends[1].held) {
        send_reset(end);
    }
    forget_if_done(end->stream);
}

int sim_end_to_handle(struct sim_end *end)
{
    struct sim_network *network = end->stream->network;
    sim_end_own(end, NULL, NULL);
    network->handles =
        sim_must_grow(network->handles, (network->handle_count + 1) * sizeof *network->handles);
    network->handles[network->handle_count] = end;
    return (int)network->handle_count++;
}

struct sim_end *sim_end_from_handle(struct sim_network *network, int handle)
{
    ptl_assert(handle >= 0 && (size_t)handle < network->handle_count);
    struct sim_end *end = network->handles[handle];
    ptl_assert(end != NULL); /* attached or discarded twice */
    network->handles[handle] = NULL;
    return end;
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static bool can_be_cut(const struct sim_stream *stream)
{
    const struct sim_end *ends = stream->ends;
    return stream->established && ends[0].host != ends[1].host && ends[0].held && ends[1].held &&
           ends[0].state == 0 && ends[1].state == 0 && !ends[0].gone && !ends[1].gone &&
           !stream->directions[0].silent && !stream->directions[1].silent &&
           stream->directions[0].cut_at == UINT64_MAX && stream->directions[1].cut_at == UINT64_MAX;
}

unsigned sim_network_streams(const struct sim_network *network)
{
    unsigned count = 0;
    for (const struct sim_stream *at = network->streams; at != NULL; at = at->next) {
        count += can_be_cut(at);
    }
    return count;
}

static struct sim_stream *pick_stream(struct sim_network *network, unsigned which)
{
    for (struct sim_stream *at = network->streams; at != NULL; at = at->next) {
        if (can_be_cut(at) && which-- == 0) {
            return at;
        }
    }
    ptl_unreachable("no such stream");
}

unsigned sim_network_end_at(struct sim_network *network, unsigned which,
                            const struct sim_host *host)
{
    const struct sim_stream *stream = pick_stream(network, which);
    unsigned end = 0;
    while (end < 2 && stream->ends[end].host != host) {
        end++;
    }
    return end;
}

void sim_network_cut(struct sim_network *network, unsigned which, unsigned from, uint64_t after,
                     enum sim_cut how)
{
    struct sim_stream *stream = pick_stream(network, which);
    struct direction *direction = &stream->directions[from];
    sim_network_fault(network, how == SIM_CUT_SILENT ? SIM_FAULT_BLACKHOLE : SIM_FAULT_RESET,
                      stream->number * 2 + from);
    direction->cut_at = direction->arrived + after;
    direction->cut_how = how;
    if (after == 0) {
        apply_cut(stream, from);
    }
}

void sim_network_spare(struct sim_network *network)
{
    for (struct sim_stream *at = network->streams; at != NULL; at = at->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (!at->directions[i].silent) {
                at->directions[i].cut_at = UINT64_MAX;
            }
        }
    }
}

static void lose_end(struct sim_end *end)
{
    if (end->held) {
        end->gone = true;
        end->state = -ENETDOWN;
    }
}

void sim_streams_power_off(struct sim_host *host)
{
    for (struct sim_stream *at = host->network->streams; at != NULL; at = at->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (at->ends[i].host == host) {
                lose_end(&at->ends[i]);
            }
        }
    }
    for (struct sim_socket *at = host->network->sockets; at != NULL; at = at->next) {
        at->gone |= at->host == host;
    }
}

void sim_streams_free(struct sim_network *network)
{
    while (network->sockets != NULL) {
        struct sim_socket *socket = network->sockets;
        network->sockets = socket->next;
        free(socket);
    }
    while (network->streams != NULL) {
        struct sim_stream *stream = network->streams;
        network->streams = stream->next;
        free(stream->directions[0].bytes);
        free(stream->directions[1].bytes);
        free(stream);
    }
}
