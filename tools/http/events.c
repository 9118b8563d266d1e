#include "tools/http/events.h"

#include "tools/http/text.h"
#include "tools/stats/api.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define UNREAD_SECONDS 5u /* that a stream lasts, without a byte that its peer takes */
#define BLOCK 32768       /* bytes that the library asks for at a time */
#define SEND_BUFFER 16384 /* and that the system holds of a stream */

/* One event, as it goes out; whoever sends it holds it. */
struct ptl_http_news {
    unsigned holds;
    size_t size;
    char *bytes;
};

struct ptl_http_stream {
    struct ptl_http_stream *next, **link;
    struct ptl_http *http;
    struct MHD_Connection *connection;
    struct ptl_http_news *news; /* what it is sent, or NULL */
    size_t sent;                /* bytes of it */
    unsigned missed;            /* in a row */
    bool is_suspended;
    bool is_ending;
};

/* ---- News ----------------------------------------------------------------------------------- */

static void let_go(struct ptl_http_news *news)
{
    if (news && --news->holds == 0) {
        free(news->bytes);
        free(news);
    }
}

/* NULL: no memory. */
static struct ptl_http_news *write_news(const struct ptl_sight *sight)
{
    struct ptl_http_news *news = calloc(1, sizeof *news);
    struct ptl_text text = {0};
    json_t *all = ptl_api_all(sight);
    char *json = all ? json_dumps(all, JSON_COMPACT) : NULL;

    json_decref(all);
    if (json) {
        ptl_text_add(&text, "retry: %d\nevent: all\ndata: %s\n\n", PTL_HTTP_EVENTS_MS, json);
    }
    free(json);
    if (!news || !json || text.has_no_memory) {
        free(text.bytes);
        free(news);
        return NULL;
    }
    *news = (struct ptl_http_news){.holds = 1, .size = text.size, .bytes = text.bytes};
    return news;
}

/* ---- Streams -------------------------------------------------------------------------------- */

static void go_on(struct ptl_http_stream *stream)
{
    if (stream->is_suspended) {
        stream->is_suspended = false;
        MHD_resume_connection(stream->connection);
    }
}

/* As libmicrohttpd calls it, when the peer takes more. */
static ssize_t read_stream(void *data, uint64_t position, char *bytes, size_t room)
{
    struct ptl_http_stream *stream = data;
    const struct ptl_http_news *news = stream->news;

    (void)position;
    if (stream->is_ending || atomic_load(&stream->http->is_stopping)) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (!news || stream->sent == news->size) {
        stream->is_suspended = true;
        MHD_suspend_connection(stream->connection); /* until there are news */
        return 0;
    }
    size_t left = news->size - stream->sent;
    size_t size = left < room ? left : room;
    memcpy(bytes, news->bytes + stream->sent, size);
    stream->sent += size;
    return (ssize_t)size;
}

static void free_stream(void *data)
{
    struct ptl_http_stream *stream = data;

    *stream->link = stream->next;
    if (stream->next) {
        stream->next->link = stream->link;
    }
    stream->http->stream_count--;
    let_go(stream->news);
    free(stream);
}

static bool has_read(const struct ptl_http_stream *stream)
{
    return !stream->news || stream->sent == stream->news->size;
}

static void drop(struct ptl_http_stream *stream)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info) {
        shutdown(info->connect_fd, SHUT_RDWR);
    }
}

static void give(struct ptl_http_stream *stream, struct ptl_http_news *news)
{
    if (!has_read(stream)) {
        if (++stream->missed > PTL_HTTP_MISSED_MAX) {
            drop(stream);
        }
        return;
    }
    let_go(stream->news);
    stream->news = news;
    news->holds++;
    stream->sent = 0;
    stream->missed = 0;
    go_on(stream);
}

static struct ptl_http_stream *make_stream(struct ptl_http *http, struct MHD_Connection *connection)
{
    struct ptl_http_stream *stream = calloc(1, sizeof *stream);

    if (stream) {
        stream->http = http;
        stream->connection = connection;
        stream->next = http->streams;
        stream->link = &http->streams;
        if (stream->next) {
            stream->next->link = &stream->next;
        }
        http->streams = stream;
        http->stream_count++;
    }
    return stream;
}

/* It lasts for as long as it is read; the kernel shall not read much in place of the peer. */
static void let_live(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ptl_http_client *client = ptl_http_client_of(connection);
    int bytes = SEND_BUFFER;

    if (client) {
        client->is_stream = true;
    }
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, UNREAD_SECONDS);
    if (socket) {
        setsockopt(socket->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
}

enum MHD_Result ptl_http_stream_open(struct ptl_http *http, struct MHD_Connection *connection,
                                     bool *is_refused)
{
    *is_refused = http->stream_count >= PTL_HTTP_STREAMS_MAX;
    struct ptl_http_stream *stream = *is_refused ? NULL : make_stream(http, connection);
    if (!stream) {
        return MHD_NO;
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, free_stream);
    if (!response) {
        free_stream(stream);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "Connection", "close");
    let_live(connection);
    http->events_ms = 0; /* it has its first at once */
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- Once a second -------------------------------------------------------------------------- */

static void tell(struct ptl_http *http, const struct ptl_sight *sight)
{
    struct ptl_http_news *news = sight ? write_news(sight) : NULL;

    for (struct ptl_http_stream *stream = http->streams; news && stream; stream = stream->next) {
        give(stream, news);
    }
    let_go(news);
}

/* The shards do not answer: that is news, too. */
static void tell_without_survey(struct ptl_http *http)
{
    struct ptl_sight *sight = ptl_http_look(http);

    tell(http, sight);
    ptl_sight_free(sight);
}

unsigned ptl_http_events_work(struct ptl_http *http)
{
    uint64_t now = ptl_sight_now_ms();

    if (!http->streams) {
        return UINT_MAX;
    }
    if (http->events_asked == 0 && now >= http->events_ms) {
        http->events_ms = now;
        http->events_asked = ptl_http_survey(http) ? http->begun : UINT64_MAX;
    }
    if (http->events_asked == 0) {
        return (unsigned)(http->events_ms - now);
    }
    if (http->came >= http->events_asked && http->sight) {
        tell(http, http->sight);
    } else if (now - http->events_ms >= PTL_HTTP_SURVEY_MS) {
        tell_without_survey(http);
    } else {
        return PTL_HTTP_SURVEY_MS; /* it is woken when it comes */
    }
    http->events_asked = 0;
    http->events_ms += PTL_HTTP_EVENTS_MS;
    return http->events_ms > now ? (unsigned)(http->events_ms - now) : 0;
}

void ptl_http_events_end(struct ptl_http *http)
{
    for (struct ptl_http_stream *stream = http->streams; stream; stream = stream->next) {
        stream->is_ending = true;
        go_on(stream);
    }
}
