/*
 * tools/doctor/certificate_dates.h - until when certificates are good.
 */
#pragma once

#include "tools/doctor/report.h"

#define PTL_CERTIFICATE_SOON_DAYS 30 /* before its end somebody should know */

/*
 * Report of each certificate in a text of PEM, which stands in the file `path`; NULL: there is
 * none.  The first one should have `node_id` as common or DNS name, where that is not NULL.
 */
void ptl_certificate_dates(struct ptl_report *report, const char *path, const char *text,
                           const char *node_id);
