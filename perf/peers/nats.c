/*
 * perf/peers/nats.c - NATS: two clients of one nats-server, core subjects (at most once).
 *
 * One way the client gathers what is published; a request goes out at once, as its documentation
 * advises (SendAsap).  A thousand connections share the library's threads of delivery.
 */
#include "perf/peers/common/peer.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR_SUBJECT "far"
#define SUBJECT_MAX 64
#define WATCH_MS 1000

static natsConnection **connections;
static char (*reply_subjects)[16];
static unsigned count, next_connection;
static jsCtx *stream; /* of the database */
static const char *bucket_name;
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

/* ---- The database: a bucket of keys and values, in the server's memory ----------------------- */

static void take_confirmation(jsCtx *unused, natsMsg *message, jsPubAck *confirmed,
                              jsPubAckErr *refused, void *closure)
{
    struct peer_head head;

    (void)unused;
    (void)closure;
    if (confirmed == NULL) {
        peer_die("a set was refused: %s", refused->ErrText);
    }
    memcpy(&head, natsMsg_GetData(message), sizeof(head));
    natsMsg_Destroy(message);
    peer_confirmed(&head);
}

/* An entry, or NULL: that of a set, or nothing in time, or the end of what was there before. */
static kvEntry *next_entry(kvWatcher *watcher, bool *nothing)
{
    kvEntry *entry = NULL;
    natsStatus got = kvWatcher_Next(&entry, watcher, WATCH_MS);

    *nothing = got == NATS_TIMEOUT;
    if (!*nothing) {
        check(got, "watching");
    }
    return entry;
}

static void *watch_bucket(void *watcher)
{
    struct peer_head unused;
    bool nothing;

    for (;;) {
        kvEntry *entry = next_entry(watcher, &nothing);
        if (entry) {
            peer_got(kvEntry_Value(entry), (size_t)kvEntry_ValueLen(entry), &unused);
            kvEntry_Destroy(entry);
        }
    }
    return NULL;
}

/* The far end watches all keys.  First it hears of what an earlier run has set, up to an end. */
static void start_watching(kvStore *bucket)
{
    kvWatcher *watcher;
    pthread_t thread;
    bool nothing;

    check(kvStore_WatchAll(&watcher, bucket, NULL), "a watcher");
    for (kvEntry *entry; (entry = next_entry(watcher, &nothing)) != NULL || nothing;) {
        kvEntry_Destroy(entry);
    }
    if (pthread_create(&thread, NULL, watch_bucket, watcher) != 0) {
        peer_die("no thread to watch");
    }
}

static void open_bucket(const struct peer_work *work, enum peer_end end)
{
    kvConfig config;
    jsOptions options;
    kvStore *bucket;

    check(jsOptions_Init(&options), "options of the stream");
    options.PublishAsync.AckHandler = take_confirmation;
    check(natsConnection_JetStream(&stream, connections[0], &options), "the stream");
    check(kvConfig_Init(&config), "options of the bucket");
    config.Bucket = bucket_name = work->pattern == PEER_DB_WATCH ? "watched" : "held";
    config.StorageType = js_MemoryStorage;
    if (end == PEER_FAR) {
        check(js_CreateKeyValue(&bucket, stream, &config), "the bucket");
    }
    if (end == PEER_FAR && work->pattern == PEER_DB_WATCH) {
        start_watching(bucket);
    }
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
    if (work->pattern == PEER_DB_SET || work->pattern == PEER_DB_WATCH) {
        open_bucket(work, end);
    }
}

static void send_message(const void *bytes, size_t size)
{
    unsigned number = count == 1 ? 0 : next_connection++ % count;

    check(natsConnection_PublishRequest(connections[number], FAR_SUBJECT, reply_subjects[number],
                                        bytes, (int)size),
          "publishing");
}

static void set(uint32_t number, const struct peer_head *head)
{
    char subject[SUBJECT_MAX], key[PEER_KEY_MAX];

    peer_key(key, number);
    key[3] = '.'; /* a key of a bucket is a subject, which has no colon */
    snprintf(subject, sizeof(subject), "$KV.%s.%s", bucket_name, key);
    check(js_PublishAsync(stream, subject, head, sizeof(*head), NULL), "setting");
}

const struct peer_system peer_system = {
    .name = "nats",
    .threaded = true,
    .window = 16 << 20,
    .open = open_end,
    .send = send_message,
    .set = set,
};
