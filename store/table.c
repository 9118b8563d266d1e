#include "store/table.h"

#include "io/base.h"

/* The greatest power of two that is not above `value`. */
static uint32_t power_below(uint32_t value)
{
    return UINT32_C(1) << (31 - __builtin_clz(value));
}

/* Segment `s` holds the chains from 4 * 2^s up to twice that. */
static uint32_t segment_of(uint32_t power)
{
    return (uint32_t)__builtin_ctz(power / PTL_TABLE_FIRST);
}

static struct ptl_table_node **chain_at(const struct ptl_table *table, uint32_t index)
{
    if (index < PTL_TABLE_FIRST) {
        return (struct ptl_table_node **)&table->first[index];
    }
    uint32_t power = power_below(index);
    return &table->segments[segment_of(power)][index - power];
}

/*
 * Linear hashing: the low bits of the hash number the chain, one bit more where the chain of that
 * number has been split already. Between two doublings both numbers of bits are in use.
 */
static uint32_t index_of(const struct ptl_table *table, uint32_t hash)
{
    uint32_t power = power_below(table->chains);
    uint32_t index = hash & (2 * power - 1);

    /* The upper half of this doubling is split only as far as `chains`. */
    return index < table->chains ? index : hash & (power - 1);
}

static struct ptl_table_node **chain_of(const struct ptl_table *table, uint32_t hash)
{
    return chain_at(table, index_of(table, hash));
}

void ptl_table_init(struct ptl_table *table, const struct ptl_allocator *allocator)
{
    *table = (struct ptl_table){.allocator = allocator, .chains = PTL_TABLE_FIRST};
}

static void drop_segment(struct ptl_table *table, uint32_t segment)
{
    size_t chains = (size_t)PTL_TABLE_FIRST << segment;

    ptl_free(table->allocator, table->segments[segment], chains * sizeof(struct ptl_table_node *));
    table->segments[segment] = NULL;
}

void ptl_table_drop(struct ptl_table *table)
{
    for (uint32_t segment = 0; segment < PTL_TABLE_SEGMENTS; segment++) {
        drop_segment(table, segment);
    }
    ptl_table_init(table, table->allocator);
}

void ptl_table_expect(const struct ptl_table *table, uint32_t hash)
{
    __builtin_prefetch(chain_of(table, hash));
}

struct ptl_table_node *ptl_table_chain(const struct ptl_table *table, uint32_t hash)
{
    return *chain_of(table, hash);
}

struct ptl_table_node *ptl_table_next(const struct ptl_table *table,
                                      const struct ptl_table_node *node)
{
    struct ptl_table_node *next = node == NULL ? NULL : node->next;

    for (uint32_t i = node == NULL ? 0 : index_of(table, node->hash) + 1;
         next == NULL && i < table->chains; i++) {
        next = *chain_at(table, i);
    }
    return next;
}

/*
 * A segment is taken when its first chain is split off, and holds all that this doubling will need.
 */
static bool make_room(struct ptl_table *table, uint32_t power)
{
    uint32_t segment = segment_of(power);

    if (segment >= PTL_TABLE_SEGMENTS) {
        return false;
    }
    if (table->segments[segment] == NULL) {
        table->segments[segment] =
            ptl_alloc(table->allocator, power * sizeof(struct ptl_table_node *));
    }
    return table->segments[segment] != NULL;
}

/* Split one chain in two.  Each half keeps its order. */
static void grow(struct ptl_table *table)
{
    uint32_t index = table->chains;
    uint32_t power = power_below(index);

    ptl_assert(index >= PTL_TABLE_FIRST && table->chains < UINT32_MAX);

    if (!make_room(table, power)) {
        return;
    }
    struct ptl_table_node **from = chain_at(table, index - power);
    struct ptl_table_node **to = chain_at(table, index);
    while (*from != NULL) {
        struct ptl_table_node *node = *from;
        if ((node->hash & (2 * power - 1)) == index) {
            *from = node->next;
            *to = node;
            to = &node->next;
        } else {
            from = &node->next;
        }
    }
    *to = NULL;
    table->chains++;
    /* Splits go from chain to chain, one an insertion: have the next but one on its way. */
    index = table->chains - power_below(table->chains) + 1;
    __builtin_prefetch(*chain_at(table, index));
}

static bool shrinks(const struct ptl_table *table)
{
    return table->chains > PTL_TABLE_KEPT && table->count < table->chains / 4;
}

/* Join the last chain to the one that it was split from. */
static void shrink(struct ptl_table *table)
{
    uint32_t index = table->chains - 1;
    uint32_t power = power_below(index);
    struct ptl_table_node **end = chain_at(table, index - power);

    while (*end != NULL) {
        end = &(*end)->next;
    }
    ptl_assert(index >= PTL_TABLE_FIRST); /* the first chains stand in the table itself, for good */
    *end = *chain_at(table, index);
    *chain_at(table, index) = NULL;
    table->chains--;
    if (index == power) {
        drop_segment(table, segment_of(power));
    }
}

static void count_one_more(struct ptl_table *table)
{
    ptl_assert(table->count < UINT32_MAX);
    table->count++;
    if (table->count > table->chains) {
        grow(table);
    }
}

void ptl_table_insert(struct ptl_table *table, struct ptl_table_node *node, uint32_t hash)
{
    struct ptl_table_node **chain = chain_of(table, hash);

    node->hash = hash;
    node->next = *chain;
    *chain = node;
    count_one_more(table);
}

void ptl_table_insert_after(struct ptl_table *table, struct ptl_table_node *before,
                            struct ptl_table_node *node)
{
    node->hash = before->hash;
    node->next = before->next;
    before->next = node;
    count_one_more(table);
}

/* What points to the node: its chain, or the `next` of the one before it. */
static struct ptl_table_node **link_to(struct ptl_table *table, struct ptl_table_node *node)
{
    struct ptl_table_node **link = chain_of(table, node->hash);

    while (*link != node) {
        ptl_assert(*link != NULL);
        link = &(*link)->next;
    }
    return link;
}

void ptl_table_insert_before(struct ptl_table *table, struct ptl_table_node *after,
                             struct ptl_table_node *node)
{
    node->hash = after->hash;
    *link_to(table, after) = node;
    node->next = after;
    count_one_more(table);
}

void ptl_table_remove(struct ptl_table *table, struct ptl_table_node *node)
{
    ptl_assert(table->count > 0);
    *link_to(table, node) = node->next;
    node->next = NULL;
    table->count--;
    /* Four at a time: chains go as fast as elements where only a quarter of them is left. */
    for (int i = 0; i < 4 && shrinks(table); i++) {
        shrink(table);
    }
}

void ptl_table_replace(struct ptl_table *table, struct ptl_table_node *old,
                       struct ptl_table_node *node)
{
    ptl_assert(node != old);
    *link_to(table, old) = node;
    node->hash = old->hash;
    node->next = old->next;
    old->next = NULL;
}

struct ptl_table_node *ptl_table_empty(struct ptl_table *table)
{
    struct ptl_table_node *all = NULL;

    for (uint32_t index = 0; index < table->chains; index++) {
        /* Chain behind chain: what was found so far is hung to the end of this one. */
        struct ptl_table_node **end = chain_at(table, index);
        struct ptl_table_node *chain = *end;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = all;
        all = chain != NULL ? chain : all;
    }
    ptl_table_drop(table);
    return all;
}
