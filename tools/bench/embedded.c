#include "tools/bench/embedded.h"

#include "tools/bench/service.h"

static int open_node(struct ptl_bench_load *load)
{
    int err = ptl_bench_service_start(load->embedded, &load->journal);

    if (err == 0) {
        err = ptl_node_open(load->embedded);
    }
    return err < 0 ? ptl_complain_start(&load->journal, err) : PTL_EXIT_OK;
}

int ptl_bench_embedded_start(struct ptl_bench_load *load)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    const struct ptl_options *common = &load->options->common;

    if (load->options->embedded == PTL_BENCH_APART) {
        return PTL_EXIT_OK;
    }
    struct ptl_node_options options =
        ptl_common_options(common, "bench/there", &load->secret, &load->journal);
    options.shards = options.shards > 0 ? options.shards : 1;
    options.binds = binds;
    int err = ptl_node_make(&options, &load->embedded);
    if (err < 0) {
        load->embedded = NULL;
        return ptl_complain_start(&load->journal, err);
    }
    int code = open_node(load);
    if (code == PTL_EXIT_OK) {
        load->seeds = (struct ptl_list){.items = {ptl_node_address(load->embedded, 0)}, .count = 1};
    }
    return code;
}
