#include "io/resolve.h"

#include "io/clock.h"
#include "io/srv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#define ANSWER_WAIT_S 1 /* for one name server, the first time; then twice that, and no more */
#define ANSWER_TRIES 2
#define SERVICE_NS UINT64_C(5000000000) /* then no further host of a service is looked up */
#define TOLD_MAX 64                     /* in one poll */

/* A question, and later its answer. */
struct job {
    struct job *next;
    struct ptl_host host;
    struct ptl_resolution resolution;
};

struct queue {
    struct job *first;
    struct job *last; /* valid while `first` is */
};

enum helper_state { HELPER_NONE, HELPER_RUNS, HELPER_ENDED };

struct helper {
    struct ptl_resolver *resolver;
    pthread_t thread;
    enum helper_state state;
};

struct ptl_resolver {
    const struct ptl_allocator *allocator;
    void (*tell)(void *user);
    void *user;
    pthread_mutex_t mutex; /* guards all below */
    struct queue questions;
    struct queue answers;
    struct helper helpers[PTL_RESOLVER_THREADS];
    _Atomic bool ends;
    _Atomic unsigned answered; /* length of `answers`; read without the mutex to save it */
};

static void push(struct queue *queue, struct job *job)
{
    job->next = NULL;
    if (queue->first == NULL) {
        queue->first = job;
    } else {
        queue->last->next = job;
    }
    queue->last = job;
}

static struct job *pop(struct queue *queue)
{
    struct job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
    }
    return job;
}

/* ---- On a helper's thread ------------------------------------------------------------------ */

static int translate(int gai)
{
    switch (gai) {
    case EAI_MEMORY:
        return PTL_ENOMEM;
    case EAI_SYSTEM:
        return errno != 0 ? -errno : PTL_ERESOLVE;
    default:
        return PTL_ERESOLVE;
    }
}

/* A name may have any number of addresses, and the resolver may tell one of them twice. */
static void add_address(struct ptl_resolution *resolution, const struct addrinfo *info)
{
    union ptl_sockaddr sockaddr;
    struct ptl_address address;

    if (info->ai_addrlen > sizeof(sockaddr) || resolution->count == PTL_RESOLVE_MAX) {
        return;
    }
    memcpy(&sockaddr, info->ai_addr, info->ai_addrlen);
    ptl_address_from_sockaddr(&sockaddr, &address);
    for (unsigned i = 0; i < resolution->count; i++) {
        if (ptl_address_equal(&resolution->addresses[i], &address)) {
            return;
        }
    }
    resolution->addresses[resolution->count++] = address;
}

/* Add what the host's name leads to.  Returns 0, or why it leads nowhere. */
static int add_host(const struct ptl_host *host, struct ptl_resolution *resolution)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char service[8];

    snprintf(service, sizeof(service), "%u", (unsigned)host->port);
    errno = 0;
    int gai = getaddrinfo(host->name, service, &hints, &list);
    if (gai != 0) {
        return translate(gai);
    }
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        if (info->ai_family == AF_INET || info->ai_family == AF_INET6) {
            add_address(resolution, info);
        }
    }
    freeaddrinfo(list);
    return resolution->count > 0 ? PTL_OK : PTL_ERESOLVE;
}

/* One host after the other, while there is room for more addresses, and time. */
static int add_service(struct ptl_resolver *resolver, const char *name,
                       struct ptl_resolution *resolution)
{
    uint64_t end = ptl_clock_monotonic() + SERVICE_NS;
    struct ptl_srv records[PTL_SRV_MAX];

    int count = ptl_srv_find(name, records);
    int err = count < 0 ? count : PTL_ERESOLVE;
    for (int i = 0; i < count && resolution->count < PTL_RESOLVE_MAX &&
                    !atomic_load(&resolver->ends) && ptl_clock_monotonic() < end;
         i++) {
        err = add_host(&records[i].host, resolution);
    }
    return resolution->count > 0 ? PTL_OK : err;
}

static void resolve(struct ptl_resolver *resolver, struct job *job)
{
    struct ptl_resolution *resolution = &job->resolution;

    resolution->err = job->host.service ? add_service(resolver, job->host.name, resolution)
                                        : add_host(&job->host, resolution);
}

static void resolve_numeric(const struct ptl_host *host, struct ptl_resolution *resolution)
{
    char text[PTL_HOST_TEXT_MAX + 16];

    snprintf(text, sizeof(text), host->six ? "[%s]:%u" : "%s:%u", host->name, (unsigned)host->port);
    resolution->err = ptl_address_parse(text, &resolution->addresses[0]);
    resolution->count = resolution->err == PTL_OK ? 1 : 0;
}

/* Under the mutex; counted apart, so that a loop that polls need not take it. */
static void answer(struct ptl_resolver *resolver, struct job *job)
{
    push(&resolver->answers, job);
    atomic_fetch_add(&resolver->answered, 1);
}

static void *help(void *argument)
{
    struct helper *helper = argument;
    struct ptl_resolver *resolver = helper->resolver;

    /* This thread's own resolver state: dead name servers must not hold up the end of a node. */
    if (res_init() == 0) {
        _res.retrans = ANSWER_WAIT_S;
        _res.retry = ANSWER_TRIES;
    }
    pthread_mutex_lock(&resolver->mutex);
    for (struct job *job = pop(&resolver->questions); job != NULL;
         job = pop(&resolver->questions)) {
        pthread_mutex_unlock(&resolver->mutex);
        resolve(resolver, job);
        pthread_mutex_lock(&resolver->mutex);
        answer(resolver, job);
        resolver->tell(resolver->user);
    }
    helper->state = HELPER_ENDED;
    pthread_mutex_unlock(&resolver->mutex);
    return NULL;
}

