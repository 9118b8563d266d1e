#include "tools/doctor/command.h"

#include "tools/doctor/examination.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static ptl_examine_fn *const steps[] = {
    ptl_examine_configuration, ptl_examine_kernel,     ptl_examine_process_1,
    ptl_examine_loop,          ptl_examine_processors, ptl_examine_memory,
    ptl_examine_descriptors,   ptl_examine_clock,      ptl_examine_log,
    ptl_examine_rules,         ptl_examine_secret,     ptl_examine_certificates,
    ptl_examine_announced,     ptl_examine_places,     ptl_examine_http,
    ptl_examine_seeds,
};

static int print(const struct ptl_examination *examination)
{
    const struct ptl_report *report = examination->report;
    bool good = examination->options->json ? ptl_report_print_json(report, examination->id, stdout)
                                           : ptl_report_print(report, stdout);

    if (!good) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
    }
    bool is_bad = report->verdicts[PTL_VERDICT_ERROR] > 0 ||
                  (examination->options->strict && report->verdicts[PTL_VERDICT_WARNING] > 0);
    return is_bad ? PTL_EXIT_START : PTL_EXIT_OK;
}

int ptl_command_doctor(const struct ptl_options *options)
{
    struct ptl_report report;
    char host[PTL_NODE_ID_MAX];

    if (options->argument_count > 0) {
        return ptl_complain_form("doctor [--config FILE [--profile NAME]] [--strict] [--json] "
                                 "[OPTION of run...]");
    }
    if (!ptl_report_init(&report)) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    signal(SIGPIPE, SIG_IGN);
    ptl_host_name(host);
    struct ptl_examination examination = {
        .options = options, .report = &report, .id = options->node ? options->node : host};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        steps[i](&examination);
    }
    int code = print(&examination);
    ptl_secret_drop(&examination.secret);
    ptl_report_drop(&report);
    return code;
}
