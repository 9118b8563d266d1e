/*
 * engine/node_options.h - how a node is to be: what ptl_node_make() and ptl_node_start() take.
 * Part of engine/portolan.h.
 */
#pragma once

#include "io/allocator.h"
#include "io/log_writer.h"
#include "io/loop_kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One line for the operator, without a line end.  Called on any thread of the node, whose shard
 * stands still until it returns: it must not block.  A struct ptl_log_writer of io/log_writer.h
 * never does.
 */
typedef void ptl_log_fn(void *data, enum ptl_log_level level, const char *line);

struct ptl_loop_maker; /* for tests: where loops come from */

/* Whether links to other nodes are encrypted, and both ends proven by certificates. */
enum ptl_tls_use {
    PTL_TLS_IF_GIVEN, /* as PTL_TLS_ALLOW where there is a certificate, else off */
    PTL_TLS_OFF,
    PTL_TLS_ALLOW,   /* with those nodes that do so too; others need the secret */
    PTL_TLS_REQUIRE, /* with all: a node that does not is refused, and the secret proves nothing */
};

/* Everything but `size` and `id` may stay zero: then the default in brackets holds. */
struct ptl_node_options {
    size_t size;    /* sizeof(struct ptl_node_options), so that later versions can add fields */
    const char *id; /* the node's ID: at most PTL_NODE_ID_MAX bytes, no '#', CR or LF */
    const char *const *binds; /* addresses "HOST:PORT" to listen on, NULL at the end [none] */
    const char *const *seeds; /* as of ptl_node_set_seeds() [none] */
    const void *secret;       /* what proves that a peer belongs to us [none: no peers] */
    size_t secret_size;       /* in bytes; under 16 only while every address is loopback */
    const void *other_secret; /* as of ptl_node_set_secrets() [none] */
    size_t other_secret_size;
    const char *framings;         /* what we read and write, best first; ours only first
                                   * ["portolan,cbor,json"] */
    unsigned shards;              /* 1 to PTL_SHARDS_MAX [the number of processors] */
    enum ptl_log_level log_level; /* lines above it are not made [PTL_LOG_ERROR] */
    ptl_log_fn *log;              /* [standard error, by a struct ptl_log_writer] */
    void *log_data;
    const struct ptl_allocator *allocator; /* [the C library's] */
    size_t message_bytes_max; /* one message, encoded; other nodes of ours are told [64 MiB] */
    size_t port_room;         /* bytes that may wait at one port [1 MiB] */
    size_t link_room;         /* bytes that may wait for one link [8 MiB] */
    size_t links_room;  /* bytes that may wait for all links of one shard [16 times link_room] */
    size_t making_room; /* bytes of messages of which only a part has come, of one shard: beyond it
                         * the oldest of them fails its link [4 times message_bytes_max] */
    size_t inbox_room;  /* bytes that may wait from the program's threads, per shard [4 MiB] */
    size_t kept_room;   /* bytes of messages that timers and monitors keep, a shard [16 MiB] */
    size_t ring_bytes;  /* from one shard to another; a power of two [256 KiB] */
    unsigned half_open_max; /* strangers' connections at once, shared among the shards [1,024] */
    unsigned half_open_per_address; /* and of one address, on one shard [its whole share] */
    unsigned handshake_ms;          /* time for one handshake [10,000] */
    unsigned silence_ms; /* a node of ours that is silent for so long is gone; at least 300: who
                          * wants to know sooner must expect that a busy machine is taken for a
                          * dead one [2,000] */
    bool ordinary;       /* attach to a seed instead of holding the database [a global node] */
    /* What others are told to reach us at, NULL at the end [the addresses we listen on; for
     * 0.0.0.0 and :: those of the interfaces, as they come and go]. */
    const char *const *announces;
    size_t db_value_bytes_max; /* of one value in the database, encoded [1 MiB] */
    unsigned db_entries_max;   /* entries of one node in one shard's part of it [4,000,000] */
    size_t db_bytes_max;       /* and bytes of their keys and values there [1 GiB] */
    unsigned db_owners_max;    /* nodes that one global node may speak for [65,536] ... */
    unsigned db_brought_max;   /* and their entries in one shard's part [16 times db_entries_max] */
    size_t db_brought_bytes_max; /* and the bytes of these [4 times db_bytes_max] */
    unsigned globals_max;        /* global nodes that one global node may name [1,024] */
    unsigned db_watches_max;     /* families of one shard that one node may watch here [10,000] */
    unsigned spawned_max;        /* ports here that one other node has spawned [100,000] */
    unsigned spawned_all_max;    /* and all other nodes together [400,000] */
    unsigned monitors_max;   /* monitors of ports here that one other node may have [1,000,000] */
    unsigned spawn_rate;     /* how often a second one may spawn here, and call functions, and how
                                * often at once [100,000] */
    enum ptl_loop_kind loop; /* what its bytes and its time come from [io_uring, else epoll] */
    const struct ptl_loop_maker *loops; /* [as `loop` says] */
    /* A shard that has nothing to do looks for so many microseconds for something before it sleeps,
     * and need not be woken meanwhile: latency for processor time [0: it sleeps at once]. */
    unsigned poll_us;
    enum ptl_tls_use tls; /* [PTL_TLS_IF_GIVEN] */
    /* Certificates, each the text of a PEM file; the caller wipes its own copy of a key.  Either
     * one that all nodes share, and its key, in one text, as AEMP has it [none] ... */
    const char *tls_pair;
    const char *tls_cert; /* ... or this node's own, then those between it and an authority, */
    const char *tls_key;  /* its key, not encrypted, */
    const char *tls_ca;   /* the authorities that are trusted, */
    const char *tls_crl;  /* and of all of these what they have revoked [nothing is] */
    bool tls_verify_node; /* a peer's certificate must have its node ID, as common or DNS name */
    /* By IDs that begin so one may come without proof, for what rules let `anonymous` do [none]. */
    const char *tls_anonymous;
    unsigned tls_version_max; /* 12 or 13, for TLS 1.2 or 1.3; no other is spoken [13] */
};
