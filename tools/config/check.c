#include "tools/common.h"
#include "tools/config/effective.h"
#include "tools/config/warnings.h"
#include "tools/rules_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_warning(void *data, const char *warning)
{
    size_t *count = data;

    (*count)++;
    ptl_complain(PTL_EXIT_OK, "warning: %s", warning);
}

/* What the node would find when it looks for its secret and certificates; nothing is made here. */
static int find_secret(const struct ptl_options *options, struct ptl_secret *secret)
{
    char own[PATH_MAX];

    if (ptl_secret_is_own(options)) {
        return ptl_secret_own(own)
                   ? ptl_certificates_read(options, &secret->certificates)
                   : ptl_complain(PTL_EXIT_START, "no secret is given, and there is no home "
                                                  "directory to keep one in: give secret-file");
    }
    int code = ptl_secret_find(options, secret);
    if (code == PTL_EXIT_OK) {
        code = ptl_secret_judge_size(options, secret->own.size);
    }
    return code == PTL_EXIT_OK ? ptl_secret_judge_size(options, secret->other.size) : code;
}

/* What a node says of these options, which are all right each by itself: it is made and not opened,
 * so that nobody hears of it. */
static int try_node(const struct ptl_options *options, const struct ptl_secret *secret)
{
    struct ptl_journal journal;
    struct ptl_node *node;
    int code = PTL_EXIT_OK;

    ptl_journal_init(&journal, NULL);
    journal.holding = true;
    struct ptl_node_options node_options = ptl_common_options(options, "check", secret, &journal);
    node_options.shards = 1;
    int err = ptl_node_make(&node_options, &node);
    if (err < 0) {
        code = ptl_complain_start(&journal, err);
    } else {
        ptl_node_stop(node, 0);
    }
    ptl_journal_close(&journal);
    return code;
}

static void print_mistake(void *data, const char *mistake)
{
    (void)data;
    ptl_complain(PTL_EXIT_START, "%s", mistake);
}

static int check_rules(const struct ptl_options *options)
{
    struct ptl_rules_file file;

    if (!options->rules) {
        return PTL_EXIT_OK;
    }
    int code = ptl_rules_file_read(options->rules, false, print_mistake, NULL, &file);
    ptl_rules_file_drop(&file);
    return code;
}

static int check_node(const struct ptl_options *options)
{
    struct ptl_secret secret = {.own.size = 0};
    int code = find_secret(options, &secret);

    if (code == PTL_EXIT_OK) {
        code = try_node(options, &secret);
    }
    if (code == PTL_EXIT_OK) {
        code = check_rules(options);
    }
    ptl_secret_drop(&secret);
    return code;
}

static int print_effective(const struct ptl_options *options)
{
    const char *profile = options->profile;
    char digest[PTL_DIGEST_TEXT_SIZE];

    if (!ptl_config_digest(options->settings, digest)) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory");
    }
    bool good = printf("; %s%s%s\n", options->settings->file, profile ? ", profile " : "",
                       profile ? profile : "") >= 0 &&
                ptl_config_print(options->settings, stdout) &&
                printf("; digest %s\n", digest) >= 0 && fflush(stdout) == 0;
    return good ? PTL_EXIT_OK : ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
}

int ptl_command_config(const struct ptl_options *options)
{
    size_t warnings = 0;

    if (options->argument_count < 1 || strcmp(options->arguments[0], "check") != 0 ||
        options->argument_count > 2 || !options->settings->file) {
        return ptl_complain_form("config check FILE [--profile NAME] [--strict] [OPTION...]");
    }
    int code = check_node(options);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    ptl_config_warn(options, print_warning, &warnings);
    if (warnings > 0 && options->strict) {
        return PTL_EXIT_START;
    }
    return print_effective(options);
}
