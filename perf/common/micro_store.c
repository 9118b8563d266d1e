#include "perf/common/micro_store.h"

#include "store/watch.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES 11
#define VALUE_BYTES 16
#define BATCH 64

struct micro_store {
    struct ptl_allocator counting;
    size_t out_bytes;
    struct ptl_store *store;
    struct ptl_store *replica;
    struct ptl_watch *feed;
    struct ptl_source source;
    uint32_t entries;
    uint32_t position;
    uint64_t values; /* given out */
};

static void must(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", what, ptl_err_text(err));
        exit(1);
    }
}

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    struct micro_store *bench = user;
    const struct ptl_allocator *libc = ptl_allocator_libc();
    void *moved = libc->resize(libc->user, block, old_size, new_size);

    if (moved != NULL || new_size == 0) {
        bench->out_bytes += new_size - old_size;
    }
    return moved;
}

static struct ptl_store *open_store(struct micro_store *bench)
{
    struct ptl_store_limits limits = {255, 1024, UINT32_MAX, UINT32_MAX, 0};
    struct ptl_store *store = ptl_store_new(&bench->counting, &limits);

    must(store == NULL ? PTL_ENOMEM : 0, "a store");
    must(ptl_store_attach(store, &bench->source), "attach");
    return store;
}

struct micro_store *micro_store_open(uint32_t entries, enum micro_store_replica replica)
{
    struct micro_store *bench = calloc(1, sizeof(*bench));

    must(bench == NULL ? PTL_ENOMEM : 0, "a benchmark");
    bench->counting = (struct ptl_allocator){.resize = resize, .user = bench};
    bench->entries = entries;
    bench->source = (struct ptl_source){
        .owner = ptl_span_text("leaf"), .via = ptl_span_text("rain"), .attachment = 1};
    bench->store = open_store(bench);
    if (replica != MICRO_STORE_ALONE) {
        bench->replica = open_store(bench);
        bench->feed = replica == MICRO_STORE_BY_OWNER
                          ? ptl_feed_via(bench->store, bench->source.via, NULL, NULL)
                          : ptl_feed_merged(bench->store, bench->source.via, NULL, NULL);
        must(bench->feed == NULL ? PTL_ENOMEM : 0, "a feed");
    }
    return bench;
}

void micro_store_close(struct micro_store *bench)
{
    ptl_watch_free(bench->feed);
    ptl_store_free(bench->store);
    ptl_store_free(bench->replica);
    free(bench);
}

static struct ptl_span write_key(char key[static KEY_BYTES], uint32_t number)
{
    memcpy(key, "key:", 4);
    for (int i = KEY_BYTES - 1; i >= 4; i--) {
        key[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return ptl_span(key, KEY_BYTES);
}

/* Every key comes once in `entries` steps, the number being odd and the entries a power of two. */
static struct ptl_span next_key(uint32_t *position, uint32_t entries, char key[static KEY_BYTES])
{
    *position += UINT32_C(0x9e3779b1);
    return write_key(key, *position & (entries - 1));
}

static void replicate(struct micro_store *bench)
{
    struct ptl_change change;

    while (ptl_watch_take(bench->feed, &change)) {
        if (change.kind == PTL_CHANGE_ADDED || change.kind == PTL_CHANGE_CHANGED) {
            must(ptl_store_set(bench->replica, &change.source, change.family, change.key,
                               change.value),
                 "set there");
        }
    }
}

void micro_store_set(struct micro_store *bench, uint32_t count)
{
    struct ptl_span family = ptl_span_text("fam");
    uint8_t value[VALUE_BYTES] = {0};
    char key[KEY_BYTES];

    for (uint32_t i = 1; i <= count; i++) {
        bench->values++;
        memcpy(value, &bench->values, sizeof(bench->values));
        must(ptl_store_set(bench->store, &bench->source, family,
                           next_key(&bench->position, bench->entries, key),
                           ptl_span(value, VALUE_BYTES)),
             "set");
        if (bench->feed != NULL && i % BATCH == 0) {
            replicate(bench);
        }
    }
}

uint64_t micro_store_get(const struct micro_store *bench, uint32_t count)
{
    struct ptl_span family = ptl_span_text("fam");
    uint32_t position = bench->position;
    struct ptl_item item;
    uint64_t bytes = 0;
    char key[KEY_BYTES];

    for (uint32_t i = 0; i < count; i++) {
        if (ptl_store_get(bench->store, family, next_key(&position, bench->entries, key), &item)) {
            bytes += item.value.size;
        }
    }
    return bytes;
}

uint64_t micro_store_copy(struct micro_store *bench)
{
    struct ptl_watch *feed = ptl_feed_via(bench->store, bench->source.via, NULL, NULL);
    struct ptl_change change;
    uint64_t entries = 0;

    must(feed == NULL ? PTL_ENOMEM : 0, "a feed");
    while (ptl_watch_take(feed, &change)) {
        entries += change.kind == PTL_CHANGE_ADDED;
    }
    ptl_watch_free(feed);
    return entries;
}

uint64_t micro_store_walk(const struct micro_store *bench)
{
    struct ptl_walk walk = ptl_store_walk_family(bench->store, ptl_span_text("fam"));
    struct ptl_item item;
    uint64_t keys = 0;

    while (ptl_store_next(&walk, &item)) {
        keys++;
    }
    return keys;
}

void micro_store_lose(struct micro_store *bench)
{
    ptl_store_drop(bench->store, &bench->source);
    must(ptl_store_attach(bench->store, &bench->source), "attach");
}

double micro_store_entry_bytes(const struct micro_store *bench)
{
    uint32_t entries = ptl_store_owner_count(bench->store, bench->source.owner);
    double bytes = (double)bench->out_bytes / (bench->replica == NULL ? 1 : 2);

    return bytes / entries - KEY_BYTES - VALUE_BYTES;
}
