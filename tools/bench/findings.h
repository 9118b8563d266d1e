/*
 * tools/bench/findings.h - what the streams of a verification have found wrong, counted, and the
 * first of it in words.
 */
#pragma once

#include "tools/bench/oracle.h"

#include <pthread.h>
#include <stddef.h>

#define PTL_FINDINGS_TOLD 8
#define PTL_FINDING_TEXT_MAX 400

struct ptl_findings {
    pthread_mutex_t lock; /* guards what follows: any shard writes */
    uint64_t counts[PTL_FINDINGS];
    char texts[PTL_FINDINGS_TOLD][PTL_FINDING_TEXT_MAX];
    size_t text_count;
};

void ptl_findings_init(struct ptl_findings *findings);

/* Count one, and keep its words if they are among the first.  Thread: any. */
void ptl_findings_add(struct ptl_findings *findings, enum ptl_finding finding, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/* Of all kinds together. */
uint64_t ptl_findings_count(struct ptl_findings *findings);
