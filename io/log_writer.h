/*
 * io/log_writer.h - lines for the operator, written by a thread of their own: who logs never waits.
 *
 *   any thread --ptl_log_write()--> [ 32 KiB of lines ] --its own thread--> file, pipe, terminal
 *
 * Whoever reads the lines may stand still: then those that find no room are lost, counted, and told
 * of in a line as soon as there is one who reads.  So it is with a full disk and a closed pipe.
 */
#pragma once

#include "io/allocator.h"
#include "io/err.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* What a shared library shows begins here. */
#pragma GCC visibility push(default)

enum ptl_log_level { PTL_LOG_ERROR, PTL_LOG_WARN, PTL_LOG_INFO, PTL_LOG_DEBUG };

/*
 * How a line is written.  In each of them it is one line of UTF-8 whatever its text is made of:
 * what would move a cursor, turn the direction of writing or begin another line is '?', or escaped
 * in JSON, where bytes that are no UTF-8 are U+FFFD.
 */
enum ptl_log_format {
    PTL_LOG_TEXT,    /* TIME LEVEL LINE, the time in UTC with milliseconds */
    PTL_LOG_JSON,    /* {"time":...,"level":...,"node":...,"thread":...,"message":LINE} */
    PTL_LOG_JOURNAL, /* <PRIORITY>LINE: for systemd's journal, which has a time of its own */
};

#define PTL_LOG_LINE_MAX 2048 /* bytes of a line as it is written; of a longer one LINE is cut */
#define PTL_LOG_NODE_MAX 200  /* bytes of a node's ID */
#define PTL_LOG_WAITING_MAX 32768 /* bytes of lines that wait, and as many that are being written */

struct ptl_log_writer;

/*
 * Make a writer of lines to `descriptor`, which must stay open until the writer is closed; its
 * thread starts with the first line.  `allocator` NULL: the C library's.
 * Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_log_writer_open(const struct ptl_allocator *allocator, int descriptor,
                                       struct ptl_log_writer **writer);

/*
 * Write lines so from now on [PTL_LOG_TEXT].  `node_id` stands in objects of JSON; NULL: none does.
 * Owns: it is copied.  Thread: any.
 */
void ptl_log_writer_format(struct ptl_log_writer *writer, enum ptl_log_format format,
                           const char *node_id);

/*
 * Write a line in the writer's format; never blocks.  It is a ptl_log_fn: `writer` is a struct
 * ptl_log_writer.  Owns: `line` stays the caller's.  Thread: any.
 */
void ptl_log_write(void *writer, enum ptl_log_level level, const char *line);

/*
 * Write what waits, for at most `patience_ms`, and free the writer.  Returns how many lines were
 * lost and never told of.  `writer` may be NULL.  Thread: any, once; nobody may write any more.
 */
uint64_t ptl_log_writer_close(struct ptl_log_writer *writer, unsigned patience_ms);

/* How many lines have been lost so far, told of or not.  Thread: any. */
uint64_t ptl_log_writer_lost(struct ptl_log_writer *writer);

/*
 * Make a line as a writer would write it now, on this thread: for who writes it in another way.
 * Returns its size; it ends with a line end, and a NUL behind that.  Thread: any.
 */
size_t ptl_log_line(enum ptl_log_format format, const char *node_id, enum ptl_log_level level,
                    const char *text, char line[PTL_LOG_LINE_MAX]);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
