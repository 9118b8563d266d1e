#include "tools/stats/sight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t ptl_sight_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static double wall_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add(const struct ptl_stats *stats, struct ptl_stats *sum)
{
#define ADD(name, what) sum->name += stats->name;
    PTL_STATS_COUNTERS(ADD)
    PTL_STATS_GAUGES(ADD)
#undef ADD
    for (unsigned i = 0; i < PTL_REASONS; i++) {
        sum->handshakes_failed[i] += stats->handshakes_failed[i];
    }
    for (unsigned i = 0; i < PTL_STATS_BUCKETS; i++) {
        sum->handled[i] += stats->handled[i];
    }
    sum->handled_ns += stats->handled_ns;
}

/*
 * All is what the shards add up to as they are shown: asked for by itself (PTL_STATS_ALL) it would
 * be of another moment, and who adds up the shards would find another number.
 */
static int read_counts(const struct ptl_node *node, struct ptl_sight *sight)
{
    sight->all.size = sizeof sight->all;
    for (unsigned i = 0; i < sight->shard_count; i++) {
        sight->shards[i].size = sizeof sight->shards[i];
        int err = ptl_stats(node, i, &sight->shards[i]);
        if (err < 0) {
            return err;
        }
        add(&sight->shards[i], &sight->all);
    }
    return 0;
}

struct ptl_sight *ptl_sight_make(const struct ptl_node *node, uint64_t started_ms)
{
    struct ptl_sight *sight = calloc(1, sizeof *sight);

    if (!sight) {
        return NULL;
    }
    sight->wall_seconds = wall_seconds();
    sight->up_seconds = (double)(ptl_sight_now_ms() - started_ms) / 1000;
    sight->is_draining = ptl_node_draining(node);
    sight->node = ptl_node_id(node);
    sight->shard_count = ptl_node_shards(node);
    sight->is_global = ptl_node_is_global(node);
    int err = read_counts(node, sight);
    for (unsigned i = 0; i < 8 && ptl_node_address(node, i); i++) {
        snprintf(sight->addresses[i], sizeof sight->addresses[i], "%s", ptl_node_address(node, i));
        sight->address_count = i + 1;
    }
    if (err < 0) {
        free(sight);
        return NULL;
    }
    return sight;
}

/* NULL: no memory. */
static void *copy_of(const void *array, size_t size, unsigned count)
{
    void *copy = malloc(count == 0 ? 1 : size * count);

    if (copy && count != 0) {
        memcpy(copy, array, size * count);
    }
    return copy;
}

static void free_survey(struct ptl_survey *survey)
{
    free((void *)(uintptr_t)survey->links);
    free((void *)(uintptr_t)survey->ports);
    free((void *)(uintptr_t)survey->slowest);
    free((void *)(uintptr_t)survey->families);
}

/* Others choose their names; what is not UTF-8 could not be shown in any text. */
static void make_text(char *name)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    bool is_text = ptl_put_text(&writer, name, strlen(name)) == 0;
    ptl_writer_drop(&writer);
    for (char *at = name; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !is_text)) {
            *at = '?';
        }
    }
}

static void make_port_texts(const struct ptl_survey_port *ports, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        make_text(((struct ptl_survey_port *)(uintptr_t)ports)[i].id);
    }
}

static void make_texts(const struct ptl_survey *survey)
{
    for (unsigned i = 0; i < survey->link_count; i++) {
        make_text(((struct ptl_survey_link *)(uintptr_t)survey->links)[i].node);
    }
    make_port_texts(survey->ports, survey->port_count);
    make_port_texts(survey->slowest, survey->slowest_count);
    for (unsigned i = 0; i < survey->family_count; i++) {
        make_text(((struct ptl_survey_family *)(uintptr_t)survey->families)[i].name);
    }
}

bool ptl_sight_add(struct ptl_sight *sight, const struct ptl_survey *survey)
{
    struct ptl_survey copy = *survey;

    copy.links = copy_of(survey->links, sizeof *survey->links, survey->link_count);
    copy.ports = copy_of(survey->ports, sizeof *survey->ports, survey->port_count);
    copy.slowest = copy_of(survey->slowest, sizeof *survey->slowest, survey->slowest_count);
    copy.families = copy_of(survey->families, sizeof *survey->families, survey->family_count);
    if (!copy.links || !copy.ports || !copy.slowest || !copy.families) {
        free_survey(&copy);
        return false;
    }
    make_texts(&copy);
    sight->survey = copy;
    sight->has_survey = true;
    return true;
}

void ptl_sight_free(struct ptl_sight *sight)
{
    if (sight) {
        free_survey(&sight->survey);
        free(sight);
    }
}

/* Who has no seed is where others join. */
bool ptl_sight_is_ready(const struct ptl_sight *sight)
{
    return !sight->is_draining && (sight->all.seeds == 0 || sight->all.seeds_linked > 0);
}
