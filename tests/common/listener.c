#include "tests/common/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(uint32_t host, char address[static 32])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) < 0 ||
        listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *)&at, &size) < 0) {
        perror("listening on this machine");
        abort();
    }
    snprintf(address, 32, "%s:%u", inet_ntoa(at.sin_addr), ntohs(at.sin_port));
    return listener;
}

int listener_open(char address[static 32])
{
    return listen_on(INADDR_LOOPBACK, address);
}

void listener_unused(char address[static 32])
{
    close(listen_on(INADDR_LOOPBACK + 1, address));
}
