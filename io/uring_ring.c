#include "io/uring_ring.h"

#include "io/uring_features.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define SUBMISSIONS 256
#define COMPLETIONS 4096 /* a full queue ends multishot operations: they would be started again */
#define BUFFER_GROUP 0
#define REAP_BATCH 64

/* Received bytes told in one go.  What peers send has no end: after so much of it the loop's user
 * looks at whatever else there is, and finds the rest the next time. */
#define RECEIVED_MAX (64 * 1024)

_Static_assert((PTL_URING_BUFFERS & (PTL_URING_BUFFERS - 1)) == 0, "the kernel wants it so");

/* Younger than some headers; a kernel that does not know the feature is not asked for it. */
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17)
#endif
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7)
#endif

static const unsigned setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                    IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                    IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;

/* The one global: tests set it before they open a loop. */
static _Atomic unsigned pretended_lacking;

void ptl_loop_uring_pretend(unsigned lacking)
{
    atomic_store(&pretended_lacking, lacking);
}

/* ---- Probing ------------------------------------------------------------------------------- */

static unsigned probe_verbs(struct io_uring *ring)
{
    static const int required[] = {
        IORING_OP_ACCEPT, IORING_OP_CONNECT,      IORING_OP_SEND, IORING_OP_SENDMSG, IORING_OP_RECV,
        IORING_OP_CLOSE,  IORING_OP_ASYNC_CANCEL, IORING_OP_READ, IORING_OP_NOP,
    };
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (probe == NULL) {
        return 0;
    }
    unsigned features = PTL_URING_VERBS;
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        if (!io_uring_opcode_supported(probe, required[i])) {
            features = 0;
        }
    }
    if (io_uring_opcode_supported(probe, IORING_OP_MSG_RING)) {
        features |= PTL_URING_MSG_RING;
    }
    io_uring_free_probe(probe);
    return features;
}

static unsigned probe(struct io_uring *ring)
{
    unsigned features = PTL_URING_AT_ALL | PTL_URING_DEFERRED | probe_verbs(ring);

    features |= (ring->features & IORING_FEAT_EXT_ARG) != 0 ? PTL_URING_WAIT : 0;
    features |= (ring->features & IORING_FEAT_NODROP) != 0 ? PTL_URING_NO_DROP : 0;
    features |= (ring->features & IORING_FEAT_FAST_POLL) != 0 ? PTL_URING_FAST_POLL : 0;
    features |= (ring->features & IORING_FEAT_NO_IOWAIT) != 0 ? PTL_URING_NO_IOWAIT : 0;
    return features;
}

/* Whether an administrator has switched it off, for this process or for all. */
static bool is_disabled_by_sysctl(void)
{
    char value = '0';

    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false; /* before Linux 6.6 there is no such thing */
    }
    bool disabled = read(fd, &value, 1) == 1 && value != '0';
    close(fd);
    return disabled;
}

static const char *name_refusal(int refused)
{
    if (refused == -ENOSYS) {
        return "io_uring is not there (ENOSYS): the kernel is older than Linux 5.1 or built "
               "without it, or a container's seccomp profile hides it";
    }
    if (refused == -ENOMEM) {
        return "io_uring got no memory (ENOMEM): raise the limit of locked memory (ulimit -l) or "
               "what the control group may have";
    }
    if (is_disabled_by_sysctl()) {
        return "io_uring is switched off (EPERM): see the sysctl kernel.io_uring_disabled";
    }
    return "io_uring is forbidden here (EPERM), as by most containers: allow io_uring_setup, "
           "io_uring_enter and io_uring_register in the seccomp profile";
}

static const char *name_missing(unsigned missing, int refused)
{
    if (missing & PTL_URING_AT_ALL) {
        return name_refusal(refused);
    }
    if (missing & PTL_URING_DEFERRED) {
        return "io_uring lacks deferred task work (IORING_SETUP_DEFER_TASKRUN, Linux 6.1)";
    }
    if (missing & PTL_URING_WAIT) {
        return "io_uring lacks waiting with a time limit (IORING_FEAT_EXT_ARG, Linux 5.11)";
    }
    if (missing & PTL_URING_NO_DROP) {
        return "io_uring may drop completions (no IORING_FEAT_NODROP, Linux 5.5)";
    }
    if (missing & PTL_URING_FAST_POLL) {
        return "io_uring cannot poll sockets by itself (no IORING_FEAT_FAST_POLL, Linux 5.7)";
    }
    if (missing & PTL_URING_VERBS) {
        return "io_uring lacks one of the operations accept, connect, send, sendmsg, recv, close, "
               "cancel, read (Linux 5.6)";
    }
    return "io_uring lacks rings of provided buffers (IORING_REGISTER_PBUF_RING, Linux 5.19)";
}

