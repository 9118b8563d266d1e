/*
 * tools/supervisor.h - what a node tells the service manager that has started it, if one has:
 * systemd, by the protocol of sd_notify(3).
 *
 *   READY=1      it listens, and each seed was tried once
 *   RELOADING=1  SIGHUP is being obeyed; READY=1 says that it has been
 *   WATCHDOG=1   every shard has run what it was asked to since the last time
 *   STOPPING=1   it drains
 *
 * Where there is no NOTIFY_SOCKET in the environment nothing is made, and nobody waits.
 */
#pragma once

#include "engine/portolan.h"

#include <stdatomic.h>

struct ptl_supervisor {
    struct ptl_node *node;
    bool is_there;             /* somebody wants to be told */
    bool is_ready;             /* and has been */
    unsigned watchdog_ms;      /* between two WATCHDOG=1; 0: none are wanted */
    uint64_t due_ms;           /* the next one */
    unsigned shards;           /* that are asked; 0: none, yet */
    struct ptl_port *ports;    /* one a shard */
    _Atomic uint64_t answered; /* a bit for each of them that has answered */
};

/* Of a node that is open.  Errors: PTL_ENOMEM or those of ptl_port_new(). */
PTL_MUST_CHECK int ptl_supervisor_begin(struct ptl_supervisor *supervisor, struct ptl_node *node);

/* Tell what is due.  Returns how many ms may pass until it is called again; -1: any number. */
int ptl_supervisor_tell(struct ptl_supervisor *supervisor);

/* SIGHUP is obeyed from now on, and has been. */
void ptl_supervisor_reloading(const struct ptl_supervisor *supervisor);
void ptl_supervisor_reloaded(const struct ptl_supervisor *supervisor);

/* The node is about to stop. */
void ptl_supervisor_stopping(const struct ptl_supervisor *supervisor);

/* The node has stopped. */
void ptl_supervisor_end(struct ptl_supervisor *supervisor);
