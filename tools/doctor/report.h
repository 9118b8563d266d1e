/*
 * tools/doctor/report.h - what `portolan doctor` has found: a verdict for each thing that it has
 * looked at, in one line, and what to do about those that are not as they should be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PTL_FINDINGS_MAX 512 /* more are counted */
#define PTL_FINDING_MAX 600  /* bytes of a line, its NUL included; of a longer one the end is cut */
#define PTL_FINDING_CHECK 16 /* bytes of what was looked at, its NUL included */

enum ptl_verdict { PTL_VERDICT_OK, PTL_VERDICT_WARNING, PTL_VERDICT_ERROR };

struct ptl_finding {
    enum ptl_verdict verdict;
    char check[PTL_FINDING_CHECK];
    char text[PTL_FINDING_MAX];
    char advice[PTL_FINDING_MAX]; /* empty where all is well */
};

struct ptl_report {
    struct ptl_finding *findings;
    size_t count;
    size_t
        verdicts[PTL_VERDICT_ERROR + 1]; /* how many of each, those that found no room included */
};

/* False: no memory.  Owns: the caller, until ptl_report_drop(). */
bool ptl_report_init(struct ptl_report *report);
void ptl_report_drop(struct ptl_report *report);

/* What is as it should be. */
void ptl_report_ok(struct ptl_report *report, const char *check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What is not; `advice` says what to do.  Whatever others have said in it becomes harmless. */
void ptl_report_add(struct ptl_report *report, enum ptl_verdict verdict, const char *check,
                    const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/*
 * The same of a complaint or of an error's text, in which what to do stands behind a colon; where
 * nothing does, `otherwise` is what to do.
 */
void ptl_report_complaint(struct ptl_report *report, enum ptl_verdict verdict, const char *check,
                          const char *complaint, const char *otherwise);

/* Print it, for people or as one object of JSON.  False: it cannot be written. */
bool ptl_report_print(const struct ptl_report *report, FILE *file);
bool ptl_report_print_json(const struct ptl_report *report, const char *node, FILE *file);
