#include "tools/doctor/join.h"

#include "tools/client.h"
#include "tools/doctor/deadline.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 20 /* between two looks at what has come */

/* One attempt; its node's threads write below the lock, and to nothing else of it. */
struct attempt {
    struct ptl_join *join;
    struct ptl_node *node; /* NULL: it could not be started */
    char id[PTL_NODE_ID_MAX];
    double asked_at;
    pthread_mutex_t lock;
    bool is_done; /* linked and told the time, or refused */
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- On the node's threads ----------------------------------------------------------------- */

/* The first error is the seed's own line: "cannot join at HOST:PORT: why". */
static void take_line(void *data, enum ptl_log_level level, const char *line)
{
    struct attempt *attempt = data;
    const char *place = strstr(line, attempt->join->seed);
    const char *why = place ? place + strlen(attempt->join->seed) : line;

    pthread_mutex_lock(&attempt->lock);
    if (level == PTL_LOG_ERROR && !attempt->join->is_linked && !attempt->is_done) {
        snprintf(attempt->join->why, sizeof attempt->join->why, "%s",
                 strncmp(why, ": ", 2) == 0 ? why + 2 : line);
        attempt->is_done = true;
    }
    pthread_mutex_unlock(&attempt->lock);
}

/* What it says is of about the middle of the time that the question and the answer took. */
static void take_time(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct attempt *attempt = data;
    double time;

    pthread_mutex_lock(&attempt->lock);
    attempt->is_done = true;
    if (err == 0 && ptl_msg_read(node, reply, "f", &time) == 0) {
        attempt->join->ahead_s = time - (attempt->asked_at + now_s()) / 2;
        attempt->join->has_time = true;
    }
    pthread_mutex_unlock(&attempt->lock);
}

static int ask_time(struct ptl_node *node, const char *node_id, struct attempt *attempt)
{
    struct ptl_port port;
    struct ptl_msg *msg;

    int err = ptl_port_parse(node, node_id, strlen(node_id), &port);
    if (err == 0) {
        err = ptl_msg_make(node, &msg, "t", "time");
    }
    if (err == 0) {
        err = ptl_call(node, &port, msg, PTL_DOCTOR_JOIN_MS, false, take_time, attempt);
        ptl_msg_free(msg);
    }
    return err;
}

static void take_link(struct ptl_node *node, const char *node_id, bool up,
                      const struct ptl_msg *reason, void *data)
{
    struct attempt *attempt = data;

    (void)reason;
    if (!up) {
        return;
    }
    pthread_mutex_lock(&attempt->lock);
    bool is_first = !attempt->join->is_linked;
    attempt->join->is_linked = true;
    attempt->asked_at = now_s();
    pthread_mutex_unlock(&attempt->lock);
    if (is_first && ask_time(node, node_id, attempt) < 0) {
        take_time(node, PTL_EFULL, NULL, attempt);
    }
}

/* ---- On ours ------------------------------------------------------------------------------- */

static void begin(struct ptl_examination *examination, struct attempt *attempt)
{
    const char *seeds[] = {attempt->join->seed, NULL};
    struct ptl_journal nobody = {.level = PTL_LOG_ERROR};

    ptl_client_make_id(attempt->id);
    struct ptl_node_options options = ptl_examined_options(examination, &nobody);
    options.id = attempt->id;
    options.binds = NULL;
    options.announces = NULL;
    options.seeds = seeds;
    options.shards = 1;
    options.poll_us = 0;
    options.ordinary = true;
    options.handshake_ms = PTL_DOCTOR_JOIN_MS;
    options.log = take_line;
    options.log_data = attempt;
    int err = ptl_node_make(&options, &attempt->node);
    if (err == 0) {
        err = ptl_on_link(attempt->node, take_link, attempt);
        err = err == 0 ? ptl_node_open(attempt->node) : err;
    } else {
        attempt->node = NULL;
    }
    if (err < 0) {
        snprintf(attempt->join->why, sizeof attempt->join->why, "%s", ptl_err_text(err));
        attempt->is_done = true;
    }
}

static bool are_all_done(struct attempt *attempts, size_t count)
{
    bool all = true;

    for (size_t i = 0; all && i < count; i++) {
        pthread_mutex_lock(&attempts[i].lock);
        all = attempts[i].is_done;
        pthread_mutex_unlock(&attempts[i].lock);
    }
    return all;
}

void ptl_joins_try(struct ptl_examination *examination, struct ptl_join *joins, size_t count)
{
    struct attempt *attempts = calloc(count + 1, sizeof *attempts);
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    int64_t end = ptl_doctor_now_ms() + PTL_DOCTOR_JOIN_MS;

    for (size_t i = 0; attempts && i < count; i++) {
        attempts[i].join = &joins[i];
        pthread_mutex_init(&attempts[i].lock, NULL);
        begin(examination, &attempts[i]);
    }
    while (attempts && !are_all_done(attempts, count) && ptl_doctor_now_ms() < end) {
        nanosleep(&pause, NULL);
    }
    for (size_t i = 0; attempts && i < count; i++) {
        if (attempts[i].node) {
            ptl_node_stop(attempts[i].node, 0);
        }
        pthread_mutex_destroy(&attempts[i].lock);
    }
    free(attempts);
}
