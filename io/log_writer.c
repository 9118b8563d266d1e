#include "io/log_writer.h"

#include "io/base.h"
#include "io/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(PTL_LOG_LINE_MAX <= PIPE_BUF, "a line goes out whole, whoever else writes there");

struct lines {
    size_t size; /* bytes */
    unsigned count;
    char bytes[PTL_LOG_WAITING_MAX];
};

struct ptl_log_writer {
    const struct ptl_allocator *allocator;
    int descriptor;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows; never held while something is written */
    pthread_cond_t changed;
    bool started; /* there is a thread */
    bool closing; /* it is to end */
    bool ended;   /* it has */
    enum ptl_log_format format;
    char node_id[PTL_LOG_NODE_MAX + 1]; /* empty: none is told */
    uint64_t lost;                      /* lines, and not told of yet */
    uint64_t told;                      /* lines that were lost, and have been told of */
    struct lines *fill;                 /* what waits */
    struct lines *out;                  /* what the thread writes; only it touches these lines */
    struct lines halves[2];
};

/* ---- The thread ---------------------------------------------------------------------------- */

/*
 * Write all, however long it takes.  This is the one place where the thread can be cancelled: it
 * holds nothing.  False: nobody takes it.
 */
static bool write_whole(struct ptl_log_writer *writer, const char *bytes, size_t size)
{
    struct pollfd wait = {.fd = writer->descriptor, .events = POLLOUT};
    bool good = true;
    int before;

    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    while (good && size > 0) {
        ssize_t written = write(writer->descriptor, bytes, size);
        if (written >= 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (errno == EAGAIN) {
            poll(&wait, 1, -1); /* others may have made it non-blocking for all who share it */
        } else {
            good = errno == EINTR;
        }
    }
    pthread_setcancelstate(before, NULL);
    return good;
}

/* Under the lock. */
static size_t make_line(const struct ptl_log_writer *writer, enum ptl_log_level level,
                        const char *text, char line[PTL_LOG_LINE_MAX])
{
    return ptl_log_line(writer->format, writer->node_id, level, text, line);
}

/* Those that are lost came behind all that waited, and are told of there. */
static bool tell_lost(struct ptl_log_writer *writer, uint64_t lost)
{
    char line[PTL_LOG_LINE_MAX];
    char text[80];

    snprintf(text, sizeof(text), "%" PRIu64 " log lines were lost: they were not taken in time",
             lost);
    pthread_mutex_lock(&writer->lock);
    size_t size = make_line(writer, PTL_LOG_WARN, text, line);
    pthread_mutex_unlock(&writer->lock);
    return write_whole(writer, line, size);
}

/* One write a line, so that lines of several nodes and processes stay whole.  Returns how many of
 * them nobody has taken. */
static uint64_t write_out(struct ptl_log_writer *writer)
{
    const char *at = writer->out->bytes, *end = at + writer->out->size;
    uint64_t lost = 0;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        ptl_assert(line_end != NULL); /* ptl_log_line() has ended each */
        const char *behind = line_end + 1;
        lost += !write_whole(writer, at, (size_t)(behind - at));
        at = behind;
    }
    return lost;
}

/* Under the lock.  False: there is nothing left to do. */
static bool wait_for_lines(struct ptl_log_writer *writer)
{
    while (writer->fill->count == 0 && !writer->closing) {
        pthread_cond_wait(&writer->changed, &writer->lock);
    }
    return writer->fill->count > 0 || writer->lost > 0;
}

/* Under the lock, which is let go meanwhile. */
static void write_turn(struct ptl_log_writer *writer)
{
    struct lines *out = writer->fill;
    uint64_t lost = writer->lost;

    ptl_assert(writer->out->count == 0);

    writer->fill = writer->out;
    writer->out = out;
    pthread_mutex_unlock(&writer->lock);
    uint64_t lost_now = lost + write_out(writer);
    bool told = lost_now > 0 && tell_lost(writer, lost_now);
    pthread_mutex_lock(&writer->lock);
    /* More may have been lost meanwhile. */
    ptl_assert(writer->lost >= lost);
    writer->lost = writer->lost - lost + (told ? 0 : lost_now);
    writer->told += told ? lost_now : 0;
    out->size = out->count = 0;
}

