/*
 * tools/lines.h - lines for standard output: made on a shard, written by the main thread.
 *
 *   shard --ptl_lines_add()--> [ line, line, ... ] --ptl_lines_write()--> standard output
 *
 * Whoever reads the output may be slow, and a shard must not wait for it: its links would be given
 * up as silent.  So a shard only adds, and asks ptl_lines_full() whether to go on.  The main thread
 * writes no more than is taken at once, so that a signal still ends it.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct ptl_lines {
    pthread_mutex_t lock; /* guards `added`; the rest is the main thread's */
    struct ptl_lines_block {
        char *bytes;
        size_t size;
        size_t capacity;
    } added, writing;
    size_t written; /* bytes of `writing` */
};

void ptl_lines_init(struct ptl_lines *lines);

/* Add a line, and its end.  False: no memory.  Thread: any. */
bool ptl_lines_add(struct ptl_lines *lines, const char *line);

/* Whether so much waits that it is better to wait too.  Thread: any. */
bool ptl_lines_full(struct ptl_lines *lines);

/* Whether anything is to be written.  Thread: the main one, as with all below. */
bool ptl_lines_waiting(struct ptl_lines *lines);

/* Write what standard output takes at once, which has been polled.  Returns 0 or -errno. */
int ptl_lines_write(struct ptl_lines *lines);

void ptl_lines_free(struct ptl_lines *lines);
