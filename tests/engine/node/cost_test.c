/*
 * What a message costs, counted and not timed: requests for memory, locks, names hashed, entries
 * into the kernel.
 *
 *   source --512 messages--> sink      ... up to 2,048 under way
 *          <--one answer-----
 *
 * Each way is warmed up first: what grows has grown by then.  The counters stand between the code
 * and what it calls (the linker's --wrap), the allocator is the witness's: nothing else in engine/
 * may ask for memory, tools/lint sees to that.
 */
#include "io/base.h"
#include "io/uring_features.h"
#include "tests/common/witness.h"

#include <liburing.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef PTL_QUICK
#define BURSTS UINT64_C(100)
#define TRIPS UINT64_C(500)
#else
#define BURSTS UINT64_C(2000)
#define TRIPS UINT64_C(5000)
#endif
#define POLLED_TRIPS UINT64_C(500) /* slow where two threads that do not sleep share a processor */
#define BURST UINT64_C(512)
#define WARM_UP (40 * BURST)
#define MESSAGES (BURSTS * BURST) /* a million */
#define UNDER_WAY (4 * BURST)

/* What nodes do by the clock (heartbeats, a look at the interfaces), however long a test takes. */
#define CHORES 100

/* ---- Counting ------------------------------------------------------------------------------ */

/* A shard's thread is a side from its first message on; all other threads are the third. */
enum { NEAR, FAR, NOBODY, SIDES };

static _Thread_local unsigned side = NOBODY;
static _Atomic uint64_t entries[SIDES]; /* into the kernel */
static _Atomic uint64_t waits[SIDES];   /* of these, for something to happen */
static _Atomic uint64_t locks[SIDES];
static _Atomic uint64_t hashes[SIDES]; /* of names */

static void count(_Atomic uint64_t counters[])
{
    atomic_fetch_add_explicit(&counters[side], 1, memory_order_relaxed);
}

static void count_anew(void)
{
    for (unsigned i = 0; i < SIDES; i++) {
        atomic_store(&entries[i], 0);
        atomic_store(&waits[i], 0);
        atomic_store(&locks[i], 0);
        atomic_store(&hashes[i], 0);
    }
    witness_fail_memory(0, false);
}

int __real_io_uring_enter2(unsigned fd, unsigned submit, unsigned complete, unsigned flags,
                           void *argument, size_t size);
int __wrap_io_uring_enter2(unsigned fd, unsigned submit, unsigned complete, unsigned flags,
                           void *argument, size_t size);
int __wrap_io_uring_enter2(unsigned fd, unsigned submit, unsigned complete, unsigned flags,
                           void *argument, size_t size)
{
    count(entries);
    if (complete != 0) {
        count(waits);
    }
    return __real_io_uring_enter2(fd, submit, complete, flags, argument, size);
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
    count(entries);
    return __real_io_uring_submit(ring);
}

int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    count(entries);
    return __real_io_uring_submit_and_get_events(ring);
}

/* A look without a wait, epoll_wait(), is not counted: how many there are is a matter of time. */
int __real_epoll_pwait2(int fd, struct epoll_event *events, int max, const struct timespec *limit,
                        const sigset_t *signals);
int __wrap_epoll_pwait2(int fd, struct epoll_event *events, int max, const struct timespec *limit,
                        const sigset_t *signals);
int __wrap_epoll_pwait2(int fd, struct epoll_event *events, int max, const struct timespec *limit,
                        const sigset_t *signals)
{
    count(entries);
    count(waits);
    return __real_epoll_pwait2(fd, events, max, limit, signals);
}

ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
    count(entries);
    return __real_recv(fd, bytes, size, flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    count(entries);
    return __real_sendmsg(fd, message, flags);
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    count(entries);
    return __real_write(fd, bytes, size);
}

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    count(locks);
    return __real_pthread_mutex_lock(mutex);
}

