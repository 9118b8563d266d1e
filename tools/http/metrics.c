#include "tools/http/metrics.h"

#include <inttypes.h>
#include <string.h>

/* What each number of engine/stats.h is called: one without a name does not compile. */
#define METRIC_taken "messages_taken_total"
#define METRIC_taken_bytes "message_taken_bytes_total"
#define METRIC_dropped "messages_dropped_total"
#define METRIC_received "messages_received_total"
#define METRIC_sent "messages_sent_total"
#define METRIC_lost "messages_lost_total"
#define METRIC_refused "sends_refused_total"
#define METRIC_link_bytes_in "link_received_bytes_total"
#define METRIC_link_bytes_out "link_sent_bytes_total"
#define METRIC_links_up "links_made_total"
#define METRIC_links_lost "links_lost_total"
#define METRIC_links_unreachable "links_unreachable_total"
#define METRIC_slow "callbacks_slow_total"
#define METRIC_turns "turns_total"
#define METRIC_wakeups "wakeups_total"
#define METRIC_ports "ports"
#define METRIC_queued "queued_messages"
#define METRIC_queued_bytes "queued_bytes"
#define METRIC_full "full"
#define METRIC_kept_bytes "kept_bytes"
#define METRIC_inbox_bytes "inbox_bytes"
#define METRIC_ring_bytes "ring_bytes"
#define METRIC_monitors "monitors"
#define METRIC_timers "timers"
#define METRIC_links "links"
#define METRIC_link_bytes "links_queued_bytes"
#define METRIC_strangers "strangers"
#define METRIC_seeds "seeds"
#define METRIC_seeds_linked "seeds_linked"
#define METRIC_families "database_families"
#define METRIC_entries "database_entries"
#define METRIC_watches "database_watches"
#define METRIC_registrations "database_registrations"
#define METRIC_asleep "asleep"

struct metric {
    const char *name;
    const char *type;
    const char *what;
    size_t place; /* in struct ptl_stats */
};

static const struct metric metrics[] = {
#define COUNTER(name, what) {METRIC_##name, "counter", what, offsetof(struct ptl_stats, name)},
    PTL_STATS_COUNTERS(COUNTER)
#undef COUNTER
#define GAUGE(name, what) {METRIC_##name, "gauge", what, offsetof(struct ptl_stats, name)},
        PTL_STATS_GAUGES(GAUGE)
#undef GAUGE
};

static const char *const reasons[] = {
#define REASON(name, what) #name,
    PTL_STATS_REASONS(REASON)
#undef REASON
};

static uint64_t number(const struct ptl_stats *stats, const struct metric *metric)
{
    uint64_t value;

    memcpy(&value, (const char *)stats + metric->place, sizeof value);
    return value;
}

static void head(struct ptl_text *text, const char *name, const char *type, const char *what)
{
    ptl_text_add(text, "# HELP portolan_%s %s\n# TYPE portolan_%s %s\n", name, what, name, type);
}

/* A label's value: what ends it, or a line, is escaped. */
static void label(struct ptl_text *text, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\n') {
            ptl_text_add(text, "\\n");
        } else {
            ptl_text_add(text, "%s%c", *at == '"' || *at == '\\' ? "\\" : "", *at);
        }
    }
}

static void write_shards(const struct ptl_sight *sight, struct ptl_text *text)
{
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        head(text, metrics[i].name, metrics[i].type, metrics[i].what);
        for (unsigned shard = 0; shard < sight->shard_count; shard++) {
            ptl_text_add(text, "portolan_%s{shard=\"%u\"} %" PRIu64 "\n", metrics[i].name, shard,
                         number(&sight->shards[shard], &metrics[i]));
        }
    }
}

static void write_reasons(const struct ptl_sight *sight, struct ptl_text *text)
{
    head(text, "handshakes_failed_total", "counter",
         "connections that were given up before their link was up");
    for (unsigned i = 0; i < PTL_REASONS; i++) {
        ptl_text_add(text, "portolan_handshakes_failed_total{reason=\"%s\"} %" PRIu64 "\n",
                     reasons[i], sight->all.handshakes_failed[i]);
    }
}

