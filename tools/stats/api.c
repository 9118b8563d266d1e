#include "tools/stats/api.h"

#include "tools/common.h"

#include <string.h>

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *counts(const struct ptl_stats *stats)
{
    json_t *object = json_object();

#define SET(name, what) json_object_set_new(object, #name, number(stats->name));
    PTL_STATS_COUNTERS(SET)
    PTL_STATS_GAUGES(SET)
#undef SET
    return object;
}

static json_t *failed(const struct ptl_stats *stats)
{
    json_t *object = json_object();

#define SET(name, what)                                                                            \
    json_object_set_new(object, #name, number(stats->handshakes_failed[PTL_REASON_##name]));
    PTL_STATS_REASONS(SET)
#undef SET
    return object;
}

/* Of the last bucket there is no bound. */
static json_t *times(const struct ptl_stats *stats)
{
    json_t *buckets = json_array();

    for (unsigned i = 0; i < PTL_STATS_BUCKETS; i++) {
        json_t *below = i + 1 < PTL_STATS_BUCKETS ? number(PTL_STATS_BUCKET(i)) : json_null();
        json_array_append_new(
            buckets, json_pack("{s:o,s:o}", "below_ns", below, "count", number(stats->handled[i])));
    }
    return json_pack("{s:o,s:o}", "buckets", buckets, "sum_ns", number(stats->handled_ns));
}

static json_t *addresses(const struct ptl_sight *sight)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < sight->address_count; i++) {
        json_array_append_new(array, json_string(sight->addresses[i]));
    }
    return array;
}

static json_t *shards(const struct ptl_sight *sight)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < sight->shard_count; i++) {
        json_array_append_new(array, counts(&sight->shards[i]));
    }
    return array;
}

json_t *ptl_api_node(const struct ptl_sight *sight)
{
    return json_pack("{s:s,s:s,s:b,s:b,s:b,s:f,s:f,s:i,s:o,s:o,s:o,s:o,s:o,s:o}", "node",
                     sight->node, "version", PTL_VERSION, "global", sight->is_global, "ready",
                     ptl_sight_is_ready(sight), "draining", sight->is_draining, "up_seconds",
                     sight->up_seconds, "time", sight->wall_seconds, "shard_count",
                     (int)sight->shard_count, "addresses", addresses(sight), "counts",
                     counts(&sight->all), "handshakes_failed", failed(&sight->all), "handlers",
                     times(&sight->all), "shards", shards(sight), "log", number(sight->told));
}

static json_t *link_of(const struct ptl_survey_link *link)
{
    return json_pack("{s:s,s:s,s:s,s:b,s:b,s:b,s:b,s:b,s:o,s:o,s:o,s:o,s:o,s:o}", "node",
                     link->node, "address", link->address, "framing", link->framing, "up", link->up,
                     "encrypted", link->encrypted, "dialled", link->dialled, "global", link->global,
                     "full", link->full, "up_ms", number(link->up_ms), "messages_in",
                     number(link->messages_in), "messages_out", number(link->messages_out),
                     "bytes_in", number(link->bytes_in), "bytes_out", number(link->bytes_out),
                     "queued_bytes", number(link->queued_bytes));
}

/* What a survey shows of something, and how many of it there are. */
static json_t *shown(const struct ptl_sight *sight, const char *name, json_t *array, uint64_t all)
{
    return json_pack("{s:s,s:b,s:o,s:o}", "node", sight->node, "complete",
                     sight->has_survey && json_array_size(array) == all, "all", number(all), name,
                     array);
}

json_t *ptl_api_links(const struct ptl_sight *sight)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < sight->survey.link_count; i++) {
        json_array_append_new(array, link_of(&sight->survey.links[i]));
    }
    return shown(sight, "links", array, sight->survey.links_in_all);
}

static json_t *ports_of(const struct ptl_survey_port *ports, unsigned count)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < count; i++) {
        const struct ptl_survey_port *port = &ports[i];
        json_array_append_new(
            array, json_pack("{s:s,s:i,s:o,s:o,s:b,s:b,s:o,s:o}", "port", port->id, "shard",
                             (int)port->shard, "messages", number(port->messages), "queued_bytes",
                             number(port->queued_bytes), "full", port->full, "waits", port->waits,
                             "handled_mean_ns", number(port->handled_mean_ns), "handled_max_ns",
                             number(port->handled_max_ns)));
    }
    return array;
}