uint64_t __real_ptl_hash(struct ptl_span bytes);
uint64_t __wrap_ptl_hash(struct ptl_span bytes);
uint64_t __wrap_ptl_hash(struct ptl_span bytes)
{
    count(hashes);
    return __real_ptl_hash(bytes);
}

static void assert_at_most(const char *what, uint64_t counted, uint64_t most)
{
    if (counted > most) {
        fail_msg("%s: %llu, more than %llu", what, (unsigned long long)counted,
                 (unsigned long long)most);
    }
}

static void assert_requests(uint64_t most)
{
    assert_at_most("requests for memory", witness_memory_requests(), most + CHORES);
}

static void assert_no_locks(void)
{
    assert_at_most("locks of the near side", atomic_load(&locks[NEAR]), CHORES);
    assert_at_most("locks of the far side", atomic_load(&locks[FAR]), CHORES);
}

static void assert_no_hashes(void)
{
    assert_at_most("names hashed by the near side", atomic_load(&hashes[NEAR]), CHORES);
    assert_at_most("names hashed by the far side", atomic_load(&hashes[FAR]), CHORES);
}

static void assert_entries(uint64_t most)
{
    assert_at_most("entries into the kernel of the near side", atomic_load(&entries[NEAR]),
                   most + CHORES);
    assert_at_most("entries into the kernel of the far side", atomic_load(&entries[FAR]),
                   most + CHORES);
}

/* ---- A stream ------------------------------------------------------------------------------- */

struct stream {
    struct ptl_node *near, *far;
    struct ptl_port source, sink;           /* where they are */
    struct ptl_port source_seen, sink_seen; /* as the other one sees them */
    struct ptl_msg *message, *answer;
    unsigned sink_side;
    bool keeps; /* the sink makes each message one of its own */
    uint64_t sent;
    _Atomic uint64_t come, answered, goal;
};

/* The source: an answer, or the word to begin. */
static int send_on(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct stream *stream = data;
    uint64_t goal = atomic_load(&stream->goal);

    side = NEAR;
    atomic_fetch_add(&stream->answered, ptl_msg_count(msg) == 2 ? BURST : 0);
    while (stream->sent < goal && stream->sent - atomic_load(&stream->answered) < UNDER_WAY) {
        int err = ptl_send(node, &stream->sink_seen, stream->message);
        if (err < 0) {
            return err;
        }
        stream->sent++;
    }
    return 0;
}

static int take_and_answer(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct stream *stream = data;

    side = stream->sink_side;
    if (stream->keeps) {
        ptl_msg_free(ptl_msg_keep(msg));
    }
    bool last = (atomic_load(&stream->come) + 1) % BURST == 0;
    int err = last ? ptl_send(node, &stream->source_seen, stream->answer) : 0;
    atomic_fetch_add(&stream->come, 1);
    return err;
}

/* Where the ports are is the caller's; each sees the other as its own node does. */
static void join(struct stream *stream)
{
    stream->source_seen = witness_parse(stream->far, ptl_port_id(&stream->source));
    stream->sink_seen = witness_parse(stream->near, ptl_port_id(&stream->sink));
    assert_int_equal(ptl_msg_make(stream->near, &stream->message, "y", "0123456789abcdef", 16), 0);
    assert_int_equal(ptl_msg_make(stream->far, &stream->answer, "ii", 1, 2), 0);
}

static void part(struct stream *stream)
{
    ptl_msg_free(stream->message);
    ptl_msg_free(stream->answer);
}

static void run(struct stream *stream, uint64_t messages)
{
    uint64_t goal = atomic_fetch_add(&stream->goal, messages) + messages;

    tell(stream->near, &stream->source, "i", 0);
    witness_reach(&stream->come, goal);
    witness_reach(&stream->answered, goal);
}

