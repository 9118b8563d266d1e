#include "engine/directory/whereabouts.h"

#include "engine/directory/addresses.h"
#include "engine/directory/key.h"
#include "engine/directory/node_directory.h"
#include "engine/directory/post.h"
#include "engine/shard/node.h"
#include "io/address.h"

/* How long it may take until a change of the interfaces shows. */
#define LOOK_NS UINT64_C(5000000000)

/* Links that come up look themselves, but no oftener than this, however many they are. */
#define LOOK_AT_LINKS_NS UINT64_C(1000000000)

static unsigned count_texts(const char *const *texts)
{
    unsigned count = 0;

    while (texts != NULL && texts[count] != NULL) {
        count++;
    }
    return count;
}

static void drop_texts(struct ptl_node *node, char **texts, unsigned count)
{
    for (unsigned i = 0; texts != NULL && i < count; i++) {
        ptl_text_free(node->allocator, texts[i]);
    }
    if (texts != NULL) {
        ptl_free(node->allocator, texts, (count + 1) * sizeof(*texts));
    }
}

/* A copy, of so many; NULL: no memory. */
static char **copy_texts(struct ptl_node *node, const char *const *from, unsigned count)
{
    char **texts = ptl_alloc(node->allocator, (count + 1) * sizeof(*texts));
    bool good = texts != NULL;

    for (unsigned i = 0; good && i < count; i++) {
        texts[i] = ptl_text_copy(node->allocator, from[i], strlen(from[i]));
        good = texts[i] != NULL;
    }
    if (!good) {
        drop_texts(node, texts, count);
    }
    return good ? texts : NULL;
}

int ptl_whereabouts_announce(struct ptl_node *node, const char *const *announces)
{
    struct ptl_whereabouts *where = &node->directory->whereabouts;
    unsigned count = count_texts(announces);
    char **fresh = copy_texts(node, announces, count);

    if (fresh == NULL) {
        return PTL_ENOMEM;
    }
    pthread_mutex_lock(&where->lock);
    char **before = where->announces;
    unsigned count_before = atomic_load(&where->announce_count);
    where->announces = fresh;
    atomic_store(&where->announce_count, count);
    pthread_mutex_unlock(&where->lock);
    drop_texts(node, before, count_before);
    atomic_store(&where->is_new, true);
    return PTL_OK;
}

int ptl_whereabouts_init(struct ptl_node *node, const struct ptl_node_options *options)
{
    struct ptl_whereabouts *where = &node->directory->whereabouts;
    unsigned binds = count_texts(options->binds);

    pthread_mutex_init(&where->lock, NULL);
    ptl_buffer_init(&where->said, node->allocator, SIZE_MAX);
    ptl_buffer_init(&where->seen, node->allocator, SIZE_MAX);
    where->binds = ptl_alloc(node->allocator, (binds + 1) * sizeof(*where->binds));
    if (where->binds == NULL) {
        return PTL_ENOMEM;
    }
    where->bind_count = binds;
    int err = ptl_whereabouts_announce(node, options->announces);
    atomic_store(&where->is_new, false); /* it was never another */
    return err;
}

void ptl_whereabouts_drop(struct ptl_node *node)
{
    struct ptl_whereabouts *where = &node->directory->whereabouts;

    drop_texts(node, where->announces, atomic_load(&where->announce_count));
    ptl_free(node->allocator, where->binds, (where->bind_count + 1) * sizeof(*where->binds));
    ptl_buffer_drop(&where->said);
    ptl_buffer_drop(&where->seen);
    pthread_mutex_destroy(&where->lock);
}

void ptl_whereabouts_listen(struct ptl_node *node, unsigned index,
                            const struct ptl_address *address)
{
    struct ptl_whereabouts *where = &node->directory->whereabouts;

    ptl_assert(index < where->bind_count);
    where->binds[index] = *address;
    if (ptl_address_is_any(address)) {
        atomic_store(&where->any, true);
    }
}

/* What we announce is what the interfaces have. */
static bool is_varying(const struct ptl_whereabouts *where)
{
    return atomic_load_explicit(&where->any, memory_order_relaxed) &&
           atomic_load_explicit(&where->announce_count, memory_order_relaxed) == 0;
}

bool ptl_is_to_be_found(const struct ptl_node *node)
{
    const struct ptl_whereabouts *where = &node->directory->whereabouts;

    return where->bind_count + atomic_load(&where->announce_count) != 0;
}

/* ---- Looking --------------------------------------------------------------------------------- */

static uint32_t put_announced(const struct ptl_whereabouts *where, struct ptl_buffer *out)
{
    unsigned count = atomic_load(&where->announce_count);

    for (unsigned i = 0; i < count; i++) {
        ptl_key_put(out, ptl_span_text(where->announces[i]));
    }
    return count;
}

static uint32_t put_interfaces(struct ptl_shard *shard, bool loopback, struct ptl_buffer *out)
{
    const struct ptl_whereabouts *where = &shard->node->directory->whereabouts;
    uint32_t count = 0;

    for (unsigned i = 0; i < where->bind_count; i++) {
        struct ptl_address found[PTL_INTERFACES_MAX];
        unsigned more = ptl_loop_interfaces(shard->loop, &where->binds[i], loopback, found);
        ptl_assert(more <= PTL_INTERFACES_MAX);
        for (unsigned j = 0; j < more; j++) {
            ptl_key_put(out, ptl_span_text(found[j].text));
        }
        count += more;
    }
    return count;
}

