/*
 * perf/common/micro_store.h - the store as the benchmarks drive it, in C: a million entries of an
 * owner, and the same again in a second store that a feed keeps equal.
 *
 * A failure ends the program with a line on standard error: a benchmark has nobody to tell.
 */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct micro_store;

/* What keeps the second store equal, if there is one. */
enum micro_store_replica { MICRO_STORE_ALONE, MICRO_STORE_BY_OWNER, MICRO_STORE_MERGED };

/* `entries` keys like "key:0000123" will be used. */
struct micro_store *micro_store_open(uint32_t entries, enum micro_store_replica replica);
void micro_store_close(struct micro_store *bench);

/*
 * Set `count` keys, chosen in a fixed order without pattern, each to a value of 16 bytes that it
 * did not have; with a replica the feed is taken and applied after every 64.
 */
void micro_store_set(struct micro_store *bench, uint32_t count);

/* Read `count` keys in such an order; returns the bytes seen. */
uint64_t micro_store_get(const struct micro_store *bench, uint32_t count);

/* Walk the whole family; returns the keys seen. */
uint64_t micro_store_walk(const struct micro_store *bench);

/* Take all that a new feed tells of what is there, and apply it to nothing; returns the entries. */
uint64_t micro_store_copy(struct micro_store *bench);

/* Let the owner be lost, and attach it again, empty. */
void micro_store_lose(struct micro_store *bench);

/* Bytes that were asked for, for each entry, beside key and value. */
double micro_store_entry_bytes(const struct micro_store *bench);

#ifdef __cplusplus
}
#endif
