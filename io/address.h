/*
 * io/address.h - addresses as text: "HOST:PORT" and "[IPV6]:PORT", taken apart and put together.
 *
 *   "rain.example:4040"   host "rain.example", port 4040    a name: ptl_loop_resolve() finds it
 *   "127.0.0.1:4040"      host "127.0.0.1",    port 4040    numeric: struct ptl_address at once
 *   "[fe80::1%2]:4040"    host "fe80::1%2",    port 4040    numeric
 *   "srv:_p._tcp.example" service "_p._tcp.example"         a seed only: DNS has hosts and ports
 *
 * Nothing is asked of the system here, so the simulator and the tests use the same rules.
 * Thread: any, for all of it.
 */
#pragma once

#include "io/loop.h"

#include <netinet/in.h>

#define PTL_SERVICE_PREFIX "srv:" /* of a seed */
#define PTL_HOST_TEXT_MAX 256     /* a DNS name has at most 253 bytes; and a NUL */

/* The two parts of an address. */
struct ptl_host {
    char name[PTL_HOST_TEXT_MAX]; /* without brackets */
    uint16_t port;
    bool numeric; /* the name is an IP address */
    bool six;     /* it is one of version 6 */
    bool service; /* the name is that of a service (RFC 2782): its hosts and ports are in DNS */
};

/* The kernel's form of an address. */
union ptl_sockaddr {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

/*
 * Take "HOST:PORT" or "[HOST]:PORT" apart.  The port is decimal, 0 to 65535; the host is not
 * empty and of printable ASCII; an IPv6 address needs its brackets.
 * Errors: PTL_EADDRESS, and `host` is unspecified.
 */
PTL_MUST_CHECK int ptl_host_parse(const char *host_port, struct ptl_host *host);

/*
 * The same of a seed, which may be "srv:NAME", too: a service, without a port.
 * Errors: PTL_EADDRESS, and `host` is unspecified.
 */
PTL_MUST_CHECK int ptl_seed_parse(const char *seed, struct ptl_host *host);

/*
 * A numeric address in its one form, "[0::1]:040" becomes "[::1]:40".
 * Errors: PTL_EADDRESS when it is malformed or a name.
 */
PTL_MUST_CHECK int ptl_address_parse(const char *host_port, struct ptl_address *address);

/* Whether two addresses are one.  Both come from this file or from a loop. */
static inline bool ptl_address_equal(const struct ptl_address *a, const struct ptl_address *b)
{
    return strcmp(a->text, b->text) == 0;
}

/*
 * Whether nobody but this machine can reach it: 127.0.0.0/8, ::1, and the name "localhost".
 * False for what cannot be parsed.
 */
bool ptl_address_is_loopback(const char *host_port);

/* Whether this is the address that stands for all of a machine's: 0.0.0.0 or ::. */
bool ptl_address_is_any(const struct ptl_address *address);

/* An address without its port.  Owns: lives as long as `address`. */
static inline struct ptl_span ptl_address_host(const struct ptl_address *address)
{
    const char *colon = strrchr(address->text, ':');

    return ptl_span(address->text, colon == NULL ? 0 : (size_t)(colon - address->text));
}

/* To the kernel's form, and its size.  Errors: PTL_EADDRESS. */
PTL_MUST_CHECK int ptl_address_to_sockaddr(const struct ptl_address *address,
                                           union ptl_sockaddr *sockaddr, socklen_t *size);

/* From the kernel's form; a family other than IPv4 and IPv6 becomes the empty text. */
void ptl_address_from_sockaddr(const union ptl_sockaddr *sockaddr, struct ptl_address *address);

/*
 * Whom an address belongs to, as far as it can be told: all ports of one IPv4 address, and all
 * addresses of one IPv6 network of 64 bits, which is what a subscriber is given.  Equal for equal
 * sources; 0 for what is no numeric address.
 */
uint64_t ptl_address_source(const struct ptl_address *address);
