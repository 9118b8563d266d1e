/* What the node is told: its configuration, its rules, and the loop that comes of it here. */
#include "tools/doctor/examination.h"

#include "tools/config/effective.h"
#include "tools/config/warnings.h"
#include "tools/rules_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SERVICE_FILE "/etc/portolan/portolan.conf"

/* ---- The configuration --------------------------------------------------------------------- */

static void take_mistake(void *data, enum ptl_exit code, const char *mistake)
{
    (void)code;
    ptl_report_complaint(data, PTL_VERDICT_ERROR, "configuration", mistake,
                         "correct it: portolan.conf(5) has every key");
}

static void take_warning(void *data, const char *warning)
{
    ptl_report_complaint(data, PTL_VERDICT_WARNING, "configuration", warning,
                         "see portolan config check");
}

static void tell_which(struct ptl_examination *examination)
{
    const struct ptl_options *options = examination->options;
    char digest[PTL_DIGEST_TEXT_SIZE] = "none";

    (void)ptl_config_digest(options->settings, digest);
    if (options->config) {
        ptl_report_ok(examination->report, "configuration", "%s%s%s, of node %s, digest %s",
                      options->config, options->profile ? ", profile " : "",
                      options->profile ? options->profile : "", examination->id, digest);
    } else {
        ptl_report_ok(examination->report, "configuration", "no file, node %s%s", examination->id,
                      access(SERVICE_FILE, F_OK) == 0 ? "; the service's: --config " SERVICE_FILE
                                                      : "");
    }
}

void ptl_examine_configuration(struct ptl_examination *examination)
{
    const struct ptl_settings *settings = examination->options->settings;

    if (settings->mistake_count > 0) {
        ptl_settings_tell(settings, take_mistake, examination->report);
        return;
    }
    tell_which(examination);
    ptl_config_warn(examination->options, take_warning, examination->report);
}

/* ---- Rules --------------------------------------------------------------------------------- */

static void take_rules_mistake(void *data, const char *mistake)
{
    ptl_report_complaint(data, PTL_VERDICT_ERROR, "rules", mistake,
                         "correct it: portolan acl check FILE says whether it is right");
}

void ptl_examine_rules(struct ptl_examination *examination)
{
    const char *path = examination->options->rules;
    struct ptl_rules_file file;

    if (!path) {
        return;
    }
    if (ptl_rules_file_read(path, false, take_rules_mistake, examination->report, &file) ==
        PTL_EXIT_OK) {
        ptl_report_ok(examination->report, "rules", "%s is right", path);
    }
    ptl_rules_file_drop(&file);
}

/* ---- The loop ------------------------------------------------------------------------------ */

/* Whether a filter of system calls is in force, as a container's or a unit's. */
static bool is_filtered(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    bool is_filtered = false;

    while (file && fgets(line, sizeof line, file)) {
        is_filtered |= strncmp(line, "Seccomp:\t", 9) == 0 && line[9] != '0';
    }
    if (file) {
        fclose(file);
    }
    return is_filtered;
}

/* Open all shards of a node that listens nowhere and knows nobody, on that loop. */
static int try_loop(struct ptl_examination *examination, enum ptl_loop_kind loop,
                    char remark[PTL_JOURNAL_LINE_MAX])
{
    struct ptl_journal journal;
    struct ptl_node *node;

    ptl_journal_init(&journal, NULL);
    journal.level = PTL_LOG_INFO; /* of which the first says what the loop is */
    struct ptl_node_options options = {.size = sizeof options,
                                       .id = "doctor",
                                       .shards = examination->options->shards,
                                       .loop = loop,
                                       .log = ptl_journal_log,
                                       .log_data = &journal,
                                       .log_level = PTL_LOG_INFO};
    int err = ptl_node_make(&options, &node);
    if (err == 0) {
        err = ptl_node_open(node);
        ptl_node_stop(node, 0);
    }
    ptl_journal_held(&journal, journal.remark_count > 0 ? journal.remarks[0] : "", remark);
    ptl_journal_close(&journal);
    return err;
}

/* "512 KiB of locked memory" */
static void describe_memlock(char text[64])
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) {
        snprintf(text, 64, "any amount of locked memory");
    } else {
        snprintf(text, 64, "%llu KiB of locked memory", (unsigned long long)limit.rlim_cur >> 10);
    }
}

static void report_epoll(struct ptl_examination *examination, const char *remark)
{
    const char *word = examination->options->loop;
    const char *why = strstr(remark, "io_uring");

    if (word && strcmp(word, "epoll") == 0) {
        ptl_report_ok(examination->report, "loop", "epoll, as loop says");
    } else {
        char text[PTL_JOURNAL_LINE_MAX + 64];
        snprintf(text, sizeof text, "epoll, which is slower: %s",
                 why ? why : "io_uring could not be set up");
        ptl_report_complaint(examination->report, PTL_VERDICT_WARNING, "loop", text,
                             "run Linux 6.1 or later; or give loop = epoll, where that is meant");
    }
}

void ptl_examine_loop(struct ptl_examination *examination)
{
    const char *word = examination->options->loop;
    bool wants_uring = word && strcmp(word, "uring") == 0;
    bool wants_epoll = word && strcmp(word, "epoll") == 0;
    char remark[PTL_JOURNAL_LINE_MAX], memlock[64];

    int err = try_loop(examination,
                       wants_uring   ? PTL_LOOP_URING
                       : wants_epoll ? PTL_LOOP_EPOLL
                                     : PTL_LOOP_AUTO,
                       remark);
    describe_memlock(memlock);
    if (err < 0) {
        ptl_report_complaint(examination->report, PTL_VERDICT_ERROR, "loop",
                             remark[0] != '\0' ? remark : ptl_err_text(err),
                             "let loop be auto or epoll, or let it have what it lacks");
    } else if (wants_epoll || strstr(remark, "the loop is epoll")) {
        report_epoll(examination, remark);
    } else {
        ptl_report_ok(examination->report, "loop", "io_uring, %s%s%s%s", memlock,
                      is_filtered() ? ", a seccomp filter that allows it" : "",
                      remark[0] != '\0' ? "; " : "", remark);
    }
}
