/*
 * tools/config/reload_step.h - one thing that SIGHUP changes, by itself; see tools/config/reload.h.
 */
#pragma once

#include "tools/journal.h"
#include "tools/rules_file.h"
#include "tools/secret.h"
#include "tools/settings.h"
#include "tools/stats/permit.h"

struct ptl_http;

/* A node that runs, and what it was told last. */
struct ptl_running {
    struct ptl_node *node;
    struct ptl_http *http; /* or NULL: it is not served */
    struct ptl_journal *journal;
    struct ptl_options options;      /* those that count now */
    const struct ptl_options *start; /* and those that it was started with */
    struct ptl_secret *secret;       /* and its certificates, as they were read last */
    struct ptl_rules_file rules;     /* as they were read last; all zero: none */
    struct ptl_permit permit;        /* and what they say of statistics */
    unsigned services;               /* those that it has, as of ptl_services_named() */
};

/* One look at the file. */
struct ptl_reload {
    struct ptl_running *running;
    struct ptl_options fresh; /* what it says now */
    struct ptl_secret secret; /* what the steps have read; all zero before that */
    struct ptl_rules_file rules;
    bool is_changed; /* something, and a line of a step has said so */
};

/* What can change by itself. */
struct ptl_reload_step {
    const char *const *keys; /* the options that it answers for, NULL at the end */
    /* Read what else there is to read, waiting for nobody, and judge it; nothing changes yet.
     * NULL: the options are all.  False: a line has said why not. */
    bool (*judge)(struct ptl_reload *reload);
    /* Have the node do what the options and ->secret say, and tell by ptl_reload_told() what is not
     * as it was. */
    void (*change)(struct ptl_reload *reload);
};

/* Whether the option is not as it was. */
bool ptl_reload_is_changed(const struct ptl_reload *reload, const char *key);

/* Tell, as an error, of something that could not be changed in the end, for want of memory say. */
void ptl_reload_failed(struct ptl_reload *reload, const char *what, int err);

/* Tell, as a warning, of what is not as the file says until the node is started again. */
void ptl_reload_needs_restart(const struct ptl_reload *reload, const char *what);

/* Tell of something that has changed: "reload: TEXT", of level info. */
void ptl_reload_told(struct ptl_reload *reload, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