static void write_times(const struct ptl_sight *sight, struct ptl_text *text)
{
    uint64_t count = 0;

    head(text, "handler_seconds", "histogram",
         "how long handlers of ports take a message, of a sample");
    for (unsigned i = 0; i + 1 < PTL_STATS_BUCKETS; i++) {
        count += sight->all.handled[i];
        ptl_text_add(text, "portolan_handler_seconds_bucket{le=\"%.9g\"} %" PRIu64 "\n",
                     (double)PTL_STATS_BUCKET(i) / 1e9, count);
    }
    count += sight->all.handled[PTL_STATS_BUCKETS - 1];
    ptl_text_add(text,
                 "portolan_handler_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
                 "portolan_handler_seconds_sum %.9f\n"
                 "portolan_handler_seconds_count %" PRIu64 "\n",
                 count, (double)sight->all.handled_ns / 1e9, count);
}

static const struct link_metric {
    const char *name;
    const char *type;
    const char *what;
    size_t place; /* in struct ptl_survey_link */
} link_metrics[] = {
    {"link_messages_in_total", "counter", "messages for ports that the link has brought",
     offsetof(struct ptl_survey_link, messages_in)},
    {"link_messages_out_total", "counter", "messages for ports that it was given",
     offsetof(struct ptl_survey_link, messages_out)},
    {"link_bytes_in_total", "counter", "bytes that its connection has received",
     offsetof(struct ptl_survey_link, bytes_in)},
    {"link_bytes_out_total", "counter", "bytes that its connection has sent",
     offsetof(struct ptl_survey_link, bytes_out)},
    {"link_queued_bytes", "gauge", "bytes that wait for the link",
     offsetof(struct ptl_survey_link, queued_bytes)},
};

static void write_link(const struct ptl_survey_link *link, const struct link_metric *metric,
                       struct ptl_text *text)
{
    uint64_t value;

    memcpy(&value, (const char *)link + metric->place, sizeof value);
    ptl_text_add(text, "portolan_%s{node=\"", metric->name);
    label(text, link->node);
    ptl_text_add(text, "\"} %" PRIu64 "\n", value);
}

static void write_links(const struct ptl_sight *sight, struct ptl_text *text)
{
    const struct ptl_survey *survey = &sight->survey;

    for (size_t i = 0; i < sizeof link_metrics / sizeof link_metrics[0]; i++) {
        head(text, link_metrics[i].name, link_metrics[i].type, link_metrics[i].what);
        for (unsigned k = 0; k < survey->link_count && k < PTL_METRICS_LINKS_MAX; k++) {
            if (survey->links[k].up) {
                write_link(&survey->links[k], &link_metrics[i], text);
            }
        }
    }
}

void ptl_metrics_write(const struct ptl_sight *sight, struct ptl_text *text)
{
    head(text, "info", "gauge", "the node, and its version");
    ptl_text_add(text, "portolan_info{node=\"");
    label(text, sight->node);
    ptl_text_add(text, "\",version=\"" PTL_VERSION "\"} 1\n");
    head(text, "ready", "gauge", "whether it has joined, and does not drain");
    ptl_text_add(text, "portolan_ready %d\n", ptl_sight_is_ready(sight));
    head(text, "up_seconds", "gauge", "how long the node has run");
    ptl_text_add(text, "portolan_up_seconds %.3f\n", sight->up_seconds);
    head(text, "log_lines_lost_total", "counter", "lines of the log that nobody took");
    ptl_text_add(text, "portolan_log_lines_lost_total %" PRIu64 "\n", sight->log_lines_lost);
    write_shards(sight, text);
    write_reasons(sight, text);
    write_times(sight, text);
    write_links(sight, text);
}
