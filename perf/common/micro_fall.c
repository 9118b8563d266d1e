#include "perf/common/micro_fall.h"

#include "engine/link/failure.h"
#include "engine/link/known.h"
#include "engine/link/link.h"
#include "engine/node/node.h"
#include "tests/common/listener.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAKERS 1000

static uint64_t told, made, wanted;

static void must(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", what, ptl_err_text(err));
        exit(1);
    }
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int on_gone(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason,
                   void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    (void)data;
    told++;
    return PTL_OK;
}

static void monitor_one(struct ptl_node *node)
{
    struct ptl_port port;
    char id[32];
    int size = snprintf(id, sizeof(id), "far#%llu", (unsigned long long)made++);

    must(ptl_port_parse(node, id, (size_t)size, &port), "a port's ID");
    must(ptl_monitor(node, &port, on_gone, NULL, NULL), "a monitor");
}

static int monitor_some(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    for (unsigned i = 0; i < 100 && made < wanted; i++) {
        monitor_one(node);
    }
    return PTL_OK;
}

static struct ptl_node *make_node(const char *address)
{
    struct ptl_node_options options = {
        .size = sizeof(options),
        .id = "near",
        .shards = 1,
        .secret = "perf perf perf perf",
        .secret_size = 19,
        .inbox_room = (size_t)4 << 30,
        .link_room = (size_t)4 << 30,
        .handshake_ms = 600000,
        .log_level = PTL_LOG_ERROR,
    };
    struct ptl_node *node;

    must(ptl_node_make(&options, &node), "a node");
    must(ptl_node_open_shard(node, 0), "its shard");
    must(ptl_node_learn(node, ptl_span_text("far"), address), "an address");
    return node;
}

static void settle(struct ptl_node *node)
{
    while (ptl_node_next(node, 0) == 0) {
        ptl_node_turn(node, 0);
    }
}

static void make_monitors(struct ptl_node *node, bool by_ports)
{
    struct ptl_port makers[MAKERS];

    for (unsigned i = 0; by_ports && i < MAKERS; i++) {
        const struct ptl_port_options options = {.size = sizeof(options), .handler = monitor_some};
        must(ptl_port_new(node, &options, &makers[i]), "a port");
    }
    for (unsigned i = 0; made < wanted; i++) {
        if (by_ports) {
            must(ptl_sendf(node, &makers[i % MAKERS], "n"), "sending");
        } else {
            for (unsigned j = 0; j < 100 && made < wanted; j++) {
                monitor_one(node);
            }
        }
        settle(node);
    }
}

/*
 * Nobody is there, so the requests for all monitors wait at the link.  With a peer they would have
 * been written long ago: forget them, and have the C library put their small blocks together, or it
 * does so in one of the turns.
 */
static void forget_requests(struct ptl_shard *shard, struct ptl_link *link)
{
    while (link->waiting_first != NULL) {
        struct ptl_parcel *parcel = link->waiting_first;
        link->waiting_first = parcel->next;
        ptl_parcel_free(parcel, shard->allocator);
    }
    link->waiting_last = NULL;
    malloc_trim(0);
}

void fall_measure(uint64_t count, bool by_ports, struct fall *fall)
{
    char address[32];
    /* Somebody accepts there and says nothing, so that the link fails when we want it to. */
    int listener = listener_open(address);
    struct ptl_node *node = make_node(address);
    struct ptl_shard *shard = &node->shards[0];

    told = made = 0;
    wanted = count;
    *fall = (struct fall){.turns = 0};
    make_monitors(node, by_ports);
    struct ptl_link *link = ptl_link_get(shard, ptl_span_text("far"));
    forget_requests(shard, link);
    if (told != 0) {
        fprintf(stderr, "the link has failed by itself: this machine is too busy\n");
        exit(1);
    }
    ptl_link_fail(shard, link, PTL_ECLOSED);
    shard->unfinished = true;
    double begin = now(), last = begin;
    while (told < count) {
        ptl_node_turn(node, 0);
        double time = now();
        fall->longest_turn = time - last > fall->longest_turn ? time - last : fall->longest_turn;
        fall->turns++;
        last = time;
    }
    fall->seconds = last - begin;
    ptl_node_crash(node);
    close(listener);
}
