/* How much of the machine a node may have: processors, memory, descriptors. */
#include "tools/doctor/examination.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DESCRIPTORS_LEAST 1024   /* one a connection, and some for the node itself */
#define NODE_BYTES (64ull << 20) /* what a node may take besides messages */
#define MESSAGES_IN_MAKING 4     /* of the greatest size, that a shard holds: making_room */
#define FOLDERS_MAX 64           /* of control groups, one within the other */

/* ---- Control groups ------------------------------------------------------------------------ */

/* The first line of a file.  False: there is none. */
static bool read_line(const char *path, char line[256])
{
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(line, 256, file);

    if (file) {
        fclose(file);
    }
    return is_read;
}

/* The folder of this process's group of version 2, "/" at least. */
static void find_group(char group[PATH_MAX])
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX];

    snprintf(group, PATH_MAX, "/");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(group, PATH_MAX, "%s", line + 3);
        }
    }
    if (file) {
        fclose(file);
    }
}

/* Call `look` with the line of that file of the process's own group, and of each that it is in. */
static void walk_groups(const char *name, void (*look)(const char *line, void *data), void *data)
{
    char group[PATH_MAX], path[PATH_MAX + 64], line[256];

    find_group(group);
    for (int i = 0; i < FOLDERS_MAX; i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", group, name);
        if (read_line(path, line)) {
            look(line, data);
        }
        char *slash = strrchr(group, '/');
        if (!slash || group[1] == '\0') {
            return;
        }
        slash[slash == group] = '\0';
    }
}

/* ---- Processors ---------------------------------------------------------------------------- */

/* "200000 100000": so much time in each such period. */
static void take_quota(const char *line, void *data)
{
    double *processors = data;
    char *end;
    double quota = strtod(line, &end), period = strtod(end, NULL);

    if (quota > 0 && period > 0 && quota / period < *processors) {
        *processors = quota / period;
    }
}

void ptl_examine_processors(struct ptl_examination *examination)
{
    const struct ptl_options *options = examination->options;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned shards = options->shards > 0 ? options->shards : online < 1 ? 1 : (unsigned)online;
    double processors = online < 1 ? 1 : (double)online;
    cpu_set_t set;

    shards = shards > PTL_SHARDS_MAX ? PTL_SHARDS_MAX : shards;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) < processors) {
        processors = CPU_COUNT(&set);
    }
    walk_groups("cpu.max", take_quota, &processors);
    if (shards > processors) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "processors",
                       "give --shards no more than there are processors, or the container more",
                       "%u shards on what is as much as %.4g processors: they wait for each other",
                       shards, processors);
    } else if (options->poll_us > 0 && shards >= processors) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "processors",
                       "leave one for others with --shards, or let poll-us be 0",
                       "%u shards that never sleep long (poll-us) take all %.4g processors", shards,
                       processors);
    } else {
        ptl_report_ok(examination->report, "processors", "%.4g, for %u shards", processors, shards);
    }
}

/* ---- Memory -------------------------------------------------------------------------------- */

/* A limit in bytes, "max" where there is none. */
static void take_limit(const char *line, void *data)
{
    uint64_t *limit = data;
    uint64_t bytes = strtoull(line, NULL, 10);

    if (bytes > 0 && bytes < *limit) {
        *limit = bytes;
    }
}

static uint64_t find_memory(const char **what)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    uint64_t memory = machine;
    struct rlimit limit;
    char line[256];

    walk_groups("memory.max", take_limit, &memory);
    if (read_line("/sys/fs/cgroup/memory/memory.limit_in_bytes", line)) { /* version 1 */
        take_limit(line, &memory);
    }
    *what = memory < machine ? "of the control group" : "of the machine";
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < memory) {
        memory = limit.rlim_cur;
        *what = "of address space (ulimit -v)";
    }
    return memory;
}

void ptl_examine_memory(struct ptl_examination *examination)
{
    const char *what;
    uint64_t memory = find_memory(&what);
    size_t message = examination->options->message_bytes_max;
    uint64_t least = NODE_BYTES + MESSAGES_IN_MAKING * (uint64_t)message;

    if (memory < least) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "memory",
                       "give it more memory, or --max-message less",
                       "%" PRIu64 " MiB %s, and messages of %zu MiB may take %" PRIu64
                       " MiB of a shard while they arrive",
                       memory >> 20, what, message >> 20, least >> 20);
    } else {
        ptl_report_ok(examination->report, "memory", "%" PRIu64 " MiB %s", memory >> 20, what);
    }
}

/* ---- Descriptors --------------------------------------------------------------------------- */

void ptl_examine_descriptors(struct ptl_examination *examination)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (limit.rlim_max < DESCRIPTORS_LEAST) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "descriptors",
                       "raise it: LimitNOFILE=65536 in the unit, --ulimit nofile=65536 of a "
                       "container, ulimit -n elsewhere",
                       "at most %" PRIuMAX " open files, one a connection",
                       (uintmax_t)limit.rlim_max);
        return;
    }
    limit.rlim_cur = limit.rlim_max; /* as a node does */
    setrlimit(RLIMIT_NOFILE, &limit);
    ptl_report_ok(examination->report, "descriptors", "%" PRIuMAX " open files, one a connection",
                  (uintmax_t)limit.rlim_max);
}
