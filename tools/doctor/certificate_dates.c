#include "tools/doctor/certificate_dates.h"

#include <string.h>
#include <time.h>

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define CERTIFICATES_MAX 64 /* of a file; more are not looked at */
#define DAY_S (24 * 60 * 60)

static bool read_time(const WOLFSSL_ASN1_TIME *when, time_t *time)
{
    struct tm utc = {0};

    if (!when || wolfSSL_ASN1_TIME_to_tm(when, &utc) != WOLFSSL_SUCCESS) {
        return false;
    }
    *time = timegm(&utc);
    return true;
}

static void report_until(struct ptl_report *report, const char *path, const char *name, time_t from,
                         time_t until)
{
    time_t now = time(NULL);
    struct tm utc;
    char day[16];

    gmtime_r(until < now || from <= now ? &until : &from, &utc);
    strftime(day, sizeof day, "%Y-%m-%d", &utc);
    if (until < now) {
        ptl_report_add(report, PTL_VERDICT_ERROR, "certificates",
                       "give the node a new one, and have it read that with SIGHUP",
                       "%s: that of %s has expired on %s", path, name, day);
    } else if (from > now) {
        ptl_report_add(report, PTL_VERDICT_ERROR, "certificates",
                       "see whether the clock is right here and where it was made",
                       "%s: that of %s is good from %s on only", path, name, day);
    } else if (until - now < (time_t)PTL_CERTIFICATE_SOON_DAYS * DAY_S) {
        ptl_report_add(report, PTL_VERDICT_WARNING, "certificates",
                       "give the node a new one before that, and have it read that with SIGHUP",
                       "%s: that of %s expires on %s, in %ld days", path, name, day,
                       (long)((until - now) / DAY_S));
    } else {
        ptl_report_ok(report, "certificates", "%s: that of %s is good until %s", path, name, day);
    }
}

static bool has_name(WOLFSSL_X509 *certificate, const char *common, const char *node_id)
{
    bool found = common && strcmp(common, node_id) == 0;
    const char *name;

    while ((name = wolfSSL_X509_get_next_altname(certificate)) != NULL) {
        found = found || strcmp(name, node_id) == 0;
    }
    return found;
}

static void look_at(struct ptl_report *report, const char *path, WOLFSSL_X509 *certificate,
                    const char *node_id)
{
    const char *common = wolfSSL_X509_get_subjectCN(certificate);
    time_t from, until;

    if (read_time(wolfSSL_X509_get_notBefore(certificate), &from) &&
        read_time(wolfSSL_X509_get_notAfter(certificate), &until)) {
        report_until(report, path, common ? common : "somebody", from, until);
    }
    if (node_id && !has_name(certificate, common, node_id)) {
        ptl_report_add(report, PTL_VERDICT_ERROR, "certificates",
                       "give the node one that has its ID: portolan gencert --ca NAME NODE",
                       "%s: it does not have the ID %s, which tls-verify-node wants of all nodes",
                       path, node_id);
    }
}

void ptl_certificate_dates(struct ptl_report *report, const char *path, const char *text,
                           const char *node_id)
{
    const char *at = text ? strstr(text, BEGIN) : NULL;

    for (int i = 0; at && i < CERTIFICATES_MAX; i++) {
        const char *end = strstr(at, END);
        long size = end ? (long)(end + strlen(END) - at) : (long)strlen(at);
        WOLFSSL_X509 *certificate = wolfSSL_X509_load_certificate_buffer(
            (const unsigned char *)at, (int)size, WOLFSSL_FILETYPE_PEM);
        if (certificate) {
            look_at(report, path, certificate, i == 0 ? node_id : NULL);
            wolfSSL_X509_free(certificate);
        }
        at = end ? strstr(end, BEGIN) : NULL;
    }
}
