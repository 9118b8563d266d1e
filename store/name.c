/*
 * What is found by its name: vias, owners, families, and the parts that join the latter two.
 */
#include "io/hash.h"
#include "store/inside.h"

int ptl_span_order(struct ptl_span a, struct ptl_span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.bytes, b.bytes, common);

    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

/* The lower half: keys are spread by the upper one. */
static uint32_t name_hash(struct ptl_span name)
{
    return (uint32_t)ptl_hash(name);
}

/*
 * The three kinds of named things differ in where the name stands; `offset` says where, and the
 * node's size is the name's.
 */
static struct ptl_table_node *find(const struct ptl_table *table, struct ptl_span name,
                                   size_t offset)
{
    uint32_t hash = name_hash(name);
    struct ptl_table_node *node = ptl_table_chain(table, hash);

    while (node != NULL) {
        if (node->hash == hash &&
            ptl_span_equal(ptl_span((const uint8_t *)node + offset, node->size), name)) {
            return node;
        }
        node = node->next;
    }
    return NULL;
}

static struct ptl_table_node *get(struct ptl_table *table, struct ptl_span name, size_t offset)
{
    struct ptl_table_node *node = find(table, name, offset);

    if (node != NULL) {
        return node;
    }
    node = ptl_alloc(table->allocator, offset + name.size);
    if (node != NULL) {
        memcpy((uint8_t *)node + offset, name.bytes, name.size);
        node->size = (uint32_t)name.size;
        ptl_table_insert(table, node, name_hash(name));
    }
    return node;
}

static void forget(struct ptl_table *table, struct ptl_table_node *node, size_t offset)
{
    ptl_table_remove(table, node);
    ptl_free(table->allocator, node, offset + node->size);
}

struct ptl_via *ptl_via_find(const struct ptl_store *store, struct ptl_span id)
{
    return (struct ptl_via *)find(&store->vias, id, offsetof(struct ptl_via, id));
}

struct ptl_owner *ptl_owner_find(const struct ptl_store *store, struct ptl_span id)
{
    return (struct ptl_owner *)find(&store->owners, id, offsetof(struct ptl_owner, id));
}

struct ptl_family *ptl_family_find(const struct ptl_store *store, struct ptl_span name)
{
    return (struct ptl_family *)find(&store->families, name, offsetof(struct ptl_family, name));
}

struct ptl_via *ptl_via_get(struct ptl_store *store, struct ptl_span id)
{
    return (struct ptl_via *)get(&store->vias, id, offsetof(struct ptl_via, id));
}

struct ptl_owner *ptl_owner_get(struct ptl_store *store, struct ptl_span id)
{
    return (struct ptl_owner *)get(&store->owners, id, offsetof(struct ptl_owner, id));
}

struct ptl_family *ptl_family_get(struct ptl_store *store, struct ptl_span name)
{
    struct ptl_family *family =
        (struct ptl_family *)get(&store->families, name, offsetof(struct ptl_family, name));

    if (family != NULL) {
        family->own_first = ptl_span_equal(name, ptl_span_text("'l"));
        family->names_globals = ptl_span_equal(name, ptl_span_text("'g"));
    }
    return family;
}

/* ---- What nothing needs any more ----------------------------------------------------------- */

void ptl_via_tidy(struct ptl_store *store, struct ptl_via *via)
{
    if (via->owners == NULL && via->feeds == NULL && via->merged == NULL && via->leaving == 0) {
        ptl_assert(via->cursors == 0); /* they are of its feeds */
        ptl_assert(via->owner_count == 0 && via->entries == 0 && via->leaving_entries == 0);
        ptl_assert(via->bytes == 0 && via->leaving_bytes == 0);
        /* Of one that has gone another may stand in the table. */
        if (via->gone) {
            ptl_list_remove(&store->gone, via, in_gone);
            ptl_free(store->allocator, via, offsetof(struct ptl_via, id) + via->node.size);
        } else {
            forget(&store->vias, &via->node, offsetof(struct ptl_via, id));
        }
    }
}

