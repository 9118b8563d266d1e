#include "engine/port/port.h"

#include "engine/message/name.h"
#include "engine/port/tag.h"
#include "engine/shard/shard.h"

#define NONE UINT32_MAX
#define SEGMENTS (PTL_SLOTS_MAX / PTL_SLOT_SEGMENT)

/* A slot retires at its last generation: its names would come round again (G3). */
#define GENERATION_LAST UINT32_MAX

int ptl_port_table_init(struct ptl_port_table *table, const struct ptl_allocator *allocator)
{
    *table = (struct ptl_port_table){.allocator = allocator, .free_first = NONE};
    ptl_map_init(&table->names, allocator);
    ptl_map_init(&table->met, allocator);
    table->segments = ptl_alloc(allocator, SEGMENTS * sizeof(*table->segments));
    if (table->segments == NULL) {
        return PTL_ENOMEM;
    }
    pthread_mutex_init(&table->lock, NULL);
    return PTL_OK;
}

void ptl_port_table_drop(struct ptl_port_table *table)
{
    if (table->segments == NULL) {
        return;
    }
    for (uint32_t i = 0; i < SEGMENTS && table->segments[i] != NULL; i++) {
        ptl_free(table->allocator, table->segments[i], PTL_SLOT_SEGMENT * sizeof(struct ptl_slot));
    }
    ptl_free(table->allocator, table->segments, SEGMENTS * sizeof(*table->segments));
    table->segments = NULL;
    ptl_map_drop(&table->names);
    ptl_map_drop(&table->met);
    pthread_mutex_destroy(&table->lock);
}

static bool same_name(const void *entry, struct ptl_span name)
{
    const struct ptl_slot *slot = entry;
    return ptl_span_equal(ptl_span(slot->more->name, slot->more->name_size), name);
}

/* A free slot, still marked so; NULL: none.  Under the lock. */
static struct ptl_slot *free_slot(struct ptl_port_table *table)
{
    if (table->free_first != NONE) {
        struct ptl_slot *slot = ptl_slot_at(table, table->free_first);
        table->free_first = slot->index;
        return slot;
    }
    if (table->slot_count == PTL_SLOTS_MAX) {
        return NULL;
    }
    if (table->slot_count % PTL_SLOT_SEGMENT == 0) {
        struct ptl_slot *segment = ptl_alloc(table->allocator, PTL_SLOT_SEGMENT * sizeof(*segment));
        if (segment == NULL) {
            return NULL;
        }
        atomic_store_explicit(&table->segments[table->slot_count / PTL_SLOT_SEGMENT], segment,
                              memory_order_release);
    }
    struct ptl_slot *slot = ptl_slot_at(table, table->slot_count);
    slot->generation = 1;
    slot->index = table->slot_count++; /* keeps its index through free_first bookkeeping below */
    return slot;
}

struct ptl_port_more *ptl_port_more_make(const struct ptl_allocator *allocator)
{
    struct ptl_port_more *more = ptl_alloc(allocator, sizeof(*more));

    if (more != NULL) {
        ptl_map_init(&more->observers, allocator);
        ptl_map_init(&more->pending, allocator);
        ptl_queue_init(&more->queue);
    }
    return more;
}

struct ptl_port_more *ptl_port_more(struct ptl_shard *shard, struct ptl_slot *slot)
{
    if (slot->more == NULL) {
        slot->more = ptl_port_more_make(shard->allocator);
        if (slot->more != NULL) {
            slot->more->slot = slot;
        }
    }
    return slot->more;
}

static int set_name(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                    struct ptl_span name)
{
    more->name = ptl_alloc_raw(allocator, name.size);
    if (more->name == NULL) {
        return PTL_ENOMEM;
    }
    memcpy(more->name, name.bytes, name.size);
    more->name_size = (uint32_t)name.size;
    more->name_hash = ptl_name_hash(name);
    return PTL_OK;
}

static void free_new(const struct ptl_allocator *allocator, struct ptl_port_more *more)
{
    if (more != NULL) {
        ptl_tags_drop(allocator, more);
        ptl_free(allocator, more->name, more->name_size);
        ptl_free(allocator, more, sizeof(*more));
    }
}

/* What only some ports need, if this is one of them; else *made is NULL. */
static int make_more(const struct ptl_allocator *allocator, const struct ptl_port_options *options,
                     struct ptl_span name, struct ptl_port_more **made)
{
    struct ptl_port_more *more;
    int err = PTL_OK;

    *made = NULL;
    if (name.size == 0 && (options->tags == NULL || options->tags->tag == NULL)) {
        return PTL_OK;
    }
    more = ptl_port_more_make(allocator);
    if (more == NULL) {
        return PTL_ENOMEM;
    }
    if (name.size != 0) {
        err = set_name(allocator, more, name);
    }
    if (err == PTL_OK && options->tags != NULL) {
        err = ptl_tags_take(allocator, more, options->tags);
    }
    if (err < 0) {
        free_new(allocator, more);
        return err;
    }
    *made = more;
    return PTL_OK;
}

