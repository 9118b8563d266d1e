#include "tools/http/history.h"

#include <time.h>

static void take_row(struct ptl_history *history, const struct ptl_stats *stats)
{
    unsigned place = (unsigned)(history->count++ % PTL_HISTORY_ROWS);
    uint64_t *values = history->rows[place].values;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    history->rows[place].time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
#define NUMBER(name) values[PTL_HISTORY_##name] = stats->name;
    PTL_HISTORY_NUMBERS(NUMBER)
#undef NUMBER
#define REASON(name) values[PTL_HISTORY_##name] = stats->handshakes_failed[PTL_REASON_##name];
    PTL_HISTORY_REASONS(REASON)
#undef REASON
}

/* A time that was missed has no row. */
void ptl_history_work(struct ptl_history *history, const struct ptl_node *node, uint64_t now_ms)
{
    struct ptl_stats stats = {.size = sizeof stats};

    if (now_ms >= history->next_ms && ptl_stats(node, PTL_STATS_ALL, &stats) == 0) {
        take_row(history, &stats);
        bool is_late = now_ms - history->next_ms >= PTL_HISTORY_MS;
        history->next_ms = (is_late ? now_ms : history->next_ms) + PTL_HISTORY_MS;
    }
}

static json_t *row_json(const struct ptl_history *history, uint64_t number)
{
    unsigned place = (unsigned)(number % PTL_HISTORY_ROWS);
    json_t *row = json_array();

    json_array_append_new(row, json_real(history->rows[place].time));
    for (unsigned i = 0; i < PTL_HISTORY_COLUMNS; i++) {
        uint64_t value = history->rows[place].values[i];
        json_array_append_new(row, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
    }
    return row;
}

json_t *ptl_history_json(const struct ptl_history *history, const char *node)
{
    json_t *names = json_array(), *rows = json_array();
    uint64_t first = history->count > PTL_HISTORY_ROWS ? history->count - PTL_HISTORY_ROWS : 0;

#define NAME(name) json_array_append_new(names, json_string(#name));
    PTL_HISTORY_NUMBERS(NAME)
    PTL_HISTORY_REASONS(NAME)
#undef NAME
    for (uint64_t i = first; i < history->count; i++) {
        json_array_append_new(rows, row_json(history, i));
    }
    return json_pack("{s:s,s:i,s:o,s:o}", "node", node, "every_ms", PTL_HISTORY_MS, "names", names,
                     "rows", rows);
}
