/*
 * perf/peers/nng.c - nng: PUSH to PULL one way, REQ to REP for requests.
 *
 * A request is a context of REQ, moved by completions (nng_aio) on the library's threads, as its
 * own example of a concurrent server does on the side of REP.
 */
#include "perf/peers/common/peer.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_BYTES (64u << 20)
#define QUEUE_MOST 8192    /* messages: the most that nng lets a socket hold */
#define MOST_REQUESTS 1024 /* at once; more wait for a context */
#define MOST_ANSWERERS 256 /* contexts of REP that wait for a request */

enum step { RECEIVING, SENDING };

struct context {
    nng_ctx ctx;
    nng_aio *aio;
    enum step step;
    struct context *next; /* while it is free */
};

static nng_socket sock;
static enum peer_end end;
static bool one_way;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER;
static struct context *free_contexts;

static void check(int error, const char *what)
{
    if (error != 0) {
        peer_die("%s: %s", what, nng_strerror(error));
    }
}

static nng_msg *make_message(const void *bytes, size_t size)
{
    nng_msg *message;

    check(nng_msg_alloc(&message, size), "a message");
    memcpy(nng_msg_body(message), bytes, size);
    return message;
}

/* ---- Far end of requests --------------------------------------------------------------------- */

static void start_receiving(struct context *context)
{
    context->step = RECEIVING;
    nng_ctx_recv(context->ctx, context->aio);
}

static void start_sending(struct context *context, nng_msg *message)
{
    context->step = SENDING;
    nng_aio_set_msg(context->aio, message);
    nng_ctx_send(context->ctx, context->aio);
}

static void answer_request(void *argument)
{
    struct context *context = argument;
    struct peer_head answer;

    check(nng_aio_result(context->aio), "answering");
    if (context->step == SENDING) {
        start_receiving(context);
        return;
    }
    nng_msg *message = nng_aio_get_msg(context->aio);
    if (peer_got(nng_msg_body(message), nng_msg_len(message), &answer) == PEER_ANSWER) {
        nng_msg_free(message);
        message = make_message(&answer, sizeof(answer));
    }
    start_sending(context, message);
}

/* ---- Near end of requests -------------------------------------------------------------------- */

static void give_back(struct context *context)
{
    pthread_mutex_lock(&lock);
    context->next = free_contexts;
    free_contexts = context;
    pthread_cond_signal(&freed);
    pthread_mutex_unlock(&lock);
}

static struct context *take_context(void)
{
    pthread_mutex_lock(&lock);
    while (free_contexts == NULL) {
        pthread_cond_wait(&freed, &lock);
    }
    struct context *context = free_contexts;
    free_contexts = context->next;
    pthread_mutex_unlock(&lock);
    return context;
}

static void take_answer(void *argument)
{
    struct context *context = argument;
    struct peer_head unused;

    check(nng_aio_result(context->aio), "requesting");
    if (context->step == SENDING) {
        start_receiving(context);
        return;
    }
    nng_msg *message = nng_aio_get_msg(context->aio);
    /* Free first: what is got may make the next request. */
    give_back(context);
    peer_got(nng_msg_body(message), nng_msg_len(message), &unused);
    nng_msg_free(message);
}

/* ---- Both ------------------------------------------------------------------------------------ */

static struct context *make_context(void (*step)(void *))
{
    struct context *context = calloc(1, sizeof(*context));

    check(nng_ctx_open(&context->ctx, sock), "a context");
    check(nng_aio_alloc(&context->aio, step, context), "an aio");
    return context;
}

static void make_contexts(void)
{
    unsigned count = end == PEER_FAR ? MOST_ANSWERERS : MOST_REQUESTS;

    for (unsigned i = 0; !one_way && i < count; i++) {
        if (end == PEER_FAR) {
            start_receiving(make_context(answer_request));
        } else {
            give_back(make_context(take_answer));
        }
    }
}

static void open_socket(size_t size)
{
    size_t count = QUEUE_BYTES / size;
    int queue = count > QUEUE_MOST ? QUEUE_MOST : (int)count;

    if (one_way) {
        check(end == PEER_FAR ? nng_pull0_open(&sock) : nng_push0_open(&sock), "a socket");
        check(nng_socket_set_int(sock, end == PEER_FAR ? NNG_OPT_RECVBUF : NNG_OPT_SENDBUF, queue),
              "buffers");
    } else {
        check(end == PEER_FAR ? nng_rep0_open(&sock) : nng_req0_open(&sock), "a socket");
    }
    check(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, 0), "the largest message");
}

static void open_end(const struct peer_work *work, enum peer_end this_end)
{
    char address[64];

    end = this_end;
    one_way = work->pattern == PEER_ONE_WAY;
    open_socket(work->size);
    snprintf(address, sizeof(address), "tcp://%s:%u", work->host, work->port);
    if (end == PEER_FAR) {
        check(nng_listen(sock, address, NULL, 0), address);
    }
    for (unsigned i = 0; end == PEER_NEAR && i < work->connections; i++) {
        check(nng_dial(sock, address, NULL, 0), address);
    }
    make_contexts();
}

static void send_message(const void *bytes, size_t size)
{
    nng_msg *message = make_message(bytes, size);

    if (one_way) {
        check(nng_sendmsg(sock, message, 0), "sending");
    } else {
        start_sending(take_context(), message);
    }
}

/* One way, messages are received as fast as they come; of requests the completions are told. */
static void wait_for_messages(int64_t until_ns)
{
    nng_msg *message;
    struct peer_head unused;

    if (!one_way || end == PEER_NEAR) {
        struct timespec left;
        ppoll(NULL, 0, peer_left(until_ns, &left), NULL);
        return;
    }
    check(nng_recvmsg(sock, &message, 0), "receiving");
    peer_got(nng_msg_body(message), nng_msg_len(message), &unused);
    nng_msg_free(message);
}

const struct peer_system peer_system = {
    .name = "nng",
    .threaded = true,
    .open = open_end,
    .send = send_message,
    .wait = wait_for_messages,
};
