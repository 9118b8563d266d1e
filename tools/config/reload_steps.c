#include "tools/config/reload_steps.h"

#include "tools/common.h"

#include <string.h>

/* ---- Secrets ------------------------------------------------------------------------------- */

static const char *const secret_keys[] = {"secret", "secret-file", "accept-secret-file", NULL};

static bool is_same(const struct ptl_secret_text *one, const struct ptl_secret_text *two)
{
    return one->size == two->size && memcmp(one->bytes, two->bytes, one->size) == 0;
}

static bool judge_secrets(struct ptl_reload *reload)
{
    struct ptl_secret *secret = &reload->secret;

    return ptl_secret_find_again(&reload->fresh, reload->running->secret, secret) == PTL_EXIT_OK &&
           ptl_secret_judge_size(&reload->fresh, secret->own.size) == PTL_EXIT_OK &&
           ptl_secret_judge_size(&reload->fresh, secret->other.size) == PTL_EXIT_OK;
}

/* Of files it is what stands in them that counts. */
static void change_secrets(struct ptl_reload *reload)
{
    struct ptl_secret *now = reload->running->secret;
    const struct ptl_secret_text *own = &reload->secret.own, *other = &reload->secret.other;

    if (is_same(&now->own, own) && is_same(&now->other, other)) {
        return;
    }
    int err = ptl_node_set_secrets(reload->running->node, own->bytes, own->size, other->bytes,
                                   other->size);
    if (err < 0) {
        ptl_reload_failed(reload, "the secrets", err);
        return;
    }
    now->own = *own;
    now->other = *other;
    ptl_reload_told(reload, "other secrets: new links are proved with %s",
                    other->size > 0 ? "one, and others may prove with either" : "one");
}

const struct ptl_reload_step ptl_reload_secrets = {
    .keys = secret_keys, .judge = judge_secrets, .change = change_secrets};

/* ---- Addresses ----------------------------------------------------------------------------- */

static const char *const seed_keys[] = {"seed", NULL};

static void change_seeds(struct ptl_reload *reload)
{
    const struct ptl_list *seeds = &reload->fresh.seeds;

    if (!ptl_reload_is_changed(reload, "seed")) {
        return;
    }
    int err = ptl_node_set_seeds(reload->running->node, seeds->items);
    if (err < 0) {
        ptl_reload_failed(reload, "the seeds", err);
    } else {
        ptl_reload_told(reload, "other seeds: %zu", seeds->count);
    }
}

const struct ptl_reload_step ptl_reload_seeds = {.keys = seed_keys, .change = change_seeds};

static const char *const announce_keys[] = {"announce", NULL};

static void change_announces(struct ptl_reload *reload)
{
    const struct ptl_list *announces = &reload->fresh.announces;

    if (!ptl_reload_is_changed(reload, "announce")) {
        return;
    }
    int err = ptl_node_set_announces(reload->running->node, announces->items);
    if (err < 0) {
        ptl_reload_failed(reload, "the addresses to announce", err);
    } else {
        ptl_reload_told(reload, "other addresses to announce: %zu", announces->count);
    }
}

const struct ptl_reload_step ptl_reload_announces = {.keys = announce_keys,
                                                     .change = change_announces};

/* ---- The log ------------------------------------------------------------------------------- */

static const char *const log_keys[] = {"log", "log-format", NULL};

static void change_format(struct ptl_reload *reload)
{
    const char *word = reload->fresh.log_format;

    if (!ptl_reload_is_changed(reload, "log-format")) {
        return;
    }
    enum ptl_log_format format = ptl_journal_format(word);
    const char *id = ptl_node_id(reload->running->node);
    ptl_journal_set_format(reload->running->journal, format, id);
    ptl_complain_as(format, id);
    ptl_reload_told(reload, "the log's format is %s", word ? word : "the usual one");
}

/* A level is told at whichever of both is louder, so that a change is seen. */
static void change_log(struct ptl_reload *reload)
{
    struct ptl_journal *journal = reload->running->journal;
    const char *name = reload->fresh.log;

    change_format(reload);
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

static const char *const stop_keys[] = {"drain-seconds", NULL};

/* It counts when it is needed. */
static void change_stop(struct ptl_reload *reload)
{
    if (ptl_reload_is_changed(reload, "drain-seconds")) {
        ptl_reload_told(reload, "the end may take %u ms", reload->fresh.drain_ms);
    }
}

const struct ptl_reload_step ptl_reload_stop = {.keys = stop_keys, .change = change_stop};

/* ---- Limits -------------------------------------------------------------------------------- */

static const char *const limit_keys[] = {"max-monitors", "max-spawned", "poll-us", "spawn-rate",
                                         NULL};

static void change_limits(struct ptl_reload *reload)
{
    const struct ptl_options *fresh = &reload->fresh;
    struct ptl_node_limits limits = {.size = sizeof limits,
                                     .spawned_max = fresh->spawned_max,
                                     .monitors_max = fresh->monitors_max,
                                     .spawn_rate = fresh->spawn_rate,
                                     .poll_us = fresh->poll_us};
    bool is_changed = false;

    for (size_t i = 0; limit_keys[i]; i++) {
        is_changed = is_changed || ptl_reload_is_changed(reload, limit_keys[i]);
    }
    if (!is_changed) {
        return;
    }
    int err = ptl_node_set_limits(reload->running->node, &limits);
    if (err < 0) {
        ptl_reload_failed(reload, "the limits", err);
    } else {
        ptl_reload_told(reload,
                        "other limits: max-monitors %u, max-spawned %u, spawn-rate %u, poll-us %u",
                        fresh->monitors_max, fresh->spawned_max, fresh->spawn_rate, fresh->poll_us);
    }
}

const struct ptl_reload_step ptl_reload_limits = {.keys = limit_keys, .change = change_limits};
