/*
 * tools/doctor/join.h - would these nodes let us in, and what time is it there?
 *
 * Each is joined by a client of its own, which comes and goes as `portolan cal` does, proves with
 * the node's own secret or certificate, and has an ID that no node has.
 */
#pragma once

#include "tools/doctor/examination.h"

struct ptl_join {
    const char *seed; /* HOST:PORT */
    bool is_linked;
    bool has_time;
    double ahead_s;                 /* its clock before ours */
    char why[PTL_JOURNAL_LINE_MAX]; /* it is not linked, as an error's text; empty: not known */
};

/* Join them all at once.  Whoever has not answered in time has not. */
void ptl_joins_try(struct ptl_examination *examination, struct ptl_join *joins, size_t count);
