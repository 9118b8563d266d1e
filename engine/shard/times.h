/*
 * engine/shard/times.h - how long the handlers of which ports take, of those that are timed
 * (stint.h): a table of fixed size, for however many ports there are.
 *
 *   PTL_TIMES_SETS sets, by slot, of PTL_TIMES_WAYS ports each
 *
 * Where a set is full, whoever has taken least in it gives way in the end: each time that another
 * port is timed its weight falls by as much, and below nothing the other has its place.  So those
 * that take the most time stay, as in counting the frequent of a stream with little memory
 * (J. Misra, D. Gries: Finding Repeated Elements, 1982), and dead ones go.
 *
 * Thread: the shard's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PTL_TIMES_SETS 256 /* a power of two */
#define PTL_TIMES_WAYS 4
#define PTL_TIMES_MAX (PTL_TIMES_SETS * PTL_TIMES_WAYS)

/* What is known of one port.  `messages` 0: nothing. */
struct ptl_time {
    uint32_t slot, generation;
    uint64_t weight;   /* ns; what it has against being replaced */
    uint64_t messages; /* that were timed */
    uint64_t sum_ns, max_ns;
};

/* Zeroed: nothing is known. */
struct ptl_times {
    struct ptl_time sets[PTL_TIMES_SETS][PTL_TIMES_WAYS];
};

/*
 * So many messages of a port, one at least, have taken so long together.  Of several the longest
 * counts as their mean.
 */
void ptl_times_add(struct ptl_times *times, uint32_t slot, uint32_t generation, uint32_t messages,
                   uint64_t took);

/* What is known of a port, or NULL. */
const struct ptl_time *ptl_times_find(const struct ptl_times *times, uint32_t slot,
                                      uint32_t generation);

/* The time of one message of it (ns); 0: nothing is known, `time` may be NULL. */
static inline uint64_t ptl_time_mean(const struct ptl_time *time)
{
    return time == NULL ? 0 : time->sum_ns / time->messages;
}
