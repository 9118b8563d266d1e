/* The network: its names, who listens at its seeds, whether they let us in, and their clocks. */
#include "tools/doctor/examination.h"

#include "tools/doctor/greeting.h"
#include "tools/doctor/join.h"
#include "tools/doctor/names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_MOST_S 1.0 /* that two clocks may differ by */

/* Where a seed stands in the list of all addresses that are asked. */
struct asked {
    size_t first, count;
};

/* ---- Who listens there --------------------------------------------------------------------- */

static struct ptl_greeting *ask_all(const struct ptl_name *names, size_t count, struct asked *asked)
{
    struct ptl_greeting *greetings = calloc(count * PTL_NAME_ADDRESSES_MAX + 1, sizeof *greetings);
    size_t used = 0;

    for (size_t i = 0; greetings && i < count; i++) {
        asked[i] = (struct asked){.first = used, .count = names[i].count};
        for (unsigned k = 0; k < names[i].count; k++) {
            greetings[used].address = names[i].addresses[k];
            greetings[used++].size = names[i].sizes[k];
        }
    }
    if (greetings) {
        ptl_greetings_read(greetings, used, PTL_DOCTOR_GREETING_MS);
    }
    return greetings;
}

/* One that has greeted; else one that was at least connected; else the first. */
static const struct ptl_greeting *best_of(const struct ptl_greeting *greetings, struct asked asked)
{
    const struct ptl_greeting *best = &greetings[asked.first];

    for (size_t i = 1; i < asked.count; i++) {
        const struct ptl_greeting *other = &greetings[asked.first + i];
        if (best->err != 0 && (other->err == 0 || (other->is_connected && !best->is_connected))) {
            best = other;
        }
    }
    return best;
}

/* Whether that port is one that we listen on or announce. */
static bool is_own_port(const struct ptl_list *addresses, const char *port)
{
    for (size_t i = 0; i < addresses->count; i++) {
        const char *colon = strrchr(addresses->items[i], ':');
        if (colon && strcmp(colon + 1, port) == 0) {
            return true;
        }
    }
    return false;
}

static void report_unreachable(struct ptl_examination *examination, const struct ptl_name *name,
                               const struct ptl_greeting *greeting)
{
    if (!greeting->is_connected) {
        ptl_report_add(examination->report, PTL_VERDICT_ERROR, "seed",
                       "start a node there, or see whether address, route and firewall are right",
                       "%s cannot be reached: %s", name->text, ptl_err_text(greeting->err));
    } else {
        ptl_report_add(examination->report, PTL_VERDICT_ERROR, "seed",
                       "see whether it is the right port: a node greets at once",
                       "%s: what listens there is no node: %s", name->text,
                       ptl_err_text(greeting->err));
    }
}

/* Someone of our own ID: we ourselves, or a twin. */
static void report_own_id(struct ptl_examination *examination, const struct ptl_name *name,
                          const struct ptl_greeting *greeting)
{
    const struct ptl_options *options = examination->options;
    bool is_self = (greeting->is_here && is_own_port(&options->binds, name->port)) ||
                   is_own_port(&options->announces, name->port);

    if (is_self) {
        ptl_report_ok(examination->report, "seed", "%s is this node itself", name->text);
    } else {
        ptl_report_add(examination->report, PTL_VERDICT_ERROR, "seed",
                       "give every node an ID of its own, with node or --node",
                       "%s: the node there goes by this one's ID, %s", name->text, greeting->node);
    }
}

/* Whether it is to be joined. */
static bool report_greeting(struct ptl_examination *examination, const struct ptl_name *name,
                            const struct ptl_greeting *greeting)
{
    if (name->why) {
        ptl_report_add(examination->report, PTL_VERDICT_ERROR, "seed",
                       "correct the name, or have it known to whoever resolves names here",
                       "%s: %s", name->text, name->why);
        return false;
    }
    if (greeting->err != 0) {
        report_unreachable(examination, name, greeting);
        return false;
    }
    if (strcmp(greeting->node, examination->id) == 0) {
        report_own_id(examination, name, greeting);
        return false;
    }
    ptl_report_ok(examination->report, "seed", "%s: the node %s, %s", name->text, greeting->node,
                  greeting->provider[0] != '\0' ? greeting->provider : "of AEMP");
    return true;
}

/* ---- Whether they let us in ---------------------------------------------------------------- */

/* NULL: it can be tried; else why not. */
static const char *why_not_join(const struct ptl_examination *examination)
{
    const struct ptl_options *options = examination->options;

    if (!examination->has_secret) {
        return "the secret or the certificates cannot be used";
    }
    if (options->tls_verify_node) {
        return "with tls-verify-node only the node itself can: its log will say";
    }
    return examination->secret.own.size == 0 && !options->tls_cert && !options->cert
               ? "there is no secret yet"
               : NULL;
}

static void report_clock(struct ptl_examination *examination, const struct ptl_join *join)
{
    if (fabs(join->ahead_s) > AHEAD_MOST_S) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "clock",
                       "have both machines keep their clocks, by chrony say",
                       "that of %s is %.1f s %s this one", join->seed, fabs(join->ahead_s),
                       join->ahead_s > 0 ? "before" : "behind");
    } else {
        ptl_report_ok(examination->report, "clock", "that of %s is the same to %.0f ms", join->seed,
                      fabs(join->ahead_s) * 1000 + 1);
    }
}

static void report_join(struct ptl_examination *examination, const struct ptl_join *join)
{
    char text[PTL_JOURNAL_LINE_MAX + 320];

    if (join->is_linked) {
        ptl_report_ok(examination->report, "joining", "%s lets this node in", join->seed);
    } else {
        snprintf(text, sizeof text, "%s: %s", join->seed,
                 join->why[0] != '\0' ? join->why : "it has not let us in, in time");
        ptl_report_complaint(examination->report, PTL_VERDICT_ERROR, "joining", text,
                             "see what the log of the node there says, at level debug");
    }
    if (join->has_time) {
        report_clock(examination, join);
    }
}

static void join_all(struct ptl_examination *examination, struct ptl_join *joins, size_t count)
{
    const char *why_not = why_not_join(examination);

    if (count > 0 && why_not) {
        ptl_report_ok(examination->report, "joining", "not tried: %s", why_not);
        return;
    }
    ptl_joins_try(examination, joins, count);
    for (size_t i = 0; i < count; i++) {
        report_join(examination, &joins[i]);
    }
}

/* -------------------------------------------------------------------------------------------- */

void ptl_examine_seeds(struct ptl_examination *examination)
{
    const struct ptl_list *seeds = &examination->options->seeds;
    struct ptl_join *joins = calloc(seeds->count + 1, sizeof *joins);
    struct asked asked[PTL_NAMES_MAX];
    struct ptl_name names[PTL_NAMES_MAX];
    size_t count = 0;

    ptl_names_resolve(seeds, names, PTL_DOCTOR_NAMES_MS);
    struct ptl_greeting *greetings = ask_all(names, seeds->count, asked);
    for (size_t i = 0; joins && greetings && i < seeds->count; i++) {
        if (report_greeting(examination, &names[i], best_of(greetings, asked[i]))) {
            joins[count++].seed = names[i].text;
        }
    }
    if (joins && greetings) {
        join_all(examination, joins, count);
    }
    free(greetings);
    free(joins);
}
