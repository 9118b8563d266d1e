#include "tools/bench/options.h"

#include "tools/bench/mark.h"
#include "tools/bench/text.h"
#include "tools/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES_MAX ((size_t)64 << 20) /* where --max-message is not given */
#define MESSAGE_EXTRA ((size_t)300)          /* bytes around those asked for, at most */

#define PORTS_VERIFIED 8

/* ---- One value each ------------------------------------------------------------------------ */

/* Take the text behind an option; complains of what makes no sense. */
typedef int take_fn(const char *option, const char *text, void *place);

static int take_count(const char *option, const char *text, uint64_t least, uint64_t most,
                      uint64_t *count)
{
    char *end;

    errno = 0;
    *count = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || *count < least ||
        *count > most) {
        return ptl_complain(PTL_EXIT_USAGE, "%s takes a whole number from %llu to %llu, not '%s'",
                            option, (unsigned long long)least, (unsigned long long)most, text);
    }
    return PTL_EXIT_OK;
}

static int take_ports(const char *option, const char *text, void *place)
{
    return take_count(option, text, 1, PTL_BENCH_STREAMS_MAX / 2, place);
}

static int take_links(const char *option, const char *text, void *place)
{
    return take_count(option, text, 1, 1024, place);
}

static int take_in_flight(const char *option, const char *text, void *place)
{
    return take_count(option, text, 1, (uint64_t)1 << 24, place);
}

static int take_hops(const char *option, const char *text, void *place)
{
    return take_count(option, text, 1, 1000, place);
}

static int take_watchers(const char *option, const char *text, void *place)
{
    return take_count(option, text, 1, 10000, place);
}

static int take_kill_every(const char *option, const char *text, void *place)
{
    return take_count(option, text, 0, UINT32_MAX, place);
}

static int take_seed(const char *option, const char *text, void *place)
{
    return take_count(option, text, 0, UINT64_MAX, place);
}

/* A number and what stands behind it. */
static bool split(const char *text, double *number, const char **unit)
{
    char *end;

    *number = strtod(text, &end);
    *unit = end;
    return end != text && (isdigit((unsigned char)text[0]) || text[0] == '.');
}

static double rate_unit(const char *unit)
{
    return unit[0] == '\0' ? 1 : strcmp(unit, "k") == 0 ? 1e3 : strcmp(unit, "M") == 0 ? 1e6 : 0;
}

static int take_rate(const char *option, const char *text, void *place)
{
    double *rate = place;
    const char *unit;

    if (split(text, rate, &unit) && rate_unit(unit) > 0) {
        *rate *= rate_unit(unit);
        if (*rate >= 0.01 && *rate <= 1e9) {
            return PTL_EXIT_OK;
        }
    }
    return ptl_complain(
        PTL_EXIT_USAGE,
        "%s takes messages a second, 0.01 to 1000M, say 5000, 50k or 1.5M, not '%s'", option, text);
}

static double nanoseconds_of(const char *unit)
{
    static const struct {
        const char *name;
        double nanoseconds;
    } units[] = {
        {"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"m", 60e9}, {"h", 3600e9},
    };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].name, unit) == 0) {
            return units[i].nanoseconds;
        }
    }
    return -1;
}

static int take_time(const char *option, const char *text, double least_ns, double most_ns,
                     int64_t *time_ns)
{
    const char *unit;
    double number;

    if (split(text, &number, &unit) && nanoseconds_of(unit) > 0) {
        double value = number * nanoseconds_of(unit);
        if (value >= least_ns && value <= most_ns) {
            *time_ns = (int64_t)value;
            return PTL_EXIT_OK;
        }
    }
    char least[PTL_BENCH_TIME_TEXT];

    ptl_bench_time_text((int64_t)least_ns, least);
    return ptl_complain(PTL_EXIT_USAGE,
                        "%s takes a time from %s to %.0f s, say 2.5, 200ms or 1m, not '%s'", option,
                        least, most_ns / 1e9, text);
}

static int take_duration(const char *option, const char *text, void *place)
{
    return take_time(option, text, 1e6, 7 * 24 * 3600e9, place);
}

static int take_warm_up(const char *option, const char *text, void *place)
{
    return take_time(option, text, 0, 3600e9, place);
}

static int take_stall(const char *option, const char *text, void *place)
{
    return take_time(option, text, 1e6, 1e9, place);
}

/* Below a tenth of a second no link would stand long enough to carry much. */
static int take_cut_every(const char *option, const char *text, void *place)
{
    int64_t *every_ns = place;

    *every_ns = 0;
    return strcmp(text, "0") == 0 ? PTL_EXIT_OK : take_time(option, text, 1e8, 3600e9, place);
}

