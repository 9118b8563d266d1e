#include "tools/http/inside.h"

#include <unistd.h>

void ptl_http_wake(struct ptl_http *http)
{
    uint64_t one = 1;
    ssize_t written = write(http->wake, &one, sizeof one);

    (void)written; /* when it is full the thread is awake */
}

struct ptl_sight *ptl_http_look(struct ptl_http *http)
{
    struct ptl_sight *sight = ptl_sight_make(http->node, http->started_ms);

    if (sight) {
        sight->is_draining |= atomic_load(&http->is_draining);
        sight->told = ptl_chronicle_count(http->chronicle);
        sight->log_lines_lost = ptl_journal_lost(http->journal);
    }
    return sight;
}

/* On a shard: the node's numbers are read where the survey has come to its end. */
static void on_survey(struct ptl_node *node, int err, const struct ptl_survey *survey, void *data)
{
    struct ptl_http *http = data;
    struct ptl_sight *sight = err == 0 ? ptl_http_look(http) : NULL;

    (void)node;
    if (sight && !ptl_sight_add(sight, survey)) {
        ptl_sight_free(sight);
        sight = NULL;
    }
    pthread_mutex_lock(&http->lock);
    struct ptl_sight *before = http->arrived;
    http->arrived = sight;
    http->has_arrived = true;
    pthread_mutex_unlock(&http->lock);
    ptl_sight_free(before);
    ptl_http_wake(http);
}

bool ptl_http_survey(struct ptl_http *http)
{
    if (http->begun != http->came) {
        return true;
    }
    if (ptl_survey(http->node, NULL, on_survey, http) < 0) {
        return false;
    }
    http->begun++;
    return true;
}

void ptl_http_collect(struct ptl_http *http)
{
    pthread_mutex_lock(&http->lock);
    bool has_arrived = http->has_arrived;
    struct ptl_sight *sight = http->arrived;
    http->has_arrived = false;
    http->arrived = NULL;
    pthread_mutex_unlock(&http->lock);
    if (has_arrived) {
        http->came++;
    }
    if (sight) {
        ptl_sight_free(http->sight);
        http->sight = sight;
        http->sight_ms = ptl_sight_now_ms();
    }
}
