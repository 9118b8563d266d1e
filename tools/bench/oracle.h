/*
 * tools/bench/oracle.h - what came of a row of numbered messages: is it what was sent, in order,
 * and without a hole?
 *
 *   0 1 2 3 4 5 ...     what comes while a monitor is set and silent is always a beginning of this
 *
 * Numbers in, findings out: no port, no clock, no memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum ptl_finding {
    PTL_FINDING_NONE,
    PTL_FINDING_HOLE,      /* others should have come before it: lost, unless they come late */
    PTL_FINDING_LOST,      /* they never came, and no monitor told */
    PTL_FINDING_REORDERED, /* it came behind one that was sent after it */
    PTL_FINDING_REPEATED,  /* it had come already */
    PTL_FINDING_CHANGED,   /* not the bytes that were sent */
    PTL_FINDING_STALE,     /* sent before a failure that a monitor has told, and came behind that */
    PTL_FINDING_SILENT,    /* a monitor did not fire */
    PTL_FINDING_TWICE,     /* a monitor fired twice */
    PTL_FINDING_WORDS,     /* a death was told before what the dead had said */
    PTL_FINDINGS,
};

/* All zero: nothing has come. */
struct ptl_oracle {
    uint64_t next; /* the number that is due */
    uint64_t hole_first;
    uint64_t hole_end; /* the last hole, as far as it is open: from first to before end */
};

/* A message of that number came: NONE, HOLE, REORDERED or REPEATED. */
enum ptl_finding ptl_oracle_take(struct ptl_oracle *oracle, uint64_t number);

/*
 * Whether the last hole is open still: asked when nothing that was sent before can come any more,
 * and before a new hole is looked at, which takes its place.
 */
bool ptl_oracle_has_hole(const struct ptl_oracle *oracle);

/* The name of a finding, for people and for JSON: "lost", "monitor_silent". */
const char *ptl_finding_name(enum ptl_finding finding);
