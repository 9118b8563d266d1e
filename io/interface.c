#include "io/interface.h"

#include "io/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

/* The interface's address with the port of `any`, if it is one of the same kind to be told. */
static bool take(const struct ifaddrs *interface, const union ptl_sockaddr *any, bool loopback,
                 struct ptl_address *out)
{
    union ptl_sockaddr address;

    if (interface->ifa_addr == NULL || (interface->ifa_flags & IFF_UP) == 0 ||
        interface->ifa_addr->sa_family != any->any.sa_family ||
        ((interface->ifa_flags & IFF_LOOPBACK) != 0) != loopback) {
        return false;
    }
    if (any->any.sa_family == AF_INET) {
        memcpy(&address.four, interface->ifa_addr, sizeof(address.four));
        address.four.sin_port = any->four.sin_port;
    } else {
        memcpy(&address.six, interface->ifa_addr, sizeof(address.six));
        address.six.sin6_port = any->six.sin6_port;
        /* Of use only together with the name of the interface, which other hosts call
         * differently. */
        if (IN6_IS_ADDR_LINKLOCAL(&address.six.sin6_addr)) {
            return false;
        }
    }
    ptl_address_from_sockaddr(&address, out);
    return true;
}

unsigned ptl_interface_addresses(struct ptl_loop *loop, const struct ptl_address *address,
                                 bool loopback, struct ptl_address out[static PTL_INTERFACES_MAX])
{
    union ptl_sockaddr any;
    socklen_t size;
    struct ifaddrs *interfaces;
    unsigned count = 0;

    (void)loop;
    if (ptl_address_to_sockaddr(address, &any, &size) < 0 || !ptl_address_is_any(address)) {
        out[0] = *address;
        return 1;
    }
    if (getifaddrs(&interfaces) < 0) {
        return 0;
    }
    /* An address that listens on all of them stands for each: others cannot dial "any". */
    for (const struct ifaddrs *i = interfaces; i != NULL && count < PTL_INTERFACES_MAX;
         i = i->ifa_next) {
        count += take(i, &any, loopback, &out[count]);
    }
    ptl_assert(count <= PTL_INTERFACES_MAX);
    freeifaddrs(interfaces);
    return count;
}
