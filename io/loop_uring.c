#include "io/uring_loop.h"

#include "io/clock.h"
#include "io/interface.h"
#include "io/socket.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* User data of a message: odd, so that it is no operation's. */
#define MESSAGE_WAKE ((uint64_t)1) /* to us; any other is the pointer of a waker, plus one */

static const char *uring_remark(struct ptl_loop *base)
{
    return ptl_loop_uring_remark(ptl_uring_loop(base)->uring.features);
}

/* ---- Waking -------------------------------------------------------------------------------- */

static struct ptl_uring_waker *make_waker(const struct ptl_allocator *allocator, int ring_fd,
                                          int *err)
{
    struct ptl_uring_waker *waker = ptl_alloc(allocator, sizeof(*waker));
    if (waker == NULL) {
        *err = PTL_ENOMEM;
        return NULL;
    }
    waker->allocator = allocator;
    waker->ring_fd = ring_fd;
    atomic_store(&waker->holders, 1);
    waker->event_fd = eventfd(0, EFD_CLOEXEC);
    if (waker->event_fd < 0) {
        *err = -errno;
        ptl_free(allocator, waker, sizeof(*waker));
        return NULL;
    }
    return waker;
}

static void let_go(struct ptl_uring_waker *waker)
{
    unsigned before = atomic_fetch_sub(&waker->holders, 1);
    ptl_assert(before > 0);
    if (before == 1) {
        close(waker->event_fd);
        ptl_free(waker->allocator, waker, sizeof(*waker));
    }
}

/* From any thread: the loop reads the eventfd like everything else, and so wakes up. */
static void ring_bell(struct ptl_uring_waker *waker)
{
    const uint64_t one = 1;

    while (write(waker->event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

/* Have `from`'s next poll carry the wake from ring to ring; false when it cannot. */
static bool send_message(struct ptl_uring_loop *from, struct ptl_uring_waker *waker)
{
    if ((from->uring.features & PTL_URING_MSG_RING) == 0) {
        return false;
    }
    struct io_uring_sqe *sqe = ptl_uring_entry(&from->uring);
    if (sqe == NULL) {
        return false;
    }
    io_uring_prep_msg_ring(sqe, waker->ring_fd, 0, MESSAGE_WAKE, 0);
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)waker + 1);
    atomic_fetch_add(&waker->holders, 1);
    from->messages++;
    return true;
}

static void uring_wake(struct ptl_loop *base, struct ptl_loop *from)
{
    struct ptl_uring_loop *loop = ptl_uring_loop(base);

    if (from == base) {
        loop->woken = true;
        return;
    }
    /* Pairs with the exchange in wake_arrived(): whoever finds it set has its data seen. */
    if (atomic_exchange(&loop->waker->pending, true)) {
        return;
    }
    if (from == NULL || !send_message(ptl_uring_loop(from), loop->waker)) {
        ring_bell(loop->waker);
    }
}

static void wake_arrived(struct ptl_uring_loop *loop)
{
    atomic_exchange(&loop->waker->pending, false);
}

/* A message has come to us, or one of ours has reached the other ring or failed to. */
static void take_message(void *user, uint64_t user_data, int result)
{
    struct ptl_uring_loop *loop = user;

    if (user_data == MESSAGE_WAKE) {
        wake_arrived(loop);
        return;
    }
    struct ptl_uring_waker *waker = (struct ptl_uring_waker *)(uintptr_t)(user_data - 1);
    ptl_assert(loop->messages > 0);
    if (result < 0) {
        /* The other ring has not been told: the loop is woken the slower way. */
        ring_bell(waker);
    }
    loop->messages--;
    let_go(waker);
}

static void prepare_event(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_uring_loop *loop = PTL_URING_OWNER(op, struct ptl_uring_loop, event);

    io_uring_prep_read(sqe, loop->waker->event_fd, &loop->event_count, sizeof(loop->event_count),
                       0);
}

static void event_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_uring_loop *loop = PTL_URING_OWNER(op, struct ptl_uring_loop, event);
    (void)result;
    (void)flags;

    wake_arrived(loop);
    if (!loop->freeing) {
        ptl_uring_start(&loop->uring, op);
    }
}

static const struct ptl_uring_verb event_verb = {prepare_event, event_done};

/* ---- Resolving ----------------------------------------------------------------------------- */

static void answer_is_there(void *user)
{
    struct ptl_loop *base = user;

    uring_wake(base, NULL);
}

static int uring_resolve(struct ptl_loop *base, const char *host_port, void *request)
{
    struct ptl_uring_loop *loop = ptl_uring_loop(base);

    return ptl_resolver_question(&loop->resolver, loop->allocator, answer_is_there, base, host_port,
                                 request);
}

/* ---- Turning ------------------------------------------------------------------------------- */

static uint64_t time_until(uint64_t until_ns)
{
    uint64_t now = ptl_clock_monotonic();

    return until_ns > now ? until_ns - now : 0;
}

