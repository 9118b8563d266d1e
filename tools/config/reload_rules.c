#include "tools/config/reload_steps.h"

#include "tools/common.h"

#include <string.h>

static const char *const keys[] = {"rules", NULL};

/* One line says what is wrong: the first mistake. */
static void tell_first(void *data, const char *mistake)
{
    bool *is_told = data;

    if (!*is_told) {
        ptl_complain(PTL_EXIT_START, "%s: the rules stay as they were", mistake);
    }
    *is_told = true;
}

static bool judge_rules(struct ptl_reload *reload)
{
    bool is_told = false;

    return !reload->fresh.rules || ptl_rules_file_read(reload->fresh.rules, true, tell_first,
                                                       &is_told, &reload->rules) == PTL_EXIT_OK;
}

static bool are_same(const struct ptl_rules_file *one, const struct ptl_rules_file *other)
{
    return !one->rules == !other->rules && one->size == other->size &&
           (one->size == 0 || memcmp(one->text, other->text, one->size) == 0);
}

/* By what the file says, not by its name. */
static void change_rules(struct ptl_reload *reload)
{
    struct ptl_rules_file before = reload->running->rules;

    if (are_same(&reload->rules, &before)) {
        return;
    }
    ptl_node_set_rules(reload->running->node, reload->rules.rules);
    ptl_permit_set(&reload->running->permit, reload->rules.rules);
    if (reload->rules.rules) {
        ptl_reload_told(reload, "other rules: %u", ptl_rules_count(reload->rules.rules));
    } else {
        ptl_reload_told(reload, "no rules any more: all nodes may do all");
    }
    reload->running->rules = reload->rules;
    reload->rules = before; /* which the end of the reload frees */
}

const struct ptl_reload_step ptl_reload_rules = {
    .keys = keys, .judge = judge_rules, .change = change_rules};
