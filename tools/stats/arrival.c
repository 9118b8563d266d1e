#include "tools/stats/arrival.h"

#include <pthread.h>
#include <stdlib.h>

struct ptl_arrival {
    uint64_t started_ms;
    pthread_mutex_t lock; /* guards what follows */
    unsigned holds;
    bool has_come;
    struct ptl_sight *sight;
};

static void let_go(struct ptl_arrival *arrival)
{
    pthread_mutex_lock(&arrival->lock);
    bool is_last = --arrival->holds == 0;
    pthread_mutex_unlock(&arrival->lock);
    if (is_last) {
        ptl_sight_free(arrival->sight);
        pthread_mutex_destroy(&arrival->lock);
        free(arrival);
    }
}

static void arrive(struct ptl_arrival *arrival, struct ptl_sight *sight)
{
    pthread_mutex_lock(&arrival->lock);
    arrival->sight = sight;
    arrival->has_come = true;
    pthread_mutex_unlock(&arrival->lock);
    let_go(arrival);
}

/* On a shard: the node's numbers are read where the survey has come to its end. */
static void take_survey(struct ptl_node *node, int err, const struct ptl_survey *survey, void *data)
{
    struct ptl_arrival *arrival = data;
    struct ptl_sight *sight = err == 0 ? ptl_sight_make(node, arrival->started_ms) : NULL;

    if (sight && !ptl_sight_add(sight, survey)) {
        ptl_sight_free(sight);
        sight = NULL;
    }
    arrive(arrival, sight);
}

struct ptl_arrival *ptl_arrival_begin(struct ptl_node *node,
                                      const struct ptl_survey_options *options, uint64_t started_ms)
{
    struct ptl_arrival *arrival = calloc(1, sizeof *arrival);

    if (!arrival) {
        return NULL;
    }
    arrival->started_ms = started_ms;
    arrival->holds = 2;
    pthread_mutex_init(&arrival->lock, NULL);
    if (ptl_survey(node, options, take_survey, arrival) < 0) {
        arrive(arrival, NULL);
    }
    return arrival;
}

bool ptl_arrival_take(struct ptl_arrival *arrival, struct ptl_sight **sight)
{
    pthread_mutex_lock(&arrival->lock);
    bool has_come = arrival->has_come;
    if (has_come) {
        *sight = arrival->sight;
        arrival->sight = NULL;
    }
    pthread_mutex_unlock(&arrival->lock);
    return has_come;
}

void ptl_arrival_drop(struct ptl_arrival *arrival)
{
    if (arrival) {
        let_go(arrival);
    }
}
