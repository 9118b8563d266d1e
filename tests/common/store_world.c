#include "tests/common/store_world.h"

#include <stdio.h>
#include <stdlib.h>

const struct ptl_store_limits limits = {
    .key_bytes_max = 8, .value_bytes_max = 16, .owner_entries_max = 4};

int store_world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    world->store = ptl_store_new(&world->memory.allocator, &limits);
    *state = world;
    return world->store == NULL;
}

int store_world_tear_down(void **state)
{
    struct world *world = *state;

    ptl_store_free(world->store);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

struct ptl_span text(const char *chars)
{
    return ptl_span_text(chars);
}

struct ptl_source from(const char *names, uint64_t attachment)
{
    const char *slash = strchr(names, '/');
    size_t size = slash == NULL ? strlen(names) : (size_t)(slash - names);

    return (struct ptl_source){.owner = ptl_span(names, size),
                               .via = slash == NULL ? text(names) : text(slash + 1),
                               .attachment = attachment};
}

int attach(struct world *world, const char *names, uint64_t attachment)
{
    struct ptl_source source = from(names, attachment);
    return ptl_store_attach(world->store, &source);
}

int set(struct world *world, const char *names, uint64_t attachment, const char *family,
        const char *key, const char *value)
{
    struct ptl_source source = from(names, attachment);
    return ptl_store_set(world->store, &source, text(family), text(key), text(value));
}

int del(struct world *world, const char *names, uint64_t attachment, const char *family,
        const char *key)
{
    struct ptl_source source = from(names, attachment);
    return ptl_store_del(world->store, &source, text(family), text(key));
}

int drop(struct world *world, const char *names, uint64_t attachment)
{
    struct ptl_source source = from(names, attachment);
    return (int)ptl_store_drop(world->store, &source);
}

static int set_pair(struct world *world, const struct ptl_source *source, const char *pair)
{
    const char *equals = strchr(pair, '=');

    return ptl_store_set(world->store, source, text("fam"), ptl_span(pair, (size_t)(equals - pair)),
                         text(equals + 1));
}

int replace(struct world *world, const char *names, uint64_t attachment, const char *const pairs[])
{
    struct ptl_source source = from(names, attachment);
    int result = ptl_store_replace_begin(world->store, &source);

    for (; *pairs != NULL && result == PTL_STORE_DONE; pairs++) {
        int err = set_pair(world, &source, *pairs);
        result = err < 0 ? err : PTL_STORE_DONE;
    }
    while (result == PTL_STORE_DONE &&
           ptl_store_replace_end(world->store, &source, &(uint32_t){1})) {
    }
    return result;
}

void assert_span(struct ptl_span span, const char *expected)
{
    assert_int_equal(span.size, strlen(expected));
    assert_memory_equal(span.bytes, expected, span.size);
}

void assert_shows(struct world *world, const char *family, const char *key, const char *expected)
{
    struct ptl_item item;
    bool there = ptl_store_get(world->store, text(family), text(key), &item);

    assert_int_equal(there, expected != NULL);
    if (there) {
        assert_span(item.value, expected);
    }
}

void wake(void *data)
{
    ((struct world *)data)->wakes++;
}

const char *take(struct ptl_watch *watch)
{
    static const char *const kinds[] = {"all",  "added", "changed", "deleted",
                                        "none", "owner", "lost"};
    static char line[200];
    struct ptl_change change;

    do {
        if (!ptl_watch_take(watch, &change)) {
            return "";
        }
    } while (change.kind == PTL_CHANGE_NONE);
    const char *kind = kinds[change.kind];
    int size = snprintf(line, sizeof(line), "%s", kind);
    if (change.kind == PTL_CHANGE_OWNER || change.kind == PTL_CHANGE_LOST) {
        snprintf(line + size, sizeof(line) - (size_t)size, " %.*s %d",
                 (int)change.source.owner.size, (const char *)change.source.owner.bytes,
                 (int)change.source.attachment);
    } else if (change.kind != PTL_CHANGE_ALL) {
        snprintf(line + size, sizeof(line) - (size_t)size, " %.*s/%.*s%s%.*s",
                 (int)change.family.size, (const char *)change.family.bytes, (int)change.key.size,
                 (const char *)change.key.bytes, change.kind == PTL_CHANGE_DELETED ? "" : "=",
                 (int)change.value.size, (const char *)change.value.bytes);
    }
    return line;
}

unsigned drain(struct ptl_watch *watch, enum ptl_change_kind kind)
{
    struct ptl_change change;
    unsigned count = 0;

    while (ptl_watch_take(watch, &change)) {
        count += change.kind == kind;
    }
    return count;
}
