/*
 * perf/peers/redis.c - Redis: PUBLISH and SUBSCRIBE through one redis-server; HSET as a database.
 *
 * A client that has subscribed may not publish, so an end has connections in pairs: one to send,
 * one to be sent to.  Commands are pipelined.  A watcher of the database is a subscriber, told by a
 * PUBLISH in the same pipeline as the HSET.  The loop is that of hiredis' own adapters.
 */
#include "perf/peers/common/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define FAMILY "family"
#define MOST_EVENTS 256
#define NAME_MAX_SIZE 16
#define GATHER 65536u       /* bytes of commands for one write */
#define UNSENT (4 * GATHER) /* with more, the sender waits */

struct client {
    redisContext *redis;
    bool watched;  /* for room to write */
    bool gathered; /* is in `gathering` */
};

static struct client *senders, *receivers;
static unsigned count, next_sender;
static int epoll;
static enum peer_end end;
static enum peer_pattern pattern;
static struct client **gathering; /* those whose commands have not been written */
static unsigned gathering_count;

/* Of PEER_DB_SET: the heads of the sets that wait for their replies, in order. */
static struct peer_head *asked;
static unsigned asked_most, asked_first, asked_count;

static void check(struct client *client, bool good, const char *what)
{
    if (!good) {
        peer_die("%s: %s", what, client->redis ? client->redis->errstr : "no connection");
    }
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void watch(struct client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};

    if (epoll_ctl(epoll, operation, client->redis->fd, &event) < 0) {
        peer_die("epoll: %s", strerror(errno));
    }
}

static void command(struct client *client, const char *format, const char *argument)
{
    redisReply *reply = redisCommand(client->redis, format, argument);

    check(client, reply != NULL && reply->type != REDIS_REPLY_ERROR, format);
    freeReplyObject(reply);
}

static void open_client(struct client *client, const struct peer_work *work)
{
    client->redis = redisConnect(work->host, work->port);
    check(client, client->redis && client->redis->err == 0, "connecting");
}

/* All that had to be waited for is done: from now on the loop waits. */
static void enter_loop(struct client *client)
{
    int flags = fcntl(client->redis->fd, F_GETFL);

    fcntl(client->redis->fd, F_SETFL, flags | O_NONBLOCK);
    client->redis->flags &= ~REDIS_BLOCK;
    watch(client, EPOLL_CTL_ADD, EPOLLIN);
}

static void open_sender(struct client *client, const struct peer_work *work)
{
    open_client(client, work);
    if (pattern != PEER_DB_SET) {
        /* Nobody needs to know how many subscribers a message had. */
        redisAppendCommand(client->redis, "CLIENT REPLY OFF");
        int done = 0;
        check(client, redisBufferWrite(client->redis, &done) == REDIS_OK && done, "writing");
    }
    enter_loop(client);
}

/* The far end is sent what goes to any of far0, far1 ..., and answers near0, near1 ... */
static void open_receivers(const struct peer_work *work, unsigned pairs)
{
    char channel[NAME_MAX_SIZE];

    for (unsigned i = 0; i < pairs; i++) {
        struct client *client = &receivers[end == PEER_FAR ? 0 : i];
        if (client->redis == NULL) {
            open_client(client, work);
        }
        snprintf(channel, sizeof(channel), "%s%u", end == PEER_FAR ? "far" : "near", i);
        command(client, "SUBSCRIBE %s", channel);
    }
    for (unsigned i = 0; i < count; i++) {
        enter_loop(&receivers[i]);
    }
}

