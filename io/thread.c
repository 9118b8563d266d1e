#include "io/thread.h"

#include <signal.h>
#include <unistd.h>

/*
 * A thread begins with the signals that its maker has blocked: all of them, so that the program's
 * handlers run on threads of its own.
 */
int ptl_thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

void ptl_thread_name(const char *name)
{
    (void)pthread_setname_np(pthread_self(), name); /* one that has no name works as well */
}

unsigned ptl_processors(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (unsigned)online;
}
