/*
 * tools/journal.h - where a node's log lines go: to standard error, or kept for one good complaint.
 *
 * While a node starts, or a client looks for one, a line is worth more inside of the one error
 * line than in front of it: a *holding* journal keeps the line that matters most and prints none.
 */
#pragma once

#include "engine/portolan.h"

#include <pthread.h>

#define PTL_JOURNAL_LINE_MAX 512
#define PTL_JOURNAL_REMARKS_MAX 4 /* lines of level info that are kept while holding */

struct ptl_journal {
    struct ptl_log_writer *writer; /* NULL: there was no memory for it, and nothing is printed */
    pthread_mutex_t lock;          /* guards all below; lines come from every thread of the node */
    enum ptl_log_level level;
    ptl_log_fn *listener; /* or NULL */
    void *listener_data;
    bool holding;
    enum ptl_log_level held_level;
    char held[PTL_JOURNAL_LINE_MAX]; /* the first error or else the last warning while holding */
    char remarks[PTL_JOURNAL_REMARKS_MAX][PTL_JOURNAL_LINE_MAX];
    unsigned remark_count;
};

/* `name` is "error" to "debug"; NULL: nothing is ever printed, all warnings are held. */
void ptl_journal_init(struct ptl_journal *journal, const char *name);

/* The level of that name from now on.  Returns it. */
enum ptl_log_level ptl_journal_set_level(struct ptl_journal *journal, const char *name);

/* How lines are written from now on; `node_id` stands in those that have a place for it. */
void ptl_journal_set_format(struct ptl_journal *journal, enum ptl_log_format format,
                            const char *node_id);

/* The format of that word, "text", "json" or "journal".  NULL: that of systemd's journal where
 * standard error leads there, else text. */
enum ptl_log_format ptl_journal_format(const char *word);

/* How many lines nobody has taken, so far. */
uint64_t ptl_journal_lost(const struct ptl_journal *journal);

/* Print what waits, if somebody takes it in a moment.  No thread may log any more. */
void ptl_journal_close(struct ptl_journal *journal);

/* A ptl_log_fn; `data` is the journal.  Does not block, whatever becomes of standard error. */
void ptl_journal_log(void *data, enum ptl_log_level level, const char *line);

/*
 * Have `listener` called with every line from now on, whether or not it is printed; NULL: nobody.
 * It is called under the journal's lock and must not log; once this returns the one before is
 * called no more.  Thread: any.
 */
void ptl_journal_listen(struct ptl_journal *journal, ptl_log_fn *listener, void *data);

/* Stop holding; a warning that was held and the first lines of level info are printed now. */
void ptl_journal_release(struct ptl_journal *journal);

/* Copy what was held last, or `otherwise` when there was nothing. */
void ptl_journal_held(struct ptl_journal *journal, const char *otherwise,
                      char line[PTL_JOURNAL_LINE_MAX]);
