/*
 * A few descriptors that a loop keeps for the time when there are no more: whoever wants in then
 * can still be accepted while others are sent away, and a peer can still be dialled.
 */
#include "io/uring_loop.h"

#include <fcntl.h>
#include <unistd.h>

void ptl_uring_fill_spares(struct ptl_uring_loop *loop)
{
    while (loop->spare_count < PTL_URING_SPARES) {
        int fd = fcntl(loop->waker->event_fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            return;
        }
        loop->spares[loop->spare_count++] = fd;
    }
}

bool ptl_uring_release_spare(struct ptl_uring_loop *loop)
{
    loop->starved = true; /* the user is told at the end of the next poll */
    loop->woken = true;
    if (loop->spare_count == 0) {
        return false;
    }
    ptl_assert(loop->spare_count <= PTL_URING_SPARES);
    close(loop->spares[--loop->spare_count]);
    return true;
}

void ptl_uring_drop_spares(struct ptl_uring_loop *loop)
{
    while (loop->spare_count > 0) {
        close(loop->spares[--loop->spare_count]);
    }
}
