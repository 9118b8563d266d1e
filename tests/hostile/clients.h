/*
 * tests/hostile/clients.h - those who mean well: pairs that call all the time, guests that come
 * and go.
 *
 *   pair:    a --call--> node --> b --answer--> node --> a      and: echo, a spawned port, the
 *                                                               node's service, the database
 *   guest:   dial, prove, call echo once, hang up
 *
 * Two of the pairs are at the friend and attached to it, so that the node knows their entries by
 * hearsay.  Which shard owns what hangs on names and a secret of the node's, so that nobody can
 * choose it: of 16 pairs of names each shard gets some.  All are driven by one thread, which polls.
 */
#pragma once

#include "tests/hostile/attack.h"

/* Without an answer until then a call has failed. */
#ifdef PTL_QUICK
#define CLIENTS_CALL_MS 60000
#else
#define CLIENTS_CALL_MS 30000
#endif

#define CLIENTS_PAIRS_MAX (ATTACK_PAIRS + 2)
#define CLIENTS_POLLS_MAX (2 * CLIENTS_PAIRS_MAX + 1)

/* Times in microseconds. */
struct latencies {
    uint32_t *values;
    size_t count, capacity;
};

void latencies_add(struct latencies *latencies, uint64_t value);
void latencies_take(struct latencies *latencies, const struct latencies *other);

/* The `per_mille`-th value, 0 when there is none; sorts. */
uint32_t latencies_at(struct latencies *latencies, unsigned per_mille);

struct clients;

/* One pair; only clients.c writes it. */
struct pair {
    struct clients *clients;
    struct wire a, b;
    char id[2][32];
    uint16_t port;     /* of the node it talks to */
    const char *node;  /* that node's ID */
    uint64_t call;     /* number of the call that waits for its answer, or 0 */
    unsigned kind;     /* of that call */
    uint64_t asked_at; /* us */
    unsigned expected; /* the offers that were known when it asked: its answer shows these */
    uint64_t next_at;  /* ms: the next call, or the next attempt to connect */
    struct latencies latencies;
    uint64_t failed;
    bool spawned, attached;
    uint64_t opened_at; /* ms */
};

struct guest {
    struct clients *clients;
    struct wire wire;
    unsigned number;
    uint64_t began_at; /* us */
    uint64_t next_at;  /* ms */
    bool asked;
    struct latencies joins; /* from dialling to echo's answer, without its own lag */
    uint64_t failed, late;  /* not within CLIENTS_CALL_MS; not within a second */
};

/* Told of what went wrong, and of each call's time. */
typedef void clients_tell_fn(void *data, const char *who, const char *what);
typedef void clients_time_fn(void *data, uint64_t microseconds);

struct clients {
    uint16_t port, friend_port;
    const char *secret;
    struct sim_random random;
    struct pair pairs[CLIENTS_PAIRS_MAX];
    struct guest guest;
    uint64_t calls;  /* numbers them */
    uint64_t missed; /* answers of the database that lacked what they must show */
    unsigned
        known[2]; /* at rain, at snow: a bit an entry that has shown once, and must from then on */
    bool ending;  /* no new calls */
    clients_tell_fn *tell;
    clients_time_fn *time;
    void *data;
};

/* Begin: `clients` has ports, secret, random and hooks. */
void clients_begin(struct clients *clients);

/* Fill in what to poll for; returns how many. */
unsigned clients_polls(struct clients *clients, struct pollfd polls[CLIENTS_POLLS_MAX]);

/* Work, after a poll. */
void clients_work(struct clients *clients, const struct pollfd polls[CLIENTS_POLLS_MAX]);

/* Whether every pair is up. */
bool clients_up(const struct clients *clients);

/* Whether every entry that must show has shown. */
bool clients_know_all(const struct clients *clients);

/* Whether no call waits. */
bool clients_idle(const struct clients *clients);

void clients_end(struct clients *clients);
