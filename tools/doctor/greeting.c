#include "tools/doctor/greeting.h"

#include "tools/doctor/deadline.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void finish(struct ptl_greeting *greeting, int err)
{
    greeting->err = err;
    close(greeting->file);
    greeting->file = -1;
}

static void begin(struct ptl_greeting *greeting)
{
    greeting->file =
        socket(greeting->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (greeting->file < 0) {
        greeting->err = -errno;
    } else if (connect(greeting->file, (struct sockaddr *)&greeting->address, greeting->size) < 0 &&
               errno != EINPROGRESS) {
        finish(greeting, -errno);
    }
}

/* ---- What it says -------------------------------------------------------------------------- */

/* One field, with "%3b" for ';' and "%25" for '%'.  Returns what is behind it. */
static const char *take_field(const char *at, char *field, size_t room)
{
    size_t used = 0;
    unsigned byte;

    for (; *at != '\0' && *at != ';'; at++) {
        byte = (unsigned char)*at;
        if (*at == '%' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]) &&
            sscanf(at + 1, "%2x", &byte) == 1) {
            at += 2;
        }
        if (used + 1 < room) {
            field[used++] = (char)byte;
        }
    }
    field[used] = '\0';
    return *at == ';' ? at + 1 : at;
}

static void take_line(struct ptl_greeting *greeting)
{
    char word[256];
    const char *at = take_field(greeting->line, word, sizeof word);

    if (strcmp(word, "aemp") != 0) {
        finish(greeting, PTL_EGREETING);
        return;
    }
    at = take_field(at, word, sizeof word);
    at = take_field(at, greeting->node, sizeof greeting->node);
    while (*at != '\0') {
        at = take_field(at, word, sizeof word);
        if (strncmp(word, "provider=", 9) == 0) {
            snprintf(greeting->provider, sizeof greeting->provider, "%.63s", word + 9);
        }
    }
    finish(greeting, greeting->node[0] != '\0' ? 0 : PTL_EGREETING);
}

static void take_bytes(struct ptl_greeting *greeting)
{
    ssize_t count =
        read(greeting->file, greeting->line + greeting->used, PTL_GREETING_MAX - greeting->used);

    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        finish(greeting, count < 0 ? -errno : greeting->used > 0 ? PTL_EGREETING : PTL_ECLOSED);
        return;
    }
    greeting->used += (size_t)count;
    greeting->line[greeting->used] = '\0';
    size_t size = strcspn(greeting->line, "\r\n");
    if (greeting->line[size] != '\0') {
        greeting->line[size] = '\0';
        take_line(greeting);
    } else if (greeting->used == PTL_GREETING_MAX ||
               strncmp(greeting->line, "aemp;", size < 5 ? size : 5) != 0) {
        finish(greeting, PTL_EGREETING);
    }
}

/* ---- All at once --------------------------------------------------------------------------- */

static bool is_same_host(const struct sockaddr_storage *one, const struct sockaddr_storage *two)
{
    if (one->ss_family == AF_INET6) {
        return memcmp(&((const struct sockaddr_in6 *)one)->sin6_addr,
                      &((const struct sockaddr_in6 *)two)->sin6_addr, 16) == 0;
    }
    return ((const struct sockaddr_in *)one)->sin_addr.s_addr ==
           ((const struct sockaddr_in *)two)->sin_addr.s_addr;
}

static void take_connection(struct ptl_greeting *greeting)
{
    struct sockaddr_storage here;
    socklen_t size = sizeof here;
    int err = 0;
    socklen_t err_size = sizeof err;

    getsockopt(greeting->file, SOL_SOCKET, SO_ERROR, &err, &err_size);
    if (err != 0) {
        finish(greeting, -err);
        return;
    }
    greeting->is_connected = true;
    greeting->is_here = getsockname(greeting->file, (struct sockaddr *)&here, &size) == 0 &&
                        is_same_host(&here, &greeting->address);
}

/* False: all are done. */
static bool list_files(const struct ptl_greeting *greetings, size_t count, struct pollfd *fds)
{
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        fds[i] = (struct pollfd){.fd = greetings[i].file,
                                 .events = greetings[i].is_connected ? POLLIN : POLLOUT};
        any = any || greetings[i].file >= 0;
    }
    return any;
}

void ptl_greetings_read(struct ptl_greeting *greetings, size_t count, unsigned timeout_ms)
{
    struct pollfd *fds = calloc(count + 1, sizeof *fds);
    int64_t end = ptl_doctor_now_ms() + timeout_ms, left = timeout_ms;

    for (size_t i = 0; i < count; i++) {
        begin(&greetings[i]);
    }
    for (; fds && left > 0 && list_files(greetings, count, fds); left = end - ptl_doctor_now_ms()) {
        poll(fds, count, (int)left);
        for (size_t i = 0; i < count; i++) {
            if (greetings[i].file >= 0 && fds[i].revents != 0 && !greetings[i].is_connected) {
                take_connection(&greetings[i]);
            } else if (greetings[i].file >= 0 && fds[i].revents != 0) {
                take_bytes(&greetings[i]);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (greetings[i].file >= 0) {
            finish(&greetings[i], fds ? PTL_ETIMEOUT : PTL_ENOMEM);
        }
    }
    free(fds);
}