static void run_counted(struct stream *stream)
{
    run(stream, WARM_UP);
    count_anew();
    run(stream, MESSAGES);
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static struct ptl_node *make_node(unsigned shards)
{
    struct ptl_node_options options = witness_options("rain");

    options.shards = shards;
    return witness_start(&options);
}

/* Both on one shard, or each on its own; `name` NULL: the sink has no chosen one. */
static void make_here(struct stream *stream, unsigned shards, const char *name)
{
    stream->near = stream->far = make_node(shards);
    stream->sink_side = shards == 1 ? NEAR : FAR;
    stream->sink = name != NULL ? witness_port(stream->far, name, take_and_answer, stream)
                                : witness_port_on(stream->far, 0, take_and_answer, stream);
    stream->source = witness_port_on(stream->near, stream->sink.shard + 1u, send_on, stream);
    join(stream);
}

/* What the loops of nodes that are linked are on. */
static enum ptl_loop_kind loop_kind;

static void skip_without_uring(void)
{
    if (ptl_loop_uring_missing() != NULL) {
        skip();
    }
}

/* On two nodes that are linked. */
static void make_linked(struct stream *stream, const char *framings, const char *name,
                        unsigned poll_us)
{
    struct ptl_node_options near = witness_options("near"), far = witness_options("far");
    const char *binds[] = {"127.0.0.1:0", NULL};

    near.shards = far.shards = 1;
    near.binds = far.binds = binds;
    near.framings = far.framings = framings;
    near.poll_us = far.poll_us = poll_us;
    near.loop = far.loop = loop_kind;
    stream->near = witness_start(&near);
    stream->far = witness_start(&far);
    stream->sink_side = FAR;
    assert_int_equal(ptl_node_known(stream->near, "far", ptl_node_address(stream->far, 0)), 0);
    stream->sink = witness_port(stream->far, name, take_and_answer, stream);
    stream->source = witness_port(stream->near, NULL, send_on, stream);
    join(stream);
}

/* ---- What is paid for a message ------------------------------------------------------------- */

/* To a port by its slot, and by its chosen name. */
static void assert_inner_cost(unsigned shards, uint64_t entries_max)
{
    static const char *const names[] = {NULL, "sink"};

    for (unsigned i = 0; i < 2; i++) {
        struct stream stream = {.near = NULL};
        make_here(&stream, shards, names[i]);
        run_counted(&stream);
        assert_requests(0);
        assert_no_locks();
        assert_no_hashes();
        assert_entries(entries_max);
        witness_stop(stream.near, 1000);
        part(&stream);
    }
}

static void messages_of_one_shard_cost_nothing_but_their_handlers(void **state)
{
    (void)state;
    assert_inner_cost(1, MESSAGES / 1000);
}

/* Each burst may find the other shard asleep: then it is woken once. */
static void messages_between_shards_cost_one_wake_up_a_burst_at_most(void **state)
{
    (void)state;
    assert_inner_cost(2, 2 * BURSTS);
}

static void assert_link_cost(enum ptl_loop_kind kind, unsigned ways, uint64_t entries_a_thousand)
{
    static const char *const names[] = {NULL, "sink"};
    static const char *const framings[] = {"portolan", "cbor"};

    loop_kind = kind;
    for (unsigned i = 0; i < ways; i++) {
        struct stream stream = {.near = NULL};
        make_linked(&stream, framings[i / 2], names[i % 2], 0);
        run_counted(&stream);
        /* In CBOR each receive may end within a packet, for which the decoder asks for some. */
        assert_requests(i / 2 == 0 ? 0 : MESSAGES / 100);
        assert_no_locks();
        assert_at_most("names hashed by the near side", atomic_load(&hashes[NEAR]), CHORES);
        assert_entries(entries_a_thousand * MESSAGES / 1000);
        witness_stop(stream.near, 1000);
        witness_stop(stream.far, 1000);
        part(&stream);
    }
}

static int take_nothing(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return PTL_LATER;
}

/* Until it refuses though nothing is under way any more. */
static void fill(struct stream *stream, const struct ptl_port *to)
{
    unsigned refused = 0;

    while (refused < 3) {
        int err = ptl_send(stream->near, to, stream->message);
        assert_true(err == 0 || err == PTL_EFULL);
        refused = err == 0 ? 0 : refused + 1;
        if (err == PTL_EFULL) {
            run(stream, 2 * BURST);
        }
    }
}

static void messages_beside_a_port_that_is_full_cost_no_more(void **state)
{
    (void)state;
    for (unsigned linked = 0; linked < 2; linked++) {
        struct stream stream = {.near = NULL};
        linked ? make_linked(&stream, "portolan", NULL, 0) : make_here(&stream, 1, NULL);
        struct ptl_port stuck = witness_port_on(stream.far, 0, take_nothing, NULL);
        stuck = witness_parse(stream.near, ptl_port_id(&stuck));
        fill(&stream, &stuck);
        run_counted(&stream);
        assert_requests(0);
        assert_no_locks();
        assert_no_hashes();
        assert_int_equal(ptl_send(stream.near, &stuck, stream.message), PTL_EFULL);
        assert_int_equal(ptl_kill(stream.near, &stuck, NULL), 0); /* or the end would wait for it */
        witness_stop(stream.near, 1000);
        if (linked) {
            witness_stop(stream.far, 1000);
        }
        part(&stream);
    }
}

static void messages_over_a_link_cost_five_entries_a_thousand_at_most(void **state)
{
    (void)state;
    skip_without_uring();
    assert_link_cost(PTL_LOOP_URING, 4, 5);
}

static void messages_over_a_link_on_epoll_cost_eight_entries_a_thousand_at_most(void **state)
{
    (void)state;
    assert_link_cost(PTL_LOOP_EPOLL, 1, 8);
}

/* The counters see what there is to see: here the sink asks for memory once a message. */
static void memory_that_a_message_costs_is_counted(void **state)
{
    struct stream stream = {.keeps = true};

    (void)state;
    make_here(&stream, 1, NULL);
    run_counted(&stream);
    assert_true(witness_memory_requests() >= MESSAGES);
    witness_stop(stream.near, 1000);
    part(&stream);
}

/* ---- Large ones ------------------------------------------------------------------------------ */

#define LARGE ((size_t)1 << 20)

static int send_large(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    static const char zeros[LARGE];
    struct stream *stream = data;

    (void)msg;
    return ptl_sendf(node, &stream->sink_seen, "y", zeros, LARGE);
}

/* Written once, and read where that is. */
static void large_message_between_shards_is_in_memory_once(void **state)
{
    struct stream stream = {.near = NULL};

    (void)state;
    make_here(&stream, 2, NULL);
    assert_int_equal(ptl_port_on(stream.near, &stream.source, NULL, send_large, &stream), 0);
    for (uint64_t i = 1; i <= 10; i++) {
        count_anew();
        tell(stream.near, &stream.source, "i", 0);
        witness_reach(&stream.come, i);
        assert_at_most("bytes of memory", witness_memory_asked(), LARGE + LARGE / 2);
    }
    witness_stop(stream.near, 1000);
    part(&stream);
}

/* ---- There and back ------------------------------------------------------------------------- */

static int serve(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct stream *stream = data;

    (void)msg;
    side = NEAR;
    if (stream->sent == atomic_load(&stream->goal)) {
        atomic_store(&stream->answered, stream->sent);
        return 0;
    }
    stream->sent++;
    return ptl_send(node, &stream->sink_seen, stream->message);
}

static int return_it(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct stream *stream = data;

    (void)msg;
    side = FAR;
    return ptl_send(node, &stream->source_seen, stream->message);
}

static void play(struct stream *stream, uint64_t trips)
{
    uint64_t goal = atomic_fetch_add(&stream->goal, trips) + trips;

    tell(stream->near, &stream->source, "i", 0);
    witness_reach(&stream->answered, goal);
}

/*
 * One entry sends and waits, but what is sent at once ends the wait, and so there is a second one.
 */
static void make_players(struct stream *stream, unsigned poll_us)
{
    make_linked(stream, "portolan", NULL, poll_us);
    assert_int_equal(ptl_port_on(stream->near, &stream->source, NULL, serve, stream), 0);
    assert_int_equal(ptl_port_on(stream->far, &stream->sink, NULL, return_it, stream), 0);
    play(stream, 100);
    count_anew();
}

static void assert_trip_cost(enum ptl_loop_kind kind, uint64_t entries_a_trip)
{
    struct stream stream = {.near = NULL};

    loop_kind = kind;
    make_players(&stream, 0);
    play(&stream, TRIPS);
    assert_requests(0);
    assert_no_locks();
    assert_entries(entries_a_trip * TRIPS);
    witness_stop(stream.near, 1000);
    witness_stop(stream.far, 1000);
    part(&stream);
}

static void round_trip_costs_two_entries_a_side(void **state)
{
    (void)state;
    skip_without_uring();
    assert_trip_cost(PTL_LOOP_URING, 2);
}

/* A wait, a receive, a send. */
static void round_trip_on_epoll_costs_three_entries_a_side(void **state)
{
    (void)state;
    assert_trip_cost(PTL_LOOP_EPOLL, 3);
}

static void assert_polled_trip_cost(enum ptl_loop_kind kind)
{
    struct stream stream = {.near = NULL};

    loop_kind = kind;
    make_players(&stream, 1000000);
    play(&stream, POLLED_TRIPS);
    assert_at_most("waits of the near side", atomic_load(&waits[NEAR]), CHORES);
    assert_at_most("waits of the far side", atomic_load(&waits[FAR]), CHORES);
    assert_entries(2 * POLLED_TRIPS);
    witness_stop(stream.near, 1000);
    witness_stop(stream.far, 1000);
    part(&stream);
}

static void node_that_polls_waits_for_no_message_of_a_round_trip(void **state)
{
    (void)state;
    skip_without_uring();
    assert_polled_trip_cost(PTL_LOOP_URING);
}

static void node_on_epoll_that_polls_waits_for_no_message_of_a_round_trip(void **state)
{
    (void)state;
    assert_polled_trip_cost(PTL_LOOP_EPOLL);
}

static void node_that_polls_sleeps_when_nothing_comes_for_so_long(void **state)
{
    struct stream stream = {.near = NULL};

    (void)state;
    make_players(&stream, 1000);
    play(&stream, 1);
    witness_reach(&waits[NEAR], 1);
    witness_reach(&waits[FAR], 1);
    witness_stop(stream.near, 1000);
    witness_stop(stream.far, 1000);
    part(&stream);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(messages_of_one_shard_cost_nothing_but_their_handlers),
        WITNESSED(messages_between_shards_cost_one_wake_up_a_burst_at_most),
        WITNESSED(messages_over_a_link_cost_five_entries_a_thousand_at_most),
        WITNESSED(messages_over_a_link_on_epoll_cost_eight_entries_a_thousand_at_most),
        WITNESSED(messages_beside_a_port_that_is_full_cost_no_more),
        WITNESSED(memory_that_a_message_costs_is_counted),
        WITNESSED(large_message_between_shards_is_in_memory_once),
        WITNESSED(round_trip_costs_two_entries_a_side),
        WITNESSED(round_trip_on_epoll_costs_three_entries_a_side),
        WITNESSED(node_that_polls_waits_for_no_message_of_a_round_trip),
        WITNESSED(node_on_epoll_that_polls_waits_for_no_message_of_a_round_trip),
        WITNESSED(node_that_polls_sleeps_when_nothing_comes_for_so_long),
    };

    return witness_main(argc, argv, "cost", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
