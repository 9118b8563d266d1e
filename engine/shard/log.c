#include "engine/shard/log.h"

#include "engine/message/name.h"
#include "engine/shard/node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SECOND_NS UINT64_C(1000000000)

/* ---- The node's lines of a second ---------------------------------------------------------- */

/* What matters little leaves room for what matters more. */
static uint64_t line_max(enum ptl_log_level level)
{
    switch (level) {
    case PTL_LOG_ERROR:
        return PTL_LOG_LINES_MAX;
    case PTL_LOG_WARN:
    case PTL_LOG_INFO:
        return PTL_LOG_DULL_LINES_MAX;
    case PTL_LOG_DEBUG:
        return PTL_LOG_DEBUG_LINES_MAX;
    }
    ptl_unreachable("no level of the log");
}

/* Take one of the lines of this second.  Without a time (0) it is the second of the last line. */
static bool take_line(struct ptl_node *node, uint64_t now, enum ptl_log_level level)
{
    uint64_t max = line_max(level);
    uint64_t second = now / SECOND_NS;
    uint64_t before = atomic_load(&node->log.lines), after;

    /* Shards and the program's threads share one word: no line is counted twice, and no lock is
     * held. */
    do {
        bool begins = second > before >> 32;
        if (!begins && (before & UINT32_MAX) >= max) {
            return false;
        }
        after = begins ? second << 32 | 1 : before + 1;
    } while (!atomic_compare_exchange_weak(&node->log.lines, &before, after));
    return true;
}

/* What a peer made up must not look like lines of ours, or move the cursor. */
static void make_printable(char *line)
{
    for (char *c = line; *c != 0; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
}

static void write_line(struct ptl_node *node, enum ptl_log_level level, char *line)
{
    make_printable(line);
    node->options.log(node->options.log_data, level, line);
}

/* ---- Tallies ------------------------------------------------------------------------------- */

/*
 * A format is a literal, so its address names the kind. Two kinds or subjects of one key would only
 * share a count.
 */
static uint64_t key_of(const char *format, struct ptl_span subject)
{
    uint64_t key =
        ptl_name_hash(subject) ^ ((uint64_t)(uintptr_t)format * UINT64_C(0x9e3779b97f4a7c15));

    return key == 0 ? 1 : key;
}

static void begin_tally(struct ptl_log_tally *tally, uint64_t key, enum ptl_log_level level,
                        uint64_t now)
{
    ptl_assert(key != 0); /* that of one that is free */
    tally->key = key;
    tally->until = now + PTL_LOG_SPAN_NS;
    tally->told = tally->untold = 0;
    tally->level = (uint8_t)level;
}

/*
 * The tally of that key, or one to begin: a free one, one whose span is over and fully told, or one
 * of less important lines.  NULL: there is none.
 */
static struct ptl_log_tally *find_tally(struct ptl_log_book *book, uint64_t key,
                                        enum ptl_log_level level, uint64_t now)
{
    struct ptl_log_tally *best = NULL;

    for (unsigned i = 0; i < PTL_LOG_TALLIES; i++) {
        struct ptl_log_tally *tally = &book->tallies[i];
        bool over = tally->key == 0 || (tally->until <= now && tally->untold == 0);
        if (tally->key == key && !over) {
            return tally;
        }
        if (over || (tally->level > level && best == NULL)) {
            best = tally;
        }
    }
    if (best != NULL) {
        /* Whoever loses its place is told of all the same, among the lines of many kinds. */
        book->untold += best->untold;
        begin_tally(best, key, level, now);
    }
    return best;
}

/* Count a line that is not told; the first stands for all of them. */
static void count_line(struct ptl_shard *shard, struct ptl_log_tally *tally, const char *format,
                       va_list arguments)
{
    uint64_t due = tally == NULL ? shard->now + PTL_LOG_SPAN_NS : tally->until;

    if (tally == NULL) {
        shard->log.untold++;
    } else if (tally->untold++ == 0) {
        vsnprintf(tally->line, sizeof(tally->line), format, arguments);
    }
    if (shard->log.due == 0 || due < shard->log.due) {
        shard->log.due = due;
    }
}

static void log_about(struct ptl_shard *shard, enum ptl_log_level level, struct ptl_span subject,
                      const char *format, va_list arguments)
{
    struct ptl_log_tally *tally =
        find_tally(&shard->log, key_of(format, subject), level, shard->now);
    char line[PTL_LOG_TEXT_MAX];

    if (tally == NULL || tally->untold > 0 || tally->told >= PTL_LOG_KIND_MAX ||
        !take_line(shard->node, shard->now, level)) {
        count_line(shard, tally, format, arguments);
        return;
    }
    tally->told++;
    vsnprintf(line, sizeof(line), format, arguments);
    write_line(shard->node, level, line);
}

void ptl_log_set_level(struct ptl_node *node, enum ptl_log_level level)
{
    atomic_store_explicit(&node->log.level, level, memory_order_relaxed);
}

static enum ptl_log_level level_of(struct ptl_node *node)
{
    return (enum ptl_log_level)atomic_load_explicit(&node->log.level, memory_order_relaxed);
}

void ptl_log_about(struct ptl_shard *shard, enum ptl_log_level level, struct ptl_span subject,
                   const char *format, ...)
{
    va_list arguments;

    if (level > level_of(shard->node)) {
        return;
    }
    va_start(arguments, format);
    log_about(shard, level, subject, format, arguments);
    va_end(arguments);
}

void ptl_log(struct ptl_node *node, enum ptl_log_level level, const char *format, ...)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    char line[PTL_LOG_TEXT_MAX];
    va_list arguments;

    if (level > level_of(node)) {
        return;
    }
    va_start(arguments, format);
    if (shard != NULL) {
        log_about(shard, level, ptl_span(NULL, 0), format, arguments);
    } else if (take_line(node, 0, level)) {
        vsnprintf(line, sizeof(line), format, arguments);
        write_line(node, level, line);
    } else {
        atomic_fetch_add(&node->log.untold, 1);
    }
    va_end(arguments);
}

