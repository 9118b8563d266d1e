/*
 * tests/sim/network_inside.h - what network.c (time, hosts) and stream.c (virtual TCP) share.
 */
#pragma once

#include "tests/sim/network.h"

struct sim_stream; /* both ends and both directions of one connection */

struct sim_host {
    struct sim_network *network;
    char name[SIM_NAME_MAX];
    char ip[SIM_NAME_MAX];
    unsigned index;
    unsigned next_port;
    bool on;
};

/* From one host to another. */
struct sim_path {
    uint64_t delay;
    uint64_t jitter;
    bool parted;
};

struct sim_event {
    uint64_t at;
    uint64_t order; /* events of one time happen in the order they were asked for */
    void (*call)(void *data, uint64_t argument);
    void *data;
    uint64_t argument;
};

struct sim_network {
    struct sim_random random;
    struct sim_weather weather;
    uint64_t now;
    struct sim_event *heap;
    size_t heap_count, heap_capacity;
    uint64_t events_asked;
    struct sim_host *hosts[SIM_HOSTS_MAX];
    unsigned host_count;
    struct sim_path paths[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
    struct sim_stream *streams; /* newest first */
    struct sim_socket *sockets;
    struct sim_end **handles;
    size_t handle_count;
    uint64_t streams_made;
    unsigned open_ends;
    uint64_t faults[SIM_FAULTS];
    uint64_t hash;
    bool verbose;
};

void sim_network_post(struct sim_network *network, uint64_t at,
                      void (*call)(void *data, uint64_t argument), void *data, uint64_t argument);

/* Memory that a simulation cannot go on without: never NULL. */
void *sim_must_alloc(size_t size);
void *sim_must_grow(void *block, size_t size);

/* Parts of network.c's work that concern streams. */
void sim_streams_power_off(struct sim_host *host);
void sim_streams_free(struct sim_network *network);
