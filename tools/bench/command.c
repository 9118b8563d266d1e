#include "tools/bench/command.h"

#include "tools/bench/help.h"
#include "tools/bench/once.h"
#include "tools/bench/report.h"
#include "tools/bench/sweep.h"
#include "tools/bench/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The other end ------------------------------------------------------------------------- */

static int find_word(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], word) == 0) {
            return i;
        }
    }
    return 0;
}

/* "bench --server ..." is "run ... --service bench". */
static int serve(int argc, char **argv, int server)
{
    char **words = calloc((size_t)argc + 4, sizeof *words);
    char run[] = "run";
    char option[] = "--service";
    char name[] = "bench";
    struct ptl_options options;
    int count = 0;

    if (!words) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    words[count++] = argv[-1];
    words[count++] = run;
    words[count++] = option;
    words[count++] = name;
    for (int i = 1; i < argc; i++) {
        if (i != server) {
            words[count++] = argv[i];
        }
    }
    int code = ptl_options_parse(count, words, &options);
    if (code == PTL_EXIT_OK) {
        code = ptl_command_run(&options);
    }
    ptl_options_free(&options);
    free(words);
    return code;
}

/* ---- The load ------------------------------------------------------------------------------ */

static int report(const struct ptl_bench_options *options, const struct ptl_bench_result *result)
{
    bool good = options->common.json ? ptl_bench_report_json(options, result)
                                     : ptl_bench_report_text(options, result);

    return good ? ptl_bench_verdict(options, result)
                : ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
}

/* It is opened before the load, so that nobody waits for what cannot be written. */
static int write_hdr(FILE *file, const char *name, const struct ptl_bench_result *result)
{
    bool good = ptl_histogram_write(&result->latency, file);
    int err = errno;

    good = fclose(file) == 0 && good;
    return good ? PTL_EXIT_OK
                : ptl_complain(PTL_EXIT_OTHER, "cannot write %s: %s", name, strerror(err));
}

static int load_and_report(const struct ptl_bench_options *options)
{
    struct ptl_bench_result result;
    FILE *file = options->hdr ? fopen(options->hdr, "we") : NULL;

    if (options->hdr && !file) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot write %s: %s", options->hdr, strerror(errno));
    }
    int code = ptl_bench_once(options, &result);
    int written = file ? write_hdr(file, options->hdr, &result) : PTL_EXIT_OK;
    if (code == PTL_EXIT_OK) {
        code = report(options, &result);
    }
    ptl_bench_result_free(&result);
    return code == PTL_EXIT_OK ? written : code;
}

static int load_as_asked(const struct ptl_bench_options *options)
{
    if (options->common.help) {
        return ptl_bench_help() ? PTL_EXIT_OK : PTL_EXIT_OTHER;
    }
    return options->pattern->deed == PTL_BENCH_VERIFY ? ptl_bench_verify(options)
           : options->is_sweep                        ? ptl_bench_sweep(options)
                                                      : load_and_report(options);
}

int ptl_command_bench(int argc, char **argv)
{
    struct ptl_bench_options options;
    int server = find_word(argc, argv, "--server");
    int verify = find_word(argc, argv, "--verify");
    char pattern[] = "verify";

    if (server > 0) {
        return serve(argc, argv, server);
    }
    if (verify > 0) {
        argv[verify] = pattern; /* a pattern like any other, if a special one */
    }
    int code = ptl_bench_options_parse(argc, argv, &options);
    if (code == PTL_EXIT_OK) {
        code = load_as_asked(&options);
    }
    ptl_options_free(&options.common);
    return code;
}
