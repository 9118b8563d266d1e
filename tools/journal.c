#include "tools/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 200 /* for the last lines, when nobody reads them */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void ptl_journal_init(struct ptl_journal *journal, const char *name)
{
    *journal = (struct ptl_journal){.level = PTL_LOG_WARN, .holding = name == NULL};
    pthread_mutex_init(&journal->lock, NULL);
    if (ptl_log_writer_open(NULL, STDERR_FILENO, &journal->writer) < 0) {
        journal->writer = NULL;
    }
    if (name) {
        ptl_journal_set_level(journal, name);
    }
}

enum ptl_log_level ptl_journal_set_level(struct ptl_journal *journal, const char *name)
{
    pthread_mutex_lock(&journal->lock);
    for (int level = PTL_LOG_ERROR; level <= PTL_LOG_DEBUG; level++) {
        if (strcmp(level_names[level], name) == 0) {
            journal->level = (enum ptl_log_level)level;
        }
    }
    enum ptl_log_level level = journal->level;
    pthread_mutex_unlock(&journal->lock);
    return level;
}

/* systemd tells by it which file its journal is, so that others can tell. */
static bool is_journal_of_systemd(int file)
{
    const char *text = getenv("JOURNAL_STREAM");
    uintmax_t device, number;
    struct stat status;
    char *colon, *end;

    if (!text || fstat(file, &status) != 0) {
        return false;
    }
    device = strtoumax(text, &colon, 10);
    if (*colon != ':') {
        return false;
    }
    number = strtoumax(colon + 1, &end, 10);
    return *end == '\0' && device == status.st_dev && number == status.st_ino;
}

enum ptl_log_format ptl_journal_format(const char *word)
{
    if (!word) {
        return is_journal_of_systemd(STDERR_FILENO) ? PTL_LOG_JOURNAL : PTL_LOG_TEXT;
    }
    return strcmp(word, "json") == 0      ? PTL_LOG_JSON
           : strcmp(word, "journal") == 0 ? PTL_LOG_JOURNAL
                                          : PTL_LOG_TEXT;
}

void ptl_journal_set_format(struct ptl_journal *journal, enum ptl_log_format format,
                            const char *node_id)
{
    if (journal->writer) {
        ptl_log_writer_format(journal->writer, format, node_id);
    }
}

uint64_t ptl_journal_lost(const struct ptl_journal *journal)
{
    return journal->writer ? ptl_log_writer_lost(journal->writer) : 0;
}

static void print(struct ptl_journal *journal, enum ptl_log_level level, const char *line)
{
    if (journal->writer) {
        ptl_log_write(journal->writer, level, line);
    }
}

/* The first error is the cause of those behind it; of warnings, the last tells how things are. */
static void hold(struct ptl_journal *journal, enum ptl_log_level level, const char *line)
{
    if (journal->held[0] == '\0' || journal->held_level != PTL_LOG_ERROR) {
        journal->held_level = level;
        snprintf(journal->held, sizeof journal->held, "%s", line);
    }
}

/* What was said while all went well is worth its lines once it has. */
static void keep_remark(struct ptl_journal *journal, const char *line)
{
    if (journal->remark_count < PTL_JOURNAL_REMARKS_MAX) {
        snprintf(journal->remarks[journal->remark_count++], PTL_JOURNAL_LINE_MAX, "%s", line);
    }
}

void ptl_journal_close(struct ptl_journal *journal)
{
    ptl_log_writer_close(journal->writer, PATIENCE_MS);
    journal->writer = NULL;
}

void ptl_journal_log(void *data, enum ptl_log_level level, const char *line)
{
    struct ptl_journal *journal = data;

    pthread_mutex_lock(&journal->lock);
    if (journal->listener) {
        journal->listener(journal->listener_data, level, line);
    }
    if (journal->holding && level <= PTL_LOG_WARN) {
        hold(journal, level, line);
    } else if (journal->holding && level == PTL_LOG_INFO && level <= journal->level) {
        keep_remark(journal, line);
    } else if (!journal->holding && level <= journal->level) {
        print(journal, level, line);
    }
    pthread_mutex_unlock(&journal->lock);
}

void ptl_journal_listen(struct ptl_journal *journal, ptl_log_fn *listener, void *data)
{
    pthread_mutex_lock(&journal->lock);
    journal->listener = listener;
    journal->listener_data = data;
    pthread_mutex_unlock(&journal->lock);
}

void ptl_journal_release(struct ptl_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    if (journal->holding && journal->held[0] != '\0') {
        print(journal, journal->held_level, journal->held);
    }
    for (unsigned i = 0; journal->holding && i < journal->remark_count; i++) {
        print(journal, PTL_LOG_INFO, journal->remarks[i]);
    }
    journal->holding = false;
    pthread_mutex_unlock(&journal->lock);
}

void ptl_journal_held(struct ptl_journal *journal, const char *otherwise,
                      char line[PTL_JOURNAL_LINE_MAX])
{
    pthread_mutex_lock(&journal->lock);
    snprintf(line, PTL_JOURNAL_LINE_MAX, "%s", journal->held[0] ? journal->held : otherwise);
    pthread_mutex_unlock(&journal->lock);
}
