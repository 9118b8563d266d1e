/*
 * io/resolve.h - names of hosts and services to addresses, without holding up the loop that asks.
 *
 *   loop --ptl_resolver_ask()--> questions --> helper threads: io/srv.h, getaddrinfo(3)
 *        <--ptl_resolver_take()-- answers <----'          '--> tell(): there is an answer
 *
 * At most PTL_RESOLVER_THREADS helpers run at once, with all signals blocked; one ends when no
 * question is left.  Numeric hosts need no helper.
 */
#pragma once

#include "io/address.h"

#define PTL_RESOLVER_THREADS 2

struct ptl_resolver;

struct ptl_resolution {
    void *request; /* as asked */
    int err;       /* 0, PTL_ERESOLVE, PTL_ENOMEM or -errno */
    unsigned count;
    struct ptl_address addresses[PTL_RESOLVE_MAX];
};

/* `tell(user)` is called on a helper's thread after each answer.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_resolver_open(const struct ptl_allocator *allocator,
                                     void (*tell)(void *user), void *user,
                                     struct ptl_resolver **resolver);

/*
 * Wait for the helpers to end, then free it; NULL is none.  Questions not begun are dropped; one
 * that is waiting for name servers that do not answer holds this up for three seconds a server.  Of
 * a service no other host is looked up then.
 */
void ptl_resolver_free(struct ptl_resolver *resolver);

/* Ask.  Errors: PTL_ENOMEM, and then nothing answers.  Thread: the loop's. */
PTL_MUST_CHECK int ptl_resolver_ask(struct ptl_resolver *resolver, const struct ptl_host *host,
                                    void *request);

/*
 * As ptl_loop_resolve(), of the loop that owns `*resolver`: the first question opens it.  `tell`
 * and `user`: as above.
 */
PTL_MUST_CHECK int ptl_resolver_question(struct ptl_resolver **resolver,
                                         const struct ptl_allocator *allocator,
                                         void (*tell)(void *user), void *user,
                                         const char *host_port, void *request);

/* Whether ptl_resolver_take() would find an answer; NULL has none.  Thread: the loop's. */
bool ptl_resolver_ready(const struct ptl_resolver *resolver);

/* The oldest answer; false when there is none.  Thread: the loop's. */
bool ptl_resolver_take(struct ptl_resolver *resolver, struct ptl_resolution *resolution);

/* Give the hook the answers that are there, a bounded number.  Thread: the loop's, in its poll. */
void ptl_resolver_tell(struct ptl_resolver *resolver, const struct ptl_loop_hooks *hooks,
                       void *user);
