#include "tests/common/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int listener_open(char address[static 32])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) < 0 ||
        listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *)&at, &size) < 0) {
        perror("listening on 127.0.0.1");
        abort();
    }
    snprintf(address, 32, "127.0.0.1:%u", ntohs(at.sin_port));
    return listener;
}
