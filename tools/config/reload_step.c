#include "tools/config/reload_step.h"

#include "tools/config/effective.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool ptl_reload_is_changed(const struct ptl_reload *reload, const char *key)
{
    return !ptl_config_is_same(reload->running->options.settings, reload->fresh.settings,
                               ptl_option_find(key, strlen(key)));
}

void ptl_reload_told(struct ptl_reload *reload, const char *format, ...)
{
    char line[PTL_JOURNAL_LINE_MAX];
    va_list arguments;

    int size = snprintf(line, sizeof line, "reload: ");
    va_start(arguments, format);
    vsnprintf(line + size, sizeof line - (size_t)size, format, arguments);
    va_end(arguments);
    reload->is_changed = true;
    ptl_journal_log(reload->running->journal, PTL_LOG_INFO, line);
}

void ptl_reload_needs_restart(const struct ptl_reload *reload, const char *what)
{
    char line[PTL_JOURNAL_LINE_MAX];

    snprintf(line, sizeof line, "reload: needs a restart: %s", what);
    ptl_journal_log(reload->running->journal, PTL_LOG_WARN, line);
}

void ptl_reload_failed(struct ptl_reload *reload, const char *what, int err)
{
    char line[PTL_JOURNAL_LINE_MAX];

    snprintf(line, sizeof line, "reload: cannot change %s: %s", what, ptl_err_text(err));
    reload->is_changed = true; /* "nothing is new" would not be true either */
    ptl_journal_log(reload->running->journal, PTL_LOG_ERROR, line);
}
