#include "io/spare.h"

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

void ptl_spares_drop(struct ptl_spares *spares)
{
    while (spares->count > 0) {
        close(spares->fds[--spares->count]);
    }
}