/* What the program says; else what we listen on, and loopback only where nothing else is. */
static void put_all(struct ptl_shard *shard, struct ptl_buffer *out)
{
    size_t place = ptl_cbor_open(out);
    uint32_t count = put_announced(&shard->node->directory->whereabouts, out);

    if (count == 0) {
        count = put_interfaces(shard, false, out);
    }
    if (count == 0 && !shard->node->directory->whereabouts.met_others) {
        count = put_interfaces(shard, true, out);
    }
    ptl_cbor_close(out, place, PTL_CBOR_ARRAY, count);
}

/* Under the lock.  Returns whether something has changed; without memory nothing does. */
static bool look(struct ptl_shard *shard)
{
    struct ptl_whereabouts *where = &shard->node->directory->whereabouts;

    where->looked_at = shard->now;
    ptl_buffer_clear(&where->seen);
    put_all(shard, &where->seen);
    if (where->seen.err < 0 ||
        ptl_span_equal(ptl_buffer_span(&where->seen), ptl_buffer_span(&where->said))) {
        return false;
    }
    /* Swapped: the buffer of what was said before is where the next look goes. */
    struct ptl_buffer said = where->said;
    where->said = where->seen;
    where->seen = said;
    where->number++;
    return true;
}

uint64_t ptl_whereabouts_put(struct ptl_shard *shard, struct ptl_buffer *out)
{
    struct ptl_whereabouts *where = &shard->node->directory->whereabouts;

    pthread_mutex_lock(&where->lock);
    if (where->number == 0) {
        look(shard);
    }
    uint64_t number = where->number;
    if (number == 0) {
        out->err = where->seen.err;
    } else {
        ptl_buffer_append(out, where->said.bytes, where->said.size);
    }
    pthread_mutex_unlock(&where->lock);
    return out->err < 0 ? 0 : number;
}

/* ---- Telling --------------------------------------------------------------------------------- */

static const char interfaces[] = "the interfaces have changed";

static void log_change(struct ptl_shard *shard, const char *why)
{
    struct ptl_buffer array, list;

    ptl_buffer_init(&array, shard->allocator, SIZE_MAX);
    ptl_buffer_init(&list, shard->allocator, SIZE_MAX);
    if (ptl_whereabouts_put(shard, &array) != 0) {
        ptl_addresses_list(&list, ptl_buffer_span(&array));
    }
    size_t size = list.size == 0 ? 0 : list.size - 1; /* without the last comma */
    ptl_log(shard->node, PTL_LOG_INFO, "%s; now announced: %.*s", why, size == 0 ? 7 : (int)size,
            size == 0 ? "nothing" : (const char *)list.bytes);
    ptl_buffer_drop(&list);
    ptl_buffer_drop(&array);
}

static void tell(struct ptl_shard *shard)
{
    struct ptl_op op = ptl_dir_op(PTL_DIR_ADDRESSES);

    ptl_directory_post(shard, ptl_directory_place(shard, ptl_span_text("'l")), &op);
}

void ptl_whereabouts_link_up(struct ptl_shard *shard, const struct ptl_address *peer)
{
    struct ptl_whereabouts *where = &shard->node->directory->whereabouts;

    if (!is_varying(where)) {
        return;
    }
    bool other = !ptl_address_is_loopback(peer->text);
    pthread_mutex_lock(&where->lock);
    bool first = other && !where->met_others;
    bool before = where->number != 0;
    where->met_others |= other;
    bool changed =
        (first || shard->now >= where->looked_at + LOOK_AT_LINKS_NS) && look(shard) && before;
    pthread_mutex_unlock(&where->lock);
    if (changed) {
        log_change(shard, interfaces);
        /* In the same ring as what makes that shard tell the new peer, and before it. */
        tell(shard);
    }
}

/* Look, and have the others told.  Returns whether there was the memory for it. */
static bool look_and_tell(struct ptl_shard *shard, const char *why)
{
    struct ptl_whereabouts *where = &shard->node->directory->whereabouts;

    where->look_at = shard->now + LOOK_NS;
    pthread_mutex_lock(&where->lock);
    bool before = where->number != 0;
    bool changed = look(shard) && before;
    bool good = where->seen.err == PTL_OK;
    pthread_mutex_unlock(&where->lock);
    if (changed) {
        log_change(shard, why);
    }
    tell(shard); /* also when nothing has: the last time there may have been no memory */
    return good;
}

uint64_t ptl_whereabouts_work(struct ptl_shard *shard)
{
    struct ptl_whereabouts *where = &shard->node->directory->whereabouts;

    if (shard->index != 0 || shard->stop_step != PTL_STOP_NOT) {
        return UINT64_MAX;
    }
    if (atomic_load_explicit(&where->is_new, memory_order_relaxed)) {
        atomic_store(&where->is_new, false); /* first: what is said from now on is new again */
        if (!look_and_tell(shard, "others were set")) {
            atomic_store(&where->is_new, true);
            return where->look_at;
        }
    } else if (is_varying(where) && shard->now >= where->look_at) {
        look_and_tell(shard, interfaces);
    }
    return is_varying(where) ? where->look_at : UINT64_MAX;
}
