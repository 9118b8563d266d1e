#include "tools/bench/ask.h"

#include <pthread.h>

struct question {
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool is_told;
    int err;
    struct ptl_msg *reply;
};

static void answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct question *question = data;
    struct ptl_msg *kept = reply ? ptl_msg_keep(reply) : NULL;

    (void)node;
    pthread_mutex_lock(&question->lock);
    question->err = reply && !kept ? PTL_ENOMEM : err;
    question->reply = kept;
    question->is_told = true;
    pthread_cond_signal(&question->told);
    pthread_mutex_unlock(&question->lock); /* the asker may free the question from here on */
}

int ptl_bench_ask(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg,
                  unsigned timeout_ms, struct ptl_msg **reply)
{
    struct question question = {.is_told = false};

    *reply = NULL;
    pthread_mutex_init(&question.lock, NULL);
    pthread_cond_init(&question.told, NULL);
    int err = ptl_call(node, to, msg, timeout_ms, true, answered, &question);
    if (err == 0) {
        pthread_mutex_lock(&question.lock);
        while (!question.is_told) { /* it will be, by the timeout at the latest */
            pthread_cond_wait(&question.told, &question.lock);
        }
        pthread_mutex_unlock(&question.lock);
        err = question.err;
        *reply = question.reply;
    }
    pthread_cond_destroy(&question.told);
    pthread_mutex_destroy(&question.lock);
    return err;
}
