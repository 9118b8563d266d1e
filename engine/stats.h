/*
 * engine/stats.h - what a node counts: for those who watch over it.  Part of engine/portolan.h.
 *
 *   shards --plain additions--> counts of each shard <--read by any thread-- ptl_stats()
 *      '--when asked--> ptl_survey(): links, busiest and slowest ports, largest families
 *
 * A count costs its shard an addition in memory of its own.  ptl_stats() reads these where they
 * are: it asks nobody, waits for nobody, and so tells even of a shard that hangs.  ptl_survey() has
 * every shard look at what it owns, a slice a turn, and tells when the last one has.
 */
#pragma once

#include "io/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* What a shared library shows begins here. */
#pragma GCC visibility push(default)

/*
 * Counted since the node was made: X(name, what it is).  A message counts for the shard that has
 * its port, or the link on its way.
 */
#define PTL_STATS_COUNTERS(X)                                                                      \
    X(taken, "messages that have come for ports of this node")                                     \
    X(taken_bytes, "bytes that shards have taken: values, and heads of what came by rings")        \
    X(dropped, "of these, for a port that was not there or did not handle them")                   \
    X(received, "messages for ports that links have brought")                                      \
    X(sent, "messages for ports of other nodes that were given to a connection")                   \
    X(lost, "messages for other nodes thrown away since their link failed")                        \
    X(refused, "calls that returned PTL_EFULL: no room on the way to a port")                      \
    X(link_bytes_in, "bytes that connections have received")                                       \
    X(link_bytes_out, "bytes that connections have sent")                                          \
    X(links_up, "links that came up")                                                              \
    X(links_lost, "links that were up and failed")                                                 \
    X(links_unreachable, "attempts to link that were given up")                                    \
    X(slow, "callbacks that ran for more than 100 ms")                                             \
    X(turns, "turns of the shards' loops")                                                         \
    X(wakeups, "times that a shard has slept and was woken")

/*
 * As it was when the shard last went to sleep, or some turns ago while it does not: X(name, what).
 */
#define PTL_STATS_GAUGES(X)                                                                        \
    X(ports, "ports")                                                                              \
    X(queued, "messages and notices that wait at ports")                                           \
    X(queued_bytes, "bytes of these")                                                              \
    X(full, "ports and links that have no room for more")                                          \
    X(kept_bytes, "bytes of messages that timers and monitors keep")                               \
    X(inbox_bytes, "bytes that have come from threads and are not taken")                          \
    X(ring_bytes, "bytes under way to other shards")                                               \
    X(monitors, "monitors")                                                                        \
    X(timers, "timers")                                                                            \
    X(links, "links that are up")                                                                  \
    X(link_bytes, "bytes that wait for links")                                                     \
    X(strangers, "connections of others that have not proved themselves")                          \
    X(seeds, "seeds that are other nodes")                                                         \
    X(seeds_linked, "of these, those that are linked")                                             \
    X(families, "families of the database that this node holds")                                   \
    X(entries, "entries of the database that it holds")                                            \
    X(watches, "watches of the database by programs of this node")                                 \
    X(registrations, "ports that are registered in the database")                                  \
    X(asleep, "shards that have nothing to do")

/* Why a connection was given up before its link was up: X(name, what it is). */
#define PTL_STATS_REASONS(X)                                                                       \
    X(secret, "the peer has another secret, or refused ours")                                      \
    X(certificate, "its certificate was not believed, or ours was not")                            \
    X(tls, "no TLS in common, or it broke its rules")                                              \
    X(greeting, "what it said is not a greeting that we understand")                               \
    X(timeout, "it did not finish in time")                                                        \
    X(crowded, "too many strangers: it had to go")                                                 \
    X(identity, "another node of the same ID, or our own")                                         \
    X(duplicate, "it is linked already")                                                           \
    X(closed, "it closed the connection")                                                          \
    X(network, "the address cannot be reached, or the connection failed")                          \
    X(other, "anything else")

enum ptl_stats_reason {
#define PTL_STATS_REASON(name, what) PTL_REASON_##name,
    PTL_STATS_REASONS(PTL_STATS_REASON)
#undef PTL_STATS_REASON
        PTL_REASONS
};

/*
 * How long handlers of ports take, one message each: bucket i has those below PTL_STATS_BUCKET(i)
 * nanoseconds, 256 ns to half a minute, and the last one all others.  One of some hundred calls is
 * timed, so the counts are a sample.
 */
#define PTL_STATS_BUCKETS 28
#define PTL_STATS_BUCKET(i) (UINT64_C(256) << (i))

