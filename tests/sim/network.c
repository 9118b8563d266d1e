#include "tests/sim/network.h"

#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

void *sim_must_alloc(size_t size)
{
    void *block = calloc(1, size);
    ptl_assert(block != NULL);
    return block;
}

void *sim_must_grow(void *block, size_t size)
{
    block = realloc(block, size);
    ptl_assert(block != NULL);
    return block;
}

struct sim_network *sim_network_make(uint64_t seed)
{
    struct sim_network *network = calloc(1, sizeof *network);
    if (network == NULL) {
        return NULL;
    }
    sim_random_seed(&network->random, seed);
    /* Not at zero: an engine that takes time 0 for "never" shall not get away with it, nor be
     * hurt by a clock that no kernel shows. */
    network->now = 1000 * SIM_SECOND;
    network->hash = seed;
    return network;
}

struct sim_random *sim_network_random(struct sim_network *network)
{
    return &network->random;
}

struct sim_weather *sim_network_weather(struct sim_network *network)
{
    return &network->weather;
}

unsigned sim_network_open_ends(const struct sim_network *network)
{
    return network->open_ends;
}

/* ---- Time ------------------------------------------------------------------------------------ */

uint64_t sim_network_now(const struct sim_network *network)
{
    return network->now;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void sift_up(struct sim_event *heap, size_t at)
{
    struct sim_event moving = heap[at];
    while (at > 0 && before(&moving, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

static void sift_down(struct sim_event *heap, size_t count)
{
    struct sim_event moving = heap[0];
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && before(&heap[child + 1], &heap[child])) {
            child++;
        }
        if (!before(&heap[child], &moving)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

void sim_network_post(struct sim_network *network, uint64_t at,
                      void (*call)(void *data, uint64_t argument), void *data, uint64_t argument)
{
    if (network->heap_count == network->heap_capacity) {
        network->heap_capacity = network->heap_capacity * 2 + 64;
        network->heap =
            sim_must_grow(network->heap, network->heap_capacity * sizeof *network->heap);
    }
    network->heap[network->heap_count] = (struct sim_event){
        .at = at < network->now ? network->now : at,
        .order = network->events_asked++,
        .call = call,
        .data = data,
        .argument = argument,
    };
    sift_up(network->heap, network->heap_count++);
}

/* A call of sim_network_at(), which has no argument. */
struct plain_call {
    void (*call)(void *data);
    void *data;
};

static void run_plain(void *data, uint64_t argument)
{
    struct plain_call plain = *(struct plain_call *)data;
    (void)argument;
    free(data);
    plain.call(plain.data);
}

void sim_network_at(struct sim_network *network, uint64_t at, void (*call)(void *data), void *data)
{
    struct plain_call *plain = sim_must_alloc(sizeof *plain);
    plain->call = call;
    plain->data = data;
    sim_network_post(network, at, run_plain, plain, 0);
}

uint64_t sim_network_next(const struct sim_network *network)
{
    return network->heap_count == 0 ? UINT64_MAX : network->heap[0].at;
}

void sim_network_free(struct sim_network *network)
{
    sim_streams_free(network);
    for (unsigned i = 0; i < network->host_count; i++) {
        free(network->hosts[i]);
    }
    for (size_t i = 0; i < network->heap_count; i++) {
        if (network->heap[i].call == run_plain) {
            free(network->heap[i].data);
        }
    }
    free(network->handles);
    free(network->heap);
    free(network);
}

void sim_network_advance(struct sim_network *network)
{
    ptl_assert(network->heap_count > 0);
    struct sim_event event = network->heap[0];
    network->heap[0] = network->heap[--network->heap_count];
    if (network->heap_count > 0) {
        sift_down(network->heap, network->heap_count);
    }
    if (network->now < event.at) {
        network->now = event.at;
    }
    event.call(event.data, event.argument);
}

uint64_t sim_network_pass(struct sim_network *network, uint64_t duration)
{
    uint64_t next = sim_network_next(network);
    uint64_t then = network->now + duration;
    if (next < then) {
        then = next < network->now ? network->now : next;
    }
    network->now = then;
    return then;
}

/* ---- Faults and the trace -------------------------------------------------------------------- */

const char *sim_fault_name(enum sim_fault fault)
{
    static const char *const names[SIM_FAULTS] = {
        "refused", "hanging", "slow",  "reset", "blackhole", "partition",
        "split",   "restart", "power", "pause", "flap",
    };
    return names[fault];
}

void sim_network_fault(struct sim_network *network, enum sim_fault fault, uint64_t detail)
{
    network->faults[fault]++;
    sim_trace(network, sim_fault_name(fault), detail, network->faults[fault]);
}

uint64_t sim_network_faults(const struct sim_network *network, enum sim_fault fault)
{
    return network->faults[fault];
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9fb21c651e98df25u;
    return hash ^ (hash >> 29);
}

void sim_trace(struct sim_network *network, const char *what, uint64_t a, uint64_t b)
{
    uint64_t hash = mix(network->hash, network->now);
    hash = mix(hash, (uint64_t)what[0] << 8 | (uint64_t)what[1]);
    network->hash = mix(mix(hash, a), b);
    if (network->verbose) {
        sim_say(network, "%s %llu %llu", what, (unsigned long long)a, (unsigned long long)b);
    }
}

uint64_t sim_network_hash(const struct sim_network *network)
{
    return network->hash;
}

void sim_network_verbose(struct sim_network *network, bool on)
{
    network->verbose = on;
}

void sim_say(struct sim_network *network, const char *format, ...)
{
    if (!network->verbose) {
        return;
    }
    uint64_t passed = network->now - 1000 * SIM_SECOND;
    printf("%6llu.%09llu ", (unsigned long long)(passed / SIM_SECOND),
           (unsigned long long)(passed % SIM_SECOND));
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

static void lay_path(struct sim_network *network, unsigned from, unsigned to)
{
    struct sim_path *path = &network->paths[from][to];
    if (from == to) {
        path->delay = 5000;
        path->jitter = 5000;
        return;
    }
    /* From two machines in one rack to two on different continents. */
    path->delay = sim_random_scale(&network->random, 20000, 20 * SIM_MILLISECOND);
    path->jitter = sim_random_between(&network->random, 1, path->delay);
}

struct sim_host *sim_host_add(struct sim_network *network, const char *name)
{
    ptl_assert(network->host_count < SIM_HOSTS_MAX);
    struct sim_host *host = sim_must_alloc(sizeof *host);
    host->network = network;
    host->index = network->host_count++;
    host->on = true;
    host->next_port = 40000;
    snprintf(host->name, sizeof host->name, "%s", name);
    snprintf(host->ip, sizeof host->ip, "10.0.0.%u", host->index + 1);
    network->hosts[host->index] = host;
    for (unsigned i = 0; i <= host->index; i++) {
        lay_path(network, i, host->index);
        network->paths[host->index][i] = network->paths[i][host->index];
    }
    return host;
}

struct sim_network *sim_host_network(struct sim_host *host)
{
    return host->network;
}

const char *sim_host_ip(const struct sim_host *host)
{
    return host->ip;
}

void sim_host_power_off(struct sim_host *host)
{
    ptl_assert(host->on);
    host->on = false;
    sim_streams_power_off(host);
}

void sim_host_power_on(struct sim_host *host)
{
    ptl_assert(!host->on);
    host->on = true;
}

void sim_hosts_part(struct sim_host *a, struct sim_host *b)
{
    a->network->paths[a->index][b->index].parted = true;
}

void sim_hosts_heal(struct sim_host *a, struct sim_host *b)
{
    a->network->paths[a->index][b->index].parted = false;
}

int sim_network_resolve(struct sim_network *network, const char *host_port,
                        struct ptl_address *address)
{
    const char *colon = strrchr(host_port, ':');
    if (colon == NULL || colon == host_port || colon[1] == '\0') {
        return PTL_EADDRESS;
    }
    if (host_port[0] == '[' || (host_port[0] >= '0' && host_port[0] <= '9')) {
        snprintf(address->text, sizeof address->text, "%s", host_port);
        return 0;
    }
    for (unsigned i = 0; i < network->host_count; i++) {
        const struct sim_host *host = network->hosts[i];
        if (strlen(host->name) == (size_t)(colon - host_port) &&
            memcmp(host->name, host_port, strlen(host->name)) == 0) {
            snprintf(address->text, sizeof address->text, "%s%s", host->ip, colon);
            return 0;
        }
    }
    return PTL_ERESOLVE;
}