static bool uring_ready(struct ptl_loop *base)
{
    struct ptl_uring_loop *loop = ptl_uring_loop(base);

    return loop->woken || loop->spares.starved || ptl_resolver_ready(loop->resolver) ||
           ptl_uring_unsubmitted(&loop->uring) || ptl_uring_ready(&loop->uring);
}

static void uring_poll(struct ptl_loop *base, uint64_t until_ns)
{
    struct ptl_uring_loop *loop = ptl_uring_loop(base);
    uint64_t wait_ns;

    if (loop->listeners_paused > 0) {
        /* Where one was given back, all pauses are over. */
        uint64_t now_ns = loop->spares.freed ? UINT64_MAX : ptl_clock_monotonic();
        uint64_t resume_ns = ptl_uring_resume_listeners(loop, now_ns);
        until_ns = resume_ns < until_ns ? resume_ns : until_ns;
    }
    if (loop->spares.freed) {
        loop->spares.freed = false;
        ptl_spares_fill(&loop->spares, loop->waker->event_fd);
    }
    if (until_ns == 0 || loop->woken || loop->spares.starved ||
        ptl_resolver_ready(loop->resolver)) {
        wait_ns = 0;
    } else {
        wait_ns = until_ns == UINT64_MAX ? UINT64_MAX : time_until(until_ns);
    }
    /* A wake counts for one poll: whoever wakes us from now on is seen by the next. */
    loop->woken = false;
    ptl_uring_enter(&loop->uring, wait_ns);
    ptl_uring_reap(&loop->uring);
    ptl_resolver_tell(loop->resolver, loop->hooks, loop->user);
    if (loop->spares.starved) {
        loop->spares.starved = false;
        if (loop->hooks->starved != NULL) {
            loop->hooks->starved(loop->user);
        }
    }
}

/* ---- From open to free --------------------------------------------------------------------- */

static void uring_free(struct ptl_loop *base)
{
    struct ptl_uring_loop *loop = ptl_uring_loop(base);
    const struct ptl_allocator *allocator = loop->allocator;

    ptl_resolver_free(loop->resolver);
    loop->freeing = true;
    /* Nothing starts again by itself from here on; the streams' owners are told nothing any
     * more. */
    ptl_spares_drop(&loop->spares);
    ptl_uring_drop_listeners(loop);
    ptl_uring_drop_streams(loop);
    ring_bell(loop->waker); /* ends the read of the eventfd */
    /* The kernel may write to our memory, or forget a wake of ours, until all is completed. */
    while (loop->uring.active > 0 || loop->messages > 0) {
        ptl_uring_enter(&loop->uring, UINT64_MAX);
        ptl_uring_reap(&loop->uring);
    }
    ptl_assert(loop->streams == NULL && loop->listeners == NULL);
    ptl_uring_close(&loop->uring);
    let_go(loop->waker);
    ptl_free(allocator, loop, sizeof(*loop));
}

static const struct ptl_loop_ops uring_ops = {
    .listen = ptl_uring_listen,
    .unlisten = ptl_uring_unlisten,
    .resolve = uring_resolve,
    .connect = ptl_uring_connect,
    .attach = ptl_uring_attach,
    .discard = ptl_socket_discard,
    .adopt = ptl_uring_adopt,
    .send = ptl_uring_send,
    .read = ptl_uring_read,
    .user_timeout = ptl_socket_user_timeout,
    .keep_short = ptl_socket_keep_short,
    .finish = ptl_uring_finish,
    .unconfirmed = ptl_socket_unconfirmed,
    .detach = ptl_uring_detach,
    .close = ptl_uring_close_stream,
    .ready = uring_ready,
    .poll = uring_poll,
    .wake = uring_wake,
    .now = ptl_clock_now,
    .coarse = ptl_clock_coarse,
    .wall = ptl_clock_wall,
    .random = ptl_clock_chance,
    .remark = uring_remark,
    .interfaces = ptl_interface_addresses,
    .free = uring_free,
};

static int uring_open(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                      const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop)
{
    (void)maker;
    (void)shard;
    struct ptl_uring_loop *new = ptl_alloc(allocator, sizeof(*new));
    if (new == NULL) {
        return PTL_ENOMEM;
    }
    new->base.ops = &uring_ops;
    new->allocator = allocator;
    new->hooks = hooks;
    new->user = user;
    new->event.verb = &event_verb;
    int err = ptl_uring_open(&new->uring, allocator, NULL);
    if (err < 0) {
        ptl_free(allocator, new, sizeof(*new));
        return err;
    }
    new->uring.message = take_message;
    new->uring.user = new;
    new->waker = make_waker(allocator, new->uring.ring.ring_fd, &err);
    if (new->waker == NULL) {
        ptl_uring_close(&new->uring);
        ptl_free(allocator, new, sizeof(*new));
        return err;
    }
    ptl_uring_start(&new->uring, &new->event);
    ptl_spares_fill(&new->spares, new->waker->event_fd);
    *loop = &new->base;
    return PTL_OK;
}

const struct ptl_loop_maker *ptl_loop_uring(void)
{
    static const struct ptl_loop_maker maker = {.open = uring_open,
                                                .random = ptl_clock_chance_of_maker};
    return &maker;
}