const char *ptl_loop_uring_missing(void)
{
    struct ptl_uring uring;
    const char *missing = NULL;

    int err = ptl_uring_open(&uring, ptl_allocator_libc(), &missing);
    if (err == PTL_OK) {
        ptl_uring_close(&uring);
        return NULL;
    }
    return missing;
}

const char *ptl_loop_uring_remark(unsigned features)
{
    if ((features & PTL_URING_NO_IOWAIT) != 0) {
        return NULL;
    }
    return "this kernel counts an idle node's waiting as I/O wait (no IORING_FEAT_NO_IOWAIT, Linux "
           "6.15): it takes no processor time";
}

/* ---- Set-up -------------------------------------------------------------------------------- */

/* The kernel sees it with the next show_returned(): one store for all of a batch. */
static void show_buffer(struct ptl_uring *uring, unsigned id)
{
    ptl_assert(id < PTL_URING_BUFFERS && uring->returned < PTL_URING_BUFFERS);
    io_uring_buf_ring_add(uring->buffers, uring->bytes + (size_t)id * PTL_URING_BUFFER_BYTES,
                          PTL_URING_BUFFER_BYTES, (unsigned short)id,
                          io_uring_buf_ring_mask(PTL_URING_BUFFERS), (int)uring->returned);
    uring->returned++;
}

static void show_returned(struct ptl_uring *uring)
{
    if (uring->returned > 0) {
        io_uring_buf_ring_advance(uring->buffers, (int)uring->returned);
        uring->returned = 0;
    }
}

static int allocate_buffers(struct ptl_uring *uring)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = PTL_URING_BUFFERS * sizeof(struct io_uring_buf);

    /* The kernel wants whole pages, the allocator knows nothing of them. */
    uring->pages_size = (size + page - 1) / page * page + page;
    uring->pages = ptl_alloc(uring->allocator, uring->pages_size);
    uring->bytes =
        ptl_alloc_raw(uring->allocator, (size_t)PTL_URING_BUFFERS * PTL_URING_BUFFER_BYTES);
    if (uring->pages == NULL || uring->bytes == NULL) {
        return PTL_ENOMEM;
    }
    uintptr_t start = ((uintptr_t)uring->pages + page - 1) / page * page;
    uring->buffers = (struct io_uring_buf_ring *)start;
    return PTL_OK;
}

static void free_buffers(struct ptl_uring *uring)
{
    ptl_free(uring->allocator, uring->pages, uring->pages_size);
    ptl_free(uring->allocator, uring->bytes, (size_t)PTL_URING_BUFFERS * PTL_URING_BUFFER_BYTES);
}

static int register_buffers(struct ptl_uring *uring)
{
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)uring->buffers,
        .ring_entries = PTL_URING_BUFFERS,
        .bgid = BUFFER_GROUP,
    };

    int err = io_uring_register_buf_ring(&uring->ring, &reg, 0);
    if (err < 0) {
        return err;
    }
    uring->features |= PTL_URING_BUFFER_RING;
    io_uring_buf_ring_init(uring->buffers);
    for (unsigned id = 0; id < PTL_URING_BUFFERS; id++) {
        show_buffer(uring, id);
    }
    show_returned(uring);
    return PTL_OK;
}

/* What one of its system calls has said; of what means that there is no io_uring for us, that. */
static int judge(struct ptl_uring *uring, int err)
{
    if (err != -ENOSYS && err != -EPERM && err != -EACCES && err != -ENOMEM) {
        return err;
    }
    uring->refused = err;
    uring->features = 0;
    return PTL_EFEATURE;
}

static int open_ring(struct ptl_uring *uring)
{
    struct io_uring_params params = {.flags = setup_flags, .cq_entries = COMPLETIONS};

    int err = io_uring_queue_init_params(SUBMISSIONS, &uring->ring, &params);
    if (err == -EINVAL) { /* there is io_uring, but it does not know one of our flags */
        uring->features = PTL_URING_AT_ALL;
        return PTL_EFEATURE;
    }
    return judge(uring, err);
}

