/*
 * perf/peers/nats.c - NATS: two clients of one nats-server, core subjects (at most once).
 *
 * One way the client gathers what is published; a request goes out at once, as its documentation
 * advises (SendAsap).  A thousand connections share the library's threads of delivery.
 */
#include "perf/peers/common/peer.h"

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR_SUBJECT "far"

static natsConnection **connections;
static char (*reply_subjects)[16];
static unsigned count, next_connection;
static natsStatus status;

static void check(natsStatus got, const char *what)
{
    if (got != NATS_OK) {
        peer_die("%s: %s", what, natsStatus_GetText(got));
    }
}

/* The server tells of slow consumers and the like. */
static void tell_error(natsConnection *connection, natsSubscription *subscription, natsStatus error,
                       void *unused)
{
    (void)connection;
    (void)subscription;
    (void)unused;
    peer_die("told: %s", natsStatus_GetText(error));
}

static void take(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                 void *unused)
{
    struct peer_head answer;
    const char *bytes = natsMsg_GetData(message), *reply = natsMsg_GetReply(message);
    int size = natsMsg_GetDataLength(message);

    (void)subscription;
    (void)unused;
    switch (peer_got(bytes, (size_t)size, &answer)) {
    case PEER_DROP:
        break;
    case PEER_SEND_BACK:
        check(natsConnection_Publish(connection, reply, bytes, size), "sending back");
        break;
    case PEER_ANSWER:
        check(natsConnection_Publish(connection, reply, &answer, sizeof(answer)), "answering");
        break;
    }
    natsMsg_Destroy(message);
}

static natsOptions *make_options(const struct peer_work *work)
{
    natsOptions *options;
    char url[64];

    snprintf(url, sizeof(url), "nats://%s:%u", work->host, work->port);
    check(natsOptions_Create(&options), "options");
    check(natsOptions_SetURL(options, url), "the address");
    check(natsOptions_SetAllowReconnect(options, false), "no reconnect");
    check(natsOptions_SetErrorHandler(options, tell_error, NULL), "the handler of errors");
    check(natsOptions_SetSendAsap(options, work->pattern != PEER_ONE_WAY), "send at once");
    check(natsOptions_UseGlobalMessageDelivery(options, work->connections > 1), "delivery");
    return options;
}

static void open_connection(natsOptions *options, unsigned number, enum peer_end end)
{
    natsSubscription *subscription;
    char *subject = reply_subjects[number];

    snprintf(subject, sizeof(reply_subjects[0]), "near.%u", number);
    check(natsConnection_Connect(&connections[number], options), "connecting");
    status = natsConnection_Subscribe(&subscription, connections[number],
                                      end == PEER_FAR ? FAR_SUBJECT : subject, take, NULL);
    check(status, "subscribing");
    check(natsSubscription_SetPendingLimits(subscription, -1, -1), "no limits");
    check(natsConnection_Flush(connections[number]), "flushing");
}

static void open_end(const struct peer_work *work, enum peer_end end)
{
    natsOptions *options = make_options(work);

    count = end == PEER_FAR ? 1 : work->connections;
    connections = calloc(count, sizeof(natsConnection *));
    reply_subjects = calloc(count, sizeof(reply_subjects[0]));
    for (unsigned i = 0; i < count; i++) {
        open_connection(options, i, end);
    }
}

static void send_message(const void *bytes, size_t size)
{
    unsigned number = count == 1 ? 0 : next_connection++ % count;

    check(natsConnection_PublishRequest(connections[number], FAR_SUBJECT, reply_subjects[number],
                                        bytes, (int)size),
          "publishing");
}

const struct peer_system peer_system = {
    .name = "nats",
    .threaded = true,
    .window = 16 << 20,
    .open = open_end,
    .send = send_message,
};
