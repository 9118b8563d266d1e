#include "tools/http/events.h"
#include "tools/http/inside.h"
#include "tools/http/routes.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_MS 500         /* between two looks at who takes too long */
#define UNKNOWN_SECONDS 30u /* without a byte, of one for which there was no memory */
#define CROWDED_MS 1000     /* to ask, when all places are taken */
#define NICENESS 10         /* a tenth of a processor, where a shard wants all of it */

/* ---- Connections ---------------------------------------------------------------------------- */

static void on_connection(void *data, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode what)
{
    struct ptl_http *http = data;
    struct ptl_http_client *client = *place;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        client = calloc(1, sizeof *client);
        *place = client;
        if (client) { /* else the library ends it, some time */
            client->connection = connection;
            client->next = http->clients;
            client->link = &http->clients;
            if (client->next) {
                client->next->link = &client->next;
            }
            http->clients = client;
            http->client_count++;
        }
    } else if (client) {
        *client->link = client->next;
        if (client->next) {
            client->next->link = client->link;
        }
        http->client_count--;
        free(client);
        *place = NULL;
    }
}

/* Who does not ask keeps others from doing so, when there is no place left. */
static uint64_t time_of(const struct ptl_http *http, const struct ptl_http_client *client)
{
    bool is_crowded = http->client_count >= PTL_HTTP_CONNECTIONS_MAX;

    return is_crowded && !client->has_asked ? CROWDED_MS : PTL_HTTP_LIFE_MS;
}

/*
 * The library's timeout would begin anew with each byte, so who sends one now and then would stay,
 * and it runs on where it is we who are slow.  Here time begins with a look at who is there, and
 * what had come by then has been read when the next look is taken.
 */
static void end_the_slow(struct ptl_http *http)
{
    uint64_t now = ptl_sight_now_ms();

    for (struct ptl_http_client *client = http->clients; client; client = client->next) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(client->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (client->since_ms == 0) {
            client->since_ms = now;
        }
        if (info && !client->is_stream && now - client->since_ms > time_of(http, client)) {
            shutdown(info->connect_fd, SHUT_RDWR);
        }
    }
}

/* ---- The thread ----------------------------------------------------------------------------- */

static int wait_ms(struct ptl_http *http, unsigned events_ms)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    unsigned most = events_ms < LOOK_MS ? events_ms : LOOK_MS;

    return MHD_get_timeout(http->daemon, &timeout) == MHD_YES && timeout < most ? (int)timeout
                                                                                : (int)most;
}

static void wait_for_something(struct ptl_http *http, int epoll, unsigned events_ms)
{
    struct pollfd fds[] = {{.fd = epoll, .events = POLLIN}, {.fd = http->wake, .events = POLLIN}};
    uint64_t count;

    if (poll(fds, 2, wait_ms(http, events_ms)) > 0 && fds[1].revents != 0) {
        ssize_t got = read(http->wake, &count, sizeof count);
        (void)got; /* that it was written to is all there is to know */
    }
}

/* Who asks has time, and messages have not: where processors are scarce the shards go first. */
static void yield_to_shards(void)
{
    pthread_setname_np(pthread_self(), "ptl-http");
    int niceness = nice(NICENESS); /* of this thread alone, on Linux */
    (void)niceness;                /* one that cannot yield works as well */
}

static void *serve(void *data)
{
    struct ptl_http *http = data;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    yield_to_shards();
    while (!atomic_load(&http->is_stopping)) {
        wait_for_something(http, info->epoll_fd, ptl_http_events_work(http));
        ptl_http_collect(http);
        ptl_history_work(&http->history, http->node, ptl_sight_now_ms());
        ptl_http_go_on(http, false);
        MHD_run(http->daemon);
        end_the_slow(http);
    }
    ptl_http_go_on(http, true);
    ptl_http_events_end(http);
    MHD_run(http->daemon);
    return NULL;
}

/* The library has words of its own for each request that makes no sense: they are of no use. */
static void say_nothing(void *data, const char *format, va_list arguments)
{
    (void)data;
    (void)format;
    (void)arguments;
}

static struct MHD_Daemon *start_daemon(struct ptl_http *http, int listener)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        ptl_http_answer, http, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, PTL_HTTP_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, UNKNOWN_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)PTL_HTTP_REQUEST_MAX, MHD_OPTION_NOTIFY_COMPLETED, ptl_http_answered, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
}

static int start_thread(struct ptl_http *http, int listener)
{
    http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->wake < 0) {
        close(listener);
        return -errno;
    }
    http->daemon = start_daemon(http, listener);
    if (!http->daemon) {
        close(listener);
        return PTL_ENOMEM;
    }
    int err = -pthread_create(&http->thread, NULL, serve, http);
    if (err < 0) {
        MHD_stop_daemon(http->daemon);
        http->daemon = NULL;
    }
    return err;
}

/* What is remembered from now on, for those who look later. */
static int begin_memory(struct ptl_http *http)
{
    http->neighbours = ptl_neighbours_make();
    return http->neighbours ? ptl_chronicle_begin(http->node, http->journal, &http->chronicle)
                            : PTL_ENOMEM;
}

static int listen_at(struct ptl_http *http, const char *address)
{
    char text[PTL_HTTP_ADDRESS_MAX], line[PTL_HTTP_ADDRESS_MAX + 40];
    int listener = ptl_http_listen(address, text, &http->is_loopback);

    if (listener < 0) {
        return listener;
    }
    if (!http->is_loopback && http->token[0] == '\0') {
        close(listener);
        return PTL_ESECRET;
    }
    int err = start_thread(http, listener);
    if (err == 0) {
        snprintf(line, sizeof line, "http at %s", text);
        ptl_journal_log(http->journal, PTL_LOG_INFO, line);
    }
    return err;
}

int ptl_http_start(struct ptl_node *node, struct ptl_journal *journal,
                   const struct ptl_http_options *options, struct ptl_http **started)
{
    struct ptl_http *http = calloc(1, sizeof *http);

    if (!http) {
        return PTL_ENOMEM;
    }
    http->node = node;
    http->journal = journal;
    http->wake = -1;
    http->started_ms = ptl_sight_now_ms();
    pthread_mutex_init(&http->lock, NULL);
    snprintf(http->token, sizeof http->token, "%s", options->token);
    int err = begin_memory(http);
    err = err < 0 ? err : listen_at(http, options->address);
    if (err < 0) {
        ptl_http_free(http);
        return err;
    }
    *started = http;
    return 0;
}

void ptl_http_drain(struct ptl_http *http)
{
    if (http) {
        atomic_store(&http->is_draining, true);
    }
}

void ptl_http_stop(struct ptl_http *http)
{
    if (http) {
        atomic_store(&http->is_stopping, true);
        ptl_http_wake(http);
        pthread_join(http->thread, NULL);
        MHD_stop_daemon(http->daemon);
        http->daemon = NULL;
        ptl_neighbours_end(http->neighbours);
    }
}

void ptl_http_free(struct ptl_http *http)
{
    if (!http) {
        return;
    }
    if (http->wake >= 0) {
        close(http->wake);
    }
    ptl_chronicle_free(http->chronicle);
    ptl_neighbours_free(http->neighbours);
    ptl_sight_free(http->sight);
    ptl_sight_free(http->arrived);
    pthread_mutex_destroy(&http->lock);
    explicit_bzero(http->token, sizeof http->token);
    free(http);
}
