#include "io/tls_inside.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#define DATE_SIZE 15
#define DNS_NAME 2 /* among alternative names: RFC 5280, section 4.2.1.6 */

/* Some it says in its own words, and some in those of another library. */
int ptl_tls_trust_err(int wolf_err)
{
    switch (wolf_err) {
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E:
    case ASN_SIG_CONFIRM_E:
    case ASN_PATHLEN_SIZE_E:
    case ASN_PATHLEN_INV_E:
    case MAX_CHAIN_ERROR:
        return PTL_EAUTHORITY;
    case ASN_AFTER_DATE_E:
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
        return PTL_EEXPIRED;
    case ASN_BEFORE_DATE_E:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
        return PTL_EEARLY;
    case CRL_CERT_REVOKED:
    case X509_V_ERR_CERT_REVOKED:
        return PTL_EREVOKED;
    case CRL_MISSING:
    case CRL_CERT_DATE_ERR:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return PTL_ENOLIST;
    case NO_PEER_CERT:
        return PTL_ENOCERT;
    default:
        return PTL_OK;
    }
}

/* ---- The names in a certificate ------------------------------------------------------------ */

/* Byte by byte, with its length: no wildcard, no other case, and nothing behind a NUL is hidden. */
static bool is_name(WOLFSSL_ASN1_STRING *text, struct ptl_span name)
{
    int size = text == NULL ? -1 : wolfSSL_ASN1_STRING_length(text);

    return size > 0 &&
           ptl_span_equal(ptl_span(wolfSSL_ASN1_STRING_get0_data(text), (size_t)size), name);
}

static bool is_common_name(WOLFSSL_X509 *certificate, struct ptl_span name)
{
    WOLFSSL_X509_NAME *subject = wolfSSL_X509_get_subject_name(certificate);
    int at = wolfSSL_X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    WOLFSSL_X509_NAME_ENTRY *entry = at < 0 ? NULL : wolfSSL_X509_NAME_get_entry(subject, at);

    return entry != NULL && is_name(wolfSSL_X509_NAME_ENTRY_get_data(entry), name);
}

static bool is_alternative_name(WOLFSSL_X509 *certificate, struct ptl_span name)
{
    WOLFSSL_STACK *names = wolfSSL_X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; names != NULL && !found && i < wolfSSL_sk_GENERAL_NAME_num(names); i++) {
        const WOLFSSL_GENERAL_NAME *each = wolfSSL_sk_GENERAL_NAME_value(names, i);
        found = each->type == DNS_NAME && is_name(each->d.dNSName, name);
    }
    wolfSSL_sk_GENERAL_NAME_pop_free(names, NULL);
    return found;
}

/* ---- Whether it is believed ---------------------------------------------------------------- */

/* "YYYYMMDDHHMMSSZ", which sorts as time does.  False: the certificate spells it in another way. */
static bool spell(const WOLFSSL_ASN1_TIME *time, char text[static DATE_SIZE])
{
    bool utc = time != NULL && time->type == V_ASN1_UTCTIME;
    int century = utc ? 2 : 0; /* which that leaves away: RFC 5280, section 4.1.2.5.1 */

    if (time == NULL || time->length != DATE_SIZE - century ||
        time->data[time->length - 1] != 'Z') {
        return false;
    }
    memcpy(text, time->data[0] >= '5' ? "19" : "20", 2);
    memcpy(text + century, time->data, (size_t)time->length);
    return true;
}

/* Of the one that is believed only its dates can be wrong. */
static int check_dates(WOLFSSL_X509 *certificate)
{
    char now[DATE_SIZE + 1], from[DATE_SIZE], until[DATE_SIZE];
    time_t seconds = wc_Time(NULL);
    struct tm calendar;

    if (gmtime_r(&seconds, &calendar) == NULL ||
        strftime(now, sizeof(now), "%Y%m%d%H%M%SZ", &calendar) != DATE_SIZE ||
        !spell(wolfSSL_X509_get_notBefore(certificate), from) ||
        !spell(wolfSSL_X509_get_notAfter(certificate), until)) {
        return PTL_EAUTHORITY;
    }
    if (memcmp(now, from, DATE_SIZE) < 0) {
        return PTL_EEARLY;
    }
    return memcmp(now, until, DATE_SIZE) > 0 ? PTL_EEXPIRED : PTL_OK;
}

static int check_pinned(const struct ptl_tls_context *context, const WOLFSSL_X509_STORE_CTX *store)
{
    struct ptl_span pinned = ptl_span(context->pinned, context->pinned_size);

    /* Alone: what else is in the chain would be looked at first, and proves nothing. */
    if (store->totalCerts != 1 || store->error_depth != 0 ||
        !ptl_span_equal(ptl_span(store->certs[0].buffer, store->certs[0].length), pinned)) {
        return PTL_EAUTHORITY;
    }
    return check_dates(store->current_cert);
}

static int check(const struct ptl_tls_trust *trust, bool is_good,
                 const WOLFSSL_X509_STORE_CTX *store)
{
    int err = PTL_OK;

    if (trust->context->pinned != NULL) {
        err = check_pinned(trust->context, store);
    } else if (!is_good) {
        err = ptl_tls_trust_err(store->error);
        err = err == PTL_OK ? PTL_EAUTHORITY : err; /* whatever else is wrong with it */
    }
    if (err == PTL_OK && store->error_depth == 0 && trust->node_id.size != 0 &&
        !is_common_name(store->current_cert, trust->node_id) &&
        !is_alternative_name(store->current_cert, trust->node_id)) {
        err = PTL_ECERTNAME;
    }
    return err;
}

int ptl_tls_trust_certificate(int is_good, WOLFSSL_X509_STORE_CTX *store)
{
    struct ptl_tls_trust *trust = store->userCtx;

    if (trust->err == PTL_OK) {
        trust->err = store->current_cert == NULL ? PTL_ENOMEM : check(trust, is_good != 0, store);
        trust->verified = trust->err == PTL_OK && store->error_depth == 0;
    }
    return trust->err == PTL_OK || trust->optional;
}