static int take_arrivals(const char *option, const char *text, void *place)
{
    bool *poisson = place;

    *poisson = strcmp(text, "poisson") == 0;
    return *poisson || strcmp(text, "constant") == 0
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_USAGE, "%s takes constant or poisson, not '%s'", option,
                              text);
}

static int take_sizes(const char *option, const char *text, void *place)
{
    return ptl_bench_sizes_parse(text, place)
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_USAGE,
                              "%s takes bytes, say 128, or up to %d sizes with weights, say "
                              "16:90,1024:9,65536:1, not '%s'",
                              option, PTL_BENCH_SIZES_MAX, text);
}

static int take_bulk(const char *option, const char *text, void *place)
{
    return ptl_bench_sizes_parse(text, place)
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_USAGE, "%s takes bytes, say 1048576, not '%s'", option,
                              text);
}

static int take_target(const char *option, const char *text, void *place)
{
    struct ptl_list *list = place;

    if (list->count == PTL_LIST_MAX) {
        return ptl_complain(PTL_EXIT_USAGE, "%s is given more than %d times", option, PTL_LIST_MAX);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return ptl_complain(PTL_EXIT_USAGE, "%s %s is given twice", option, text);
        }
    }
    list->items[list->count++] = text;
    return PTL_EXIT_OK;
}

static int take_text(const char *option, const char *text, void *place)
{
    (void)option;
    *(const char **)place = text;
    return PTL_EXIT_OK;
}

static int take_bound(const char *option, const char *text, void *place)
{
    return take_time(option, text, 1, 100e9, place);
}

static int take_embedded(const char *option, const char *text, void *place)
{
    enum ptl_bench_embedded *embedded = place;

    *embedded = strcmp(text, "ports") == 0 ? PTL_BENCH_TWO_PORTS : PTL_BENCH_TWO_NODES;
    return *embedded == PTL_BENCH_TWO_PORTS || strcmp(text, "nodes") == 0
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_USAGE, "%s takes =nodes or =ports, not '%s'", option, text);
}

static int take_sweep(const char *option, const char *text, void *place)
{
    bool *is_sweep = place;

    *is_sweep = true;
    return text[0] == '\0' ? PTL_EXIT_OK
                           : ptl_complain(PTL_EXIT_USAGE, "%s takes no value", option);
}

/* ---- All of them --------------------------------------------------------------------------- */

static bool is_open(const struct ptl_bench_options *options)
{
    return options->rate > 0 || options->is_sweep;
}

static bool has_bulk(const struct ptl_bench_options *options)
{
    return options->pattern->has_bulk;
}

static bool has_hops(const struct ptl_bench_options *options)
{
    return options->pattern->has_hops;
}

static bool has_keys(const struct ptl_bench_options *options)
{
    return options->pattern->has_keys;
}

static bool has_watchers(const struct ptl_bench_options *options)
{
    return options->pattern->worker == PTL_BENCH_WATCH;
}

static bool is_verify(const struct ptl_bench_options *options)
{
    return options->pattern->deed == PTL_BENCH_VERIFY;
}

#define PLACE(field) offsetof(struct ptl_bench_options, field)

static const struct own_option {
    const char *name;
    take_fn *take;
    size_t place;
    const char *alone; /* its value where none is given; the next word never is */
    bool (*suits)(const struct ptl_bench_options *options); /* NULL: always */
    const char *for_what;                                   /* what it suits, for people */
} own_options[] = {
    {"--target", take_target, PLACE(targets), NULL, NULL, NULL},
    {"--size", take_sizes, PLACE(sizes), NULL, NULL, NULL},
    {"--ports", take_ports, PLACE(ports), NULL, NULL, NULL},
    {"--entries", take_ports, PLACE(entries), NULL, has_keys, "db-set, db-watch and join"},
    {"--watchers", take_watchers, PLACE(watchers), NULL, has_watchers, "db-watch"},
    {"--hops", take_hops, PLACE(hops), NULL, has_hops, "ring"},
    {"--bulk", take_bulk, PLACE(bulk), NULL, has_bulk, "mixed"},
    {"--bulk-in-flight", take_in_flight, PLACE(bulk_in_flight), NULL, has_bulk, "mixed"},
    {"--links", take_links, PLACE(links), NULL, NULL, NULL},
    {"--in-flight", take_in_flight, PLACE(in_flight), NULL, NULL, NULL},
    {"--rate", take_rate, PLACE(rate), NULL, NULL, NULL},
    {"--arrivals", take_arrivals, PLACE(poisson), NULL, is_open, "an open loop: give a --rate"},
    {"--duration", take_duration, PLACE(duration_ns), NULL, NULL, NULL},
    {"--warm-up", take_warm_up, PLACE(warm_up_ns), NULL, NULL, NULL},
    {"--stall", take_stall, PLACE(stall_ns), NULL, NULL, NULL},
    {"--cut-every", take_cut_every, PLACE(cut_every_ns), NULL, is_verify, "--verify"},
    {"--kill-every", take_kill_every, PLACE(kill_every), NULL, is_verify, "--verify"},
    {"--random-seed", take_seed, PLACE(random_seed), NULL, NULL, NULL},
    {"--hdr", take_text, PLACE(hdr), NULL, NULL, NULL},
    {"--expect-rate", take_rate, PLACE(expect_rate), NULL, NULL, NULL},
    {"--expect-p99", take_bound, PLACE(expect_p99_ns), NULL, NULL, NULL},
    {"--slo-p99", take_bound, PLACE(slo_p99_ns), NULL, NULL, NULL},
    {"--rate-sweep", take_sweep, PLACE(is_sweep), "", NULL, NULL},
    {"--embedded", take_embedded, PLACE(embedded), "nodes", NULL, NULL},
};

