#include "tools/stats/ask.h"

#include "tools/command.h"
#include "tools/stats/service.h"
#include "tools/stats/tree.h"

#include <stdlib.h>
#include <string.h>

int ptl_stats_question(struct ptl_node *node, unsigned links, unsigned ports, unsigned families,
                       struct ptl_msg **msg)
{
    return ptl_msg_make(node, msg, "t{tututu}", PTL_STATS_TAG, "links", links, "ports", ports,
                        "families", families);
}

/* The port is gone, or its node is. */
static void explain_gone(const struct ptl_msg *reason, int *code, char **why)
{
    if (ptl_msg_is(reason, "no_such_port")) {
        *code = PTL_EXIT_GONE;
        *why = strdup("the node does not tell how it fares: it is another program's, or older");
    } else if (ptl_msg_is(reason, "not_allowed")) {
        *code = PTL_EXIT_DENIED;
        *why = strdup("the rules of the node do not let this one observe it");
    } else {
        char *json = ptl_msg_json(reason);
        *code = PTL_EXIT_REACH;
        if (asprintf(why, "the node cannot be reached: %s", json ? json : "(no memory)") < 0) {
            *why = NULL;
        }
        free(json);
    }
}

/* [WORD, TEXT] */
static void explain_refused(const struct ptl_msg *reply, int *code, char **why)
{
    const char *text;
    size_t size;

    *code = ptl_msg_is(reply, "not_allowed") ? PTL_EXIT_DENIED : PTL_EXIT_OTHER;
    *why = ptl_msg_read(NULL, reply, "*s.", &text, &size) == 0 ? strndup(text, size)
                                                               : strdup("no such answer is known");
}

json_t *ptl_stats_answer(int err, const struct ptl_msg *reply, int *code, char **why)
{
    *code = PTL_EXIT_OTHER;
    *why = NULL;
    if (err == 0 && ptl_msg_size(reply) > PTL_STATS_BYTES_MAX) {
        *why = strdup("the node answers with more than is ever meant to be told");
    } else if (err == 0) {
        json_t *answer = ptl_tree_of(reply);
        if (json_is_object(answer)) {
            return answer;
        }
        json_decref(answer);
        explain_refused(reply, code, why);
    } else if (reply) {
        explain_gone(reply, code, why);
    } else {
        *code = err == PTL_ETIMEOUT ? PTL_EXIT_REACH : PTL_EXIT_OTHER;
        *why = strdup(err == PTL_ETIMEOUT ? "no answer in time: is the node alive? (or raise "
                                            "--timeout)"
                                          : ptl_err_text(err));
    }
    return NULL;
}
