#include "tools/config/reload_steps.h"

/* ---- The log ------------------------------------------------------------------------------- */

static const char *const log_keys[] = {"log", NULL};

/* A level is told at whichever of both is louder, so that a change is seen. */
static void change_log(struct ptl_reload *reload)
{
    struct ptl_journal *journal = reload->running->journal;
    const char *name = reload->fresh.log;

    if (!ptl_reload_is_changed(reload, "log")) {
        return;
    }
    enum ptl_log_level before = journal->level;
    if (before >= PTL_LOG_INFO) {
        ptl_reload_told(reload, "the log's level is %s", name);
    }
    ptl_node_log_level(reload->running->node, ptl_journal_set_level(journal, name));
    if (before < PTL_LOG_INFO) {
        ptl_reload_told(reload, "the log's level is %s", name);
    }
}

const struct ptl_reload_step ptl_reload_log = {.keys = log_keys, .change = change_log};

/* ---- The end ------------------------------------------------------------------------------- */

static const char *const stop_keys[] = {"stop-seconds", NULL};

/* It counts when it is needed. */
static void change_stop(struct ptl_reload *reload)
{
    if (ptl_reload_is_changed(reload, "stop-seconds")) {
        ptl_reload_told(reload, "the end may take %u ms", reload->fresh.stop_ms);
    }
}

const struct ptl_reload_step ptl_reload_stop = {.keys = stop_keys, .change = change_stop};
