#include "tools/http/neighbours.h"

#include "tools/network_service.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 2000
#define STALE_MS 15000 /* what was said before that is not told any more */
#define SILENCE_MS 60000

struct neighbour {
    struct ptl_neighbours *all;
    char node[PTL_NODE_ID_MAX + 1]; /* "": this place is free */
    uint64_t asked_ms;              /* the last time; it is one that the HTTP thread has */
    /* Under the lock. */
    bool waits; /* for an answer: the place is not given to another node */
    bool is_silent;
    struct ptl_msg *answer; /* the last one, or NULL */
};

struct ptl_neighbours {
    pthread_mutex_t lock;
    bool is_over;
    struct neighbour places[PTL_NEIGHBOURS_MAX];
};

struct ptl_neighbours *ptl_neighbours_make(void)
{
    struct ptl_neighbours *neighbours = calloc(1, sizeof *neighbours);

    if (neighbours) {
        pthread_mutex_init(&neighbours->lock, NULL);
        for (unsigned i = 0; i < PTL_NEIGHBOURS_MAX; i++) {
            neighbours->places[i].all = neighbours;
        }
    }
    return neighbours;
}

void ptl_neighbours_end(struct ptl_neighbours *neighbours)
{
    pthread_mutex_lock(&neighbours->lock);
    neighbours->is_over = true;
    for (unsigned i = 0; i < PTL_NEIGHBOURS_MAX; i++) {
        ptl_msg_free(neighbours->places[i].answer);
        neighbours->places[i].answer = NULL;
    }
    pthread_mutex_unlock(&neighbours->lock);
}

void ptl_neighbours_free(struct ptl_neighbours *neighbours)
{
    if (neighbours) {
        pthread_mutex_destroy(&neighbours->lock);
        free(neighbours);
    }
}

/* ---- Questions ------------------------------------------------------------------------------ */

static void on_answer(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct neighbour *neighbour = data;
    bool is_useful = err == 0 && ptl_msg_size(reply) <= PTL_NEIGHBOUR_BYTES_MAX;

    (void)node;
    pthread_mutex_lock(&neighbour->all->lock);
    ptl_msg_free(neighbour->answer);
    neighbour->answer = is_useful && !neighbour->all->is_over ? ptl_msg_keep(reply) : NULL;
    neighbour->is_silent = !is_useful;
    neighbour->waits = false;
    pthread_mutex_unlock(&neighbour->all->lock);
}

static int send_question(struct ptl_node *node, struct neighbour *neighbour)
{
    char id[PTL_NODE_ID_MAX + sizeof "#" PTL_NETWORK_SERVICE];
    struct ptl_port port;
    struct ptl_msg *question;

    snprintf(id, sizeof id, "%s#%s", neighbour->node, PTL_NETWORK_SERVICE);
    int err = ptl_port_parse(node, id, strlen(id), &port);
    if (err < 0) {
        return err;
    }
    err = ptl_msg_make(node, &question, "t", "links");
    if (err < 0) {
        return err;
    }
    err = ptl_call(node, &port, question, ANSWER_MS, true, on_answer, neighbour);
    ptl_msg_free(question);
    return err;
}

static void ask(struct ptl_node *node, struct neighbour *neighbour, uint64_t now_ms)
{
    pthread_mutex_lock(&neighbour->all->lock);
    unsigned rest_ms = neighbour->is_silent ? SILENCE_MS : PTL_NEIGHBOUR_ASK_MS;
    bool is_due =
        !neighbour->waits && (neighbour->asked_ms == 0 || now_ms - neighbour->asked_ms >= rest_ms);
    neighbour->waits |= is_due;
    pthread_mutex_unlock(&neighbour->all->lock);
    if (is_due) {
        neighbour->asked_ms = now_ms;
        int err = send_question(node, neighbour);
        if (err < 0) {
            on_answer(node, err, NULL, neighbour);
        }
    }
}

/* ---- Places --------------------------------------------------------------------------------- */

static bool is_free(struct neighbour *place, uint64_t now_ms)
{
    pthread_mutex_lock(&place->all->lock);
    bool is_free = place->node[0] == '\0' || (!place->waits && now_ms - place->asked_ms > STALE_MS);
    if (is_free) {
        ptl_msg_free(place->answer);
        place->answer = NULL;
        place->is_silent = false;
    }
    pthread_mutex_unlock(&place->all->lock);
    return is_free;
}

/* The place of that node, made when it has none; NULL: all are taken. */
static struct neighbour *place_of(struct ptl_neighbours *neighbours, const char *node,
                                  uint64_t now_ms)
{
    for (unsigned i = 0; i < PTL_NEIGHBOURS_MAX; i++) {
        if (strcmp(neighbours->places[i].node, node) == 0) {
            return &neighbours->places[i];
        }
    }
    for (unsigned i = 0; i < PTL_NEIGHBOURS_MAX; i++) {
        struct neighbour *place = &neighbours->places[i];
        if (is_free(place, now_ms)) {
            snprintf(place->node, sizeof place->node, "%s", node);
            place->asked_ms = 0;
            return place;
        }
    }
    return NULL;
}

void ptl_neighbours_ask(struct ptl_neighbours *neighbours, struct ptl_node *node,
                        const struct ptl_sight *sight, uint64_t now_ms)
{
    for (unsigned i = 0; i < sight->survey.link_count; i++) {
        const struct ptl_survey_link *link = &sight->survey.links[i];
        struct neighbour *place =
            link->up && link->global ? place_of(neighbours, link->node, now_ms) : NULL;
        if (place) {
            ask(node, place, now_ms);
        }
    }
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* Of [[ID...], GLOBAL] the first; NULL: it is something else. */
static json_t *links_of(const struct ptl_msg *answer)
{
    char *text = ptl_msg_json(answer);
    json_t *all = text ? json_loads(text, 0, NULL) : NULL;
    json_t *links = json_incref(json_array_get(all, 0));

    json_decref(all);
    free(text);
    if (!json_is_array(links)) {
        json_decref(links);
        links = NULL;
    }
    return links;
}

json_t *ptl_neighbours_json(struct ptl_neighbours *neighbours, uint64_t now_ms)
{
    json_t *object = json_object();

    pthread_mutex_lock(&neighbours->lock);
    for (unsigned i = 0; i < PTL_NEIGHBOURS_MAX; i++) {
        struct neighbour *place = &neighbours->places[i];
        json_t *links =
            place->answer && now_ms - place->asked_ms <= STALE_MS ? links_of(place->answer) : NULL;
        if (links) {
            json_object_set_new(object, place->node, links);
        }
    }
    pthread_mutex_unlock(&neighbours->lock);
    return object;
}
