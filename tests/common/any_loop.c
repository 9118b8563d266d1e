#include "tests/common/any_loop.h"

#include "io/uring_features.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum ptl_loop_kind kind;

static void look(void)
{
    kind = ptl_loop_uring_missing() == NULL ? PTL_LOOP_URING : PTL_LOOP_EPOLL;
}

enum ptl_loop_kind any_loop_kind(void)
{
    pthread_once(&once, look);
    return kind;
}

const struct ptl_loop_maker *any_loop(void)
{
    return any_loop_kind() == PTL_LOOP_URING ? ptl_loop_uring() : ptl_loop_epoll();
}

void any_loop_random(void *maker, void *bytes, size_t size)
{
    const struct ptl_loop_maker *real = any_loop();

    (void)maker;
    real->random(real->maker, bytes, size);
}
