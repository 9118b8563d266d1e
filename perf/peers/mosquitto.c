/*
 * perf/peers/mosquitto.c - MQTT: two clients of one mosquitto, quality of service 0.
 *
 * libmosquitto under an epoll of our own, as its documentation shows for other loops: it writes
 * each message when it is published.  A retained message is MQTT's database of a kind: the next
 * subscriber is told of the last one of each topic.
 */
#include "perf/peers/common/peer.h"

#include <errno.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define TOPIC_MAX 32
#define KEEP_ALIVE 60 /* seconds: longer than a run */
#define MOST_EVENTS 256
#define MOST_IN_FLIGHT 1024

struct client {
    struct mosquitto *mosquitto;
    bool subscribed;
    bool watched; /* for room to write */
};

static struct client *clients;
static unsigned count, next_client;
static int epoll;
static enum peer_end end;
static int set_quality;                     /* 1: a set is confirmed */
static struct peer_head unconfirmed[65536]; /* sets by their message ID */
static bool in_callback; /* the library writes what was published in one once it has returned */

static void check(int error, const char *what)
{
    if (error != MOSQ_ERR_SUCCESS) {
        peer_die("%s: %s", what, mosquitto_strerror(error));
    }
}

static void watch(struct client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};

    if (epoll_ctl(epoll, operation, mosquitto_socket(client->mosquitto), &event) < 0) {
        peer_die("epoll: %s", strerror(errno));
    }
}

static void publish(struct client *client, const char *topic, const void *bytes, size_t size)
{
    check(mosquitto_publish(client->mosquitto, NULL, topic, (int)size, bytes, 0, false),
          "publishing");
}

/* What comes to far/N is answered to near/N. */
static void take(struct mosquitto *mosquitto, void *argument,
                 const struct mosquitto_message *message)
{
    struct client *client = argument;
    struct peer_head answer;
    char topic[TOPIC_MAX];

    (void)mosquitto;
    if (message->retain) {
        return; /* what an earlier run has set */
    }
    in_callback = true;
    enum peer_verdict verdict = peer_got(message->payload, (size_t)message->payloadlen, &answer);
    in_callback = false;
    if (verdict == PEER_DROP) {
        return;
    }
    snprintf(topic, sizeof(topic), "near%s", message->topic + strlen("far"));
    if (verdict == PEER_SEND_BACK) {
        publish(client, topic, message->payload, (size_t)message->payloadlen);
    } else {
        publish(client, topic, &answer, sizeof(answer));
    }
}

/* Of a set: the server has it.  Of any other message: it has been written. */
static void note_published(struct mosquitto *mosquitto, void *argument, int id)
{
    (void)mosquitto;
    (void)argument;
    if (set_quality > 0) {
        in_callback = true;
        peer_confirmed(&unconfirmed[(uint16_t)id]);
        in_callback = false;
    }
}

static void note_subscription(struct mosquitto *mosquitto, void *argument, int id, int grants,
                              const int *granted)
{
    struct client *client = argument;

    (void)mosquitto;
    (void)id;
    (void)grants;
    (void)granted;
    client->subscribed = true;
}

static void let_write(struct client *client)
{
    if (in_callback) {
        return;
    }
    bool wants = mosquitto_want_write(client->mosquitto);
    if (wants) {
        check(mosquitto_loop_write(client->mosquitto, 1), "writing");
        wants = mosquitto_want_write(client->mosquitto);
    }
    if (wants != client->watched) {
        client->watched = wants;
        watch(client, EPOLL_CTL_MOD, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static void wait_for_messages(int64_t until_ns)
{
    struct epoll_event events[MOST_EVENTS];
    struct timespec left;
    int got = epoll_pwait2(epoll, events, MOST_EVENTS, peer_left(until_ns, &left), NULL);

    for (int i = 0; i < got; i++) {
        struct client *client = events[i].data.ptr;
        if (events[i].events & EPOLLIN) {
            check(mosquitto_loop_read(client->mosquitto, 1), "reading");
        }
        let_write(client);
    }
}

static void open_client(struct client *client, const struct peer_work *work, unsigned number)
{
    char topic[TOPIC_MAX];
    const char *far_topic = work->pattern == PEER_DB_WATCH ? "watched/#" : "far/#";

    client->mosquitto = mosquitto_new(NULL, true, client);
    check(client->mosquitto ? MOSQ_ERR_SUCCESS : MOSQ_ERR_NOMEM, "a client");
    check(mosquitto_int_option(client->mosquitto, MOSQ_OPT_TCP_NODELAY, 1), "no delay");
    mosquitto_message_callback_set(client->mosquitto, take);
    mosquitto_publish_callback_set(client->mosquitto, note_published);
    check(mosquitto_int_option(client->mosquitto, MOSQ_OPT_SEND_MAXIMUM, MOST_IN_FLIGHT),
          "sets in flight");
    mosquitto_subscribe_callback_set(client->mosquitto, note_subscription);
    check(mosquitto_connect(client->mosquitto, work->host, work->port, KEEP_ALIVE), "connecting");
    watch(client, EPOLL_CTL_ADD, EPOLLIN);
    snprintf(topic, sizeof(topic), end == PEER_FAR ? far_topic : "near/%u", number);
    check(mosquitto_subscribe(client->mosquitto, NULL, topic, 0), "subscribing");
}

static void open_end(const struct peer_work *work, enum peer_end this_end)
{
    end = this_end;
    set_quality = work->pattern == PEER_DB_SET ? 1 : 0;
    mosquitto_lib_init();
    epoll = epoll_create1(0);
    count = end == PEER_FAR ? 1 : work->connections;
    clients = calloc(count, sizeof(*clients));
    for (unsigned i = 0; i < count; i++) {
        open_client(&clients[i], work, i);
    }
    for (unsigned i = 0; i < count; i++) {
        while (!clients[i].subscribed) {
            let_write(&clients[i]);
            wait_for_messages(PEER_FOREVER);
        }
    }
}

static void send_message(const void *bytes, size_t size)
{
    char topic[TOPIC_MAX];
    unsigned number = count == 1 ? 0 : next_client++ % count;

    snprintf(topic, sizeof(topic), "far/%u", number);
    publish(&clients[number], topic, bytes, size);
    let_write(&clients[number]);
}

static void set(uint32_t number, const struct peer_head *head)
{
    char key[PEER_KEY_MAX], topic[TOPIC_MAX];
    int id = 0;

    peer_key(key, number);
    /* Nobody is told of a set whose confirmation is what is waited for. */
    snprintf(topic, sizeof(topic), "%s/%s", set_quality > 0 ? "held" : "watched", key);
    check(
        mosquitto_publish(clients[0].mosquitto, &id, topic, sizeof(*head), head, set_quality, true),
        "setting");
    unconfirmed[(uint16_t)id] = *head;
    let_write(&clients[0]);
}

const struct peer_system peer_system = {
    .name = "mosquitto",
    .window = 4 << 20,
    .open = open_end,
    .send = send_message,
    .set = set,
    .wait = wait_for_messages,
};