/* The numbers of a shard, or of all. */
struct ptl_stats {
    size_t size; /* sizeof(struct ptl_stats), so that later versions can add fields */
#define PTL_STATS_FIELD(name, what) uint64_t name;
    PTL_STATS_COUNTERS(PTL_STATS_FIELD)
    PTL_STATS_GAUGES(PTL_STATS_FIELD)
#undef PTL_STATS_FIELD
    uint64_t handshakes_failed[PTL_REASONS]; /* counted, by enum ptl_stats_reason */
    uint64_t handled[PTL_STATS_BUCKETS];     /* messages timed, by the time of their handlers */
    uint64_t handled_ns;                     /* their times, added up */
};

#define PTL_STATS_ALL UINT32_MAX

struct ptl_node;

/*
 * The numbers of one shard, or of all of them added up (PTL_STATS_ALL), as they are now: those of
 * one shard are read one after the other while it goes on.  Set `stats->size` first.
 * Errors: PTL_EINVAL (`size`, no such shard).  Thread: any.
 */
PTL_MUST_CHECK int ptl_stats(const struct ptl_node *node, unsigned shard, struct ptl_stats *stats);

/* ---- What there is ------------------------------------------------------------------------- */

#define PTL_SURVEY_MAX 4096 /* a survey shows at most so many of each */

/* Everything but `size` may stay zero: then the default in brackets holds. */
struct ptl_survey_options {
    size_t size;       /* sizeof(struct ptl_survey_options) */
    unsigned links;    /* at most so many of each are shown, PTL_SURVEY_MAX or fewer [1,024] ... */
    unsigned ports;    /* of the busiest, and of the slowest [32] */
    unsigned families; /* [256] */
    bool by_queue;     /* the ports with most bytes waiting [those that most messages came for] */
};

/* A link that is up, or that is being made.  Counted since it came up. */
struct ptl_survey_link {
    char node[201];      /* the ID of the node it leads to */
    char address[80];    /* of its connection's far end; empty while it is not up */
    const char *framing; /* "portolan", "cbor", "json"; empty while it is not up */
    bool up;
    bool encrypted;
    bool dialled;                       /* by us */
    bool global;                        /* the peer has said that it is a global node */
    bool full;                          /* who sends to its node is refused */
    uint64_t up_ms;                     /* since when */
    uint64_t messages_in, messages_out; /* for ports */
    uint64_t bytes_in, bytes_out;       /* of its connection */
    uint64_t queued_bytes;              /* that wait for it */
};

struct ptl_survey_port {
    char id[232]; /* "NODEID#PORTNAME" */
    uint32_t shard;
    bool full;             /* who sends to it is refused */
    bool waits;            /* its handler has said PTL_LATER */
    uint64_t messages;     /* that have come for it */
    uint64_t queued_bytes; /* that wait at it */
    /*
     * Of its handlers, a message each: of one call in some hundred, and of all above 100 ms.
     * 0: none of these is known.
     */
    uint64_t handled_mean_ns, handled_max_ns;
};

struct ptl_survey_family {
    char name[256];
    uint64_t keys; /* that this node holds */
};

/* All that was found, and of how much: links in no special order, the others the most first. */
struct ptl_survey {
    const struct ptl_survey_link *links;
    const struct ptl_survey_port *ports;
    const struct ptl_survey_port *slowest; /* by handled_mean_ns, of a thousand a shard */
    const struct ptl_survey_family *families;
    unsigned link_count, port_count, slowest_count, family_count; /* shown */
    uint64_t links_in_all, ports_in_all, families_in_all;         /* found */
};

/*
 * It is done: `err` 0, or PTL_ESTOPPED or PTL_ENOMEM and no survey.  What it shows lives as long as
 * the call.  Thread: a shard's; with PTL_ESTOPPED any, and the node may not be called.
 */
typedef void ptl_survey_fn(struct ptl_node *node, int err, const struct ptl_survey *survey,
                           void *data);

/*
 * Have all shards look at what they have; `tell` is called exactly once, never inside this call,
 * when the last one has, and not before one that hangs goes on.  At most 16 at a time.
 * `options` may be NULL.
 * Errors: PTL_EINVAL, PTL_ELIMIT, PTL_ENOMEM, PTL_ESTOPPED; then `tell` is never called.
 * Thread: any.
 */
PTL_MUST_CHECK int ptl_survey(struct ptl_node *node, const struct ptl_survey_options *options,
                              ptl_survey_fn *tell, void *data);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
