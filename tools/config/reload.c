#include "tools/config/reload.h"

#include "tools/config/effective.h"
#include "tools/config/read.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 300 /* bytes of keys' names */

static void log_mistake(void *data, enum ptl_exit code, const char *mistake)
{
    (void)code;
    ptl_journal_log(data, PTL_LOG_ERROR, mistake);
}

/* What the node does not run with though the file says so. */
static void tell_others(const struct ptl_settings *now, const struct ptl_settings *fresh,
                        struct ptl_journal *journal)
{
    char line[NAMES_MAX + 100];
    char names[NAMES_MAX] = "";
    size_t used = 0;

    for (size_t i = 0; i < ptl_option_count && used < sizeof names; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        if (ptl_option_is_key(option) && strcmp(option->name, "log") != 0 &&
            !ptl_config_is_same(now, fresh, option)) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                     used > 0 ? ", " : "", option->name);
        }
    }
    if (used > 0) {
        snprintf(line, sizeof line, "reload: changed, and only a restart will do: %s", names);
        ptl_journal_log(journal, PTL_LOG_WARN, line);
    }
}

/* A level is told at whichever of both is louder, so that a change is seen. */
static void set_level(struct ptl_node *node, const char *name, struct ptl_journal *journal)
{
    char line[80];

    snprintf(line, sizeof line, "reload: the log's level is %s", name);
    ptl_journal_log(journal, PTL_LOG_INFO, line);
    enum ptl_log_level before = journal->level;
    enum ptl_log_level level = ptl_journal_set_level(journal, name);
    ptl_node_log_level(node, level);
    if (before < PTL_LOG_INFO) {
        ptl_journal_log(journal, PTL_LOG_INFO, line);
    }
}

static void take(struct ptl_node *node, const struct ptl_options *options,
                 struct ptl_settings *fresh, struct ptl_journal *journal)
{
    struct ptl_options changed = {0};

    ptl_config_read(fresh, options->config, options->profile);
    ptl_settings_take(fresh, &changed);
    if (fresh->has_no_memory || fresh->mistake_count > 0) {
        ptl_settings_tell(fresh, log_mistake, journal);
        ptl_journal_log(journal, PTL_LOG_ERROR, "reload: nothing was changed");
        return;
    }
    tell_others(options->settings, fresh, journal);
    set_level(node, changed.log, journal);
}

void ptl_config_reload(struct ptl_node *node, const struct ptl_options *options,
                       struct ptl_journal *journal)
{
    struct ptl_settings *fresh = ptl_settings_again(options->settings);

    if (!fresh) {
        ptl_journal_log(journal, PTL_LOG_ERROR, "reload: no memory, nothing was changed");
        return;
    }
    take(node, options, fresh, journal);
    ptl_settings_free(fresh);
}
