#include "tools/config/reload.h"

#include "tools/common.h"
#include "tools/config/effective.h"
#include "tools/config/read.h"
#include "tools/config/reload_steps.h"
#include "tools/services.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 300 /* bytes of keys' names */

/* All that can change while a node runs. */
static const struct ptl_reload_step *const steps[] = {
    &ptl_reload_secrets, &ptl_reload_certificates, &ptl_reload_rules,
    &ptl_reload_seeds,   &ptl_reload_announces,    &ptl_reload_log,
    &ptl_reload_stop,    &ptl_reload_limits,       &ptl_reload_services,
};

#define STEPS (sizeof steps / sizeof steps[0])

static bool has_key(const struct ptl_reload_step *step, const char *key)
{
    size_t i = 0;

    while (step->keys[i] && strcmp(step->keys[i], key) != 0) {
        i++;
    }
    return step->keys[i] != NULL;
}

/* Whether a step answers for the option. */
static bool is_answered_for(const struct ptl_option *option)
{
    size_t i = 0;

    while (i < STEPS && !has_key(steps[i], option->name)) {
        i++;
    }
    return i < STEPS;
}

/* ---- Telling ------------------------------------------------------------------------------- */

/* What the node does not run with though the file says so: whatever was said in between, it runs
 * with what it was started with. */
static void tell_others(const struct ptl_reload *reload)
{
    const struct ptl_settings *start = reload->running->start->settings;
    char names[NAMES_MAX] = "";
    size_t used = 0;

    for (size_t i = 0; i < ptl_option_count && used < sizeof names; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        if (ptl_option_is_key(option) && !is_answered_for(option) &&
            !ptl_config_is_same(start, reload->fresh.settings, option)) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                     used > 0 ? ", " : "", option->name);
        }
    }
    if (used > 0) {
        ptl_reload_needs_restart(reload, names);
    }
}

static void log_mistake(void *data, enum ptl_exit code, const char *mistake)
{
    (void)code;
    ptl_journal_log(data, PTL_LOG_ERROR, mistake);
}

/* ---- A look at the file -------------------------------------------------------------------- */

static bool read_file(struct ptl_reload *reload)
{
    struct ptl_settings *settings = reload->fresh.settings;
    const struct ptl_options *start = reload->running->start;

    /* What is no option of a file is as it was. */
    reload->fresh = (struct ptl_options){.settings = settings,
                                         .command = start->command,
                                         .timeout_ms = start->timeout_ms,
                                         .probe_ms = start->probe_ms};
    if (start->config) {
        ptl_config_read(settings, start->config, start->profile);
    }
    ptl_settings_take(settings, &reload->fresh);
    if (settings->has_no_memory || settings->mistake_count > 0) {
        ptl_settings_tell(settings, log_mistake, reload->running->journal);
        return false;
    }
    return true;
}

static bool judge_all(struct ptl_reload *reload)
{
    bool good = read_file(reload);

    for (size_t i = 0; good && i < STEPS; i++) {
        good = !steps[i]->judge || steps[i]->judge(reload);
    }
    return good;
}

static void change_all(struct ptl_reload *reload)
{
    struct ptl_running *running = reload->running;

    for (size_t i = 0; i < STEPS; i++) {
        steps[i]->change(reload);
    }
    tell_others(reload);
    if (!reload->is_changed) {
        ptl_journal_log(running->journal, PTL_LOG_INFO, "reload: nothing is new");
    }
    ptl_running_drop(running);
    running->options = reload->fresh;
    reload->fresh.settings = NULL;
}

void ptl_config_reload(struct ptl_running *running)
{
    struct ptl_reload reload = {.running = running};

    reload.fresh.settings = ptl_settings_again(running->start->settings);
    if (!reload.fresh.settings) {
        ptl_journal_log(running->journal, PTL_LOG_ERROR, "reload: no memory, nothing was changed");
        return;
    }
    ptl_complain_to(running->journal);
    if (judge_all(&reload)) {
        change_all(&reload);
    } else {
        ptl_journal_log(running->journal, PTL_LOG_ERROR, "reload: nothing was changed");
    }
    ptl_complain_to(NULL);
    ptl_secret_drop(&reload.secret);
    ptl_rules_file_drop(&reload.rules);
    ptl_settings_free(reload.fresh.settings);
}

/* ---- A node that runs ---------------------------------------------------------------------- */

void ptl_running_init(struct ptl_running *running, struct ptl_node *node,
                      const struct ptl_options *options, struct ptl_secret *secret,
                      struct ptl_journal *journal)
{
    *running = (struct ptl_running){.node = node,
                                    .journal = journal,
                                    .options = *options,
                                    .start = options,
                                    .secret = secret,
                                    .services = ptl_services_named(options->services.items)};
    ptl_permit_init(&running->permit, options->tls_anonymous, options->cert || options->tls_cert);
}

void ptl_running_drop(struct ptl_running *running)
{
    if (running->options.settings != running->start->settings) {
        ptl_settings_free(running->options.settings);
    }
    running->options = *running->start;
}
