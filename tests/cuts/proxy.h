/*
 * tests/cuts/proxy.h - what stands between the two nodes, and cuts.
 *
 *   left --connects--> [listens for right] --connects--> right       and the same the other way
 *
 * It passes bytes on in both directions.  A *cut* waits for so many bytes in one direction, passes
 * exactly these and then does to that connection what its kind says.  Later connections get
 * through, after `away_ms`.  One thread; the caller polls.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum proxy_kind {
    PROXY_RESET,        /* both ends are reset */
    PROXY_CLOSE,        /* both ends are closed, after what was passed */
    PROXY_CLOSE_ONE,    /* the end that would have got the next byte is closed, the other not */
    PROXY_HALF_CLOSE,   /* that end reads the end of the stream; the other direction goes on */
    PROXY_SWALLOW,      /* nothing more comes out in this direction, and nobody is told */
    PROXY_SWALLOW_BOTH, /* the same in both: a peer that is gone without a word */
    PROXY_FREEZE,       /* nothing is read any more for some time, then both ends are closed */
    PROXY_KINDS,
};

struct proxy_cut {
    enum proxy_kind kind;
    unsigned to;      /* the direction: 0 to left, 1 to right */
    uint64_t after;   /* bytes in that direction */
    unsigned away_ms; /* how long nobody gets through afterwards */
    bool refuse;      /* meanwhile: close what connects (else let it hang) */
    unsigned frozen_ms;
};

struct proxy;

/* Listens on two ports of 127.0.0.1. */
struct proxy *proxy_new(void);
void proxy_free(struct proxy *proxy);

/* The port that leads to node `to`; and that it listens on `port`. */
uint16_t proxy_port(const struct proxy *proxy, unsigned to);
void proxy_leads(struct proxy *proxy, unsigned to, uint16_t port);

/* Plan the next cut; the last one must be over. */
void proxy_plan(struct proxy *proxy, const struct proxy_cut *cut);

/* Whether a cut is planned and has not happened yet; let it happen now, if there is what to cut. */
bool proxy_planned(const struct proxy *proxy);
void proxy_hurry(struct proxy *proxy);

/*
 * Part the nodes: what connects them is reset, or with PROXY_SWALLOW_BOTH falls silent, and nobody
 * gets through any more until they are joined again.
 */
void proxy_part(struct proxy *proxy, enum proxy_kind kind);
void proxy_join(struct proxy *proxy);

enum { PROXY_POLLS_MAX = 2 + 2 * 64 };

/* What to poll for: fills `polls`, returns how many; and what to do when it was polled. */
unsigned proxy_polls(struct proxy *proxy, struct pollfd polls[]);
void proxy_work(struct proxy *proxy, const struct pollfd polls[]);
