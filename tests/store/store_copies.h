/*
 * tests/store/store_copies.h - what the watchers of store_model_test.c hold: copies that are made
 * and kept by takes alone, and must be right whenever a take has returned false.
 *
 * A fact that does not hold fails the test, with the seed.
 */
#pragma once

#include "store/watch.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GLOBALS 5
#define LEAVES 4
#define OWNERS (GLOBALS + LEAVES)
#define FAMILIES 3
#define KEYS 6
#define ENTRIES (FAMILIES * KEYS)

extern const char *const owner_names[OWNERS];
extern const char *const family_names[FAMILIES];
extern const char *const key_names[KEYS];

/* Of one run, which is its seed. */
struct chance {
    struct sim_random random;
    uint64_t seed;
    bool scarce; /* every fourth call gets no memory */
};

#define check(chance, fact)                                                                        \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fail_msg("seed %llu: %s", (unsigned long long)(chance)->seed, #fact);                  \
        }                                                                                          \
    } while (0)

/* A database as the model has it: values above 0, or 0 for none. */
struct database {
    unsigned values[FAMILIES][KEYS];
};

/* Who watches a family, a key or a prefix. */
struct follower {
    struct chance *chance;
    struct ptl_watch *watch;
    int family;
    int key;            /* -1: all, or a prefix */
    const char *prefix; /* NULL: none */
    unsigned copy[KEYS];
    bool woken;
};

/* Who takes a feed of what came through one of the global nodes. */
struct mirror {
    struct chance *chance;
    struct ptl_watch *feed;
    unsigned via;
    bool woken;
    bool merged;
    bool again;               /* told once more: its copy began with what it has */
    struct database together; /* merged: this is all of it */
    struct {
        bool known;
        uint64_t attachment;
        struct database copy;
    } owners[OWNERS];
};

int index_of(const char *const names[], int count, struct ptl_span name);

/* Values of several sizes, so that they are sometimes replaced in place. */
struct ptl_span value_bytes(unsigned value, char text[static 24]);
unsigned value_of(struct ptl_span bytes);

/* Which of these owners' values comes first; -1: none is above 0. */
int first_owner(const unsigned values[OWNERS], int family, int key);

/* Each watches something, by chance; the caller frees the watch. */
void follower_open(struct chance *chance, struct ptl_store *store, struct follower *follower);
void mirror_open(struct chance *chance, struct ptl_store *store, struct mirror *mirror);

/* Take some changes, or all: then the copy is compared with the store. */
void follower_take(struct follower *follower, const struct ptl_store *store, unsigned most);
void mirror_take(struct mirror *mirror, const struct ptl_store *store, unsigned most);

/* Have it told once more what it has, unless a copy is under way. */
void mirror_again(struct mirror *mirror);
