#include "io/socket.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUSY_PAUSE_MS 20 /* between two tries of an address in use */
#define BUSY_TRIES 150   /* io_uring's are closed by a thread of the kernel: 300 ms were seen */

/* What the kernel holds of a stream that is kept short: unsent; and not received, where a packet is
 * there and back in so many microseconds: then even 10 Gbit/s are under way in less. */
#define SHORT_UNSENT 32768
#define SHORT_RECEIVE 98304 /* the kernel doubles it, for what it needs itself */
#define SHORT_PATH_US 200

/* ---- Making one ---------------------------------------------------------------------------- */

int ptl_socket_open(const struct ptl_address *address, int flags, union ptl_sockaddr *sockaddr,
                    socklen_t *size)
{
    int err = ptl_address_to_sockaddr(address, sockaddr, size);
    if (err < 0) {
        return err;
    }
    int fd = socket(sockaddr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) {
        return -errno;
    }
    /* Accepted sockets inherit it from the one that listens. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static int listen_on(const struct ptl_address *address, int flags, union ptl_sockaddr *sockaddr)
{
    socklen_t size;

    int fd = ptl_socket_open(address, flags, sockaddr, &size);
    if (fd < 0) {
        return fd;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (sockaddr->any.sa_family == AF_INET6) {
        /* "[::]" means IPv6 only, whatever the system's default: "0.0.0.0" may stand beside it. */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    }
    socklen_t room = sizeof(*sockaddr);
    if (bind(fd, &sockaddr->any, size) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, &sockaddr->any, &room) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

/* The kernel closes the listeners of a process that was killed a moment after it is gone: whoever
 * takes its place at once would find its address in use. */
int ptl_socket_listen(const struct ptl_address *address, int flags, struct ptl_address *bound)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_MS * 1000000L};
    union ptl_sockaddr sockaddr;
    int fd = listen_on(address, flags, &sockaddr);

    for (int i = 0; fd == -EADDRINUSE && i < BUSY_TRIES; i++) {
        nanosleep(&pause, NULL);
        fd = listen_on(address, flags, &sockaddr);
    }
    if (fd >= 0 && bound != NULL) {
        ptl_address_from_sockaddr(&sockaddr, bound);
    }
    return fd;
}

/* ---- What is asked of one ------------------------------------------------------------------ */

static int descriptor_of(const struct ptl_stream *stream)
{
    return ((const struct ptl_socket *)stream)->fd;
}

void ptl_socket_user_timeout(struct ptl_loop *loop, struct ptl_stream *stream,
                             uint32_t milliseconds)
{
    (void)loop;
    /* A kernel without it only notices later what this would have told. */
    setsockopt(descriptor_of(stream), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds,
               sizeof(milliseconds));
}

/* Whether a packet has been there and back so soon: the handshake's, to begin with. */
static bool is_short_path(int fd)
{
    struct tcp_info info = {.tcpi_rtt = 0};
    socklen_t size = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_rtt != 0 &&
           info.tcpi_rtt < SHORT_PATH_US;
}

void ptl_socket_keep_short(struct ptl_loop *loop, struct ptl_stream *stream)
{
    int fd = descriptor_of(stream);

    (void)loop;
    /* Where it fails, what is sent first may arrive later: nothing else. */
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){SHORT_UNSENT}, sizeof(int));
    if (is_short_path(fd)) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){SHORT_RECEIVE}, sizeof(int));
    }
}

void ptl_socket_finish(int fd)
{
    /* Where it fails the connection has ended already, and `ended` tells. */
    shutdown(fd, SHUT_WR);
}

size_t ptl_socket_unconfirmed(struct ptl_loop *loop, struct ptl_stream *stream)
{
    int bytes = 0;

    (void)loop;
    /* The end that we have said counts as a byte, which is nobody's loss. */
    return ioctl(descriptor_of(stream), SIOCOUTQ, &bytes) == 0 && bytes > 1 ? (size_t)bytes - 1 : 0;
}

void ptl_socket_discard(struct ptl_loop *loop, int handle)
{
    (void)loop;
    close(handle);
}
