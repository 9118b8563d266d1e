/* Where the node listens, and what others are told: can the addresses be had, and who has them? */
#include "tools/doctor/examination.h"

#include "tools/doctor/greeting.h"
#include "tools/doctor/names.h"
#include "tools/http/listen.h"
#include "tools/http/serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Names --------------------------------------------------------------------------------- */

void ptl_examine_announced(struct ptl_examination *examination)
{
    struct ptl_name names[PTL_NAMES_MAX];
    const struct ptl_list *announces = &examination->options->announces;

    ptl_names_resolve(announces, names, PTL_DOCTOR_NAMES_MS);
    for (size_t i = 0; i < announces->count; i++) {
        if (names[i].why) {
            ptl_report_add(examination->report, PTL_VERDICT_ERROR, "announced",
                           "correct the name, or have it known to whoever resolves names here",
                           "%s: %s", names[i].text, names[i].why);
        } else {
            ptl_report_ok(examination->report, "announced", "%s%s", names[i].text,
                          names[i].is_number ? "" : ": its name is known");
        }
    }
}

/* ---- Listening ----------------------------------------------------------------------------- */

/* As a node does it, but that it does not listen: nobody can connect meanwhile. */
static int try_bind(const struct sockaddr_storage *address, socklen_t size)
{
    int yes = 1;
    int file = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (file < 0) {
        return -errno;
    }
    setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->ss_family == AF_INET6) {
        setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    int err = bind(file, (const struct sockaddr *)address, size) < 0 ? -errno : 0;
    close(file);
    return err;
}

/* Who listens on every address listens on loopback, too. */
static void let_be_reachable(struct sockaddr_storage *address)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    struct sockaddr_in *in = (struct sockaddr_in *)address;

    if (address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr)) {
        in6->sin6_addr = in6addr_loopback;
    } else if (address->ss_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_ANY)) {
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
}

static void report_refused(struct ptl_examination *examination, const char *check, const char *text,
                           int err)
{
    const char *advice =
        err == -EADDRNOTAVAIL
            ? "no interface of this machine has it: choose one that has, or 0.0.0.0"
        : err == -EACCES       ? "ports below 1024 need privileges: choose another"
        : err == -EAFNOSUPPORT ? "this machine has no IPv6: choose another address"
                               : "choose another address";

    ptl_report_add(examination->report, PTL_VERDICT_ERROR, check, advice, "%s: %s", text,
                   ptl_err_text(err));
}

/* It is in use.  By a node of this ID: then it is this one that runs, which is as it should be. */
static void report_holder(struct ptl_examination *examination, const char *text,
                          const struct ptl_greeting *greeting)
{
    if (greeting->err == 0 && strcmp(greeting->node, examination->id) == 0) {
        examination->is_running = true;
        ptl_report_ok(examination->report, "bind", "%s: this node runs and listens there (%s)",
                      text, greeting->provider[0] != '\0' ? greeting->provider : "of AEMP");
    } else if (greeting->err == 0) {
        ptl_report_add(examination->report, PTL_VERDICT_ERROR, "bind",
                       "give each of the two an address of its own; or, if it is this node, its ID",
                       "%s: another node, %s, listens there", text, greeting->node);
    } else {
        ptl_report_add(examination->report, PTL_VERDICT_ERROR, "bind",
                       "end what listens there (ss -ltnp shows it), or choose another address",
                       "%s: something that is no node listens there", text);
    }
}

/* `greetings` has a place for each name, and is zero. */
static void examine_binds(struct ptl_examination *examination, const struct ptl_name *names,
                          size_t count, struct ptl_greeting *greetings)
{
    size_t held[PTL_NAMES_MAX], held_count = 0;

    for (size_t i = 0; i < count; i++) {
        int err = names[i].why ? 0 : try_bind(&names[i].addresses[0], names[i].sizes[0]);
        if (names[i].why) {
            ptl_report_add(examination->report, PTL_VERDICT_ERROR, "bind",
                           "give an address of this machine", "%s: %s", names[i].text,
                           names[i].why);
        } else if (err == -EADDRINUSE) {
            struct ptl_greeting *greeting = &greetings[held_count];
            greeting->address = names[i].addresses[0];
            greeting->size = names[i].sizes[0];
            let_be_reachable(&greeting->address);
            held[held_count++] = i;
        } else if (err < 0) {
            report_refused(examination, "bind", names[i].text, err);
        } else {
            ptl_report_ok(examination->report, "bind", "%s can be had", names[i].text);
        }
    }
    ptl_greetings_read(greetings, held_count, PTL_DOCTOR_GREETING_MS);
    for (size_t i = 0; i < held_count; i++) {
        report_holder(examination, names[held[i]].text, &greetings[i]);
    }
}

void ptl_examine_places(struct ptl_examination *examination)
{
    const struct ptl_list *binds = &examination->options->binds;
    struct ptl_greeting *greetings = calloc(binds->count + 1, sizeof *greetings);
    struct ptl_name names[PTL_NAMES_MAX];

    if (!greetings) {
        return;
    }
    ptl_names_resolve(binds, names, PTL_DOCTOR_NAMES_MS);
    examine_binds(examination, names, binds->count, greetings);
    free(greetings);
}

/* ---- HTTP ---------------------------------------------------------------------------------- */

static int judge_http(struct ptl_examination *examination)
{
    return ptl_http_judge(examination->options);
}

/* A port alone is one of 127.0.0.1. */
static void find_http(const char *text, struct ptl_name *name, char address[PTL_HTTP_ADDRESS_MAX])
{
    snprintf(address, PTL_HTTP_ADDRESS_MAX, "%s%s", strchr(text, ':') ? "" : "127.0.0.1:", text);
    const struct ptl_list list = {.items = {address}, .count = 1};
    ptl_names_resolve(&list, name, PTL_DOCTOR_NAMES_MS);
}

static void examine_http_address(struct ptl_examination *examination, const struct ptl_name *name)
{
    int err = name->why ? PTL_ERESOLVE : try_bind(&name->addresses[0], name->sizes[0]);

    if (err == -EADDRINUSE && examination->is_running) {
        ptl_report_ok(examination->report, "http", "%s is in use, as it is by a node that runs",
                      name->text);
    } else if (err == -EADDRINUSE) {
        ptl_report_add(examination->report, PTL_VERDICT_ERROR, "http",
                       "end what listens there (ss -ltnp shows it), or choose another port",
                       "%s: something listens there already", name->text);
    } else if (err < 0) {
        report_refused(examination, "http", name->text, err);
    } else {
        ptl_report_ok(examination->report, "http", "%s can be had", name->text);
    }
}

void ptl_examine_http(struct ptl_examination *examination)
{
    const char *http = examination->options->http;
    char complaint[PTL_JOURNAL_LINE_MAX], address[PTL_HTTP_ADDRESS_MAX];
    struct ptl_name name;

    if (!http) {
        return;
    }
    if (ptl_examine_quietly(judge_http, examination, complaint) != PTL_EXIT_OK) {
        ptl_report_complaint(examination->report, PTL_VERDICT_ERROR, "http", complaint,
                             "see http-token-file in portolan.conf(5)");
    }
    find_http(http, &name, address);
    examine_http_address(examination, &name);
}
