#include "engine/link/sealing.h"

#include "engine/link/node_links.h"
#include "engine/portolan.h"
#include "engine/shard/node.h"

/* Of TLS's own, that may wait: the handshake's, or what a peer asks for that takes nothing. */
#define WORDS_MAX ((size_t)32768)

#define RECORDS_MAX (PTL_SEALED_MAX / PTL_TLS_RECORD + 1)
#define GOING_MAX (PTL_SEALED_MAX + RECORDS_MAX * PTL_SEALED_EXTRA + WORDS_MAX)

/* Memory that is kept for the next send. */
#define GOING_KEPT ((size_t)512)

/* ---- Of the node --------------------------------------------------------------------------- */

static struct ptl_span text(const char *pem)
{
    return pem != NULL ? ptl_span_text(pem) : ptl_span(NULL, 0);
}

/* `version_max` is the node's own, whatever the options say. */
static struct ptl_tls_options certificates_of(const struct ptl_node_options *options,
                                              unsigned version_max)
{
    return (struct ptl_tls_options){
        .pair = text(options->tls_pair),
        .chain = text(options->tls_cert),
        .key = text(options->tls_key),
        .authorities = text(options->tls_ca),
        .revoked = text(options->tls_crl),
        .version_max = version_max,
    };
}

int ptl_node_sealing_init(struct ptl_node *node, const struct ptl_node_options *options)
{
    struct ptl_tls_options tls = certificates_of(options, options->tls_version_max);
    bool given = tls.pair.size != 0 || tls.chain.size != 0 || tls.key.size != 0 ||
                 tls.authorities.size != 0 || tls.revoked.size != 0;

    if (options->tls == PTL_TLS_OFF) {
        return PTL_OK;
    }
    if (options->tls_anonymous != NULL) {
        node->links->tls_anonymous =
            ptl_text_copy(node->allocator, options->tls_anonymous, strlen(options->tls_anonymous));
        if (node->links->tls_anonymous == NULL) {
            return PTL_ENOMEM;
        }
    }
    if (!given && options->tls == PTL_TLS_IF_GIVEN) {
        return PTL_OK;
    }
    return ptl_tls_context_make(node->allocator, &tls, &node->links->tls);
}

int ptl_tls_check(const struct ptl_node_options *options)
{
    struct ptl_tls_options tls = certificates_of(options, 0);
    struct ptl_tls_context *made = NULL;
    int err = options->size != sizeof(*options)
                  ? PTL_EINVAL
                  : ptl_tls_context_make(ptl_allocator_libc(), &tls, &made);

    ptl_tls_context_release(made);
    return err;
}

int ptl_node_set_tls(struct ptl_node *node, const struct ptl_node_options *options)
{
    struct ptl_tls_options tls = certificates_of(options, node->options.tls_version_max);
    struct ptl_tls_context *fresh = NULL;

    if (options->size != sizeof(*options) || node->options.tls == PTL_TLS_OFF) {
        return PTL_EINVAL;
    }
    int err = ptl_tls_context_make(node->allocator, &tls, &fresh);
    if (err < 0) {
        return err;
    }
    pthread_mutex_lock(&node->links->lock);
    struct ptl_tls_context *old = node->links->tls;
    node->links->tls = fresh;
    pthread_mutex_unlock(&node->links->lock);
    ptl_tls_context_release(old); /* sessions that have it hold it */
    return PTL_OK;
}

bool ptl_node_sealing_is_offered(struct ptl_node *node)
{
    pthread_mutex_lock(&node->links->lock);
    bool is_offered = node->links->tls != NULL;
    pthread_mutex_unlock(&node->links->lock);
    return is_offered;
}

/* The certificates of this moment.  Owns: the caller, until it releases them. */
static struct ptl_tls_context *hold_context(struct ptl_node *node)
{
    pthread_mutex_lock(&node->links->lock);
    ptl_assert(node->links->tls != NULL);
    struct ptl_tls_context *context = ptl_tls_context_hold(node->links->tls);
    pthread_mutex_unlock(&node->links->lock);
    return context;
}

void ptl_node_sealing_drop(struct ptl_node *node)
{
    ptl_tls_context_release(node->links->tls);
    ptl_text_free(node->allocator, node->links->tls_anonymous);
    node->links->tls = NULL;
    node->links->tls_anonymous = NULL;
}

struct ptl_span ptl_node_sealing_anonymous(const struct ptl_node *node)
{
    return text(node->links->tls_anonymous);
}

/* ---- Of a connection ----------------------------------------------------------------------- */

/* A client speaks first. */
static int begin_words(struct ptl_sealing *sealing)
{
    struct ptl_span nothing = ptl_span(NULL, 0);
    uint8_t room[1];

    return ptl_tls_open(sealing->tls, &nothing, room, sizeof(room), &sealing->words);
}

int ptl_sealing_begin(struct ptl_sealing *sealing, struct ptl_node *node, bool is_client,
                      enum ptl_tls_demand demand, struct ptl_span node_id, struct ptl_span early)
{
    struct ptl_tls_context *context = hold_context(node);

