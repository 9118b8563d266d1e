/*
 * Finding entries: those of one key stand side by side in their chain, the one that shows first.
 * Chains are of the key's hash mixed with its family's, so they may hold other keys beside.
 */
#include "io/hash.h"
#include "store/inside.h"

uint32_t ptl_key_hash(const struct ptl_family *family, struct ptl_span key)
{
    /* The other half of the hash than its family's: a key may be called like its family. */
    return (uint32_t)(ptl_hash(key) >> 32) ^ family->node.hash;
}

static struct ptl_entry *in_chain(struct ptl_table_node *node)
{
    return (struct ptl_entry *)node;
}

/* The first of its key in its chain, which is the one that shows. */
struct ptl_entry *ptl_entry_shown(const struct ptl_store *store, const struct ptl_family *family,
                                  uint32_t hash, struct ptl_span key)
{
    struct ptl_entry *entry = in_chain(ptl_table_chain(&store->entries, hash));

    while (entry != NULL && !ptl_entry_has_key(entry, family, hash, key)) {
        entry = in_chain(entry->node.next);
    }
    ptl_assert(entry == NULL || !entry->hidden); /* all behind it are hidden */
    return entry;
}

struct ptl_entry *ptl_entry_of(const struct ptl_store *store, const struct ptl_part *part,
                               uint32_t hash, struct ptl_span key)
{
    struct ptl_entry *entry = ptl_entry_shown(store, part->family, hash, key);

    while (entry != NULL && entry->part != part) {
        entry = ptl_entry_next(entry);
    }
    return entry;
}

/* Through the entries of one key, in the order of their ranks: the first that came this way. */
struct ptl_entry *ptl_entry_via(const struct ptl_store *store, const struct ptl_family *family,
                                const struct ptl_via *via, uint32_t hash, struct ptl_span key)
{
    struct ptl_entry *entry = ptl_entry_shown(store, family, hash, key);

    while (entry != NULL && entry->part->owner->via != via) {
        entry = ptl_entry_next(entry);
    }
    return entry;
}

/* In two lines of the cache, mostly: an entry is a head of 43 bytes, its key and its value. */
void ptl_entry_expect(const struct ptl_store *store, uint32_t hash)
{
    const struct ptl_entry *entry = in_chain(ptl_table_chain(&store->entries, hash));

    if (entry != NULL) {
        __builtin_prefetch(entry);
        __builtin_prefetch(entry->bytes + PTL_CACHE_LINE / 2); /* it is rarely in one line */
    }
}

static bool watches(const struct ptl_watch *watch, uint32_t hash, const struct ptl_family *family,
                    struct ptl_span key)
{
    return watch->node.hash == hash && watch->family == family &&
           ptl_span_equal(ptl_span(watch->filter, watch->filter_size), key);
}

static struct ptl_watch *find_watch(struct ptl_table_node *node, uint32_t hash,
                                    const struct ptl_family *family, struct ptl_span key)
{
    while (node != NULL && !watches((struct ptl_watch *)node, hash, family, key)) {
        node = node->next;
    }
    return (struct ptl_watch *)node;
}

struct ptl_watch *ptl_key_watch(const struct ptl_store *store, const struct ptl_entry *entry)
{
    uint32_t hash = entry->node.hash;

    return find_watch(ptl_table_chain(&store->key_watches, hash), hash, entry->part->family,
                      ptl_entry_key(entry));
}

struct ptl_watch *ptl_key_watch_next(const struct ptl_watch *watch)
{
    return find_watch(watch->node.next, watch->node.hash, watch->family,
                      ptl_span(watch->filter, watch->filter_size));
}