void ptl_owner_tidy(struct ptl_store *store, struct ptl_owner *owner)
{
    if (owner->via != NULL || owner->parts != NULL || owner->bare != 0 || owner->held) {
        return;
    }
    ptl_assert(owner->entries == 0 && owner->bytes == 0);
    /* One that has left stands in no table any more: another of its ID may stand there. */
    if (owner->leaving) {
        ptl_free(store->allocator, owner, offsetof(struct ptl_owner, id) + owner->node.size);
    } else {
        forget(&store->owners, &owner->node, offsetof(struct ptl_owner, id));
    }
}

void ptl_family_tidy(struct ptl_store *store, struct ptl_family *family)
{
    if (family->parts == NULL && family->watches == NULL && family->named == 0) {
        ptl_assert(family->keys == 0 && family->cursors == 0);
        forget(&store->families, &family->node, offsetof(struct ptl_family, name));
    }
}

/* ---- Parts -------------------------------------------------------------------------------- */

static uint32_t part_hash(const struct ptl_owner *owner, const struct ptl_family *family)
{
    return (owner->node.hash * UINT32_C(0x9e3779b1)) ^ family->node.hash;
}

struct ptl_part *ptl_part_find(const struct ptl_store *store, const struct ptl_owner *owner,
                               const struct ptl_family *family)
{
    struct ptl_table_node *node = ptl_table_chain(&store->parts, part_hash(owner, family));

    while (node != NULL) {
        struct ptl_part *part = (struct ptl_part *)node;
        if (part->owner == owner && part->family == family) {
            return part;
        }
        node = node->next;
    }
    return NULL;
}

struct ptl_part *ptl_part_get(struct ptl_store *store, struct ptl_owner *owner,
                              struct ptl_span name)
{
    struct ptl_family *family = ptl_family_get(store, name);

    if (family == NULL) {
        return NULL;
    }
    struct ptl_part *part = ptl_part_find(store, owner, family);
    if (part != NULL) {
        return part;
    }
    part = ptl_alloc(store->allocator, sizeof(*part));
    if (part == NULL) {
        ptl_family_tidy(store, family);
        return NULL;
    }
    /* Bare until its first entry: both sides count it, neither lists it. */
    part->owner = owner;
    part->family = family;
    owner->bare++;
    family->named++;
    ptl_table_insert(&store->parts, &part->node, part_hash(owner, family));
    return part;
}

void ptl_part_fill(struct ptl_store *store, struct ptl_part *part)
{
    ptl_assert(part->entries == NULL && part->owner->bare > 0 && part->family->named > 0);
    part->owner->bare--;
    part->family->named--;
    part->number = ++store->numbers;
    ptl_list_add(&part->owner->parts, part, in_owner);
    ptl_list_add(&part->family->parts, part, in_family);
}

void ptl_part_bare(struct ptl_part *part)
{
    ptl_assert(part->entries == NULL);
    ptl_list_remove(&part->owner->parts, part, in_owner);
    ptl_list_remove(&part->family->parts, part, in_family);
    part->owner->bare++;
    part->family->named++;
}

void ptl_part_tidy(struct ptl_store *store, struct ptl_part *part)
{
    struct ptl_owner *owner = part->owner;
    struct ptl_family *family = part->family;

    if (part->entries != NULL || part->node.size != 0) {
        return;
    }
    ptl_assert(owner->bare > 0 && family->named > 0);
    owner->bare--;
    family->named--;
    ptl_table_remove(&store->parts, &part->node);
    if (store->recent == part) {
        store->recent = NULL;
    }
    ptl_free(store->allocator, part, sizeof(*part));
    /* Its last part may have been all that kept either of them. */
    ptl_family_tidy(store, family);
    ptl_owner_tidy(store, owner);
}
