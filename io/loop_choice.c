#include "io/loop_choice.h"

#include "io/clock.h"
#include "io/uring_features.h"

#include <pthread.h>
#include <stdio.h>

#define REMARK_MAX 320

struct ptl_loop_choice {
    const struct ptl_allocator *allocator;
    struct ptl_loop_maker maker;         /* which decides */
    pthread_mutex_t lock;                /* guards all below, until it is decided */
    const struct ptl_loop_maker *chosen; /* NULL: not yet */
    struct ptl_loop_maker epoll;
    char remark[REMARK_MAX];
};

static void choose_epoll(struct ptl_loop_choice *choice)
{
    const char *missing = ptl_loop_uring_missing();

    snprintf(choice->remark, sizeof(choice->remark), "the loop is epoll: %s",
             missing != NULL ? missing : "io_uring could not be set up");
    choice->chosen = &choice->epoll;
}

/* The first loop, by which all others are chosen; PTL_EFEATURE: it is not open, and they are to be
 * on epoll. */
static int open_first(struct ptl_loop_choice *choice, unsigned shard,
                      const struct ptl_allocator *allocator, const struct ptl_loop_hooks *hooks,
                      void *user, struct ptl_loop **loop)
{
    const struct ptl_loop_maker *uring = ptl_loop_uring();

    int err = uring->open(uring->maker, shard, allocator, hooks, user, loop);
    if (err == PTL_OK) {
        choice->chosen = uring;
    } else if (err == PTL_EFEATURE) {
        choose_epoll(choice);
    }
    return err;
}

static int open_chosen(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                       const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop)
{
    struct ptl_loop_choice *choice = maker;
    int err = PTL_EFEATURE;

    pthread_mutex_lock(&choice->lock);
    if (choice->chosen == NULL) {
        err = open_first(choice, shard, allocator, hooks, user, loop);
    }
    const struct ptl_loop_maker *chosen = choice->chosen;
    pthread_mutex_unlock(&choice->lock);
    return err != PTL_EFEATURE ? err
                               : chosen->open(chosen->maker, shard, allocator, hooks, user, loop);
}

int ptl_loop_choice_open(const struct ptl_allocator *allocator, struct ptl_loop_choice **choice)
{
    struct ptl_loop_choice *new = ptl_alloc(allocator, sizeof(*new));
    if (new == NULL) {
        return PTL_ENOMEM;
    }
    new->allocator = allocator;
    new->maker = (struct ptl_loop_maker){
        .open = open_chosen, .random = ptl_clock_chance_of_maker, .maker = new};
    new->epoll = *ptl_loop_epoll();
    new->epoll.maker = new->remark;
    pthread_mutex_init(&new->lock, NULL);
    *choice = new;
    return PTL_OK;
}

const struct ptl_loop_maker *ptl_loop_choice_maker(const struct ptl_loop_choice *choice)
{
    return &choice->maker;
}

void ptl_loop_choice_free(struct ptl_loop_choice *choice)
{
    if (choice != NULL) {
        pthread_mutex_destroy(&choice->lock);
        ptl_free(choice->allocator, choice, sizeof(*choice));
    }
}
