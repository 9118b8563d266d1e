/*
 * io/spare.h - a few descriptors that a loop keeps for the time when there are no more: whoever
 * wants in then can still be accepted while others are sent away, and a peer can still be dialled.
 *
 * Thread: the loop's, for all of it.
 */
#pragma once

#include "io/address.h"

#define PTL_SPARES 4

/* Begins zeroed.  The loop's files read the fields; what the last two say is theirs to clear. */
struct ptl_spares {
    int fds[PTL_SPARES];
    unsigned count;
    bool starved; /* there were no more, and the user does not know: the next poll tells */
    bool freed;   /* a descriptor has been given back since the last poll */
};

/* Open what is missing of them, as far as that goes, as copies of `fd`. */
void ptl_spares_fill(struct ptl_spares *spares, int fd);

/* Close one in an emergency, so that something else may be opened; false: there is none left. */
bool ptl_spares_release(struct ptl_spares *spares);

/* As ptl_socket_open(); where there is no descriptor, instead of a spare one. */
PTL_MUST_CHECK int ptl_spares_socket(struct ptl_spares *spares, const struct ptl_address *address,
                                     int flags, union ptl_sockaddr *sockaddr, socklen_t *size);

/* Close all. */
void ptl_spares_drop(struct ptl_spares *spares);