#define OWN_OPTIONS (sizeof own_options / sizeof own_options[0])

_Static_assert(OWN_OPTIONS <= 32, "the field `given` has a bit for each");

const char *ptl_bench_option_at(unsigned index, bool *takes_value)
{
    if (index >= OWN_OPTIONS) {
        return NULL;
    }
    *takes_value = own_options[index].alone == NULL;
    return own_options[index].name + strlen("--");
}

/* Which of ours the word is, "--rate" or "--rate=..."; NULL: none. */
static const struct own_option *find(const char *word)
{
    size_t size = strcspn(word, "=");

    for (size_t i = 0; i < OWN_OPTIONS; i++) {
        if (strlen(own_options[i].name) == size && strncmp(own_options[i].name, word, size) == 0) {
            return &own_options[i];
        }
    }
    return NULL;
}

/* What stands behind '=', or for nothing; NULL: the next word. */
static const char *text_of(const struct own_option *own, const char *word)
{
    const char *equals = strchr(word, '=');

    return equals ? equals + 1 : own->alone;
}

/* Take what is ours out of argv; `*argc` is what is left of it. */
static int take_own(int *argc, char **argv, struct ptl_bench_options *options)
{
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        const struct own_option *own = find(argv[i]);
        if (!own) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *text = text_of(own, argv[i]);
        if (!text && i + 1 == *argc) {
            return ptl_complain(PTL_EXIT_USAGE, "%s needs a value: see portolan bench --help",
                                own->name);
        }
        text = text ? text : argv[++i];
        options->given |= UINT32_C(1) << (own - own_options);
        int code = own->take(own->name, text, (char *)options + own->place);
        if (code != PTL_EXIT_OK) {
            return code;
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    return PTL_EXIT_OK;
}

static int take_pattern(struct ptl_bench_options *options)
{
    if (options->common.argument_count == 0) {
        return ptl_complain(PTL_EXIT_USAGE, "bench needs a pattern: see portolan bench --help");
    }
    options->pattern = ptl_bench_pattern_find(options->common.arguments[0]);
    if (!options->pattern) {
        return ptl_complain(PTL_EXIT_USAGE, "there is no pattern '%s': see portolan bench --help",
                            options->common.arguments[0]);
    }
    if (options->common.argument_count > 1) {
        return ptl_complain(PTL_EXIT_USAGE, "bench takes one pattern, not '%s' as well",
                            options->common.arguments[1]);
    }
    return PTL_EXIT_OK;
}

uint32_t ptl_bench_options_streams(const struct ptl_bench_options *options)
{
    if (options->pattern->deed == PTL_BENCH_JOIN) {
        return 1; /* which sends nothing */
    }
    return (uint32_t)(options->pattern->has_keys ? options->entries : options->ports);
}

/* What is not said: some ports to verify, else one. */
static void set_ports(struct ptl_bench_options *options)
{
    if (options->ports == 0) {
        options->ports = options->pattern->deed == PTL_BENCH_VERIFY ? PORTS_VERIFIED : 1;
    }
}

/* What is not said: one message a port at least, one port a target. */
static void set_defaults(struct ptl_bench_options *options)
{
    uint64_t usual = options->pattern->in_flight;
    uint64_t ports = options->pattern->has_keys ? 1 : options->ports;

    if (options->in_flight == 0 && options->rate == 0 &&
        options->pattern->deed != PTL_BENCH_VERIFY) { /* which has a rate of its own */
        options->in_flight = usual > ports ? usual : ports;
    }
    if (!options->pattern->has_hops) {
        options->hops = 1;
    } else if (options->hops == 0) {
        options->hops = options->targets.count > 1 ? options->targets.count : 3;
    }
}

/* A message of that many bytes has a port's ID and a mark around them. */
static int check_size(const struct ptl_bench_options *options, const char *option, size_t largest)
{
    size_t most = options->common.message_bytes_max;

    most = most > 0 ? most : MESSAGE_BYTES_MAX;
    return largest + MESSAGE_EXTRA <= most
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_USAGE,
                              "%s %zu is more than a message may have, %zu with what is around it: "
                              "raise --max-message, here and there",
                              option, largest, most);
}

