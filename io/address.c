#include "io/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SCOPE_DIGITS_MAX 9 /* so that no scope overflows uint32_t */

/* Decimal digits only, at least one, not above `max`; -1 otherwise. */
static int64_t parse_decimal(const char *text, size_t digits_max, int64_t max)
{
    int64_t value = 0;
    size_t digits = 0;

    for (; text[digits] != '\0'; digits++) {
        if (text[digits] < '0' || text[digits] > '9' || digits == digits_max) {
            return -1;
        }
        value = value * 10 + (text[digits] - '0');
    }
    return digits > 0 && value <= max ? value : -1;
}

/* "ADDRESS" or "ADDRESS%SCOPE", the scope a number: interface names are the resolver's business. */
static bool parse_six(const char *name, struct sockaddr_in6 *six)
{
    char text[INET6_ADDRSTRLEN];
    size_t size = strcspn(name, "%");

    if (size >= sizeof(text)) {
        return false;
    }
    memcpy(text, name, size);
    text[size] = '\0';
    memset(six, 0, sizeof(*six));
    six->sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1) {
        return false;
    }
    if (name[size] == '%') {
        int64_t scope = parse_decimal(name + size + 1, SCOPE_DIGITS_MAX, INT32_MAX);
        six->sin6_scope_id = (uint32_t)scope;
        return scope >= 0;
    }
    return true;
}

static bool parse_four(const char *name, struct sockaddr_in *four)
{
    memset(four, 0, sizeof(*four));
    four->sin_family = AF_INET;
    return inet_pton(AF_INET, name, &four->sin_addr) == 1;
}

static bool is_host_text(const char *text, size_t size)
{
    if (size == 0 || size >= PTL_HOST_TEXT_MAX) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        /* Resolvers take '*' and ',' for many things, none of which is a host. */
        if (text[i] <= ' ' || text[i] > '~' || strchr("[]*,;", text[i]) != NULL) {
            return false;
        }
    }
    return true;
}

int ptl_host_parse(const char *host_port, struct ptl_host *host)
{
    union ptl_sockaddr ignored;
    const char *colon = strrchr(host_port, ':');
    if (colon == NULL) {
        return PTL_EADDRESS;
    }
    const char *name = host_port;
    size_t size = (size_t)(colon - host_port);
    bool brackets = size >= 2 && name[0] == '[' && name[size - 1] == ']';
    if (brackets) {
        name++;
        size -= 2;
    }
    int64_t port = parse_decimal(colon + 1, 5, UINT16_MAX);
    if (port < 0 || !is_host_text(name, size)) {
        return PTL_EADDRESS;
    }
    memcpy(host->name, name, size);
    host->name[size] = '\0';
    host->port = (uint16_t)port;
    host->service = false;
    host->six = brackets && parse_six(host->name, &ignored.six);
    host->numeric = host->six || parse_four(host->name, &ignored.four);
    /* Only an IPv6 address has colons of its own, and then brackets around it. */
    bool colons = memchr(name, ':', size) != NULL;
    return colons && !(brackets && (host->six || strchr(host->name, '%') != NULL)) ? PTL_EADDRESS
                                                                                   : PTL_OK;
}

int ptl_seed_parse(const char *seed, struct ptl_host *host)
{
    const size_t prefix = strlen(PTL_SERVICE_PREFIX);

    /* A host may be called "srv". */
    if (ptl_host_parse(seed, host) == PTL_OK) {
        return PTL_OK;
    }
    const char *name = seed + prefix;
    if (strncmp(seed, PTL_SERVICE_PREFIX, prefix) != 0 || !is_host_text(name, strlen(name)) ||
        strchr(name, ':') != NULL) {
        return PTL_EADDRESS;
    }
    *host = (struct ptl_host){.service = true};
    memcpy(host->name, name, strlen(name));
    return PTL_OK;
}

/* The kernel's form of a host that ptl_host_parse() has found to be numeric; returns its size. */
static socklen_t host_to_sockaddr(const struct ptl_host *host, union ptl_sockaddr *sockaddr)
{
    ptl_assert(host->numeric);
    if (host->six) {
        bool valid = parse_six(host->name, &sockaddr->six);
        ptl_assert(valid);
        sockaddr->six.sin6_port = htons(host->port);
        return sizeof(sockaddr->six);
    }
    bool valid = parse_four(host->name, &sockaddr->four);
    ptl_assert(valid);
    sockaddr->four.sin_port = htons(host->port);
    return sizeof(sockaddr->four);
}

