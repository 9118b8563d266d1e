/*
 * perf/peers/common/far.c - the far end: it counts, echoes, and gives credit.
 *
 * One thread at a time calls peer_far_got(), or, for libraries that deliver on several, several at
 * once: then only echoes and receipts come, which touch nothing of ours.
 */
#include "perf/peers/common/ends.h"

#include <string.h>
#include <unistd.h>

static struct {
    const struct peer_work *work;
    struct peer_shared *shared;
    uint64_t taken; /* bytes since the last credit */
    uint32_t next;  /* the number that comes next */
} far;

static enum peer_verdict count(const struct peer_head *head, size_t size, struct peer_head *answer)
{
    uint64_t received = atomic_load_explicit(&far.shared->received, memory_order_relaxed);

    if (head->number != far.next) {
        atomic_fetch_add_explicit(&far.shared->disordered, 1, memory_order_relaxed);
    }
    far.next = head->number + 1;
    if (far.work->pattern == PEER_DB_WATCH &&
        (int64_t)head->time_ns >= atomic_load(&far.shared->warm_until_ns)) {
        peer_histogram_add(&far.shared->latency, (uint64_t)peer_now() - head->time_ns);
    }
    atomic_store_explicit(&far.shared->received, received + 1, memory_order_release);
    far.taken += size;
    if (peer_system.window == 0 || far.work->pattern != PEER_ONE_WAY ||
        far.taken < peer_system.window / 8) {
        return PEER_DROP;
    }
    *answer = (struct peer_head){.kind = PEER_CREDIT, .time_ns = far.taken};
    far.taken = 0;
    return PEER_ANSWER;
}

enum peer_verdict peer_far_got(const void *bytes, size_t size, struct peer_head *answer)
{
    struct peer_head head;

    if (size < sizeof(head)) {
        peer_die("a message of %zu bytes", size);
    }
    memcpy(&head, bytes, sizeof(head));
    switch (head.kind) {
    case PEER_DATA:
        return count(&head, size, answer);
    case PEER_ECHO:
        return PEER_SEND_BACK;
    case PEER_BULK:
        *answer = (struct peer_head){.kind = PEER_RECEIPT, .number = head.number};
        return PEER_ANSWER;
    default:
        peer_die("a message of kind %u", head.kind);
    }
}

_Noreturn void peer_far_run(const struct peer_work *work, struct peer_shared *shared, int ready)
{
    far.work = work;
    far.shared = shared;
    peer_system.open(work, PEER_FAR);
    if (write(ready, "r", 1) != 1) {
        peer_die("the near end has gone");
    }
    for (;;) {
        if (peer_system.wait == NULL) {
            pause();
            continue;
        }
        if (peer_system.flush) {
            peer_system.flush();
        }
        peer_system.wait(PEER_FOREVER);
    }
}
