#include "io/epoll_loop.h"

#include "io/clock.h"
#include "io/interface.h"
#include "io/socket.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* To ask the kernel is a system call, so ptl_loop_ready() does so every so many looks. */
#define LOOKS_PER_CALL 32

/* ---- Waking -------------------------------------------------------------------------------- */

static void epoll_wake(struct ptl_loop *base, struct ptl_loop *from)
{
    struct ptl_epoll_loop *loop = ptl_epoll_loop(base);
    const uint64_t one = 1;

    if (from == base) {
        loop->woken = true;
        return;
    }
    /* Pairs with the exchange in wake_up(): whoever is seen there has its data seen.  Who has found
     * the loop asleep wakes it for all that come after. */
    if (atomic_exchange(&loop->sleep, PTL_EPOLL_WOKEN) == PTL_EPOLL_ASLEEP) {
        while (write(loop->event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
}

/* Whether it may sleep: whoever wakes it from now on does so by the eventfd. */
static bool fall_asleep(struct ptl_epoll_loop *loop)
{
    unsigned awake = PTL_EPOLL_AWAKE;

    return atomic_compare_exchange_strong(&loop->sleep, &awake, PTL_EPOLL_ASLEEP);
}

static void wake_up(struct ptl_epoll_loop *loop)
{
    if (atomic_load(&loop->sleep) != PTL_EPOLL_AWAKE) {
        atomic_exchange(&loop->sleep, PTL_EPOLL_AWAKE);
    }
}

/* ---- Resolving ----------------------------------------------------------------------------- */

static void answer_is_there(void *user)
{
    epoll_wake(user, NULL);
}

static int epoll_resolve(struct ptl_loop *base, const char *host_port, void *request)
{
    struct ptl_epoll_loop *loop = ptl_epoll_loop(base);

    return ptl_resolver_question(&loop->resolver, loop->allocator, answer_is_there, base, host_port,
                                 request);
}

/* ---- Turning ------------------------------------------------------------------------------- */

static bool has_work(struct ptl_epoll_loop *loop)
{
    return loop->woken || loop->spares.starved || !ptl_epoll_queue_empty(&loop->due) ||
           !ptl_epoll_queue_empty(&loop->costly) || ptl_resolver_ready(loop->resolver) ||
           atomic_load_explicit(&loop->sleep, memory_order_relaxed) == PTL_EPOLL_WOKEN;
}

static bool epoll_ready(struct ptl_loop *base)
{
    struct ptl_epoll_loop *loop = ptl_epoll_loop(base);

    if (has_work(loop)) {
        return true;
    }
    if (++loop->looks % LOOKS_PER_CALL != 0) {
        return false;
    }
    ptl_epoll_gather(&loop->events, 0);
    return has_work(loop);
}

/* Only what is there by now: what the hooks bring about has its turn with the next poll. */
static void answer_all(struct ptl_epoll_loop *loop)
{
    struct ptl_epoll_work *last = loop->due.ends.before;
    struct ptl_epoll_work *work = NULL;

    while (work != last && !ptl_epoll_queue_empty(&loop->due)) {
        work = loop->due.ends.next;
        ptl_epoll_queue_run_first(&loop->due);
    }
}

static void receive_some(struct ptl_epoll_loop *loop)
{
    loop->left = PTL_EPOLL_RECEIVED_MAX;
    while (loop->left > 0 && !ptl_epoll_queue_empty(&loop->costly)) {
        ptl_epoll_queue_run_first(&loop->costly);
    }
}

static uint64_t time_until(uint64_t until_ns)
{
    uint64_t now = ptl_clock_monotonic();

    return until_ns > now ? until_ns - now : 0;
}

/*
 * Hear of what has happened.  Where there are answers to give, as to each send, that is done in
 * every second poll: the others save a system call.
 */
static void ask(struct ptl_epoll_loop *loop, uint64_t wait_ns)
{
    loop->asked = !loop->asked || ptl_epoll_queue_empty(&loop->due);
    if (loop->asked) {
        ptl_epoll_gather(&loop->events, wait_ns);
    }
}

static void epoll_poll(struct ptl_loop *base, uint64_t until_ns)
{
    struct ptl_epoll_loop *loop = ptl_epoll_loop(base);
    uint64_t wait_ns = 0;

    uint64_t resume_ns = ptl_epoll_resume_listeners(loop);
    until_ns = resume_ns < until_ns ? resume_ns : until_ns;
    if (loop->spares.freed) {
        loop->spares.freed = false;
        ptl_spares_fill(&loop->spares, loop->event_fd);
    }
    if (until_ns != 0 && !has_work(loop) && fall_asleep(loop)) {
        wait_ns = until_ns == UINT64_MAX ? UINT64_MAX : time_until(until_ns);
    }
    ask(loop, wait_ns);
    /* A wake counts for one poll: whoever wakes us from now on is seen by the next. */
    loop->woken = false;
    wake_up(loop);
    answer_all(loop);
    receive_some(loop);
    ptl_resolver_tell(loop->resolver, loop->hooks, loop->user);
    if (loop->spares.starved) {
        loop->spares.starved = false;
        if (loop->hooks->starved != NULL) {
            loop->hooks->starved(loop->user);
        }
    }
}

/* ---- From open to free --------------------------------------------------------------------- */

static const char *epoll_remark(struct ptl_loop *base)
{
    return ptl_epoll_loop(base)->remark;
}

static void free_loop(struct ptl_epoll_loop *loop)
{
    if (loop->event_fd >= 0) {
        close(loop->event_fd);
    }
    ptl_epoll_close(&loop->events);
    ptl_free(loop->allocator, loop->buffer, PTL_EPOLL_BUFFER_BYTES);
    ptl_free(loop->allocator, loop, sizeof(*loop));
}

static void epoll_free(struct ptl_loop *base)
{
    struct ptl_epoll_loop *loop = ptl_epoll_loop(base);

    ptl_resolver_free(loop->resolver);
    ptl_spares_drop(&loop->spares);
    ptl_epoll_drop_listeners(loop);
    ptl_epoll_drop_streams(loop);
    free_loop(loop);
}

static const struct ptl_loop_ops epoll_ops = {
    .listen = ptl_epoll_listen,
    .unlisten = ptl_epoll_unlisten,
    .resolve = epoll_resolve,
    .connect = ptl_epoll_connect,
    .attach = ptl_epoll_attach,
    .discard = ptl_socket_discard,
    .adopt = ptl_epoll_adopt,
    .send = ptl_epoll_send,
    .read = ptl_epoll_read,
    .user_timeout = ptl_socket_user_timeout,
    .keep_short = ptl_socket_keep_short,
    .finish = ptl_epoll_finish,
    .unconfirmed = ptl_socket_unconfirmed,
    .detach = ptl_epoll_detach,
    .close = ptl_epoll_close_stream,
    .ready = epoll_ready,
    .poll = epoll_poll,
    .wake = epoll_wake,
    .now = ptl_clock_now,
    .coarse = ptl_clock_coarse,
    .wall = ptl_clock_wall,
    .random = ptl_clock_chance,
    .remark = epoll_remark,
    .interfaces = ptl_interface_addresses,
    .free = epoll_free,
};

static int open_descriptors(struct ptl_epoll_loop *loop)
{
    loop->event_fd = -1;
    int err = ptl_epoll_open(&loop->events);
    if (err < 0) {
        return err;
    }
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return loop->event_fd < 0 ? -errno : ptl_epoll_register(&loop->events, loop->event_fd, NULL);
}

/* Of ptl_loop_epoll() and of nobody else; what the maker points to is the loops' remark. */
static int epoll_open(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                      const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop)
{
    struct ptl_epoll_loop *new = ptl_alloc(allocator, sizeof(*new));
    (void)shard;

    if (new == NULL) {
        return PTL_ENOMEM;
    }
    new->base.ops = &epoll_ops;
    new->allocator = allocator;
    new->hooks = hooks;
    new->user = user;
    new->remark = maker;
    ptl_epoll_queue_init(&new->due);
    ptl_epoll_queue_init(&new->costly);
    int err = open_descriptors(new);
    new->buffer = err == PTL_OK ? ptl_alloc_raw(allocator, PTL_EPOLL_BUFFER_BYTES) : NULL;
    if (new->buffer == NULL) {
        free_loop(new);
        return err < 0 ? err : PTL_ENOMEM;
    }
    ptl_spares_fill(&new->spares, new->event_fd);
    *loop = &new->base;
    return PTL_OK;
}

const struct ptl_loop_maker *ptl_loop_epoll(void)
{
    static const struct ptl_loop_maker maker = {.open = epoll_open,
                                                .random = ptl_clock_chance_of_maker};
    return &maker;
}
