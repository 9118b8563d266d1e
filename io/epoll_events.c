#include "io/epoll_events.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 128 /* taken from the kernel at once */

int ptl_epoll_open(struct ptl_epoll_events *events)
{
    events->has_milliseconds = false;
    events->fd = epoll_create1(EPOLL_CLOEXEC);
    return events->fd < 0 ? -errno : PTL_OK;
}

void ptl_epoll_close(struct ptl_epoll_events *events)
{
    if (events->fd >= 0) {
        close(events->fd);
    }
}

int ptl_epoll_register(struct ptl_epoll_events *events, int fd, struct ptl_epoll_source *source)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = source,
    };

    return epoll_ctl(events->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : PTL_OK;
}

void ptl_epoll_unregister(struct ptl_epoll_events *events, int fd)
{
    epoll_ctl(events->fd, EPOLL_CTL_DEL, fd, NULL);
}

/* As epoll_pwait2(), for kernels before Linux 5.11, and containers that do not know it. */
static int wait_milliseconds(int fd, struct epoll_event told[], uint64_t wait_ns)
{
    uint64_t wait_ms = wait_ns / 1000000 + (wait_ns % 1000000 != 0);
    int limit = wait_ns == UINT64_MAX ? -1 : wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;

    return epoll_wait(fd, told, EVENTS_MAX, limit);
}

static int wait_for_events(struct ptl_epoll_events *events, struct epoll_event told[],
                           uint64_t wait_ns)
{
    const struct timespec limit = {
        .tv_sec = (time_t)(wait_ns / 1000000000),
        .tv_nsec = (long)(wait_ns % 1000000000),
    };

    if (wait_ns != 0 && !events->has_milliseconds) {
        int count =
            epoll_pwait2(events->fd, told, EVENTS_MAX, wait_ns == UINT64_MAX ? NULL : &limit, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return count;
        }
        events->has_milliseconds = true;
    }
    return wait_milliseconds(events->fd, told, wait_ns);
}

void ptl_epoll_gather(struct ptl_epoll_events *events, uint64_t wait_ns)
{
    struct epoll_event told[EVENTS_MAX];

    int count = wait_for_events(events, told, wait_ns); /* < 0: interrupted */
    for (int i = 0; i < count; i++) {
        struct ptl_epoll_source *source = told[i].data.ptr;
        if (source != NULL) {
            source->happened(source, told[i].events);
        }
    }
}
