/*
 * tests/common/store_world.h - a store, its memory and who is woken, and words to write its tests
 * in.
 *
 * Sources are written "owner/via", or "owner" for one that brings itself.
 */
#pragma once

#include "store/watch.h"
#include "tests/common/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const struct ptl_store_limits limits;

struct world {
    struct test_memory memory;
    struct ptl_store *store;
    unsigned wakes;
};

/* A test with a world as its state. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_world_set_up, store_world_tear_down)
int store_world_set_up(void **state);
int store_world_tear_down(void **state);

struct ptl_span text(const char *chars);
struct ptl_source from(const char *names, uint64_t attachment);

/* Each as the function of store/store.h. */
int attach(struct world *world, const char *names, uint64_t attachment);
int set(struct world *world, const char *names, uint64_t attachment, const char *family,
        const char *key, const char *value);
int del(struct world *world, const char *names, uint64_t attachment, const char *family,
        const char *key);
int drop(struct world *world, const char *names, uint64_t attachment);

/* Replace by "key=value" items of family "fam". */
#define REPLACE(world, names, attachment, ...)                                                     \
    replace(world, names, attachment, (const char *const[]){__VA_ARGS__, NULL})
int replace(struct world *world, const char *names, uint64_t attachment, const char *const pairs[]);

void assert_span(struct ptl_span span, const char *expected);

/* `expected` NULL: the key shows nothing. */
void assert_shows(struct world *world, const char *family, const char *key, const char *expected);

/* For watches with the world as their data: it counts. */
void wake(void *data);

/* The next change but PTL_CHANGE_NONE, as text: "added fam/a=1", "deleted fam/a", "all",
 * "owner leaf 7", "". */
const char *take(struct ptl_watch *watch);

/* Take until nothing is left, and count what is told of `kind`. */
unsigned drain(struct ptl_watch *watch, enum ptl_change_kind kind);
