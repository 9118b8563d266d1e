#include "tools/certificates.h"
#include "tools/common.h"
#include "tools/config/reload_steps.h"

#include <stdio.h>
#include <string.h>

static const char *const keys[] = {"cert", "tls-ca", "tls-cert", "tls-crl", "tls-key", NULL};

static struct ptl_node_options node_options(const struct ptl_certificates *certificates)
{
    return (struct ptl_node_options){
        .size = sizeof(struct ptl_node_options),
        .tls_pair = certificates->pair,
        .tls_cert = certificates->cert,
        .tls_key = certificates->key,
        .tls_ca = certificates->ca,
        .tls_crl = certificates->crl,
    };
}

static bool are_given(const struct ptl_certificates *certificates)
{
    return certificates->pair || certificates->cert;
}

/* A node without TLS reads none; one that has some keeps them when the file names none any more. */
static bool judge_certificates(struct ptl_reload *reload)
{
    struct ptl_certificates *fresh = &reload->secret.certificates;
    const char *tls = reload->running->start->tls;

    if (tls && strcmp(tls, "off") == 0) {
        return true;
    }
    if (ptl_certificates_read(&reload->fresh, fresh) != PTL_EXIT_OK) {
        return false;
    }
    if (!are_given(fresh)) {
        return true;
    }
    struct ptl_node_options options = node_options(fresh);
    int err = ptl_tls_check(&options);
    return err == 0 || ptl_complain(PTL_EXIT_START, "%s: %s",
                                    fresh->pair ? reload->fresh.cert : reload->fresh.tls_cert,
                                    ptl_err_text(err)) == PTL_EXIT_OK;
}

static bool is_same_text(const char *one, const char *other)
{
    return one == other || (one && other && strcmp(one, other) == 0);
}

static bool are_same(const struct ptl_certificates *one, const struct ptl_certificates *other)
{
    return is_same_text(one->pair, other->pair) && is_same_text(one->cert, other->cert) &&
           is_same_text(one->key, other->key) && is_same_text(one->ca, other->ca) &&
           is_same_text(one->crl, other->crl);
}

/* By what the files say, not by their names. */
static void change_certificates(struct ptl_reload *reload)
{
    struct ptl_certificates *fresh = &reload->secret.certificates;
    struct ptl_certificates *old = &reload->running->secret->certificates;

    if (!are_given(fresh)) {
        if (are_given(old)) {
            ptl_reload_told(reload, "no certificates are named: the old ones stay until a restart");
        }
        return;
    }
    if (are_same(fresh, old)) {
        return;
    }
    struct ptl_node_options options = node_options(fresh);
    int err = ptl_node_set_tls(reload->running->node, &options);
    if (err < 0) {
        ptl_reload_failed(reload, "the certificates", err);
        return;
    }
    struct ptl_certificates given = *fresh;
    *fresh = *old; /* which the end of the reload wipes */
    *old = given;
    ptl_reload_told(reload, "new certificates, for links that are made from now on");
}

const struct ptl_reload_step ptl_reload_certificates = {
    .keys = keys, .judge = judge_certificates, .change = change_certificates};
