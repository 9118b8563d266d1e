#include "tools/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024     /* who finds no place waits here */
#define SILENT_SECONDS 5 /* ... or for its first byte, as long as the system keeps it from us */

/* Take HOST:PORT, [HOST]:PORT or PORT apart. */
static void split(const char *address, char host[PTL_HTTP_ADDRESS_MAX], const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon ? (size_t)(colon - address) : 0;

    *port = colon ? colon + 1 : address;
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    snprintf(host, PTL_HTTP_ADDRESS_MAX, "%.*s", (int)size, size > 0 ? address : "");
    if (size == 0) {
        snprintf(host, PTL_HTTP_ADDRESS_MAX, "127.0.0.1");
    }
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

bool ptl_http_is_loopback(const char *address)
{
    char host[PTL_HTTP_ADDRESS_MAX];
    const char *port;

    split(address, host, &port);
    struct in_addr in;
    bool is_v4 = inet_pton(AF_INET, host, &in) == 1;
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           (is_v4 && ntohl(in.s_addr) >> 24 == 127);
}

static void describe(int socket, char text[PTL_HTTP_ADDRESS_MAX])
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[INET6_ADDRSTRLEN + 20], port[8];

    text[0] = '\0';
    if (getsockname(socket, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        bool is_v6 = address.ss_family == AF_INET6;
        snprintf(text, PTL_HTTP_ADDRESS_MAX, "%s%s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
                 port);
    }
}

static int listen_at(const struct addrinfo *at)
{
    int yes = 1, silent = SILENT_SECONDS;
    int file = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (file < 0) {
        return -errno;
    }
    setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(file, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silent, sizeof silent);
    if (bind(file, at->ai_addr, at->ai_addrlen) < 0 || listen(file, BACKLOG) < 0) {
        int err = -errno;
        close(file);
        return err;
    }
    return file;
}

int ptl_http_listen(const char *address, char text[PTL_HTTP_ADDRESS_MAX], bool *loopback)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    char host[PTL_HTTP_ADDRESS_MAX];
    const char *port;

    split(address, host, &port);
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -EADDRNOTAVAIL;
    }
    int file = listen_at(found);
    *loopback = is_loopback(found->ai_addr);
    freeaddrinfo(found);
    if (file >= 0) {
        describe(file, text);
    }
    return file;
}