/* ---- Telling what was counted -------------------------------------------------------------- */

/* The first line that was not told, and how many were like it.  False: no line is left now. */
static bool tell_tally(struct ptl_shard *shard, struct ptl_log_tally *tally)
{
    enum ptl_log_level level = (enum ptl_log_level)tally->level;
    char line[PTL_LOG_KEPT_MAX + 64];

    ptl_assert(tally->untold > 0);

    if (!take_line(shard->node, shard->now, level)) {
        return false;
    }
    int size = snprintf(line, sizeof(line), "%s", tally->line);
    ptl_assert(size >= 0 && (size_t)size < sizeof(tally->line)); /* it was cut when it was kept */
    if (tally->untold > 1) {
        snprintf(line + size, sizeof(line) - (size_t)size, " ... and %" PRIu32 " more of these",
                 tally->untold - 1);
    }
    write_line(shard->node, level, line);
    tally->untold = 0;
    return true;
}

/* Told as a warning, or as the worst level that is logged at all. */
static void tell_others(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;
    enum ptl_log_level most = level_of(node);
    enum ptl_log_level level = most < PTL_LOG_WARN ? most : PTL_LOG_WARN;
    char line[64];

    if ((shard->log.untold == 0 && atomic_load(&node->log.untold) == 0) ||
        !take_line(node, shard->now, level)) {
        return;
    }
    uint64_t count = (uint64_t)shard->log.untold + atomic_exchange(&node->log.untold, 0);
    shard->log.untold = 0;
    snprintf(line, sizeof(line), "... and %" PRIu64 " more lines of many kinds", count);
    write_line(node, level, line);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Nothing is looked at before it is due: nearly every turn ends at the first comparison. */
uint64_t ptl_log_work(struct ptl_shard *shard)
{
    struct ptl_log_book *book = &shard->log;
    uint64_t due = UINT64_MAX;

    if (book->due == 0 || shard->now < book->due) {
        return book->due == 0 ? UINT64_MAX : book->due;
    }
    for (unsigned i = 0; i < PTL_LOG_TALLIES; i++) {
        struct ptl_log_tally *tally = &book->tallies[i];
        if (tally->untold > 0 && tally->until <= shard->now && !tell_tally(shard, tally)) {
            /* The lines of this second are used up: try in the next one. */
            tally->until = shard->now + SECOND_NS;
        }
        if (tally->untold > 0) {
            due = sooner(due, tally->until);
        }
    }
    tell_others(shard);
    if (book->untold > 0) {
        due = sooner(due, shard->now + SECOND_NS);
    }
    book->due = due == UINT64_MAX ? 0 : due;
    return due;
}

void ptl_log_end(struct ptl_shard *shard)
{
    for (unsigned i = 0; i < PTL_LOG_TALLIES; i++) {
        if (shard->log.tallies[i].untold > 0 && !tell_tally(shard, &shard->log.tallies[i])) {
            shard->log.untold += shard->log.tallies[i].untold;
        }
    }
    tell_others(shard);
}
