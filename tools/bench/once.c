#include "tools/bench/once.h"

#include "tools/bench/drive.h"
#include "tools/bench/join.h"

#include <stdlib.h>

int ptl_bench_once(const struct ptl_bench_options *options, struct ptl_bench_result *result)
{
    struct ptl_bench_load *load = malloc(sizeof *load);

    *result = (struct ptl_bench_result){.seconds = 0};
    if (!load) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    int code = ptl_bench_load_open(load, options);
    if (code == PTL_EXIT_OK) {
        code = options->pattern->deed == PTL_BENCH_JOIN ? ptl_bench_join(load, result)
                                                        : ptl_bench_drive(load, result);
    }
    ptl_bench_load_close(load);
    free(load);
    return code;
}