int ptl_address_parse(const char *host_port, struct ptl_address *address)
{
    struct ptl_host host;
    union ptl_sockaddr sockaddr;

    int err = ptl_host_parse(host_port, &host);
    if (err < 0) {
        return err;
    }
    if (!host.numeric) {
        return PTL_EADDRESS;
    }
    host_to_sockaddr(&host, &sockaddr);
    ptl_address_from_sockaddr(&sockaddr, address);
    return PTL_OK;
}

static bool is_mapped_loopback(const struct in6_addr *six)
{
    return IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127;
}

bool ptl_address_is_loopback(const char *host_port)
{
    struct ptl_host host;
    union ptl_sockaddr sockaddr;

    if (ptl_host_parse(host_port, &host) < 0) {
        return false;
    }
    if (host.six) {
        host_to_sockaddr(&host, &sockaddr);
        return IN6_IS_ADDR_LOOPBACK(&sockaddr.six.sin6_addr) ||
               is_mapped_loopback(&sockaddr.six.sin6_addr);
    }
    if (host.numeric) {
        return strncmp(host.name, "127.", 4) == 0;
    }
    return strcmp(host.name, "localhost") == 0;
}

bool ptl_address_is_any(const struct ptl_address *address)
{
    union ptl_sockaddr sockaddr;
    socklen_t size;

    if (ptl_address_to_sockaddr(address, &sockaddr, &size) < 0) {
        return false;
    }
    return sockaddr.any.sa_family == AF_INET ? sockaddr.four.sin_addr.s_addr == htonl(INADDR_ANY)
                                             : IN6_IS_ADDR_UNSPECIFIED(&sockaddr.six.sin6_addr);
}

int ptl_address_to_sockaddr(const struct ptl_address *address, union ptl_sockaddr *sockaddr,
                            socklen_t *size)
{
    struct ptl_host host;

    int err = ptl_host_parse(address->text, &host);
    if (err < 0) {
        return err;
    }
    if (!host.numeric) {
        return PTL_EADDRESS;
    }
    *size = host_to_sockaddr(&host, sockaddr);
    return PTL_OK;
}

void ptl_address_from_sockaddr(const union ptl_sockaddr *sockaddr, struct ptl_address *address)
{
    char text[INET6_ADDRSTRLEN];
    char scope[SCOPE_DIGITS_MAX + 4] = "";

    memset(address, 0, sizeof(*address));
    if (sockaddr->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &sockaddr->four.sin_addr, text, sizeof(text));
        snprintf(address->text, sizeof(address->text), "%s:%u", text,
                 (unsigned)ntohs(sockaddr->four.sin_port));
    } else if (sockaddr->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &sockaddr->six.sin6_addr, text, sizeof(text));
        if (sockaddr->six.sin6_scope_id != 0) {
            snprintf(scope, sizeof(scope), "%%%u", (unsigned)sockaddr->six.sin6_scope_id);
        }
        int length = snprintf(address->text, sizeof(address->text), "[%s%s]:%u", text, scope,
                              (unsigned)ntohs(sockaddr->six.sin6_port));
        /* No address of 45 characters has a scope: the two never meet. */
        ptl_assert(length < PTL_ADDRESS_TEXT_MAX);
    }
}

uint64_t ptl_address_source(const struct ptl_address *address)
{
    union ptl_sockaddr sockaddr;
    socklen_t size;
    uint64_t source = 0;

    if (ptl_address_to_sockaddr(address, &sockaddr, &size) < 0) {
        return 0;
    }
    if (sockaddr.any.sa_family == AF_INET) {
        /* ff00::/8 is multicast: no IPv6 source looks like this. */
        return UINT64_C(0xffffffff00000000) | ntohl(sockaddr.four.sin_addr.s_addr);
    }
    for (unsigned i = 0; i < 8; i++) {
        source = source << 8 | sockaddr.six.sin6_addr.s6_addr[i];
    }
    return source;
}
