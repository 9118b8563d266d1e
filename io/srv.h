/*
 * io/srv.h - SRV records (RFC 2782): at which hosts and ports a service is to be had, and which of
 * them are to be tried first.
 *
 *   "_portolan._tcp.example"  --DNS-->  priority 0  weight 60  port 4040  rain.example
 *                                       priority 0  weight 20  port 4040  snow.example
 *                                       priority 1  weight 0   port 4041  fog.example
 *
 * The lowest priority comes first.  Of one priority chance decides the order: the greater its
 * weight, the likelier a record comes before the others.
 */
#pragma once

#include "io/address.h"

#define PTL_SRV_MAX 16 /* records that are taken of an answer */

struct ptl_srv {
    uint16_t priority;
    uint16_t weight;
    struct ptl_host host;
};

/*
 * Take the records out of an answer of DNS, whatever its bytes; those that name no host are left
 * out.  Returns how many; of an answer that is cut short those before the cut.  Thread: any.
 */
unsigned ptl_srv_read(struct ptl_span answer, struct ptl_srv records[PTL_SRV_MAX]);

/* Put them in the order in which to try them; `chance` is random.  Thread: any. */
void ptl_srv_order(struct ptl_srv records[], unsigned count, const uint32_t chance[PTL_SRV_MAX]);

/*
 * Ask DNS for the records of a service, as this thread's resolver (resolver(3)) is set, and put
 * them in order.  Returns how many there are, or PTL_ERESOLVE.  Blocks.
 */
PTL_MUST_CHECK int ptl_srv_find(const char *name, struct ptl_srv records[PTL_SRV_MAX]);