/* Why two options do not go together, or NULL. */
static const char *contradiction(const struct ptl_bench_options *options)
{
    bool is_join = options->pattern->deed == PTL_BENCH_JOIN;

    return options->in_flight > 0 && is_open(options)
               ? "--in-flight and a rate are given: choose one"
           : is_join && is_open(options) ? "join takes no rate: one node joins after the other"
           : options->stall_ns > 0 && options->pattern->worker == PTL_BENCH_NOBODY
               ? "--stall is for patterns that have a handler at the other end"
           : options->is_sweep && options->slo_p99_ns == 0
               ? "--rate-sweep needs the bound that it looks for: --slo-p99 TIME"
           : options->slo_p99_ns > 0 && !options->is_sweep ? "--slo-p99 is for --rate-sweep"
           : options->is_sweep && options->hdr ? "--rate-sweep takes no --hdr: there are many loads"
           : options->is_sweep && options->expect_p99_ns > 0
               ? "--rate-sweep takes no --expect-p99: its bound is --slo-p99"
           : is_verify(options) && (options->is_sweep || options->hdr || options->expect_rate > 0 ||
                                    options->expect_p99_ns > 0)
               ? "to verify is to measure nothing: leave out what is for figures"
           : is_verify(options) && options->embedded != PTL_BENCH_APART
               ? "--verify takes no --embedded: it needs links to cut"
           : options->embedded != PTL_BENCH_APART &&
                   (options->targets.count > 0 ||
                    ptl_settings_text(options->common.settings, "seed", PTL_LAYER_FLAG))
               ? "--embedded takes no --target and no --seed: the other end is here"
           : is_join && options->links > 1 ? "join takes no --links: one node joins after the other"
           : options->embedded == PTL_BENCH_TWO_PORTS && options->links > 1
               ? "--embedded=ports takes no --links: there is one node"
               : NULL;
}

/* What would change nothing is not what was meant. */
static int check_suited(const struct ptl_bench_options *options)
{
    for (size_t i = 0; i < OWN_OPTIONS; i++) {
        const struct own_option *own = &own_options[i];
        if ((options->given >> i & 1) && own->suits && !own->suits(options)) {
            return ptl_complain(PTL_EXIT_USAGE, "%s is for %s", own->name, own->for_what);
        }
    }
    return PTL_EXIT_OK;
}

/* What makes sense alone, and not together. */
static int check(const struct ptl_bench_options *options)
{
    const char *complaint = contradiction(options);

    if (complaint) {
        return ptl_complain(PTL_EXIT_USAGE, "%s", complaint);
    }
    if (options->pattern->deed == PTL_BENCH_VERIFY && options->links > PTL_LIST_MAX) {
        return ptl_complain(PTL_EXIT_USAGE, "--links takes %d at most to verify", PTL_LIST_MAX);
    }
    if (options->links > ptl_bench_options_streams(options)) {
        return ptl_complain(PTL_EXIT_USAGE, "--links %llu takes as many --ports at least",
                            (unsigned long long)options->links);
    }
    int code = check_suited(options);
    if (code == PTL_EXIT_OK) {
        code = check_size(options, "--size", options->sizes.largest);
    }
    return code == PTL_EXIT_OK && options->pattern->has_bulk
               ? check_size(options, "--bulk", options->bulk.largest)
               : code;
}

int ptl_bench_options_parse(int argc, char **argv, struct ptl_bench_options *options)
{
    *options = (struct ptl_bench_options){
        .links = 1,
        .entries = 1000,
        .watchers = 1,
        .bulk_in_flight = 1,
        .duration_ns = 10000000000,
        .warm_up_ns = 1000000000,
        .cut_every_ns = 1000000000,
        .kill_every = 500,
        .random_seed = 1,
    };
    (void)ptl_bench_sizes_parse("16", &options->sizes);
    (void)ptl_bench_sizes_parse("16777216", &options->bulk);
    int code = take_own(&argc, argv, options);
    /* The rest is parsed as any command's, whose argv begins one earlier. */
    if (code == PTL_EXIT_OK) {
        code = ptl_options_parse(argc + 1, argv - 1, &options->common);
    }
    if (code != PTL_EXIT_OK || options->common.help) {
        return code;
    }
    code = take_pattern(options);
    if (code == PTL_EXIT_OK) {
        set_ports(options);
        code = check(options);
    }
    if (code == PTL_EXIT_OK) {
        set_defaults(options);
    }
    return code;
}
