#include "tools/bench/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ptl_findings_init(struct ptl_findings *findings)
{
    memset(findings, 0, sizeof *findings);
    pthread_mutex_init(&findings->lock, NULL);
}

void ptl_findings_add(struct ptl_findings *findings, enum ptl_finding finding, const char *format,
                      ...)
{
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&findings->lock);
    findings->counts[finding]++;
    if (findings->text_count < PTL_FINDINGS_TOLD) {
        char *text = findings->texts[findings->text_count++];
        int size = snprintf(text, PTL_FINDING_TEXT_MAX, "%s: ", ptl_finding_name(finding));
        vsnprintf(text + size, PTL_FINDING_TEXT_MAX - (size_t)size, format, arguments);
    }
    pthread_mutex_unlock(&findings->lock);
    va_end(arguments);
}

uint64_t ptl_findings_count(struct ptl_findings *findings)
{
    uint64_t all = 0;

    pthread_mutex_lock(&findings->lock);
    for (size_t i = 0; i < PTL_FINDINGS; i++) {
        all += findings->counts[i];
    }
    pthread_mutex_unlock(&findings->lock);
    return all;
}
