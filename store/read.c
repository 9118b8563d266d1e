/*
 * Reading: nothing here allocates.
 */
#include "store/inside.h"

static void show(const struct ptl_entry *entry, struct ptl_item *item)
{
    *item = (struct ptl_item){
        .family = ptl_family_name(entry->part->family),
        .key = ptl_entry_key(entry),
        .value = ptl_entry_value(entry),
        .owner = ptl_owner_id(entry->part->owner),
    };
}

bool ptl_store_get(const struct ptl_store *store, struct ptl_span name, struct ptl_span key,
                   struct ptl_item *item)
{
    const struct ptl_family *family = ptl_family_find(store, name);
    const struct ptl_entry *entry =
        family == NULL ? NULL : ptl_entry_shown(store, family, ptl_key_hash(family, key), key);

    if (entry != NULL) {
        show(entry, item);
    }
    return entry != NULL;
}

uint32_t ptl_store_families(const struct ptl_store *store)
{
    return store->families.count;
}

uint32_t ptl_store_entries(const struct ptl_store *store)
{
    return store->entries.count;
}

bool ptl_store_family_next(const struct ptl_store *store, const void **place, struct ptl_span *name,
                           uint32_t *keys)
{
    _Static_assert(offsetof(struct ptl_family, node) == 0, "a family begins with its node");
    const struct ptl_family *family =
        (const struct ptl_family *)ptl_table_next(&store->families, *place);

    if (family != NULL) {
        *place = family;
        *name = ptl_family_name(family);
        *keys = family->keys;
    }
    return family != NULL;
}

uint32_t ptl_store_family_count(const struct ptl_store *store, struct ptl_span name)
{
    const struct ptl_family *family = ptl_family_find(store, name);

    return family == NULL ? 0 : family->keys;
}

struct ptl_walk ptl_store_walk_family(const struct ptl_store *store, struct ptl_span name)
{
    const struct ptl_family *family = ptl_family_find(store, name);
    const struct ptl_part *part = family == NULL ? NULL : family->parts;

    return (struct ptl_walk){
        .part = part, .entry = part == NULL ? NULL : part->entries, .merged = true};
}

struct ptl_walk ptl_store_walk_owner(const struct ptl_store *store, struct ptl_span id)
{
    const struct ptl_owner *owner = ptl_owner_find(store, id);
    const struct ptl_part *part = ptl_owner_is_attached(owner) ? owner->parts : NULL;

    return (struct ptl_walk){.part = part, .entry = part == NULL ? NULL : part->entries};
}

/* The entry at the walk's place, and step over it; NULL at the end of this part. */
static const struct ptl_entry *step(struct ptl_walk *walk)
{
    const struct ptl_entry *entry = walk->entry;

    if (entry != NULL) {
        walk->entry = entry->in_part.next;
    }
    return entry;
}

/* The merged family shows each key once; what an owner has set is all told, hidden or not. */
static bool shows(const struct ptl_walk *walk, const struct ptl_entry *entry)
{
    return !walk->merged || !entry->hidden;
}

bool ptl_store_next(struct ptl_walk *walk, struct ptl_item *item)
{
    for (;;) {
        const struct ptl_entry *entry = step(walk);
        if (entry != NULL && shows(walk, entry)) {
            show(entry, item);
            return true;
        }
        if (entry != NULL) {
            continue;
        }
        const struct ptl_part *part = walk->part;
        if (part == NULL) {
            return false;
        }
        /* The other lists of the same parts: those of a family, or those of an owner. */
        part = walk->merged ? part->in_family.next : part->in_owner.next;
        walk->part = part;
        walk->entry = part == NULL ? NULL : part->entries;
    }
}

uint32_t ptl_store_owner_count(const struct ptl_store *store, struct ptl_span id)
{
    const struct ptl_owner *owner = ptl_owner_find(store, id);

    return ptl_owner_is_attached(owner) ? owner->entries : 0;
}

uint64_t ptl_store_owner_bytes(const struct ptl_store *store, struct ptl_span id)
{
    const struct ptl_owner *owner = ptl_owner_find(store, id);

    return ptl_owner_is_attached(owner) ? owner->bytes : 0;
}

struct ptl_brought ptl_store_brought(const struct ptl_store *store, struct ptl_span id)
{
    const struct ptl_via *via = ptl_via_find(store, id);

    return via == NULL ? (struct ptl_brought){0}
                       : (struct ptl_brought){.owners = via->owner_count,
                                              .entries = via->entries,
                                              .bytes = via->bytes,
                                              .leaving_owners = via->leaving,
                                              .leaving_entries = via->leaving_entries,
                                              .leaving_bytes = via->leaving_bytes};
}

bool ptl_store_owner(const struct ptl_store *store, struct ptl_span id, struct ptl_source *source)
{
    const struct ptl_owner *owner = ptl_owner_find(store, id);
    bool attached = ptl_owner_is_attached(owner);

    if (attached) {
        *source = ptl_owner_source(owner);
    }
    return attached;
}

bool ptl_store_owner_next(const struct ptl_store *store, struct ptl_span id, const void **place,
                          struct ptl_source *source)
{
    const struct ptl_via *via = ptl_via_find(store, id);
    const struct ptl_owner *owner = *place;

    if (via == NULL) {
        return false;
    }
    owner = owner == NULL ? via->owners : owner->in_via.next;
    ptl_assert(owner == NULL || owner->via == via);
    if (owner != NULL) {
        *place = owner;
        *source = ptl_owner_source(owner);
    }
    return owner != NULL;
}