/*
 * A profile may forbid any of the three calls by itself, and a loop that cannot enter would wait
 * for ever: each is made once before anything relies on it.
 */
static int try_calls(struct ptl_uring *uring)
{
    int err = judge(uring, io_uring_enter(uring->ring.ring_fd, 0, 0, 0, NULL));

    if (err < 0) {
        return err;
    }
    uring->features = probe(&uring->ring);
    return judge(uring, register_buffers(uring));
}

static void choose_wait_flags(struct ptl_uring *uring)
{
    uring->wait_flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    if ((uring->features & PTL_URING_NO_IOWAIT) != 0) {
        uring->wait_flags |= IORING_ENTER_NO_IOWAIT;
    }
    /* Saves a look-up at each entry into the kernel; without it everything works as well. */
    if (io_uring_register_ring_fd(&uring->ring) == 1) {
        uring->wait_flags |= IORING_ENTER_REGISTERED_RING;
    }
}

int ptl_uring_open(struct ptl_uring *uring, const struct ptl_allocator *allocator,
                   const char **missing)
{
    unsigned lacking = atomic_load(&pretended_lacking);
    bool opened = false;

    memset(uring, 0, sizeof(*uring));
    uring->allocator = allocator;
    int err = open_ring(uring);
    if (err < 0) {
        goto out;
    }
    opened = true;
    err = allocate_buffers(uring);
    if (err < 0) {
        goto out;
    }
    err = try_calls(uring);
    if (err == -EINVAL) {
        err = PTL_EFEATURE;
    }
    if (err < 0) {
        goto out;
    }
    uring->features &= ~lacking;
    if ((uring->features & PTL_URING_REQUIRED) != PTL_URING_REQUIRED) {
        err = PTL_EFEATURE;
        goto out;
    }
    choose_wait_flags(uring);
    return PTL_OK;

out:
    if (err == PTL_EFEATURE && missing != NULL) {
        *missing = name_missing(PTL_URING_REQUIRED & ~uring->features, uring->refused);
    }
    if (opened) {
        io_uring_queue_exit(&uring->ring);
    }
    free_buffers(uring);
    return err;
}

void ptl_uring_close(struct ptl_uring *uring)
{
    /* The kernel writes to our memory as long as an operation is active. */
    ptl_assert(uring->active == 0);
    io_uring_queue_exit(&uring->ring);
    free_buffers(uring);
}

/* ---- Operations ---------------------------------------------------------------------------- */

