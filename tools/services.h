/*
 * tools/services.h - built-in ports, to have something to talk to.
 *
 *   echo             ["echo", VALUE..., REPLYPORT] -> REPLYPORT: [VALUE...]
 *   sink             counts what it gets; ["count", REPLYPORT] -> REPLYPORT: [COUNT]
 *   bench            the other end of `portolan bench`: see tools/bench/service.h
 *   drain            ends the node, as SIGTERM does: see tools/drain_service.h
 *   portolan::echo   an init function: makes such an echo port, whoever spawns it
 *   portolan         always there: see tools/network_service.h
 *   stats            always there: see tools/stats/service.h
 *
 * echo, sink and bench enter themselves in the database: NODE#echo is a key of family `echo`.
 *
 * Messages that make no sense to a service are dropped: they shall cost nobody else anything.  Nor
 * shall an asker that does not take its answers: see tools/replies.h.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/journal.h"
#include "tools/stats/permit.h"

/* Whether there is a service of that name. */
bool ptl_service_exists(const char *name);

/* The names of all services, for people. */
extern const char ptl_service_names[];

/* The name of the service at `index`, or NULL past the last. */
const char *ptl_service_name(unsigned index);

/* Which of them are named, a bit each; `names` ends with NULL. */
unsigned ptl_services_named(const char *const names[]);

/*
 * Start or end one on a node that runs.  One that ends takes what it has been sent by then.
 * Returns 0 or an error: of ptl_port_new(), ptl_register(), ptl_db_register(); PTL_EEXIST where it
 * has not quite ended yet; of ptl_kill().  Thread: any.
 */
PTL_MUST_CHECK int ptl_service_start(struct ptl_node *node, struct ptl_journal *journal,
                                     unsigned index);
PTL_MUST_CHECK int ptl_service_end(struct ptl_node *node, unsigned index);

/* Whether it ends with its node only. */
bool ptl_service_stays(unsigned index);

/*
 * Start the named services, each at most once, and register what can be spawned.  `names` ends
 * with NULL; `permit` says who may ask for statistics.  It and `journal` must outlive the node.
 * Returns 0 or the error of ptl_port_new() or ptl_register().
 */
PTL_MUST_CHECK int ptl_services_start(struct ptl_node *node, struct ptl_journal *journal,
                                      struct ptl_permit *permit, const char *const names[]);
