#include "tools/doctor/report.h"

#include "engine/portolan.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdict_names[] = {"ok", "warning", "error"};

/* ---- Findings ------------------------------------------------------------------------------ */

bool ptl_report_init(struct ptl_report *report)
{
    *report = (struct ptl_report){.findings = calloc(PTL_FINDINGS_MAX, sizeof *report->findings)};
    return report->findings != NULL;
}

void ptl_report_drop(struct ptl_report *report)
{
    free(report->findings);
    report->findings = NULL;
}

/* As a line of the log is made: names that others have chosen end no line and move no cursor. */
static void copy_text(char out[PTL_FINDING_MAX], const char *text)
{
    char line[PTL_LOG_LINE_MAX];
    size_t head = strlen("<3>");
    size_t size = ptl_log_line(PTL_LOG_JOURNAL, NULL, PTL_LOG_ERROR, text, line) - head - 1;

    if (size >= PTL_FINDING_MAX) {
        size = PTL_FINDING_MAX - 1;
        while ((line[head + size] & 0xc0) == 0x80) {
            size--; /* not within a character */
        }
    }
    memcpy(out, line + head, size);
    out[size] = '\0';
}

static void add(struct ptl_report *report, enum ptl_verdict verdict, const char *check,
                const char *advice, const char *text)
{
    report->verdicts[verdict]++;
    if (report->count == PTL_FINDINGS_MAX) {
        return;
    }
    struct ptl_finding *finding = &report->findings[report->count++];
    finding->verdict = verdict;
    snprintf(finding->check, sizeof finding->check, "%s", check);
    copy_text(finding->text, text);
    copy_text(finding->advice, advice);
}

void ptl_report_ok(struct ptl_report *report, const char *check, const char *format, ...)
{
    char text[PTL_LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add(report, PTL_VERDICT_OK, check, "", text);
}

void ptl_report_add(struct ptl_report *report, enum ptl_verdict verdict, const char *check,
                    const char *advice, const char *format, ...)
{
    char text[PTL_LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add(report, verdict, check, advice, text);
}

/* Where what to do begins: behind a colon, with a verb.  NULL: nowhere. */
static const char *find_advice(const char *complaint)
{
    static const char *const verbs[] = {"allow ", "choose ", "compare ", "give ",
                                        "leave ", "let ",    "make ",    "name ",
                                        "raise ", "see ",    "type ",    "write "};

    for (const char *at = strstr(complaint, ": "); at; at = strstr(at + 2, ": ")) {
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            if (strncmp(at + 2, verbs[i], strlen(verbs[i])) == 0) {
                return at + 2;
            }
        }
    }
    return NULL;
}

void ptl_report_complaint(struct ptl_report *report, enum ptl_verdict verdict, const char *check,
                          const char *complaint, const char *otherwise)
{
    const char *advice = find_advice(complaint);
    int size = advice ? (int)(advice - 2 - complaint) : (int)strlen(complaint);

    ptl_report_add(report, verdict, check, advice ? advice : otherwise, "%.*s", size, complaint);
}

/* ---- Printing ------------------------------------------------------------------------------ */

static bool print_finding(const struct ptl_finding *finding, FILE *file)
{
    bool good = fprintf(file, "%-8s %-15s %s\n", verdict_names[finding->verdict], finding->check,
                        finding->text) >= 0;

    return good && (finding->advice[0] == '\0' ||
                    fprintf(file, "%-8s %-15s -> %s\n", "", "", finding->advice) >= 0);
}

bool ptl_report_print(const struct ptl_report *report, FILE *file)
{
    bool good = true;

    for (size_t i = 0; good && i < report->count; i++) {
        good = print_finding(&report->findings[i], file);
    }
    return good &&
           fprintf(file, "ok: %zu, warnings: %zu, errors: %zu\n", report->verdicts[PTL_VERDICT_OK],
                   report->verdicts[PTL_VERDICT_WARNING],
                   report->verdicts[PTL_VERDICT_ERROR]) >= 0 &&
           fflush(file) == 0;
}

static json_t *finding_object(const struct ptl_finding *finding)
{
    json_t *object = json_pack("{s:s,s:s,s:s}", "check", finding->check, "verdict",
                               verdict_names[finding->verdict], "text", finding->text);

    if (finding->advice[0] != '\0') {
        json_object_set_new(object, "advice", json_string(finding->advice));
    }
    return object;
}

/* A node's ID may be no UTF-8, as a host's name may; then it is null. */
bool ptl_report_print_json(const struct ptl_report *report, const char *node, FILE *file)
{
    json_t *findings = json_array();

    for (size_t i = 0; i < report->count; i++) {
        json_array_append_new(findings, finding_object(&report->findings[i]));
    }
    json_t *id = json_string(node);
    json_t *all = json_pack("{s:o,s:o,s:I,s:I,s:I}", "node", id ? id : json_null(), "findings",
                            findings, "ok", (json_int_t)report->verdicts[PTL_VERDICT_OK],
                            "warnings", (json_int_t)report->verdicts[PTL_VERDICT_WARNING], "errors",
                            (json_int_t)report->verdicts[PTL_VERDICT_ERROR]);
    char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
    bool good = text && fprintf(file, "%s\n", text) >= 0 && fflush(file) == 0;
    free(text);
    json_decref(all);
    return good;
}
