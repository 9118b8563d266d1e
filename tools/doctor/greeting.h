/*
 * tools/doctor/greeting.h - who listens there?  A node says so at once, to everybody who connects.
 *
 *   aemp;1;NODE;METHODS;FRAMINGS;KEY=VALUE...      docs/protocol.md, "Opening"
 *
 * It is left again without a word, as strangers do, which costs the node nothing but a debug line.
 */
#pragma once

#include "engine/portolan.h"

#include <sys/socket.h>

#define PTL_GREETING_MAX 4096 /* bytes of its line, the end included */

struct ptl_greeting {
    struct sockaddr_storage address; /* where to ask */
    socklen_t size;
    int file; /* < 0: it is done */
    int err;  /* 0: it has greeted; -errno, PTL_ETIMEOUT, PTL_ECLOSED; PTL_EGREETING: no node */
    bool is_connected;
    bool is_here; /* the connection stays on this machine */
    char node[PTL_NODE_ID_MAX + 1];
    char provider[64]; /* "portolan-0.1.0"; empty: it has told none */
    size_t used;
    char line[PTL_GREETING_MAX + 1];
};

/* Ask all of these at once.  Each has its address, and is zero else. */
void ptl_greetings_read(struct ptl_greeting *greetings, size_t count, unsigned timeout_ms);
