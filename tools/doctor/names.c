#include "tools/doctor/names.h"

#include "tools/doctor/deadline.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One name, looked up by a thread of its own: there is no other way not to wait for ever. */
struct lookup {
    struct search *search;
    char host[PTL_HOST_MAX], port[8];
    bool is_done;
    int err;
    struct addrinfo *answer;
};

/* Whoever is the last to need it frees it: who asks does not wait for a thread that hangs. */
struct search {
    pthread_mutex_t lock; /* guards what follows, and what lookups have come to */
    pthread_cond_t changed;
    unsigned waited_for; /* lookups that are not done */
    unsigned needed_by;  /* threads, and who asks */
    struct lookup lookups[PTL_NAMES_MAX];
};

/* HOST:PORT or [HOST]:PORT */
static void split(const char *text, struct ptl_name *name)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : strlen(text);
    unsigned char number[16];

    *name = (struct ptl_name){.text = text};
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    snprintf(name->host, sizeof name->host, "%.*s", (int)size, text);
    snprintf(name->port, sizeof name->port, "%s", colon ? colon + 1 : "");
    name->is_number =
        inet_pton(AF_INET, name->host, number) == 1 || inet_pton(AF_INET6, name->host, number) == 1;
}

static void take_answer(struct ptl_name *name, struct lookup *lookup)
{
    if (!lookup->is_done || lookup->err != 0) {
        name->why = lookup->is_done ? gai_strerror(lookup->err) : "no answer in time";
        return;
    }
    for (const struct addrinfo *at = lookup->answer; at && name->count < PTL_NAME_ADDRESSES_MAX;
         at = at->ai_next) {
        memcpy(&name->addresses[name->count], at->ai_addr, at->ai_addrlen);
        name->sizes[name->count++] = at->ai_addrlen;
    }
}

/* ---- A search ------------------------------------------------------------------------------- */

static struct search *make_search(void)
{
    struct search *search = calloc(1, sizeof *search);
    pthread_condattr_t attributes;

    if (search) {
        search->needed_by = 1;
        pthread_mutex_init(&search->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&search->changed, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    return search;
}

/* Gives the lock back, and frees all where nobody else needs it. */
static void leave(struct search *search)
{
    bool is_last = --search->needed_by == 0;

    pthread_mutex_unlock(&search->lock);
    if (!is_last) {
        return;
    }
    for (size_t i = 0; i < PTL_NAMES_MAX; i++) {
        if (search->lookups[i].answer) {
            freeaddrinfo(search->lookups[i].answer);
        }
    }
    pthread_cond_destroy(&search->changed);
    pthread_mutex_destroy(&search->lock);
    free(search);
}

static void *look_up(void *data)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct lookup *lookup = data;
    struct search *search = lookup->search;
    struct addrinfo *answer = NULL;
    int err = getaddrinfo(lookup->host, lookup->port, &hints, &answer);

    pthread_mutex_lock(&search->lock);
    lookup->is_done = true;
    lookup->err = err;
    lookup->answer = err == 0 ? answer : NULL;
    search->waited_for--;
    pthread_cond_signal(&search->changed);
    leave(search);
    return NULL;
}

/* With the lock held. */
static void start(struct search *search, struct lookup *lookup, const struct ptl_name *name)
{
    pthread_t thread;

    lookup->search = search;
    memcpy(lookup->host, name->host, sizeof lookup->host);
    memcpy(lookup->port, name->port, sizeof lookup->port);
    if (pthread_create(&thread, NULL, look_up, lookup) == 0) {
        pthread_detach(thread);
        search->waited_for++;
        search->needed_by++;
    } else {
        lookup->is_done = true;
        lookup->err = EAI_AGAIN;
    }
}

void ptl_names_resolve(const struct ptl_list *texts, struct ptl_name *names, unsigned timeout_ms)
{
    int64_t end = ptl_doctor_now_ms() + timeout_ms;
    struct timespec until = {.tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000};
    struct search *search = make_search();

    for (size_t i = 0; i < texts->count; i++) {
        split(texts->items[i], &names[i]);
        names[i].why = search ? NULL : "no memory";
    }
    if (!search) {
        return;
    }
    pthread_mutex_lock(&search->lock);
    for (size_t i = 0; i < texts->count; i++) {
        start(search, &search->lookups[i], &names[i]);
    }
    while (search->waited_for > 0 &&
           pthread_cond_timedwait(&search->changed, &search->lock, &until) == 0) {
    }
    for (size_t i = 0; i < texts->count; i++) {
        take_answer(&names[i], &search->lookups[i]);
    }
    leave(search);
}