    ptl_assert(sealing->tls == NULL);
    ptl_buffer_init(&sealing->words, node->allocator, WORDS_MAX);
    ptl_buffer_init(&sealing->going, node->allocator, GOING_MAX);
    ptl_unread_init(&sealing->early, node->allocator);
    int err = ptl_tls_make(node->allocator, context, is_client ? PTL_TLS_CLIENT : PTL_TLS_SERVER,
                           demand, node_id, &sealing->tls);
    ptl_tls_context_release(context);
    if (err == PTL_OK) {
        err = ptl_unread_keep(&sealing->early, early);
    }
    return err == PTL_OK ? begin_words(sealing) : err;
}

const char *ptl_sealing_text(const struct ptl_sealing *sealing)
{
    return ptl_sealing_is_on(sealing) ? ptl_tls_text(sealing->tls) : "in the clear";
}

bool ptl_sealing_may_say(const struct ptl_sealing *sealing)
{
    return sealing->tls == NULL ||
           (sealing->failed == PTL_OK && (ptl_tls_state(sealing->tls) == PTL_TLS_UP ||
                                          ptl_tls_state(sealing->tls) == PTL_TLS_ENDED));
}

bool ptl_sealing_may_hear(const struct ptl_sealing *sealing)
{
    enum ptl_tls_state state = ptl_tls_state(sealing->tls);

    return sealing->failed == PTL_OK && (state == PTL_TLS_SHAKING || state == PTL_TLS_UP);
}

/*
 * Of the spans as much as is sealed at once.  Records are as large as they may be: to seal many
 * small ones costs more than to copy.
 */
static int seal(struct ptl_sealing *sealing, const struct ptl_span spans[], unsigned count)
{
    uint8_t record[PTL_TLS_RECORD];
    size_t filled = 0;
    int err = PTL_OK;

    for (unsigned i = 0; i < count; i++) {
        size_t most = PTL_SEALED_MAX - sealing->plain;
        struct ptl_span left =
            ptl_span(spans[i].bytes, spans[i].size < most ? spans[i].size : most);
        sealing->plain += left.size;
        while (left.size != 0 && err == PTL_OK) {
            size_t room = sizeof(record) - filled;
            size_t size = left.size < room ? left.size : room;
            memcpy(record + filled, left.bytes, size);
            left = ptl_span_skip(left, size);
            filled += size;
            if (filled == sizeof(record)) {
                err = ptl_tls_seal(sealing->tls, ptl_span(record, filled), &sealing->going);
                filled = 0;
            }
        }
    }
    return err == PTL_OK ? ptl_tls_seal(sealing->tls, ptl_span(record, filled), &sealing->going)
                         : err;
}

static int hand_over(const struct ptl_sealing *sealing, struct ptl_loop *loop,
                     struct ptl_stream *stream)
{
    struct ptl_span left = ptl_span_skip(ptl_buffer_span(&sealing->going), sealing->gone);

    ptl_assert(left.size != 0);
    return ptl_stream_send(loop, stream, &left, 1);
}

int ptl_sealing_send(struct ptl_sealing *sealing, struct ptl_loop *loop, struct ptl_stream *stream,
                     const struct ptl_span spans[], unsigned count)
{
    ptl_assert(sealing->going.size == 0 && sealing->plain == 0);
    /* Its words were sealed before: they go first. */
    int err = ptl_buffer_append(&sealing->going, sealing->words.bytes, sealing->words.size);
    ptl_buffer_drop(&sealing->words);
    if (err == PTL_OK && ptl_sealing_may_say(sealing)) {
        err = seal(sealing, spans, count);
    }
    return err == PTL_OK ? hand_over(sealing, loop, stream) : err;
}

int ptl_sealing_sent(struct ptl_sealing *sealing, struct ptl_loop *loop, struct ptl_stream *stream,
                     size_t size, bool *more)
{
    sealing->gone += size;
    ptl_assert(sealing->gone <= sealing->going.size);
    *more = sealing->gone < sealing->going.size;
    if (*more) {
        int err = hand_over(sealing, loop, stream);
        *more = err == PTL_OK;
        return err;
    }
    int plain = (int)sealing->plain;
    sealing->plain = 0;
    sealing->gone = 0;
    ptl_buffer_ease(&sealing->going, GOING_KEPT);
    return plain;
}

bool ptl_sealing_finish(struct ptl_sealing *sealing)
{
    if (!ptl_sealing_may_say(sealing) || sealing->tls == NULL || sealing->finished) {
        return false;
    }
    sealing->finished = true;
    return ptl_tls_finish(sealing->tls, &sealing->words) == PTL_OK;
}

void ptl_sealing_drop(struct ptl_sealing *sealing)
{
    if (sealing->going.allocator == NULL) {
        return; /* it was never begun */
    }
    ptl_tls_free(sealing->tls);
    sealing->tls = NULL;
    ptl_unread_drop(&sealing->early);
    ptl_buffer_drop(&sealing->words);
    ptl_buffer_drop(&sealing->going);
}
