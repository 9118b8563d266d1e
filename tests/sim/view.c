#include "tests/sim/view.h"

#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

void sim_view_drop(struct sim_view *view)
{
    free(view->items);
    *view = (struct sim_view){0};
}

/* Where the key is or would be. */
static uint32_t place_of(const struct sim_view *view, const char *key, bool *found)
{
    uint32_t low = 0, high = view->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (strcmp(view->items[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < view->count && strcmp(view->items[low].key, key) == 0;
    return low;
}

const struct sim_seen *sim_view_find(const struct sim_view *view, const char *key)
{
    bool found;
    uint32_t at = place_of(view, key, &found);
    return found ? &view->items[at] : NULL;
}

void sim_view_put(struct sim_view *view, const char *key, uint64_t print)
{
    bool found;
    uint32_t at = place_of(view, key, &found);
    if (!found) {
        if (view->count == view->capacity) {
            view->capacity = view->capacity * 2 + 8;
            view->items = sim_must_grow(view->items, view->capacity * sizeof view->items[0]);
        }
        memmove(&view->items[at + 1], &view->items[at], (view->count - at) * sizeof view->items[0]);
        snprintf(view->items[at].key, sizeof view->items[at].key, "%s", key);
        view->count++;
    }
    view->items[at].print = print;
}

bool sim_view_remove(struct sim_view *view, const char *key)
{
    bool found;
    uint32_t at = place_of(view, key, &found);
    if (found) {
        view->count--;
        memmove(&view->items[at], &view->items[at + 1], (view->count - at) * sizeof view->items[0]);
    }
    return found;
}

bool sim_views_differ(const struct sim_view *expected, const struct sim_view *found, char *text,
                      size_t size)
{
    for (uint32_t i = 0; i < expected->count; i++) {
        const struct sim_seen *item = &expected->items[i];
        const struct sim_seen *other = sim_view_find(found, item->key);
        if (other == NULL || other->print != item->print) {
            snprintf(text, size, "\"%s\" %s", item->key,
                     other == NULL ? "is missing" : "has another value");
            return true;
        }
    }
    for (uint32_t i = 0; i < found->count; i++) {
        if (sim_view_find(expected, found->items[i].key) == NULL) {
            snprintf(text, size, "\"%s\" should not be there", found->items[i].key);
            return true;
        }
    }
    return false;
}
