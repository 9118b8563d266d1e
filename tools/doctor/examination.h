/*
 * tools/doctor/examination.h - what `portolan doctor` looks at: a step each, in this order.
 *
 *   this machine    kernel, process 1, processors, memory, descriptors, clock, log
 *   its options     configuration, rules, secret, certificates, loop
 *   its places      names, addresses that it listens on, HTTP
 *   its network     seeds: connected, greeted, joined, and asked for the time
 *
 * Each step adds to the report, and changes nothing: no file is made, no address kept, and whoever
 * is joined sees a client that comes and goes.  None waits for longer than its own limit.
 */
#pragma once

#include "tools/common.h"
#include "tools/doctor/report.h"

#define PTL_DOCTOR_NAMES_MS 5000    /* for all names together to be looked up */
#define PTL_DOCTOR_GREETING_MS 3000 /* for all who listen at places or seeds to say who they are */
#define PTL_DOCTOR_JOIN_MS 4000     /* for all seeds to let a client in, and to tell the time */

struct ptl_examination {
    const struct ptl_options *options;
    struct ptl_report *report;
    const char *id;           /* the node's */
    struct ptl_secret secret; /* as far as it can be read */
    bool has_secret;          /* it, and the certificates, can be used */
    bool is_running;          /* a node of that ID holds one of its addresses */
};

typedef void ptl_examine_fn(struct ptl_examination *examination);

ptl_examine_fn ptl_examine_kernel;        /* machine.c */
ptl_examine_fn ptl_examine_process_1;     /* machine.c */
ptl_examine_fn ptl_examine_clock;         /* machine.c */
ptl_examine_fn ptl_examine_log;           /* machine.c */
ptl_examine_fn ptl_examine_processors;    /* room.c */
ptl_examine_fn ptl_examine_memory;        /* room.c */
ptl_examine_fn ptl_examine_descriptors;   /* room.c */
ptl_examine_fn ptl_examine_configuration; /* configuration.c */
ptl_examine_fn ptl_examine_rules;         /* configuration.c */
ptl_examine_fn ptl_examine_secret;        /* proof.c */
ptl_examine_fn ptl_examine_certificates;  /* proof.c */
ptl_examine_fn ptl_examine_loop;          /* configuration.c */
ptl_examine_fn ptl_examine_announced;     /* places.c */
ptl_examine_fn ptl_examine_places;        /* places.c */
ptl_examine_fn ptl_examine_http;          /* places.c */
ptl_examine_fn ptl_examine_seeds;         /* seeds.c */

/* The node's own options, as `portolan run` has them; of a node that logs to `journal`. */
struct ptl_node_options ptl_examined_options(const struct ptl_examination *examination,
                                             struct ptl_journal *journal);

/*
 * Call something that complains, and have its first complaint instead of printing it.  Returns the
 * exit code that it has returned.
 */
int ptl_examine_quietly(int (*call)(struct ptl_examination *examination),
                        struct ptl_examination *examination, char complaint[PTL_JOURNAL_LINE_MAX]);
