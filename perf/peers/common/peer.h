/*
 * perf/peers/common/peer.h - what the programs of all peers share: the work, its two ends, the
 * clock and the counts.
 *
 *   near end, the parent  --- messages: peer_system.send --->   far end, a child process
 *      measures           <--- echoes, credit, receipts ----    echoes, counts
 *
 * A peer's program is one `peer_system`: how its library opens an end, sends and waits.  What is
 * sent when, and what is counted, is here and the same for all.  Counts of the far end are in
 * memory that both processes share, so reading them costs the measured path nothing.
 */
#pragma once
#include "perf/peers/common/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum peer_pattern {
    PEER_ONE_WAY,  /* as many messages as go, one way */
    PEER_REQUEST,  /* echoed messages: so many in flight, or so many a second */
    PEER_MIXED,    /* PEER_REQUEST at a rate, while large messages go the same way */
    PEER_DB_SET,   /* database sets, so many in flight until the database says that it has them */
    PEER_DB_WATCH, /* database sets at a rate, until a watcher at the far end has been told */
};

struct peer_work {
    enum peer_pattern pattern;
    const char *word;     /* the pattern as it was typed */
    size_t size;          /* bytes of a message, at least a head's */
    double seconds;       /* that are measured */
    double warm_up;       /* seconds before them */
    unsigned in_flight;   /* requests at once, when there is no rate */
    double rate;          /* requests a second; 0: as many as in_flight lets through */
    unsigned connections; /* of the near end */
    size_t bulk;          /* bytes of a large message of PEER_MIXED */
    const char *host;     /* where the far end, or the server between both, listens */
    uint16_t port;
    bool pin; /* each end to a processor of its own */
};

enum peer_kind {
    PEER_DATA = 1, /* counted by the far end */
    PEER_ECHO,     /* sent back as it is */
    PEER_BULK,     /* answered by a head that says PEER_RECEIPT */
    PEER_RECEIPT,
    PEER_CREDIT, /* the far end has taken so many more bytes of PEER_DATA */
};

/* How every message begins. */
struct peer_head {
    uint64_t time_ns; /* when it was meant to be sent; of PEER_CREDIT: bytes */
    uint32_t kind;
    uint32_t number; /* of PEER_DATA: counts from 0, and wraps */
};

enum peer_end { PEER_NEAR, PEER_FAR };

/* What to do with a message that has come. */
enum peer_verdict {
    PEER_DROP,
    PEER_SEND_BACK, /* the same bytes, to where they came from */
    PEER_ANSWER,    /* `answer`, to where the message came from */
};

#define PEER_FOREVER INT64_MAX

/*
 * A system.  Functions end the program when something is wrong (peer_die).  A `threaded` one calls
 * peer_got() on threads of its library; `send` and `set` may then come from any thread.
 */
struct peer_system {
    const char *name;
    bool threaded;
    /* Bytes of PEER_DATA on the way before it must wait for credit, where the system would throw
     * away what a slow receiver has not taken; 0 where it holds back the sender itself. */
    uint64_t window;

    /* Connect or listen, and return when messages can come. */
    void (*open)(const struct peer_work *work, enum peer_end end);
    /* Near end: send a message that begins with a head.  The bytes are the caller's, and stay as
     * they are only when they are larger than PEER_STABLE. May wait for room. */
    void (*send)(const void *bytes, size_t size);
    /* Near end: set the number-th key of the database (see peer_key) to the head; NULL: none. */
    void (*set)(uint32_t number, const struct peer_head *head);
    /* Let go whatever a batch has gathered; NULL: nothing is gathered. */
    void (*flush)(void);
    /* Give what has come to peer_got(), do what it says, and return; when nothing has come, wait
     * for it until the clock shows `until_ns`.  NULL with `threaded`. */
    void (*wait)(int64_t until_ns);
};

#define PEER_STABLE (1u << 20) /* a larger message's bytes never change: it may go uncopied */

extern const struct peer_system peer_system; /* made by the program of the peer */

/* A message has come; `answer` is filled when the verdict is PEER_ANSWER. */
enum peer_verdict peer_got(const void *bytes, size_t size, struct peer_head *answer);

/* The database has confirmed a set with this head (PEER_DB_SET). */
void peer_confirmed(const struct peer_head *head);

#define PEER_KEYS 100000u
#define PEER_KEY_MAX 16u
/* The key of a set, at most PEER_KEY_MAX with its end. */
void peer_key(char *key, uint32_t number);

/* Nanoseconds of CLOCK_MONOTONIC, which is the same in all processes. */
int64_t peer_now(void);

/* What is left until then, for ppoll(); NULL (no bound) for PEER_FOREVER. */
struct timespec;
const struct timespec *peer_left(int64_t until_ns, struct timespec *left);

/* Say what is wrong, and end both processes. */
_Noreturn __attribute__((format(printf, 1, 2))) void peer_die(const char *format, ...);