/* ---- On the loop's thread ------------------------------------------------------------------ */

static bool start_helper(struct helper *helper)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&helper->thread, NULL, help, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    helper->state = err == 0 ? HELPER_RUNS : HELPER_NONE;
    return err == 0;
}

/* Have one helper more, if there may be one; false when nobody will answer.  Holds the mutex. */
static bool have_helper(struct ptl_resolver *resolver)
{
    bool running = false;

    for (unsigned i = 0; i < PTL_RESOLVER_THREADS; i++) {
        struct helper *helper = &resolver->helpers[i];
        if (helper->state == HELPER_RUNS) {
            running = true;
            continue;
        }
        if (helper->state == HELPER_ENDED) {
            /* It has let go of the mutex for good, or is about to: it will not wait for us. */
            pthread_mutex_unlock(&resolver->mutex);
            pthread_join(helper->thread, NULL);
            pthread_mutex_lock(&resolver->mutex);
            helper->state = HELPER_NONE;
        }
        return start_helper(helper) || running;
    }
    return true;
}

int ptl_resolver_open(const struct ptl_allocator *allocator, void (*tell)(void *user), void *user,
                      struct ptl_resolver **resolver)
{
    struct ptl_resolver *new = ptl_alloc(allocator, sizeof(*new));
    if (new == NULL) {
        return PTL_ENOMEM;
    }
    new->allocator = allocator;
    new->tell = tell;
    new->user = user;
    pthread_mutex_init(&new->mutex, NULL);
    for (unsigned i = 0; i < PTL_RESOLVER_THREADS; i++) {
        new->helpers[i].resolver = new;
    }
    *resolver = new;
    return PTL_OK;
}

static void free_jobs(struct ptl_resolver *resolver, struct queue *queue)
{
    for (struct job *job = pop(queue); job != NULL; job = pop(queue)) {
        ptl_free(resolver->allocator, job, sizeof(*job));
    }
}

void ptl_resolver_free(struct ptl_resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    atomic_store(&resolver->ends, true);
    pthread_mutex_lock(&resolver->mutex);
    /* Nobody begins another one: each helper ends with the question that it has in hand. */
    free_jobs(resolver, &resolver->questions);
    pthread_mutex_unlock(&resolver->mutex);
    for (unsigned i = 0; i < PTL_RESOLVER_THREADS; i++) {
        pthread_mutex_lock(&resolver->mutex);
        bool made = resolver->helpers[i].state != HELPER_NONE;
        pthread_mutex_unlock(&resolver->mutex);
        if (made) {
            pthread_join(resolver->helpers[i].thread, NULL);
        }
    }
    free_jobs(resolver, &resolver->answers);
    pthread_mutex_destroy(&resolver->mutex);
    ptl_free(resolver->allocator, resolver, sizeof(*resolver));
}

int ptl_resolver_ask(struct ptl_resolver *resolver, const struct ptl_host *host, void *request)
{
    struct job *job = ptl_alloc(resolver->allocator, sizeof(*job));
    if (job == NULL) {
        return PTL_ENOMEM;
    }
    job->host = *host;
    job->resolution.request = request;

    pthread_mutex_lock(&resolver->mutex);
    if (host->numeric) {
        resolve_numeric(host, &job->resolution);
        answer(resolver, job);
    } else {
        push(&resolver->questions, job);
        if (!have_helper(resolver)) {
            /* Nobody runs, so the queue holds this question only. */
            struct job *alone = pop(&resolver->questions);
            ptl_assert(alone == job);
            job->resolution.err = -EAGAIN;
            answer(resolver, job);
        }
    }
    pthread_mutex_unlock(&resolver->mutex);
    return PTL_OK;
}

int ptl_resolver_question(struct ptl_resolver **resolver, const struct ptl_allocator *allocator,
                          void (*tell)(void *user), void *user, const char *host_port,
                          void *request)
{
    struct ptl_host host;

    int err = ptl_seed_parse(host_port, &host);
    if (err == PTL_OK && *resolver == NULL) {
        err = ptl_resolver_open(allocator, tell, user, resolver);
    }
    return err < 0 ? err : ptl_resolver_ask(*resolver, &host, request);
}

bool ptl_resolver_ready(const struct ptl_resolver *resolver)
{
    return resolver != NULL && atomic_load(&resolver->answered) > 0;
}

bool ptl_resolver_take(struct ptl_resolver *resolver, struct ptl_resolution *resolution)
{
    if (!ptl_resolver_ready(resolver)) {
        return false;
    }
    pthread_mutex_lock(&resolver->mutex);
    struct job *job = pop(&resolver->answers);
    atomic_fetch_sub(&resolver->answered, 1);
    pthread_mutex_unlock(&resolver->mutex);
    ptl_assert(job != NULL);
    *resolution = job->resolution;
    ptl_free(resolver->allocator, job, sizeof(*job));
    return true;
}

void ptl_resolver_tell(struct ptl_resolver *resolver, const struct ptl_loop_hooks *hooks,
                       void *user)
{
    struct ptl_resolution resolution;

    for (unsigned i = 0; i < TOLD_MAX && ptl_resolver_ready(resolver); i++) {
        if (ptl_resolver_take(resolver, &resolution)) {
            hooks->resolved(user, resolution.request, resolution.err, resolution.addresses,
                            resolution.count);
        }
    }
}
