#include "io/spare.h"

#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void ptl_spares_fill(struct ptl_spares *spares, int fd)
{
    while (spares->count < PTL_SPARES) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            return;
        }
        spares->fds[spares->count++] = copy;
    }
}

bool ptl_spares_release(struct ptl_spares *spares)
{
    spares->starved = true;
    if (spares->count == 0) {
        return false;
    }
    ptl_assert(spares->count <= PTL_SPARES);
    close(spares->fds[--spares->count]);
    return true;
}

int ptl_spares_socket(struct ptl_spares *spares, const struct ptl_address *address, int flags,
                      union ptl_sockaddr *sockaddr, socklen_t *size)
{
    int fd = ptl_socket_open(address, flags, sockaddr, size);

    if ((fd == -EMFILE || fd == -ENFILE) && ptl_spares_release(spares)) {
        fd = ptl_socket_open(address, flags, sockaddr, size);
    }
    return fd;
}

void ptl_spares_drop(struct ptl_spares *spares)
{
    while (spares->count > 0) {
        close(spares->fds[--spares->count]);
    }
}