static void open_end(const struct peer_work *work, enum peer_end this_end)
{
    unsigned pairs = work->connections < 2 ? 1 : work->connections / 2;

    end = this_end;
    pattern = work->pattern;
    epoll = epoll_create1(0);
    count = end == PEER_FAR ? 1 : pairs;
    senders = calloc(count, sizeof(*senders));
    receivers = calloc(count, sizeof(*receivers));
    gathering = calloc(count, sizeof(struct client *));
    asked_most = work->in_flight + 1;
    asked = calloc(asked_most, sizeof(*asked));
    for (unsigned i = 0; i < count; i++) {
        open_sender(&senders[i], work);
    }
    open_receivers(work, pairs);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Write as much as goes. */
static bool write_out(struct client *client)
{
    int done = 0;

    check(client, redisBufferWrite(client->redis, &done) == REDIS_OK, "writing");
    if (client->watched == (bool)done) {
        client->watched = !done;
        watch(client, EPOLL_CTL_MOD, done ? EPOLLIN : EPOLLIN | EPOLLOUT);
    }
    return done;
}

static void wait_for_room(struct client *client)
{
    struct pollfd room = {.fd = client->redis->fd, .events = POLLOUT};

    while (sdslen(client->redis->obuf) > UNSENT && !write_out(client)) {
        poll(&room, 1, -1);
    }
}

static void append(struct client *client, const char *const words[], const size_t sizes[],
                   unsigned word_count)
{
    check(client,
          redisAppendCommandArgv(client->redis, (int)word_count, (const char **)words, sizes) ==
              REDIS_OK,
          "a command");
    if (!client->gathered) {
        client->gathered = true;
        gathering[gathering_count++] = client;
    }
    if (sdslen(client->redis->obuf) >= GATHER) {
        write_out(client);
    }
}

static void publish(struct client *client, const char *channel, const void *bytes, size_t size)
{
    const char *const words[] = {"PUBLISH", channel, bytes};
    const size_t sizes[] = {7, strlen(channel), size};

    append(client, words, sizes, 3);
}

static void send_message(const void *bytes, size_t size)
{
    char channel[NAME_MAX_SIZE];
    unsigned number = count == 1 ? 0 : next_sender++ % count;

    snprintf(channel, sizeof(channel), "far%u", number);
    publish(&senders[number], channel, bytes, size);
    if (pattern == PEER_ONE_WAY) {
        wait_for_room(&senders[number]);
    }
}

static void set(uint32_t number, const struct peer_head *head)
{
    char key[PEER_KEY_MAX];
    const char *const words[] = {"HSET", FAMILY, key, (const char *)head};
    const size_t sizes[] = {4, sizeof(FAMILY) - 1, PEER_KEY_MAX - 6, sizeof(*head)};

    peer_key(key, number);
    append(&senders[0], words, sizes, 4);
    if (pattern == PEER_DB_WATCH) {
        publish(&senders[0], "far0", head, sizeof(*head));
    } else {
        asked[(asked_first + asked_count++) % asked_most] = *head;
    }
}

static void flush(void)
{
    for (unsigned i = 0; i < gathering_count; i++) {
        gathering[i]->gathered = false;
        write_out(gathering[i]);
    }
    gathering_count = 0;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void take_confirmation(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR || asked_count == 0) {
        peer_die("told: %s", reply->str ? reply->str : "too much");
    }
    struct peer_head head = asked[asked_first];
    asked_first = (asked_first + 1) % asked_most;
    asked_count--;
    peer_confirmed(&head);
}

/* "message", the channel, the bytes */
static void take_message(const redisReply *reply)
{
    struct peer_head answer;
    char channel[NAME_MAX_SIZE];

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        peer_die("told: %s", reply->str ? reply->str : "no message");
    }
    const redisReply *bytes = reply->element[2];
    enum peer_verdict verdict = peer_got(bytes->str, bytes->len, &answer);
    if (verdict == PEER_DROP) {
        return;
    }
    snprintf(channel, sizeof(channel), "near%s", reply->element[1]->str + strlen("far"));
    if (verdict == PEER_SEND_BACK) {
        publish(&senders[0], channel, bytes->str, bytes->len);
    } else {
        publish(&senders[0], channel, &answer, sizeof(answer));
    }
}

static void read_in(struct client *client)
{
    void *reply;
    bool confirms = client >= senders && client < senders + count;

    check(client, redisBufferRead(client->redis) == REDIS_OK, "reading");
    for (;;) {
        check(client, redisGetReplyFromReader(client->redis, &reply) == REDIS_OK, "a reply");
        if (reply == NULL) {
            return;
        }
        if (confirms) {
            take_confirmation(reply);
        } else {
            take_message(reply);
        }
        freeReplyObject(reply);
    }
}

static void wait_for_messages(int64_t until_ns)
{
    struct epoll_event events[MOST_EVENTS];
    struct timespec left;
    int got = epoll_pwait2(epoll, events, MOST_EVENTS, peer_left(until_ns, &left), NULL);

    for (int i = 0; i < got; i++) {
        if (events[i].events & EPOLLOUT) {
            write_out(events[i].data.ptr);
        }
        if (events[i].events & EPOLLIN) {
            read_in(events[i].data.ptr);
        }
    }
}

const struct peer_system peer_system = {
    .name = "redis",
    .window = 16 << 20,
    .open = open_end,
    .send = send_message,
    .set = set,
    .flush = flush,
    .wait = wait_for_messages,
};