/* The queue is full only until the kernel has taken what is in it; NULL: it takes nothing now. */
struct io_uring_sqe *ptl_uring_entry(struct ptl_uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    if (sqe == NULL) {
        io_uring_submit(&uring->ring);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    return sqe;
}

static void prepare(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    op->verb->prepare(op, sqe);
    io_uring_sqe_set_data(sqe, op);
}

/* Give the operations that found no room their entries; false when some still wait. */
static bool drain_queue(struct ptl_uring *uring)
{
    while (uring->queue != NULL) {
        struct io_uring_sqe *sqe = ptl_uring_entry(uring);
        if (sqe == NULL) {
            return false;
        }
        struct ptl_uring_op *op = uring->queue;
        uring->queue = op->next;
        prepare(op, sqe);
    }
    return true;
}

void ptl_uring_start(struct ptl_uring *uring, struct ptl_uring_op *op)
{
    ptl_assert(!op->active);
    op->active = true;
    uring->active++;
    /* Nothing may pass those that wait: a cancel must come after what it cancels. */
    struct io_uring_sqe *sqe = drain_queue(uring) ? ptl_uring_entry(uring) : NULL;
    if (sqe != NULL) {
        prepare(op, sqe);
        return;
    }
    op->next = NULL;
    if (uring->queue == NULL) {
        uring->queue = op;
    } else {
        uring->queue_end->next = op;
    }
    uring->queue_end = op;
}

void ptl_uring_prepare_cancel(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_uring_cancel *cancel = (struct ptl_uring_cancel *)op;

    io_uring_prep_cancel(sqe, cancel->target, 0);
}

/* ---- Into the kernel and back -------------------------------------------------------------- */

/* Deferred task work or completions that did not fit: only entering the kernel brings them out. */
static bool kernel_has_work(const struct ptl_uring *uring)
{
    unsigned flags = IO_URING_READ_ONCE(*uring->ring.sq.kflags);

    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool ptl_uring_unsubmitted(const struct ptl_uring *uring)
{
    return uring->queue != NULL || io_uring_sq_ready(&uring->ring) > 0;
}

bool ptl_uring_ready(const struct ptl_uring *uring)
{
    return io_uring_cq_ready(&uring->ring) > 0 || kernel_has_work(uring);
}

/*
 * Submit, and wait for one completion, until the limit (NULL: none).  As liburing's own functions
 * do it, which let nobody choose the flags of the entry before liburing 2.10.
 */
static void submit_and_wait(struct ptl_uring *uring, const struct __kernel_timespec *limit)
{
    struct io_uring_sq *queue = &uring->ring.sq;
    struct io_uring_getevents_arg argument = {.ts = (uintptr_t)limit};

    queue->sqe_head = queue->sqe_tail;
    io_uring_smp_store_release(queue->ktail, queue->sqe_tail);
    io_uring_enter2((unsigned)uring->ring.enter_ring_fd, io_uring_sq_ready(&uring->ring), 1,
                    uring->wait_flags, (void *)&argument, sizeof(argument));
}

void ptl_uring_enter(struct ptl_uring *uring, uint64_t wait_ns)
{
    /* Whatever an entry returns (interrupted, out of time, short of memory), what was not
     * submitted stays in the queue and the next entry tries again. */
    bool drained = drain_queue(uring);

    if (wait_ns == 0 || !drained || ptl_uring_ready(uring)) {
        if (io_uring_sq_ready(&uring->ring) > 0 || kernel_has_work(uring)) {
            io_uring_submit_and_get_events(&uring->ring);
        }
    } else if (wait_ns == UINT64_MAX) {
        submit_and_wait(uring, NULL);
    } else {
        struct __kernel_timespec limit = {
            .tv_sec = (long long)(wait_ns / 1000000000),
            .tv_nsec = (long long)(wait_ns % 1000000000),
        };
        submit_and_wait(uring, &limit);
    }
}

struct completion {
    uint64_t user_data;
    int result;
    unsigned flags;
};

static void tell(struct ptl_uring *uring, const struct completion *completion)
{
    if ((completion->user_data & 1) != 0) {
        uring->message(uring->user, completion->user_data, completion->result);
        return;
    }
    struct ptl_uring_op *op = (struct ptl_uring_op *)(uintptr_t)completion->user_data;
    if ((completion->flags & IORING_CQE_F_MORE) == 0) {
        ptl_assert(op->active && uring->active > 0);
        op->active = false;
        uring->active--;
    }
    /* Inactive by now, so that the callback may start it again, or free it. */
    op->verb->done(op, completion->result, completion->flags);
}

void ptl_uring_reap(struct ptl_uring *uring)
{
    /* Only what is there by now: what the callbacks bring about has its turn with the next poll. */
    unsigned left = io_uring_cq_ready(&uring->ring);
    uint64_t received = 0;

    while (left > 0 && received < RECEIVED_MAX) {
        struct completion batch[REAP_BATCH];
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;

        /* Copied, so that the queue has room again whatever the callbacks do. */
        io_uring_for_each_cqe(&uring->ring, head, cqe)
        {
            if (count == REAP_BATCH || count == left || received >= RECEIVED_MAX) {
                break;
            }
            batch[count++] = (struct completion){cqe->user_data, cqe->res, cqe->flags};
            received += (cqe->flags & IORING_CQE_F_BUFFER) != 0 && cqe->res > 0 ? cqe->res : 0;
        }
        io_uring_cq_advance(&uring->ring, count);
        left -= count;
        for (unsigned i = 0; i < count; i++) {
            tell(uring, &batch[i]);
        }
    }
    show_returned(uring);
}

struct ptl_span ptl_uring_buffer(const struct ptl_uring *uring, int result, unsigned flags)
{
    size_t id = flags >> IORING_CQE_BUFFER_SHIFT;

    ptl_assert((flags & IORING_CQE_F_BUFFER) != 0 && id < PTL_URING_BUFFERS);
    ptl_assert(result > 0 && result <= PTL_URING_BUFFER_BYTES);
    return ptl_span(uring->bytes + id * PTL_URING_BUFFER_BYTES, (size_t)result);
}

void ptl_uring_put_buffer(struct ptl_uring *uring, unsigned flags)
{
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        show_buffer(uring, flags >> IORING_CQE_BUFFER_SHIFT);
    }
}
