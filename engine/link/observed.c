#include "engine/link/observed.h"

#include "engine/message/name.h"
#include "engine/port/port.h"
#include "engine/shard/op.h"

static bool same_observed(const void *entry, struct ptl_span name)
{
    const struct ptl_observed *observed = entry;
    return ptl_span_equal(ptl_span(observed->name, observed->name_size), name);
}

void ptl_observed_init(struct ptl_all_observed *all, const struct ptl_allocator *allocator)
{
    ptl_map_init(&all->by_name, allocator);
    ptl_list_init(&all->made);
}

struct ptl_observed *ptl_observed_find(const struct ptl_all_observed *all, struct ptl_span name)
{
    return ptl_map_find(&all->by_name, ptl_name_hash(name), same_observed, name);
}

/* Those beyond the few. */
static void free_observers(const struct ptl_allocator *allocator, struct ptl_observed *observed)
{
    if (observed->observers != observed->few) {
        ptl_free(allocator, observed->observers, observed->capacity * sizeof(*observed->observers));
    }
}

void ptl_observed_free(const struct ptl_allocator *allocator, struct ptl_observed *observed)
{
    ptl_list_remove(&observed->made);
    free_observers(allocator, observed);
    ptl_free(allocator, observed, sizeof(*observed) + observed->name_size);
}

struct ptl_observed *ptl_observed_get(struct ptl_all_observed *all, struct ptl_span name)
{
    uint64_t hash = ptl_name_hash(name);
    struct ptl_observed *observed = ptl_map_find(&all->by_name, hash, same_observed, name);

    if (observed != NULL) {
        return observed;
    }
    if (ptl_map_reserve(&all->by_name) < 0) {
        return NULL;
    }
    observed = ptl_alloc(all->by_name.allocator, sizeof(*observed) + name.size);
    if (observed == NULL) {
        return NULL;
    }
    observed->hash = hash;
    /* Most ports are observed by one shard or two: these need no block of their own. */
    observed->observers = observed->few;
    observed->capacity = PTL_OBSERVED_FEW;
    observed->name_size = (uint32_t)name.size;
    if (name.size != 0) {
        memcpy(observed->name, name.bytes, name.size);
    }
    ptl_map_insert(&all->by_name, hash, observed);
    ptl_list_append(&all->made, &observed->made);
    return observed;
}

void ptl_observed_forget(struct ptl_all_observed *all, struct ptl_observed *observed)
{
    ptl_map_remove(&all->by_name, observed->hash, observed);
    ptl_observed_free(all->by_name.allocator, observed);
}

/* False: no memory. */
static bool grow(const struct ptl_allocator *allocator, struct ptl_observed *observed)
{
    size_t size = observed->capacity * sizeof(*observed->observers);
    struct ptl_observer *observers = ptl_alloc_raw(allocator, 2 * size);

    if (observers == NULL) {
        return false;
    }
    memcpy(observers, observed->observers, size);
    free_observers(allocator, observed);
    observed->observers = observers;
    observed->capacity *= 2;
    return true;
}

int ptl_observed_add(const struct ptl_allocator *allocator, struct ptl_observed *observed,
                     struct ptl_observer observer)
{
    if (observed->count == observed->capacity && !grow(allocator, observed)) {
        return PTL_ENOMEM;
    }
    ptl_assert(observed->count < observed->capacity);
    observed->observers[observed->count++] = observer;
    return PTL_OK;
}

/*
 * The map goes at once, the entries piece by piece: `list` is worked off in slices, and nobody
 * finds them by name meanwhile.
 */
void ptl_observed_leave(struct ptl_all_observed *all, struct ptl_list *list)
{
    ptl_list_append_all(list, &all->made);
    ptl_map_drop(&all->by_name);
}

struct ptl_observed *ptl_observed_last(const struct ptl_list *list)
{
    return ptl_list_empty(list) ? NULL : ptl_container(list->before, struct ptl_observed, made);
}

void ptl_observed_drop(struct ptl_all_observed *all)
{
    struct ptl_observed *observed;

    while ((observed = ptl_observed_last(&all->made)) != NULL) {
        ptl_observed_free(all->by_name.allocator, observed);
    }
    ptl_map_drop(&all->by_name);
}
