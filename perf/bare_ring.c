/*
 * perf/bare_ring.c - the yardstick for messages between shards: one producer and one consumer
 * thread, a ring of 32-byte entries, positions a cache line apart, and each side looks at the
 * other's position only when what it remembers is used up.  Each thread keeps to a processor of its
 * own: on one and the same the entries would never leave its cache, which says nothing of shards.
 *
 * Prints one JSON object a measurement, as perf/run reads it: bare_ring [SECONDS [REPETITIONS]]
 */
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ENTRIES 8192 /* 256 KiB, as the ring between two shards */
#define BATCH 256    /* entries shown at once; with fewer the threads fall into step and get slow */

struct entry {
    uint64_t words[4];
};

static struct {
    alignas(64) _Atomic uint64_t tail;
    alignas(64) _Atomic uint64_t head;
    alignas(64) _Atomic int stop;
    alignas(64) struct entry entries[ENTRIES];
} ring;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The other side has had no turn for a while: on a busy machine it may need our processor. */
static void wait_a_little(unsigned *tries)
{
    if (++*tries % 1000 == 0) {
        sched_yield();
    }
}

static int processors[2] = {-1, -1};

static void find_processors(void)
{
    cpu_set_t all;
    int found = 0;

    if (sched_getaffinity(0, sizeof(all), &all) < 0) {
        return;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            processors[found++] = cpu;
        }
    }
}

static void keep_to(int processor)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    if (processor >= 0) {
        CPU_SET(processor, &one);
        pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    }
}

static void *produce(void *argument)
{
    uint64_t tail = 0, head_seen = 0;
    unsigned tries = 0;
    (void)argument;

    keep_to(processors[1]);
    while (!atomic_load_explicit(&ring.stop, memory_order_relaxed)) {
        if (ENTRIES - (tail - head_seen) < BATCH) {
            head_seen = atomic_load_explicit(&ring.head, memory_order_acquire);
            wait_a_little(&tries);
            continue;
        }
        for (unsigned i = 0; i < BATCH; i++) {
            struct entry *entry = &ring.entries[(tail + i) % ENTRIES];
            entry->words[0] = tail + i;
            entry->words[1] = tail;
            entry->words[2] = i;
            entry->words[3] = 0;
        }
        tail += BATCH;
        atomic_store_explicit(&ring.tail, tail, memory_order_release);
    }
    return NULL;
}

static double consume(double seconds)
{
    uint64_t head = 0;
    unsigned tries = 0;
    pthread_t producer;

    atomic_store(&ring.head, 0);
    atomic_store(&ring.tail, 0);
    atomic_store(&ring.stop, 0);
    double start = now();
    pthread_create(&producer, NULL, produce, NULL);
    double end = start + seconds;
    while (now() < end) {
        for (unsigned turn = 0; turn < 1000; turn++) {
            uint64_t tail = atomic_load_explicit(&ring.tail, memory_order_acquire);
            if (tail == head) {
                wait_a_little(&tries);
            }
            for (; head < tail; head++) {
                const struct entry *entry = &ring.entries[head % ENTRIES];
                if (entry->words[0] != head || entry->words[1] + entry->words[2] != head) {
                    fprintf(stderr, "entry %llu is wrong\n", (unsigned long long)head);
                    exit(1);
                }
            }
            atomic_store_explicit(&ring.head, head, memory_order_release);
        }
    }
    double rate = (double)head / (now() - start);
    atomic_store(&ring.stop, 1);
    pthread_join(producer, NULL);
    return rate;
}

int main(int count, char *arguments[])
{
    double seconds = count > 1 ? atof(arguments[1]) : 1;
    int repetitions = count > 2 ? atoi(arguments[2]) : 3;

    find_processors();
    keep_to(processors[0]);
    for (int i = 0; i < repetitions; i++) {
        printf("{\"name\": \"bare_ring\", \"items_per_second\": %.0f}\n", consume(seconds));
        fflush(stdout);
    }
    return 0;
}
