#include "tests/cuts/cuts.h"

#include <stdio.h>

/* What a sink knows of each stream of the other node; its shard's. */
struct progress {
    int64_t run, next;     /* the number that must come next in this run */
    _Atomic int64_t round; /* of the last check that found it whole */
};

static struct progress progress[CUTS_STREAMS_MAX];

static struct progress *find(int64_t stream)
{
    if (stream < 0 || stream >= CUTS_STREAMS_MAX) {
        cuts_fail("a message of stream %lld, which there is not", (long long)stream);
    }
    return &progress[stream];
}

static void enter_run(struct progress *at, int64_t stream, int64_t run)
{
    if (run < at->run) {
        cuts_fail("stream %lld: run %lld after run %lld", (long long)stream, (long long)run,
                  (long long)at->run);
    }
    if (run > at->run) {
        at->run = run;
        at->next = 1;
    }
}

static int take_data(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct cuts_stage *stage = data;
    int64_t stream, run, number;
    const char *pad;
    size_t size;

    cuts_must(ptl_msg_read(node, msg, "*iiis.", &stream, &run, &number, &pad, &size), "a message");
    struct progress *at = find(stream);
    enter_run(at, stream, run);
    if (number != at->next) {
        cuts_fail("stream %lld, run %lld: %lld came where %lld was due", (long long)stream,
                  (long long)run, (long long)number, (long long)at->next);
    }
    if (size != cuts_pad_size(stream, run, number) ||
        (size != 0 && (pad[0] != 'p' || pad[size - 1] != 'p'))) {
        cuts_fail("stream %lld, run %lld, message %lld: damaged", (long long)stream, (long long)run,
                  (long long)number);
    }
    at->next++;
    atomic_fetch_add_explicit(&stage->received, 1, memory_order_relaxed);
    return PTL_OK;
}

/* The stream says how much of this run it has sent, and its monitor has not fired. */
static int take_check(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    int64_t stream, run, sent, round;

    (void)data;

    cuts_must(ptl_msg_read(node, msg, "*iiii.", &stream, &run, &sent, &round), "a check");
    struct progress *at = find(stream);
    enter_run(at, stream, run);
    if (at->next != sent + 1) {
        cuts_fail("stream %lld, run %lld: %lld sent, %lld received, and its monitor is silent",
                  (long long)stream, (long long)run, (long long)sent, (long long)at->next - 1);
    }
    atomic_store(&at->round, round);
    return PTL_OK;
}

bool cuts_sinks_whole(struct cuts_stage *stage)
{
    bool whole = true;

    for (unsigned i = 0; i < stage->stream_count; i++) {
        whole = whole && atomic_load(&progress[i].round) == atomic_load(&stage->round);
    }
    return whole;
}

void cuts_sinks_make(struct cuts_stage *stage)
{
    for (unsigned i = 0; i < CUTS_STREAMS_MAX; i++) {
        progress[i].run = progress[i].next = 1;
    }
    for (unsigned i = 0; i < stage->shards; i++) {
        stage->sinks[i] = cuts_port(stage, i, NULL, NULL, NULL);
        cuts_must(ptl_port_on(stage->node, &stage->sinks[i], "d", take_data, stage), "a sink");
        cuts_must(ptl_port_on(stage->node, &stage->sinks[i], "f", take_check, stage), "a sink");
    }
}

void cuts_sinks_show(struct cuts_stage *stage)
{
    for (unsigned i = 0; i < stage->stream_count; i++) {
        fprintf(stderr, "  from stream %u: run %lld, %lld received, round %lld\n", i,
                (long long)progress[i].run, (long long)progress[i].next - 1,
                (long long)atomic_load(&progress[i].round));
    }
}