static void *run_writer(void *argument)
{
    struct ptl_log_writer *writer = argument;

    ptl_thread_name("ptl-log");
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_mutex_lock(&writer->lock);
    while (wait_for_lines(writer)) {
        write_turn(writer);
        if (writer->closing && writer->fill->count == 0) {
            break; /* what is lost now has nobody to be told */
        }
    }
    writer->ended = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* ---- Who logs ------------------------------------------------------------------------------ */

/* Under the lock. */
static bool is_running(struct ptl_log_writer *writer)
{
    if (!writer->started) {
        writer->started = ptl_thread_start(&writer->thread, run_writer, writer) == PTL_OK;
    }
    return writer->started;
}

/* Never waits for whoever reads the log: a line that finds no room is counted, and that is told. */
void ptl_log_write(void *data, enum ptl_log_level level, const char *text)
{
    struct ptl_log_writer *writer = data;
    char line[PTL_LOG_LINE_MAX];

    pthread_mutex_lock(&writer->lock);
    size_t size = make_line(writer, level, text, line);
    struct lines *fill = writer->fill;
    if (is_running(writer) && size <= sizeof(fill->bytes) - fill->size) {
        memcpy(fill->bytes + fill->size, line, size);
        fill->size += size;
        fill->count++;
        pthread_cond_broadcast(&writer->changed);
    } else {
        writer->lost++;
    }
    pthread_mutex_unlock(&writer->lock);
}

void ptl_log_writer_format(struct ptl_log_writer *writer, enum ptl_log_format format,
                           const char *node_id)
{
    pthread_mutex_lock(&writer->lock);
    writer->format = format;
    snprintf(writer->node_id, sizeof(writer->node_id), "%s", node_id == NULL ? "" : node_id);
    pthread_mutex_unlock(&writer->lock);
}

uint64_t ptl_log_writer_lost(struct ptl_log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    uint64_t lost = writer->lost + writer->told;
    pthread_mutex_unlock(&writer->lock);
    return lost;
}

/* ---- Life ---------------------------------------------------------------------------------- */

/* A wait with a limit must not depend on what the clock on the wall does. */
static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

int ptl_log_writer_open(const struct ptl_allocator *allocator, int descriptor,
                        struct ptl_log_writer **out)
{
    if (allocator == NULL) {
        allocator = ptl_allocator_libc();
    }
    struct ptl_log_writer *writer = ptl_alloc(allocator, sizeof(*writer));
    if (writer == NULL) {
        return PTL_ENOMEM;
    }
    writer->allocator = allocator;
    writer->descriptor = descriptor;
    writer->fill = &writer->halves[0];
    writer->out = &writer->halves[1];
    pthread_mutex_init(&writer->lock, NULL);
    init_condition(&writer->changed);
    *out = writer;
    return PTL_OK;
}

static struct timespec in_ms(unsigned milliseconds)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += milliseconds / 1000;
    when.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* End the thread: by itself while there is patience, then wherever it writes. */
static void end_thread(struct ptl_log_writer *writer, unsigned patience_ms)
{
    struct timespec limit = in_ms(patience_ms);
    int err = 0;

    pthread_mutex_lock(&writer->lock);
    writer->closing = true;
    pthread_cond_broadcast(&writer->changed);
    while (!writer->ended && err == 0) {
        err = pthread_cond_timedwait(&writer->changed, &writer->lock, &limit);
    }
    /* It writes to somebody who does not read: that is where it can be cancelled. */
    if (!writer->ended) {
        pthread_cancel(writer->thread);
    }
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
}

uint64_t ptl_log_writer_close(struct ptl_log_writer *writer, unsigned patience_ms)
{
    if (writer == NULL) {
        return 0;
    }
    if (writer->started) {
        end_thread(writer, patience_ms);
    }
    uint64_t lost = writer->lost;
    if (writer->started && !writer->ended) {
        lost += writer->fill->count + writer->out->count; /* some of these may have gone out */
    }
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    ptl_free(writer->allocator, writer, sizeof(*writer));
    return lost;
}
