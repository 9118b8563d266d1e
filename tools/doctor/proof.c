/* What proves that the node belongs to the network: its secret, and its certificates. */
#include "tools/doctor/examination.h"

#include "tools/doctor/certificate_dates.h"
#include "tools/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DISTINCT_LEAST 8 /* different bytes of a secret that is not easily guessed */
#define AS_ITS_USER "run it as the node's user, say: sudo -u portolan portolan doctor ..."

/* ---- The secret ---------------------------------------------------------------------------- */

/* One that would be made on first use is not made here. */
static int find_secret(struct ptl_examination *examination)
{
    const struct ptl_options *options = examination->options;
    char own[PATH_MAX];

    if (ptl_secret_is_own(options) && ptl_secret_own(own) && access(own, F_OK) != 0) {
        return ptl_certificates_read(options, &examination->secret.certificates);
    }
    int code = ptl_secret_find(options, &examination->secret);
    if (code == PTL_EXIT_OK) {
        code = ptl_secret_judge_size(options, examination->secret.own.size);
    }
    return code == PTL_EXIT_OK ? ptl_secret_judge_size(options, examination->secret.other.size)
                               : code;
}

static unsigned count_distinct(const struct ptl_secret_text *secret)
{
    bool seen[256] = {false};
    unsigned count = 0;

    for (size_t i = 0; i < secret->size; i++) {
        count += !seen[(unsigned char)secret->bytes[i]];
        seen[(unsigned char)secret->bytes[i]] = true;
    }
    return count;
}

static const char *name_source(const struct ptl_options *options)
{
    return options->secret        ? "given"
           : options->secret_file ? options->secret_file
                                  : "the user's own";
}

static void judge_strength(struct ptl_examination *examination)
{
    const struct ptl_secret_text *secret = &examination->secret.own;
    const char *source = name_source(examination->options);

    if (secret->size < PTL_SECRET_OPEN_MIN || count_distinct(secret) < DISTINCT_LEAST) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "secret",
                       "give all nodes another one, of portolan gensecret",
                       "%s: of %zu bytes, %u of them different: it is easily guessed", source,
                       secret->size, count_distinct(secret));
    } else {
        ptl_report_ok(examination->report, "secret", "%s: %zu bytes, only its owner can read it%s",
                      source, secret->size,
                      examination->secret.other.size > 0 ? ", and another one is accepted" : "");
    }
}

static void report_no_secret(struct ptl_examination *examination)
{
    if (ptl_secret_is_own(examination->options)) {
        ptl_report_ok(examination->report, "secret", "the user's own will be made on first use");
    } else {
        ptl_report_ok(examination->report, "secret",
                      "none is needed: certificates prove all nodes");
    }
}

void ptl_examine_secret(struct ptl_examination *examination)
{
    char complaint[PTL_JOURNAL_LINE_MAX];

    if (ptl_examine_quietly(find_secret, examination, complaint) != PTL_EXIT_OK) {
        bool is_forbidden = strstr(complaint, strerror(EACCES)) != NULL;
        ptl_report_complaint(examination->report, PTL_VERDICT_ERROR,
                             strstr(complaint, "secret") ? "secret" : "certificates", complaint,
                             is_forbidden ? AS_ITS_USER : "make it, or name another file");
        return;
    }
    examination->has_secret = true;
    if (examination->secret.own.size == 0) {
        report_no_secret(examination);
    } else {
        judge_strength(examination);
    }
}

/* ---- Certificates -------------------------------------------------------------------------- */

static void report_dates(struct ptl_examination *examination)
{
    const struct ptl_certificates *its = &examination->secret.certificates;
    const struct ptl_options *options = examination->options;
    const char *name = options->tls_verify_node ? examination->id : NULL;

    ptl_certificate_dates(examination->report, options->cert, its->pair, NULL);
    ptl_certificate_dates(examination->report, options->tls_cert, its->cert, name);
    ptl_certificate_dates(examination->report, options->tls_ca, its->ca, NULL);
}

void ptl_examine_certificates(struct ptl_examination *examination)
{
    const struct ptl_options *options = examination->options;
    struct ptl_journal journal;

    if (!examination->has_secret || (!options->cert && !options->tls_cert)) {
        return;
    }
    ptl_journal_init(&journal, NULL);
    struct ptl_node_options node_options = ptl_examined_options(examination, &journal);
    int err = ptl_tls_check(&node_options);
    ptl_journal_close(&journal);
    if (err < 0) {
        examination->has_secret = false;
        ptl_report_complaint(examination->report, PTL_VERDICT_ERROR, "certificates",
                             ptl_err_text(err), "make others with portolan gencert");
    } else {
        ptl_report_ok(examination->report, "certificates", "key and certificate belong together");
    }
    report_dates(examination);
}