static int take_locked(struct ptl_port_table *table, const struct ptl_port_options *options,
                       struct ptl_port_more *more, uint32_t *index, uint32_t *generation)
{
    bool named = more != NULL && more->name != NULL;

    if (named) {
        struct ptl_span name = ptl_span(more->name, more->name_size);
        if (ptl_map_find(&table->names, more->name_hash, same_name, name) != NULL) {
            return PTL_EEXIST;
        }
        if (ptl_map_reserve(&table->names) < 0) {
            return PTL_ENOMEM;
        }
    }
    uint32_t next = table->free_first != NONE ? table->free_first : table->slot_count;
    struct ptl_slot *slot = free_slot(table);
    if (slot == NULL) {
        return table->slot_count == PTL_SLOTS_MAX ? PTL_ELIMIT : PTL_ENOMEM;
    }
    ptl_assert(atomic_load_explicit(&slot->state, memory_order_relaxed) == PTL_SLOT_FREE);
    slot->index = next;
    slot->ignore_unhandled = options->ignore_unhandled;
    slot->handler = options->handler;
    slot->handler_data = options->data;
    slot->data = options->data;
    slot->release = options->release;
    slot->more = more;
    slot->messages = 0;
    if (more != NULL) {
        more->slot = slot;
    }
    if (named) {
        ptl_map_insert(&table->names, more->name_hash, slot);
    }
    *index = slot->index;
    *generation = slot->generation;
    table->alive++;
    /* What stands in the slot is seen by whoever sees it alive. */
    atomic_store_explicit(&slot->state, PTL_SLOT_ALIVE, memory_order_release);
    return PTL_OK;
}

int ptl_slot_take(struct ptl_port_table *table, const struct ptl_port_options *options,
                  struct ptl_span name, uint32_t *slot, uint32_t *generation)
{
    struct ptl_port_more *more;
    int err = make_more(table->allocator, options, name, &more);

    if (err < 0) {
        return err;
    }
    pthread_mutex_lock(&table->lock);
    err = take_locked(table, options, more, slot, generation);
    pthread_mutex_unlock(&table->lock);
    if (err < 0) {
        free_new(table->allocator, more);
    }
    return err;
}

void ptl_slot_give(struct ptl_port_table *table, struct ptl_slot *slot)
{
    pthread_mutex_lock(&table->lock);
    ptl_assert(atomic_load(&slot->state) == PTL_SLOT_ALIVE);
    if (slot->more != NULL && slot->more->name != NULL) {
        bool was_there = ptl_map_remove(&table->names, slot->more->name_hash, slot);
        ptl_assert(was_there);
        ptl_map_remove(&table->met, ptl_name_key(slot->more->name_hash), slot); /* if it was met */
    }
    slot->more = NULL;
    slot->handler = NULL;
    slot->handler_data = NULL;
    slot->data = NULL;
    slot->release = NULL;
    ptl_assert(table->alive > 0);
    table->alive--;
    atomic_store_explicit(&slot->state, PTL_SLOT_FREE, memory_order_release);
    if (slot->generation != GENERATION_LAST) {
        uint32_t index = slot->index;
        slot->generation++;
        slot->index = table->free_first;
        table->free_first = index;
    }
    pthread_mutex_unlock(&table->lock);
}

uint32_t ptl_port_table_alive(struct ptl_port_table *table)
{
    pthread_mutex_lock(&table->lock);
    uint32_t alive = table->alive;
    pthread_mutex_unlock(&table->lock);
    return alive;
}

/* Makers change the names at any time: the shard keeps what it has found where nobody else does. */
static struct ptl_slot *meet(struct ptl_port_table *table, uint64_t hash, struct ptl_span name)
{
    pthread_mutex_lock(&table->lock);
    struct ptl_slot *slot = ptl_map_find(&table->names, hash, same_name, name);
    pthread_mutex_unlock(&table->lock);
    if (slot != NULL && ptl_map_reserve(&table->met) == PTL_OK) {
        ptl_map_insert(&table->met, ptl_name_key(hash), slot); /* else it is met again next time */
    }
    return slot;
}

/* Who was met is there still: only the shard ends a port, and forgets it then. */
struct ptl_slot *ptl_slot_met(struct ptl_port_table *table, uint32_t key, struct ptl_span name)
{
    struct ptl_slot *slot = ptl_map_find(&table->met, key, same_name, name);

    return slot != NULL ? slot : ptl_slot_named(table, name);
}

struct ptl_slot *ptl_slot_named(struct ptl_port_table *table, struct ptl_span name)
{
    uint64_t hash = ptl_name_hash(name);
    struct ptl_slot *slot = ptl_map_find(&table->met, ptl_name_key(hash), same_name, name);

    return slot != NULL ? slot : meet(table, hash, name);
}
