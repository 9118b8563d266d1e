#include "tools/bench/join.h"

#include <stdio.h>
#include <stdlib.h>

#define STOP_MS 2000
#define ENTRY_EXTRA 512 /* bytes that an entry costs while it waits for its node to open */

static int make_node(struct ptl_bench_load *load, unsigned number, struct ptl_node **node)
{
    const struct ptl_bench_options *options = load->options;
    char id[PTL_NODE_ID_MAX];

    snprintf(id, sizeof id, "%.160s/%u", load->links[0].id, number);
    struct ptl_node_options node_options =
        ptl_common_options(&options->common, id, &load->secret, &load->journal);
    node_options.seeds = load->seeds.items;
    node_options.shards = node_options.shards > 0 ? node_options.shards : 1;
    node_options.inbox_room = options->entries * (options->sizes.largest + ENTRY_EXTRA);
    return ptl_node_make(&node_options, node);
}

static int set_entries(struct ptl_bench_load *load, struct ptl_node *node)
{
    size_t size = load->options->sizes.largest;
    struct ptl_msg *value;
    void *bytes = calloc(size + 1, 1);
    char key[24];

    if (!bytes) {
        return PTL_ENOMEM;
    }
    int err = ptl_msg_make(node, &value, "y", bytes, size);
    free(bytes);
    if (err < 0) {
        return err;
    }
    for (uint64_t i = 0; err == 0 && i < load->options->entries; i++) {
        snprintf(key, sizeof key, "%llu", (unsigned long long)i);
        err = ptl_db_set(node, load->family, key, value);
    }
    ptl_msg_free(value);
    return err;
}

/* From opening it until the target has all of it; then it leaves.  Returns 0 or an error. */
static int join_and_leave(struct ptl_bench_load *load, struct ptl_node *node, int64_t *taken_ns)
{
    struct ptl_bench_target *target = &load->targets[0];
    int64_t begin_ns = ptl_bench_now();

    int err = ptl_node_open(node);
    if (err == 0) {
        err = ptl_bench_target_await(target, load->options->entries);
    }
    *taken_ns = ptl_bench_now() - begin_ns;
    (void)ptl_node_stop(node, STOP_MS);
    return err < 0 ? err : ptl_bench_target_await(target, 0);
}

static int cycle(struct ptl_bench_load *load, unsigned number, int64_t *taken_ns)
{
    struct ptl_node *node;

    int err = make_node(load, number, &node);
    if (err < 0) {
        return err;
    }
    err = set_entries(load, node);
    if (err < 0) {
        (void)ptl_node_stop(node, 0);
        return err;
    }
    return join_and_leave(load, node, taken_ns);
}

static void count(struct ptl_bench_load *load, struct ptl_bench_result *result, int64_t taken_ns)
{
    uint64_t entries = load->options->entries;

    result->counts.measured += entries;
    result->counts.measured_bytes += entries * load->options->sizes.largest;
    result->seconds += (double)taken_ns / 1e9;
    ptl_histogram_record(&result->latency, taken_ns);
}

/* How it ended, if a cycle has failed. */
static void judge(struct ptl_bench_load *load, struct ptl_bench_result *result, int err)
{
    if (ptl_bench_load_is_gone(load, result->reason)) {
        result->ending = PTL_BENCH_GONE;
    } else if (err < 0 && err != PTL_ETIMEOUT) {
        result->ending = PTL_BENCH_FAILED;
        snprintf(result->reason, sizeof result->reason, "cannot join: %s", ptl_err_text(err));
    }
}

/* Once at least, however short the time. */
static void run(struct ptl_bench_load *load, struct ptl_bench_result *result)
{
    int64_t measured_from_ns = ptl_bench_now() + load->options->warm_up_ns;
    int64_t end_ns = measured_from_ns + load->options->duration_ns;
    int64_t taken_ns;
    int err = 0;

    for (unsigned i = 0; err == 0; i++) {
        bool is_measured = ptl_bench_now() >= measured_from_ns;
        result->counts.sent += load->options->entries;
        err = cycle(load, i, &taken_ns);
        if (err < 0) {
            break;
        }
        result->counts.acked += load->options->entries;
        if (is_measured) {
            count(load, result, taken_ns);
        }
        if (ptl_bench_now() >= end_ns && result->latency.count > 0) {
            break;
        }
    }
    judge(load, result, err);
}

int ptl_bench_join(struct ptl_bench_load *load, struct ptl_bench_result *result)
{
    if (!ptl_bench_result_init(result)) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    run(load, result);
    ptl_bench_load_stop(load);
    return PTL_EXIT_OK;
}
