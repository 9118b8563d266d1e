#include "tools/supervisor.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20   /* until the seeds have been tried */
#define PATIENCE_S 1 /* for a manager that does not read */

/* ---- One word ------------------------------------------------------------------------------ */

/* "@" in front is a name without a file.  False: it is no name of a socket. */
static bool find_address(struct sockaddr_un *address, socklen_t *size)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;

    if (length < 2 || length >= sizeof address->sun_path || (path[0] != '/' && path[0] != '@')) {
        return false;
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length);
    address->sun_path[0] = path[0] == '@' ? '\0' : '/';
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

/* Who cannot be told is not: the node runs all the same. */
static void say(const char *words)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_un address;
    socklen_t size;

    if (!find_address(&address, &size)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        ssize_t count =
            sendto(fd, words, strlen(words), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
        (void)count;
        close(fd);
    }
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- The watchdog -------------------------------------------------------------------------- */

/* Twice as often as it must be, or 0: nobody watches, or it is another process that is watched. */
static unsigned watchdog_ms(void)
{
    const char *us = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    unsigned long long period = us ? strtoull(us, NULL, 10) : 0;

    if ((pid && strtoull(pid, NULL, 10) != (unsigned long long)getpid()) ||
        period / 2000 > INT32_MAX) {
        return 0;
    }
    return period > 0 && period < 2000 ? 1 : (unsigned)(period / 2000);
}

static int answer(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_supervisor *supervisor = data;
    uint64_t shard;

    if (ptl_msg_read(node, msg, "u.", &shard) == 0 && shard < supervisor->shards) {
        atomic_fetch_or(&supervisor->answered, UINT64_C(1) << shard);
    }
    return 0;
}

static int make_ports(struct ptl_supervisor *supervisor)
{
    unsigned shards = ptl_node_shards(supervisor->node);
    int err = 0;

    supervisor->ports = calloc(shards, sizeof *supervisor->ports);
    if (!supervisor->ports) {
        return PTL_ENOMEM;
    }
    supervisor->shards = shards;
    for (unsigned i = 0; err == 0 && i < shards; i++) {
        struct ptl_port_options options = {.size = sizeof options,
                                           .handler = answer,
                                           .data = supervisor,
                                           .shard_plus_one = i + 1,
                                           .ignore_unhandled = true};
        err = ptl_port_new(supervisor->node, &options, &supervisor->ports[i]);
    }
    return err;
}

/* A shard to which there is no way is one that does not answer. */
static void ask_all(struct ptl_supervisor *supervisor)
{
    atomic_store(&supervisor->answered, 0);
    for (unsigned i = 0; i < supervisor->shards; i++) {
        int err = ptl_sendf(supervisor->node, &supervisor->ports[i], "u", (uint64_t)i);
        (void)err;
    }
}

static bool have_all_answered(struct ptl_supervisor *supervisor)
{
    uint64_t all = supervisor->shards == 64 ? UINT64_MAX : (UINT64_C(1) << supervisor->shards) - 1;

    return atomic_load(&supervisor->answered) == all;
}

/* ---- What is due --------------------------------------------------------------------------- */

int ptl_supervisor_begin(struct ptl_supervisor *supervisor, struct ptl_node *node)
{
    struct sockaddr_un address;
    socklen_t size;
    int err = 0;

    *supervisor = (struct ptl_supervisor){.node = node};
    supervisor->is_there = find_address(&address, &size);
    supervisor->watchdog_ms = supervisor->is_there ? watchdog_ms() : 0;
    if (supervisor->watchdog_ms > 0) {
        err = make_ports(supervisor);
    }
    if (err == 0 && supervisor->watchdog_ms > 0) {
        ask_all(supervisor);
        supervisor->due_ms = now_us() / 1000 + supervisor->watchdog_ms;
    }
    return err;
}

/* Who has not answered is not asked anew: that it is late shows as long as it lasts. */
static int watch(struct ptl_supervisor *supervisor)
{
    uint64_t now_ms = now_us() / 1000;

    if (now_ms >= supervisor->due_ms) {
        if (have_all_answered(supervisor)) {
            say("WATCHDOG=1");
            ask_all(supervisor);
        }
        supervisor->due_ms = now_ms + supervisor->watchdog_ms;
    }
    return (int)(supervisor->due_ms - now_ms);
}

int ptl_supervisor_tell(struct ptl_supervisor *supervisor)
{
    if (!supervisor->is_there) {
        return -1;
    }
    if (!supervisor->is_ready && ptl_node_has_tried_seeds(supervisor->node)) {
        supervisor->is_ready = true;
        say("READY=1");
    }
    int wait_ms = supervisor->watchdog_ms > 0 ? watch(supervisor) : -1;
    bool is_soon = wait_ms >= 0 && wait_ms < LOOK_MS;
    return supervisor->is_ready || is_soon ? wait_ms : LOOK_MS;
}

void ptl_supervisor_reloading(const struct ptl_supervisor *supervisor)
{
    char words[64];

    if (supervisor->is_ready) {
        snprintf(words, sizeof words, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_us());
        say(words);
    }
}

void ptl_supervisor_reloaded(const struct ptl_supervisor *supervisor)
{
    if (supervisor->is_ready) {
        say("READY=1");
    }
}

void ptl_supervisor_stopping(const struct ptl_supervisor *supervisor)
{
    if (supervisor->is_there) {
        say("STOPPING=1");
    }
}

void ptl_supervisor_end(struct ptl_supervisor *supervisor)
{
    free(supervisor->ports);
    supervisor->ports = NULL;
}