json_t *ptl_api_ports(const struct ptl_sight *sight)
{
    const struct ptl_survey *survey = &sight->survey;
    json_t *object =
        shown(sight, "ports", ports_of(survey->ports, survey->port_count), survey->ports_in_all);

    json_object_set_new(object, "slowest", ports_of(survey->slowest, survey->slowest_count));
    return object;
}

json_t *ptl_api_database(const struct ptl_sight *sight)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < sight->survey.family_count; i++) {
        const struct ptl_survey_family *family = &sight->survey.families[i];
        json_array_append_new(
            array, json_pack("{s:s,s:o}", "family", family->name, "keys", number(family->keys)));
    }
    return shown(sight, "families", array, sight->survey.families_in_all);
}

json_t *ptl_api_all(const struct ptl_sight *sight)
{
    return json_pack("{s:o,s:o,s:o,s:o}", "node", ptl_api_node(sight), "links",
                     ptl_api_links(sight), "ports", ptl_api_ports(sight), "database",
                     ptl_api_database(sight));
}

/* ---- The network ---------------------------------------------------------------------------- */

static const struct ptl_survey_link *link_to(const struct ptl_sight *sight, const char *node)
{
    for (unsigned i = 0; i < sight->survey.link_count; i++) {
        if (strcmp(sight->survey.links[i].node, node) == 0) {
            return &sight->survey.links[i];
        }
    }
    return NULL;
}

/* Whom this node is linked to. */
static json_t *own_links(const struct ptl_sight *sight)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < sight->survey.link_count; i++) {
        if (sight->survey.links[i].up) {
            json_array_append_new(array, json_string(sight->survey.links[i].node));
        }
    }
    return array;
}

/* Whom `node` is linked to, or null: it has not said so. */
static json_t *links_of(const struct ptl_sight *sight, const char *node, const json_t *neighbours)
{
    json_t *links = json_object_get(neighbours, node);

    if (strcmp(node, sight->node) == 0) {
        return own_links(sight);
    }
    return links ? json_incref(links) : json_null();
}

static json_t *member(const struct ptl_sight *sight, const char *node, const json_t *globals,
                      const json_t *listening, const json_t *neighbours)
{
    const struct ptl_survey_link *link = link_to(sight, node);
    json_t *where = json_object_get(listening, node);
    bool is_self = strcmp(node, sight->node) == 0;
    bool is_global =
        json_object_get(globals, node) || (is_self && sight->is_global) || (link && link->global);

    return json_pack("{s:s,s:b,s:b,s:b,s:b,s:o,s:o}", "node", node, "self", is_self, "global",
                     is_global, "linked", link && link->up, "client", ptl_client_is_id(node),
                     "addresses", where ? json_incref(where) : json_array(), "links",
                     links_of(sight, node, neighbours));
}

static void add_member(json_t *members, const struct ptl_sight *sight, const char *node,
                       const json_t *globals, const json_t *listening, const json_t *neighbours)
{
    if (!json_object_get(members, node)) {
        json_object_set_new(members, node, member(sight, node, globals, listening, neighbours));
    }
}

json_t *ptl_api_cluster(const struct ptl_sight *sight, const json_t *globals,
                        const json_t *listening, const json_t *neighbours)
{
    json_t *members = json_object(), *array = json_array(), *value;
    const char *node;

    add_member(members, sight, sight->node, globals, listening, neighbours);
    json_object_foreach((json_t *)(uintptr_t)globals, node, value)
    {
        add_member(members, sight, node, globals, listening, neighbours);
    }
    json_object_foreach((json_t *)(uintptr_t)listening, node, value)
    {
        add_member(members, sight, node, globals, listening, neighbours);
    }
    for (unsigned i = 0; i < sight->survey.link_count; i++) {
        add_member(members, sight, sight->survey.links[i].node, globals, listening, neighbours);
    }
    json_object_foreach(members, node, value)
    {
        json_array_append(array, value);
    }
    json_decref(members);
    return json_pack("{s:s,s:b,s:o}", "node", sight->node, "complete",
                     globals && listening && sight->has_survey, "nodes", array);
}
