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

void ptl_observed_free(const struct ptl_allocator *allocator, struct ptl_observed *observed)
{
    ptl_list_remove(&observed->made);
    ptl_map_drop(&observed->many);
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
    ptl_map_init(&observed->many, all->by_name.allocator);
    observed->name_size = (uint8_t)name.size;
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

static void put_in_map(struct ptl_observed *observed, uint64_t observer)
{
    ptl_map_insert(&observed->many, ptl_map_spread(observer), (void *)(uintptr_t)observer);
}

int ptl_observed_add(struct ptl_observed *observed, uint64_t observer)
{
    if (observed->few_count < PTL_OBSERVED_FEW) {
        observed->few[observed->few_count++] = observer;
        return PTL_OK;
    }
    if (ptl_map_reserve(&observed->many) < 0) {
        return PTL_ENOMEM;
    }
    put_in_map(observed, observer);
    return PTL_OK;
}

void ptl_observed_remove(struct ptl_observed *observed, uint64_t observer)
{
    for (unsigned i = 0; i < observed->few_count; i++) {
        if (observed->few[i] == observer) {
            observed->few[i] = observed->few[--observed->few_count];
            return;
        }
    }
    ptl_map_remove(&observed->many, ptl_map_spread(observer), (void *)(uintptr_t)observer);
}

uint64_t ptl_observed_take(struct ptl_observed *observed)
{
    if (observed->many.count != 0) {
        return (uintptr_t)ptl_map_take(&observed->many);
    }
    return observed->few_count != 0 ? observed->few[--observed->few_count] : 0;
}

void ptl_observed_put_back(struct ptl_observed *observed, uint64_t observer)
{
    if (observed->few_count < PTL_OBSERVED_FEW) {
        observed->few[observed->few_count++] = observer;
    } else {
        put_in_map(observed, observer); /* it has left a place there */
    }
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
