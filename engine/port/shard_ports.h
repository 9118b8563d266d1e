/*
 * engine/port/shard_ports.h - what a shard keeps of ports: those it owns, who runs, who waits for
 * what, and which failures of links have been told.
 *
 * Each list and count belongs to one file of the room, which alone changes it.
 * Thread: the shard's, but for what is atomic and the table (engine/port/port_table.c).
 */
#pragma once

#include "engine/port/after.h"
#include "engine/port/fullness.h"
#include "engine/port/handler_set.h"
#include "engine/port/monitor.h"
#include "engine/port/port.h"
#include "engine/port/room.h"
#include "engine/port/spawner.h"
#include "engine/shard/list.h"
#include "engine/shard/map.h"

/*
 * Stands in told_outside from a failure until all monitors of threads have been called: meanwhile
 * what a thread issues is refused, since nobody could say on which side of its monitor it stands.
 */
#define PTL_TELLING_OUTSIDE UINT64_MAX

struct ptl_shard_ports {
    struct ptl_port_table table;

    /* Who runs. */
    struct ptl_slot *self;            /* whose handler is running, or NULL */
    bool noticing;                    /* it is being told of a failure */
    struct ptl_bottleneck bottleneck; /* where its last send found no room */
    char fail_text[256];              /* what it said to ptl_fail() */
    uint64_t sent_in_turn;            /* bytes, by handlers */

    /* Who has something to do, or left to tell. */
    uint64_t queued;         /* parcels that wait at ports */
    uint64_t queued_bytes;   /* as they weigh there */
    struct ptl_list ready;   /* ports with waiting work */
    struct ptl_list blocked; /* ports whose next is a notice of a failure not adopted yet */
    struct ptl_list retry;   /* ports that wait for time, the first to go on first */
    struct ptl_list dead;    /* ports that still have to tell it */
    struct ptl_list estates; /* dead ports that have left something (estate.h) */
    uint64_t estate_units;   /* so much of what dies in this turn goes at once */
    struct ptl_spawners spawners;
    uint64_t spawn_counter;
    struct ptl_afters afters;

    /* Failures of links, by number: the ring carries it, and everybody answers. */
    uint64_t failures;             /* of links that we own, ever */
    uint64_t told[PTL_SHARDS_MAX]; /* failures of each owner's links that we were told of */
    /* The same, once our monitors have been fired: the owner reads it as our answer. */
    _Atomic uint64_t answered[PTL_SHARDS_MAX];
    /* Failures of links that we own which the program's threads have been told of. */
    _Atomic uint64_t told_outside;
    struct ptl_monitors monitors;

    /* Room. */
    uint64_t reasons;          /* bytes of large ones, of what could not be told yet */
    _Atomic uint64_t kept;     /* bytes of messages that timers and monitors keep for later */
    struct ptl_full_keys full; /* as told by their owners */
    struct ptl_full_board board;
    struct ptl_waiters waiters;
};
