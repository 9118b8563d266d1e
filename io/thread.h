/*
 * io/thread.h - threads, as a node makes them: with all signals blocked, so that the program's own
 * signal handling never runs on them.
 */
#pragma once

#include "io/err.h"

#include <pthread.h>

/* Errors: -errno.  Owns: to be joined by the caller. */
PTL_MUST_CHECK int ptl_thread_start(pthread_t *thread, void *(*run)(void *), void *argument);

/* What this thread is called in lists of threads and in the log; of at most 15 bytes. */
void ptl_thread_name(const char *name);

/* How many processors there are to run them; at least 1. */
unsigned ptl_processors(void);
