#include "tools/bench/worker.h"

#include "tools/bench/mark.h"
#include "tools/bench/words.h"

#include <stdlib.h>

struct worker {
    struct ptl_bench_tally *tally;
    struct ptl_bench_slice *slice;
    uint64_t expected; /* number of the next message */
    uint32_t stream;
    struct ptl_port next;
};

/* ---- Sinks and relays ---------------------------------------------------------------------- */

static bool read_mark(struct worker *worker, const struct ptl_msg *msg, struct ptl_bench_mark *mark)
{
    ptl_bench_tally_stall_if_told(worker->tally);
    if (ptl_bench_mark_read(msg, mark) && mark->stream == worker->stream) {
        mark->number = mark->number == PTL_BENCH_UNNUMBERED ? worker->expected : mark->number;
        return true;
    }
    ptl_bench_slice_count_strange(worker->slice);
    return false;
}

static void count(struct worker *worker, const struct ptl_msg *msg, uint64_t number)
{
    ptl_bench_slice_count(worker->slice, msg, number == worker->expected);
    worker->expected = number + 1;
}

static int sink(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct worker *worker = data;
    struct ptl_bench_mark mark;

    if (!read_mark(worker, msg, &mark)) {
        return 0;
    }
    if (mark.acknowledge &&
        ptl_sendf(node, &worker->next, "u", ptl_bench_mark_pack(&mark)) == PTL_EFULL) {
        return PTL_LATER; /* and then it is counted */
    }
    count(worker, msg, mark.number);
    return 0;
}

static int relay(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct worker *worker = data;
    struct ptl_bench_mark mark;

    if (!read_mark(worker, msg, &mark)) {
        return 0;
    }
    if (ptl_send(node, &worker->next, msg) == PTL_EFULL) {
        return PTL_LATER;
    }
    count(worker, msg, mark.number);
    return 0;
}

static void release_worker(void *data)
{
    struct worker *worker = data;

    ptl_bench_tally_drop(worker->tally);
    free(worker);
}

static struct worker *make_worker(struct ptl_bench_tally *tally, unsigned shard, uint32_t stream,
                                  const struct ptl_port *next)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker) {
        ptl_bench_tally_hold(tally);
        worker->tally = tally;
        worker->slice = ptl_bench_tally_slice(tally, shard);
        worker->stream = stream;
        worker->next = *next;
    }
    return worker;
}

int ptl_bench_worker_make(struct ptl_node *node, struct ptl_bench_crew *crew,
                          enum ptl_bench_worker kind, uint32_t stream, const struct ptl_port *next,
                          struct ptl_port *port)
{
    unsigned shard = crew->turn++ % ptl_bench_tally_shards(crew->tally);
    struct worker *worker = make_worker(crew->tally, shard, stream, next);
    struct ptl_port_options options = {
        .size = sizeof options,
        .handler = kind == PTL_BENCH_RELAY ? relay : sink,
        .data = worker,
        .release = release_worker,
        .shard_plus_one = shard + 1,
    };

    if (!worker) {
        return PTL_ENOMEM;
    }
    int err = ptl_port_new(node, &options, port);
    if (err < 0) {
        release_worker(worker);
        return err;
    }
    return ptl_monitor_kill(node, &crew->anchor, port, NULL);
}

/* ---- Mortals, and the anchor --------------------------------------------------------------- */

struct anchor {
    struct ptl_bench_tally *tally;
    struct ptl_bench_slice *slice;
};

static int mortal_is_born(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct anchor *anchor = data;

    (void)node;
    ptl_bench_slice_count(anchor->slice, msg, true);
    return 0;
}

static void release_anchor(void *data)
{
    struct anchor *anchor = data;

    ptl_bench_tally_drop(anchor->tally);
    free(anchor);
}

int ptl_bench_anchor_make(struct ptl_node *node, struct ptl_bench_tally *tally,
                          struct ptl_port *port)
{
    struct anchor *anchor = calloc(1, sizeof *anchor);
    struct ptl_port_options options = {
        .size = sizeof options,
        .handler = mortal_is_born,
        .data = anchor,
        .release = release_anchor,
    };

    if (!anchor) {
        return PTL_ENOMEM;
    }
    ptl_bench_tally_hold(tally);
    anchor->tally = tally;
    anchor->slice = ptl_bench_tally_slice(tally, ptl_bench_tally_shards(tally));
    int err = ptl_port_new(node, &options, port);
    if (err < 0) {
        release_anchor(anchor);
    }
    return err;
}

void ptl_bench_anchor_end(struct ptl_node *node, const struct ptl_port *anchor)
{
    struct ptl_msg *reason;

    if (ptl_msg_make(node, &reason, "t", "bench_end") == 0) {
        (void)ptl_kill(node, anchor, reason); /* a normal death would kill nobody */
        ptl_msg_free(reason);
    }
}

static int ignore(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return 0;
}

/* The spawned port itself runs this. */
static int init_mortal(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port anchor;
    struct ptl_port self;

    (void)data;
    if (ptl_msg_read(node, msg, "p.", &anchor) < 0 || !ptl_self(node, &self)) {
        return ptl_fail(node, "%s takes the port that it ends with", PTL_BENCH_MORTAL);
    }
    int err = ptl_sendf(node, &anchor, "t", "born");
    if (err < 0) {
        return err == PTL_EFULL ? PTL_LATER : err;
    }
    err = ptl_monitor_kill(node, &anchor, &self, NULL);
    return err < 0 ? err : ptl_port_on(node, &self, NULL, ignore, NULL);
}

int ptl_bench_mortals_register(struct ptl_node *node)
{
    return ptl_register(node, PTL_BENCH_MORTAL, init_mortal, NULL);
}
