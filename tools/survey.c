#include "tools/survey.h"

#include <stdio.h>
#include <string.h>

static void ask_waiting(struct ptl_survey *survey);

static void tell(struct ptl_probe *probe, int err, const struct ptl_msg *reply)
{
    struct ptl_survey *survey = probe->survey;

    survey->open--;
    survey->tell(survey, probe, err, reply);
}

static void answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    tell(data, err, reply);
}

static void has_room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct ptl_survey *survey = data;

    (void)node;
    (void)to;
    survey->waits = false;
    ask_waiting(survey);
}

static int ask(struct ptl_survey *survey, struct ptl_probe *probe)
{
    struct ptl_node *node = survey->client->node;
    struct ptl_msg *msg;

    int err = ptl_msg_make(node, &msg, "t", survey->tag);
    if (err == 0) {
        err = ptl_call(node, &probe->to, msg, survey->timeout_ms, true, answered, probe);
        ptl_msg_free(msg);
    }
    if (err == PTL_EFULL && ptl_on_room(node, &probe->to, has_room, survey) == 0) {
        survey->waits = true;
        return PTL_LATER;
    }
    return err;
}

/* In order, until there is no room; what `tell` adds meanwhile is asked by the same loop. */
static void ask_waiting(struct ptl_survey *survey)
{
    if (survey->asking || survey->waits) {
        return;
    }
    survey->asking = true;
    while (survey->first) {
        struct ptl_probe *probe = survey->first;
        int err = ask(survey, probe);
        if (err == PTL_LATER) {
            break;
        }
        survey->first = probe->next;
        if (err < 0) {
            tell(probe, err, NULL);
        }
    }
    survey->asking = false;
}

void ptl_survey_ask(struct ptl_survey *survey, struct ptl_probe *probe, const char *node_id)
{
    char id[PTL_PORT_ID_MAX + 1];

    *probe = (struct ptl_probe){.survey = survey};
    survey->open++;
    int size = snprintf(id, sizeof id, "%s#%s", node_id, survey->port);
    int err = (size_t)size < sizeof id
                  ? ptl_port_parse(survey->client->node, id, (size_t)size, &probe->to)
                  : PTL_ENAME;
    if (err < 0) {
        tell(probe, err, NULL);
        return;
    }
    if (survey->first) {
        survey->last->next = probe;
    } else {
        survey->first = probe;
    }
    survey->last = probe;
    ask_waiting(survey);
}
