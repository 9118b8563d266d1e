#include "io/tls.h"

#include "io/tls_inside.h"

#include <stdio.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

/* Alerts of the peer, RFC 8446, section 6.2. */
enum alert {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42, /* this and those up to ... */
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_UNKNOWN_CA = 48,
    ALERT_ACCESS_DENIED = 49,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_CERTIFICATE_REQUIRED = 116,
};

struct ptl_tls {
    const struct ptl_allocator *allocator;
    struct ptl_tls_context *context;
    WOLFSSL *wolf; /* NULL: a server that has heard nothing */
    struct ptl_tls_trust trust;
    enum ptl_tls_role role;
    enum ptl_tls_state state;
    size_t shaken; /* bytes of the peer until it was up */
    /* Of the call that is under way: whence and where to the library moves bytes. */
    struct ptl_span *input;
    struct ptl_buffer *out;
    char text[80];
    uint32_t node_id_size;
    uint8_t node_id[]; /* that the certificate must be for */
};

/* ---- How the library moves bytes ----------------------------------------------------------- */

static int give(WOLFSSL *wolf, char *room, int size, void *user)
{
    struct ptl_tls *tls = user;

    (void)wolf;
    if (tls->input == NULL || tls->input->size == 0) {
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    size_t count = tls->input->size < (size_t)size ? tls->input->size : (size_t)size;
    memcpy(room, tls->input->bytes, count);
    *tls->input = ptl_span_skip(*tls->input, count);
    return (int)count;
}

static int take(WOLFSSL *wolf, char *bytes, int size, void *user)
{
    struct ptl_tls *tls = user;

    (void)wolf;
    return ptl_buffer_append(tls->out, bytes, (size_t)size) == PTL_OK ? size
                                                                      : WOLFSSL_CBIO_ERR_GENERAL;
}

static void begin_call(struct ptl_tls *tls, struct ptl_span *input, struct ptl_buffer *out)
{
    ptl_assert(tls->out == NULL && out != NULL);
    tls->input = input;
    tls->out = out;
}

static void end_call(struct ptl_tls *tls)
{
    tls->input = NULL;
    tls->out = NULL;
}

/* ---- What went wrong ----------------------------------------------------------------------- */

/* The peer has told why it gives up, if it did. */
static int alert_err(struct ptl_tls *tls)
{
    WOLFSSL_ALERT_HISTORY history;

    if (wolfSSL_get_alert_history(tls->wolf, &history) != WOLFSSL_SUCCESS) {
        return PTL_ETLS;
    }
    int alert = history.last_rx.code;
    if ((alert >= ALERT_BAD_CERTIFICATE && alert <= ALERT_CERTIFICATE_UNKNOWN) ||
        alert == ALERT_UNKNOWN_CA || alert == ALERT_ACCESS_DENIED ||
        alert == ALERT_CERTIFICATE_REQUIRED) {
        return PTL_ECERTREFUSED;
    }
    /* Once up, such an alert is the end of a renegotiation, which is not to be. */
    bool is_choice = alert == ALERT_HANDSHAKE_FAILURE || alert == ALERT_PROTOCOL_VERSION;
    return is_choice && tls->state == PTL_TLS_SHAKING ? PTL_ETLSVERSION : PTL_ETLS;
}

static int reason(struct ptl_tls *tls, int wolf_err)
{
    if (tls->out->err != PTL_OK) {
        return tls->out->err;
    }
    if (tls->trust.err != PTL_OK && !tls->trust.optional) {
        return tls->trust.err;
    }
    int err = ptl_tls_trust_err(wolf_err);
    if (err != PTL_OK) {
        return err;
    }
    switch (wolf_err) {
    case MEMORY_E:
        return PTL_ENOMEM;
    case VERSION_ERROR:
    case MATCH_SUITE_ERROR:
    case UNSUPPORTED_SUITE:
    case ECC_CURVE_ERROR:
        return PTL_ETLSVERSION;
    default:
        return alert_err(tls);
    }
}

static int fail(struct ptl_tls *tls, int err)
{
    tls->state = PTL_TLS_FAILED;
    return err;
}

/* ---- Birth and death ----------------------------------------------------------------------- */

/* Make the library's session, which is by far most of what one of ours costs. */
static int begin(struct ptl_tls *tls)
{
    tls->wolf = wolfSSL_new(tls->context->wolf);
    if (tls->wolf == NULL) {
        return PTL_ENOMEM;
    }
    if (tls->role == PTL_TLS_CLIENT) {
        wolfSSL_set_connect_state(tls->wolf);
    } else {
        wolfSSL_set_accept_state(tls->wolf);
    }
    wolfSSL_SSLSetIORecv(tls->wolf, give);
    wolfSSL_SSLSetIOSend(tls->wolf, take);
    wolfSSL_SetIOReadCtx(tls->wolf, tls);
    wolfSSL_SetIOWriteCtx(tls->wolf, tls);
    wolfSSL_SetCertCbCtx(tls->wolf, &tls->trust);
    if (tls->trust.optional) { /* it is asked for one, and need not have any */
        wolfSSL_set_verify(tls->wolf, WOLFSSL_VERIFY_PEER, ptl_tls_trust_certificate);
    }
    return PTL_OK;
}

int ptl_tls_make(const struct ptl_allocator *allocator, struct ptl_tls_context *context,
                 enum ptl_tls_role role, enum ptl_tls_demand demand, struct ptl_span node_id,
                 struct ptl_tls **made)
{
    struct ptl_tls *tls = ptl_alloc(allocator, sizeof(*tls) + node_id.size);

    if (tls == NULL) {
        return PTL_ENOMEM;
    }
    tls->allocator = allocator;
    tls->context = ptl_tls_context_hold(context);
    tls->role = role;
    tls->node_id_size = (uint32_t)node_id.size;
    ptl_copy(tls->node_id, node_id.bytes, node_id.size);
    tls->trust.context = context;
    tls->trust.node_id = ptl_span(tls->node_id, node_id.size);
    tls->trust.optional = demand == PTL_TLS_MAY_PROVE;
    int err = role == PTL_TLS_CLIENT ? begin(tls) : PTL_OK;
    if (err < 0) {
        ptl_tls_free(tls);
        return err;
    }
    *made = tls;
    return PTL_OK;
}

void ptl_tls_free(struct ptl_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    wolfSSL_free(tls->wolf);
    ptl_tls_context_release(tls->context);
    ptl_free(tls->allocator, tls, sizeof(*tls) + tls->node_id_size);
}

/* ---- From the peer ------------------------------------------------------------------------- */

/* True: TLS is up.  Else `err` says what is wrong, or 0: the peer has to say more. */
static bool shake(struct ptl_tls *tls, int *err)
{
    size_t before = tls->input->size;
    int done = wolfSSL_negotiate(tls->wolf);
    int wolf_err = done == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(tls->wolf, done);

    tls->shaken += before - tls->input->size;
    *err = PTL_OK;
    if (done == WOLFSSL_SUCCESS) {
        /* The library has asked about each certificate, and there was one. */
        if (!tls->trust.verified && !tls->trust.optional) {
            *err = PTL_ENOCERT;
            return false;
        }
        tls->state = PTL_TLS_UP;
        /* What only a handshake needs, of which there is one: no renegotiation, no tickets. */
        wolfSSL_FreeArrays(tls->wolf);
        return true;
    }
    if (wolf_err != WOLFSSL_ERROR_WANT_READ) {
        *err = reason(tls, wolf_err);
    } else if (tls->shaken > PTL_TLS_HANDSHAKE_MAX) {
        *err = PTL_ETLS;
    }
    return false;
}

static int read_plain(struct ptl_tls *tls, void *room, size_t size)
{
    int count = wolfSSL_read(tls->wolf, room, size > INT32_MAX ? INT32_MAX : (int)size);

    if (count > 0) {
        return count;
    }
    int wolf_err = wolfSSL_get_error(tls->wolf, count);
    if (wolf_err == WOLFSSL_ERROR_WANT_READ) {
        return tls->out->err != PTL_OK ? fail(tls, tls->out->err) : 0;
    }
    if (wolf_err == WOLFSSL_ERROR_ZERO_RETURN) {
        tls->state = PTL_TLS_ENDED;
        return PTL_ECLOSED;
    }
    return fail(tls, reason(tls, wolf_err));
}

int ptl_tls_open(struct ptl_tls *tls, struct ptl_span *input, void *room, size_t size,
                 struct ptl_buffer *out)
{
    int result = PTL_OK;

    ptl_assert(tls->state == PTL_TLS_SHAKING || tls->state == PTL_TLS_UP);
    ptl_assert(size > 0);
    if (tls->wolf == NULL && input->size == 0) {
        return PTL_OK;
    }
    if (tls->wolf == NULL && begin(tls) < 0) {
        return fail(tls, PTL_ENOMEM);
    }
    begin_call(tls, input, out);
    if (tls->state == PTL_TLS_UP || shake(tls, &result)) {
        result = read_plain(tls, room, size);
    } else if (result < 0) {
        fail(tls, result);
    }
    ptl_assert(result != 0 || input->size == 0);
    end_call(tls);
    return result;
}

/* ---- To the peer --------------------------------------------------------------------------- */

int ptl_tls_seal(struct ptl_tls *tls, struct ptl_span plain, struct ptl_buffer *out)
{
    int err = PTL_OK;

    ptl_assert(tls->state == PTL_TLS_UP || tls->state == PTL_TLS_ENDED);
    begin_call(tls, NULL, out);
    while (plain.size > 0 && err == PTL_OK) {
        int size = plain.size < PTL_TLS_RECORD ? (int)plain.size : PTL_TLS_RECORD;
        int count = wolfSSL_write(tls->wolf, plain.bytes, size);
        if (count > 0) {
            plain = ptl_span_skip(plain, (size_t)count);
        } else {
            err = fail(tls, reason(tls, wolfSSL_get_error(tls->wolf, count)));
        }
    }
    end_call(tls);
    return err;
}

int ptl_tls_finish(struct ptl_tls *tls, struct ptl_buffer *out)
{
    ptl_assert(tls->state == PTL_TLS_UP || tls->state == PTL_TLS_ENDED);
    begin_call(tls, NULL, out);
    (void)wolfSSL_shutdown(tls->wolf); /* which would like to hear the same of the peer */
    end_call(tls);
    return out->err != PTL_OK ? fail(tls, out->err) : PTL_OK;
}

/* ---- What is known ------------------------------------------------------------------------- */

enum ptl_tls_state ptl_tls_state(const struct ptl_tls *tls)
{
    return tls->state;
}

bool ptl_tls_is_verified(const struct ptl_tls *tls)
{
    return tls->state != PTL_TLS_SHAKING && tls->state != PTL_TLS_FAILED && tls->trust.verified;
}

const char *ptl_tls_text(struct ptl_tls *tls)
{
    const char *cipher = wolfSSL_get_cipher_name(tls->wolf);

    snprintf(tls->text, sizeof(tls->text), "%s %s", wolfSSL_get_version(tls->wolf),
             cipher != NULL ? cipher : "-");
    return tls->text;
}
