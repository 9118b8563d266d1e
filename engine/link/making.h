/*
 * engine/link/making.h - messages of which only a part has come: all of a shard's connections
 * together.
 *
 * Each connection may hold one message of options.message_bytes_max in the making, and nobody knows
 * how many connections a peer will make.  So what they hold together has a bound, too, and whoever
 * goes over it costs the message that is the longest in the making: one that makes progress is
 * finished soon, one that is only held is not.  What fits two receive buffers is not counted.
 *
 *   connections --ptl_making_count()--> [ the longest in the making | ... | the last that began ]
 *
 * Thread: the shard's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Embedded in a connection by value; only making.c touches the fields. */
struct ptl_making {
    struct ptl_making *next, *before;
    size_t held; /* bytes; 0: it is on no list */
};

/* Of a shard; likewise. */
struct ptl_makings {
    struct ptl_making *first, *last; /* the longest in the making first */
    uint64_t held;
};

/* A connection has read: count the bytes that its decoder holds now. */
void ptl_making_count(struct ptl_makings *all, struct ptl_making *making, size_t held);

/* It reads no more. */
void ptl_making_end(struct ptl_makings *all, struct ptl_making *making);

/*
 * Whose message has to go, since all hold more than `room` bytes; NULL: nobody's.  The only one in
 * the making may be as large as it likes.
 */
struct ptl_making *ptl_makings_victim(const struct ptl_makings *all, uint64_t room);
