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

static int copy_announces(struct ptl_node *node, const char *const *announces)
{
    struct ptl_whereabouts *where = &node->directory->whereabouts;
    unsigned count = count_texts(announces);

    where->announces = ptl_alloc(node->allocator, (count + 1) * sizeof(*where->announces));
    if (where->announces == NULL) {
        return PTL_ENOMEM;
    }
    where->announce_count = count;
    for (unsigned i = 0; i < count; i++) {
        where->announces[i] = ptl_text_copy(node->allocator, announces[i], strlen(announces[i]));
        if (where->announces[i] == NULL) {
            return PTL_ENOMEM;
        }
    }
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
    return copy_announces(node, options->announces);
}

void ptl_whereabouts_drop(struct ptl_node *node)
{
    struct ptl_whereabouts *where = &node->directory->whereabouts;

    for (unsigned i = 0; i < where->announce_count; i++) {
        ptl_text_free(node->allocator, where->announces[i]);
    }
    ptl_free(node->allocator, where->announces,
             (where->announce_count + 1) * sizeof(*where->announces));
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
    if (where->announce_count == 0 && ptl_address_is_any(address)) {
        atomic_store(&where->vary, true);
    }
}

bool ptl_is_to_be_found(const struct ptl_node *node)
{
    const struct ptl_whereabouts *where = &node->directory->whereabouts;

    return where->bind_count + where->announce_count != 0;
}

/* ---- Looking --------------------------------------------------------------------------------- */

static uint32_t put_announced(const struct ptl_whereabouts *where, struct ptl_buffer *out)
{
    for (unsigned i = 0; i < where->announce_count; i++) {
        ptl_key_put(out, ptl_span_text(where->announces[i]));
    }
    return where->announce_count;
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

static void log_change(struct ptl_shard *shard)
{
    struct ptl_buffer array, list;

    ptl_buffer_init(&array, shard->allocator, SIZE_MAX);
    ptl_buffer_init(&list, shard->allocator, SIZE_MAX);
    if (ptl_whereabouts_put(shard, &array) != 0) {
        ptl_addresses_list(&list, ptl_buffer_span(&array));
    }
    size_t size = list.size == 0 ? 0 : list.size - 1; /* without the last comma */
    ptl_log(shard->node, PTL_LOG_INFO, "the interfaces have changed; now announced: %.*s",
            size == 0 ? 7 : (int)size, size == 0 ? "nothing" : (const char *)list.bytes);
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

    if (!atomic_load(&where->vary)) {
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
        log_change(shard);
        /* In the same ring as what makes that shard tell the new peer, and before it. */
        tell(shard);
    }
}

uint64_t ptl_whereabouts_work(struct ptl_shard *shard)
{
    struct ptl_whereabouts *where = &shard->node->directory->whereabouts;

    if (shard->index != 0 || !atomic_load_explicit(&where->vary, memory_order_relaxed) ||
        shard->stop_step != PTL_STOP_NOT) {
        return UINT64_MAX;
    }
    if (shard->now >= where->look_at) {
        where->look_at = shard->now + LOOK_NS;
        pthread_mutex_lock(&where->lock);
        bool before = where->number != 0;
        bool changed = look(shard) && before;
        pthread_mutex_unlock(&where->lock);
        if (changed) {
            log_change(shard);
        }
        tell(shard); /* also when nothing has: the last time there may have been no memory */
    }
    return where->look_at;
}
