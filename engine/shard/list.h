/*
 * engine/shard/list.h - a list of what is embedded in other things, in order; anything on it can
 * leave at once, whichever list it is on by now.
 *
 *   list <-> first <-> ... <-> last <-> list
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ptl_list {
    struct ptl_list *next, *before; /* NULL: on no list */
};

static inline void ptl_list_init(struct ptl_list *list)
{
    list->next = list->before = list;
}

static inline bool ptl_list_empty(const struct ptl_list *list)
{
    return list->next == list;
}

static inline bool ptl_listed(const struct ptl_list *entry)
{
    return entry->next != NULL;
}

/* Behind `place`: of a list, as its first. */
static inline void ptl_list_insert(struct ptl_list *place, struct ptl_list *entry)
{
    entry->next = place->next;
    entry->before = place;
    place->next->before = entry;
    place->next = entry;
}

static inline void ptl_list_append(struct ptl_list *list, struct ptl_list *entry)
{
    ptl_list_insert(list->before, entry);
}

/* Take it off its list, if it is on one. */
static inline void ptl_list_remove(struct ptl_list *entry)
{
    if (entry->next != NULL) {
        entry->next->before = entry->before;
        entry->before->next = entry->next;
        entry->next = entry->before = NULL;
    }
}

/* All of `from` go to the end of `list`, or to its front; `from` is empty then. */
static inline void ptl_list_append_all(struct ptl_list *list, struct ptl_list *from)
{
    if (!ptl_list_empty(from)) {
        from->next->before = list->before;
        from->before->next = list;
        list->before->next = from->next;
        list->before = from->before;
        ptl_list_init(from);
    }
}

static inline void ptl_list_prepend_all(struct ptl_list *list, struct ptl_list *from)
{
    if (!ptl_list_empty(from)) {
        from->next->before = list;
        from->before->next = list->next;
        list->next->before = from->before;
        list->next = from->next;
        ptl_list_init(from);
    }
}
