#include "tests/hostile/clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 15        /* from an answer to the next call */
#define AGAIN_MS 100       /* until a lost connection is tried again */
#define GUEST_PAUSE_MS 300 /* from one guest to the next */
#define GUEST_LATE_US 1000000
#define OPEN_MS 15000

enum kind { CALL_PARTNER, CALL_ECHO, CALL_SPAWNED, CALL_SERVICE, CALL_DATABASE, CALL_KINDS };

static const char *const kind_names[] = {"partner", "echo", "a spawned port", "the service",
                                         "the database"};

/* ---- Latencies ------------------------------------------------------------------------------ */

void latencies_add(struct latencies *latencies, uint64_t value)
{
    if (latencies->count == latencies->capacity) {
        size_t capacity = latencies->capacity == 0 ? 1024 : 2 * latencies->capacity;
        uint32_t *values = realloc(latencies->values, capacity * sizeof(*values));
        if (values == NULL) {
            return;
        }
        latencies->values = values;
        latencies->capacity = capacity;
    }
    latencies->values[latencies->count++] = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

void latencies_take(struct latencies *latencies, const struct latencies *other)
{
    for (size_t i = 0; i < other->count; i++) {
        latencies_add(latencies, other->values[i]);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t latencies_at(struct latencies *latencies, unsigned per_mille)
{
    if (latencies->count == 0) {
        return 0;
    }
    qsort(latencies->values, latencies->count, sizeof(*latencies->values), compare);
    return latencies->values[(latencies->count - 1) * per_mille / 1000];
}

/* ---- Pairs ---------------------------------------------------------------------------------- */

static void say_call(struct pair *pair)
{
    char reply[96], partner[64], tag[32], spawned[64];

    snprintf(tag, sizeof(tag), "r%llu", (unsigned long long)pair->call);
    snprintf(reply, sizeof(reply), "%s#%s", pair->id[0], tag);
    snprintf(partner, sizeof(partner), "%s#in", pair->id[1]);
    snprintf(spawned, sizeof(spawned), "%s-own", pair->id[0]);
    switch ((enum kind)pair->kind) {
    case CALL_PARTNER:
        wire_say(&pair->a, "sssss", "", "snd", partner, "call", reply);
        break;
    case CALL_ECHO:
        wire_say(&pair->a, "ssss", "echo", "echo", "hello", reply);
        break;
    case CALL_SPAWNED:
        if (!pair->spawned) {
            wire_say(&pair->a, "ssss", "", "AnyEvent::MP::_spawn", spawned, "portolan::echo");
            pair->spawned = true;
        }
        wire_say(&pair->a, "ssss", spawned, "echo", "hello", reply);
        break;
    case CALL_SERVICE:
        wire_say(&pair->a, "sss", "portolan", "links", reply);
        break;
    default:
        wire_say(&pair->a, "ssss", "", "g_db_family", "echo", tag);
        break;
    }
}

/* Attach to the friend, with an entry in echo. */
static void attach(struct pair *pair)
{
    static const uint8_t echo_of_one[] = {0xa1, 0x64, 'e', 'c', 'h', 'o', 0xa1};
    struct ptl_buffer database;
    char key[64];

    snprintf(key, sizeof(key), "%s#echo", pair->id[0]);
    ptl_buffer_init(&database, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_append(&database, echo_of_one, sizeof(echo_of_one));
    ptl_cbor_put_string(&database, PTL_CBOR_TEXT, ptl_span_text(key));
    ptl_buffer_byte(&database, PTL_CBOR_NULL);
    wire_say(&pair->a, "ssm", "", "g_slave", ptl_buffer_span(&database));
    ptl_buffer_drop(&database);
    pair->attached = true;
}

/* The offers that the database of the pair's node has shown to anybody. */
static unsigned *known_at(const struct pair *pair)
{
    return &pair->clients->known[pair->port != pair->clients->port];
}

static void begin_call(struct pair *pair)
{
    if (pair->port != pair->clients->port && !pair->attached) {
        attach(pair);
    }
    pair->call = ++pair->clients->calls;
    pair->kind = (unsigned)sim_random_below(&pair->clients->random, CALL_KINDS);
    pair->asked_at = wire_now_us();
    /* Answers on other connections overtake this one: what they show later does not count. */
    pair->expected = *known_at(pair);
    say_call(pair);
    wire_work(&pair->a, POLLOUT);
}

static bool contains(struct ptl_span bytes, const char *text)
{
    return bytes.size != 0 && memmem(bytes.bytes, bytes.size, text, strlen(text)) != NULL;
}

/* These offer echo, and nobody else may deny it. */
static const char *const offers[] = {ATTACK_VICTIM "#echo", ATTACK_FRIEND "#echo", "pair-16-a#echo",
                                     "pair-17-a#echo"};
#define OFFERS (sizeof(offers) / sizeof(offers[0]))

static void look_at_family(struct pair *pair, const struct ptl_packet *packet)
{
    struct clients *clients = pair->clients;
    unsigned *known = known_at(pair);
    char text[100];

    for (unsigned i = 0; i < OFFERS; i++) {
        if (contains(packet->body, offers[i])) {
            *known |= 1U << i;
        } else if ((pair->expected & 1U << i) != 0) {
            clients->missed++;
            snprintf(text, sizeof(text), "%s is missing in the database of %s", offers[i],
                     pair->node);
            clients->tell(clients->data, pair->id[0], text);
        }
    }
    if (contains(packet->body, "lie")) {
        clients->missed++;
        clients->tell(clients->data, pair->id[0], "a lie shows in the database");
    }
}

static void take_answer(struct wire *wire, const struct ptl_packet *packet, void *data)
{
    struct pair *pair = data;
    struct clients *clients = pair->clients;
    char tag[32];

    (void)wire;
    snprintf(tag, sizeof(tag), "r%llu", (unsigned long long)pair->call);
    bool reply = ptl_span_equal(packet->name, ptl_span_text(tag));
    bool database =
        packet->name.size == 0 && contains(packet->body, "g_reply") && contains(packet->body, tag);
    if (pair->call == 0 || (!reply && !database)) {
        return;
    }
    uint64_t took = wire_now_us() - pair->asked_at;
    latencies_add(&pair->latencies, took);
    clients->time(clients->data, took);
    pair->call = 0;
    pair->next_at = wire_now_ms() + PAUSE_MS;
    if (database) {
        look_at_family(pair, packet);
    }
}

/* ["in", "call", REPLY]: answer through the node, which knows the other one. */
static void take_call(struct wire *wire, const struct ptl_packet *packet, void *data)
{
    const uint8_t *at = packet->body.bytes, *end = at + packet->body.size;
    struct ptl_cbor_item item;

    (void)data;
    if (!ptl_span_equal(packet->name, ptl_span_text("in")) || packet->count != 2) {
        return;
    }
    at = ptl_cbor_skip(at, end, 1);
    size_t head = at == NULL ? 0 : ptl_cbor_read(at, end, &item);
    if (head == 0 || (size_t)(end - at) < head + item.argument || item.argument > 90) {
        return;
    }
    char reply[96];
    memcpy(reply, at + head, item.argument);
    reply[item.argument] = 0;
    wire_say(wire, "ssss", "", "snd", reply, "answer");
    wire_work(wire, POLLOUT);
}

static void open_one(struct pair *pair, unsigned which)
{
    struct wire_options options = {
        .port = pair->port,
        .id = pair->id[which],
        .secret = pair->clients->secret,
        .style = pair->port == pair->clients->port ? WIRE_PLAIN : WIRE_GLOBAL,
        .take = which == 0 ? take_answer : take_call,
        .data = pair,
    };
    struct wire *wire = which == 0 ? &pair->a : &pair->b;

    wire_close(wire, false);
    wire_dial(wire, &options, &pair->clients->random);
    pair->attached = pair->attached && which != 0;
    pair->opened_at = wire_now_ms();
}

static void fail_call(struct pair *pair, const char *what)
{
    struct clients *clients = pair->clients;

    if (pair->call != 0) {
        char text[100];
        snprintf(text, sizeof(text), "a call of %s failed: %s", kind_names[pair->kind], what);
        clients->tell(clients->data, pair->id[0], text);
        pair->failed++;
        pair->call = 0;
        pair->spawned = pair->spawned && pair->kind != CALL_SPAWNED;
    }
}

/* Open again what has ended. */
static void mend(struct pair *pair, uint64_t now)
{
    for (unsigned i = 0; i < 2; i++) {
        struct wire *wire = i == 0 ? &pair->a : &pair->b;
        bool stuck = wire->state < WIRE_UP && now - pair->opened_at > OPEN_MS;
        if (wire->state != WIRE_ENDED && wire->state != WIRE_NONE && !stuck) {
            continue;
        }
        if (wire->state != WIRE_NONE) {
            pair->clients->tell(pair->clients->data, pair->id[i],
                                stuck ? "does not get in" : "lost its connection");
        }
        pair->failed += wire->state != WIRE_NONE && pair->call == 0;
        fail_call(pair, "the connection is lost");
        pair->spawned = false;
        open_one(pair, i);
        pair->next_at = now + AGAIN_MS;
    }
}

static void look_at_pair(struct pair *pair)
{
    uint64_t now = wire_now_ms();

    if (pair->call != 0 && wire_now_us() - pair->asked_at > (uint64_t)CLIENTS_CALL_MS * 1000) {
        fail_call(pair, "no answer");
    }
    if (now < pair->next_at) {
        return;
    }
    mend(pair, now);
    if (pair->call == 0 && pair->a.state == WIRE_UP && pair->b.state == WIRE_UP &&
        !pair->clients->ending) {
        begin_call(pair);
    }
}

/* ---- Guests --------------------------------------------------------------------------------- */

static void take_guest(struct wire *wire, const struct ptl_packet *packet, void *data)
{
    struct guest *guest = data;
    uint64_t took = wire_now_us() - guest->began_at;
    uint64_t lag = (uint64_t)wire->options.lag_ms * 2000; /* two lines of its own */

    if (!ptl_span_equal(packet->name, ptl_span_text("in")) || guest->next_at != 0) {
        return;
    }
    took = took > lag ? took - lag : 0;
    latencies_add(&guest->joins, took);
    if (took > GUEST_LATE_US) {
        guest->late++;
        guest->clients->tell(guest->clients->data, wire->id, "came in late");
    }
    guest->next_at = wire_now_ms() + GUEST_PAUSE_MS;
}

static void begin_guest(struct guest *guest)
{
    static const unsigned lags[] = {0, 0, 25, 50, 150};
    char id[32];
    unsigned number = guest->number++;
    struct wire_options options = {
        .port = guest->clients->port,
        .id = id,
        .secret = guest->clients->secret,
        .style = number % 3 == 0 ? WIRE_OURS : WIRE_PLAIN,
        .lag_ms = lags[number % 5],
        .take = take_guest,
        .data = guest,
    };

    snprintf(id, sizeof(id), "guest-%u", number % ATTACK_GUESTS);
    guest->began_at = wire_now_us();
    guest->asked = false;
    guest->next_at = 0;
    wire_dial(&guest->wire, &options, &guest->clients->random);
}

static void fail_guest(struct guest *guest, const char *what)
{
    guest->failed++;
    guest->clients->tell(guest->clients->data, guest->wire.id, what);
    guest->next_at = wire_now_ms() + GUEST_PAUSE_MS;
}

static void look_at_guest(struct guest *guest)
{
    struct wire *wire = &guest->wire;
    char reply[300];

    if (guest->next_at != 0) {
        wire_close(wire, false);
        if (wire_now_ms() >= guest->next_at && !guest->clients->ending) {
            begin_guest(guest);
        }
        return;
    }
    if (wire->state == WIRE_ENDED) {
        fail_guest(guest, "was not let in, or thrown out");
    } else if (wire->state == WIRE_UP && !guest->asked) {
        guest->asked = true;
        wire_say(wire, "ss", "", ""); /* of two connections, this one */
        snprintf(reply, sizeof(reply), "%s#in", wire->id);
        wire_say(wire, "ssss", "echo", "echo", "hello", reply);
    } else if (wire_now_us() - guest->began_at > (uint64_t)CLIENTS_CALL_MS * 1000) {
        fail_guest(guest, "waits in vain");
    }
}

/* ---- All ------------------------------------------------------------------------------------ */

void clients_begin(struct clients *clients)
{
    uint64_t now = wire_now_ms();

    for (unsigned i = 0; i < CLIENTS_PAIRS_MAX; i++) {
        struct pair *pair = &clients->pairs[i];
        bool here = i < ATTACK_PAIRS;
        pair->clients = clients;
        pair->port = here ? clients->port : clients->friend_port;
        pair->node = here ? ATTACK_VICTIM : ATTACK_FRIEND;
        for (unsigned k = 0; k < 2; k++) {
            snprintf(pair->id[k], sizeof(pair->id[k]), "pair-%u-%c", i, "ab"[k]);
        }
        pair->next_at = now;
    }
    clients->guest.clients = clients;
    clients->guest.next_at = now + 1000;
}

unsigned clients_polls(struct clients *clients, struct pollfd polls[CLIENTS_POLLS_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i <= 2 * CLIENTS_PAIRS_MAX; i++) {
        struct pair *pair = &clients->pairs[i / 2 % CLIENTS_PAIRS_MAX];
        struct wire *wire = i == 2 * CLIENTS_PAIRS_MAX ? &clients->guest.wire
                            : i % 2 == 0               ? &pair->a
                                                       : &pair->b;
        bool some = wire->state != WIRE_NONE && wire->fd >= 0;
        polls[count++] = (struct pollfd){
            .fd = some ? wire->fd : -1,
            .events = some ? wire_events(wire) : 0,
        };
    }
    return count;
}

void clients_work(struct clients *clients, const struct pollfd polls[CLIENTS_POLLS_MAX])
{
    for (unsigned i = 0; i < CLIENTS_PAIRS_MAX; i++) {
        struct pair *pair = &clients->pairs[i];
        wire_work(&pair->a, polls[(size_t)2 * i].fd < 0 ? 0 : polls[(size_t)2 * i].revents);
        wire_work(&pair->b, polls[(size_t)2 * i + 1].fd < 0 ? 0 : polls[(size_t)2 * i + 1].revents);
        look_at_pair(pair);
    }
    const struct pollfd *last = &polls[2 * CLIENTS_PAIRS_MAX];
    wire_work(&clients->guest.wire, last->fd < 0 ? 0 : last->revents);
    look_at_guest(&clients->guest);
}

bool clients_up(const struct clients *clients)
{
    for (unsigned i = 0; i < CLIENTS_PAIRS_MAX; i++) {
        if (clients->pairs[i].a.state != WIRE_UP || clients->pairs[i].b.state != WIRE_UP) {
            return false;
        }
    }
    return true;
}

bool clients_idle(const struct clients *clients)
{
    for (unsigned i = 0; i < CLIENTS_PAIRS_MAX; i++) {
        if (clients->pairs[i].call != 0) {
            return false;
        }
    }
    return clients->guest.next_at != 0;
}

void clients_end(struct clients *clients)
{
    for (unsigned i = 0; i < CLIENTS_PAIRS_MAX; i++) {
        wire_close(&clients->pairs[i].a, false);
        wire_close(&clients->pairs[i].b, false);
        free(clients->pairs[i].latencies.values);
    }
    wire_close(&clients->guest.wire, false);
    free(clients->guest.joins.values);
}

bool clients_know_all(const struct clients *clients)
{
    unsigned all = (1U << OFFERS) - 1;

    return clients->known[0] == all && clients->known[1] == all;
}
