#include "tests/store/store_copies.h"

#include <stdio.h>

/* Owner IDs out of step with their numbers, so that the lowest ID is nobody special. */
const char *const owner_names[OWNERS] = {"m0", "b1", "x2", "a3", "q4", "l5", "c6", "z7", "aa"};
const char *const family_names[FAMILIES] = {"fam", "other:2", "'l"};
/* In 'l two of the keys are nodes; one is a port of a node. */
const char *const key_names[KEYS] = {"a", "ab", "b1", "l5", "k", "x2#port"};

int index_of(const char *const names[], int count, struct ptl_span name)
{
    for (int i = 0; i < count; i++) {
        if (ptl_span_equal(name, ptl_span_text(names[i]))) {
            return i;
        }
    }
    return -1;
}

struct ptl_span value_bytes(unsigned value, char text[static 24])
{
    int size = snprintf(text, 24, "%u%s", value, value % 3 == 0 ? "....." : "");
    return ptl_span(text, (size_t)size);
}

unsigned value_of(struct ptl_span bytes)
{
    unsigned value = 0;

    for (size_t i = 0; i < bytes.size && bytes.bytes[i] != '.'; i++) {
        value = value * 10 + (bytes.bytes[i] - (unsigned)'0');
    }
    return value;
}

/* ---- Watchers ----------------------------------------------------------------------------- */

/* Once, until a take has returned false again. */
static void wake(void *data)
{
    struct follower *follower = data;

    check(follower->chance, !follower->woken);
    follower->woken = true;
}

static bool follows(const struct follower *follower, int key)
{
    const char *name = key_names[key];

    if (follower->prefix != NULL) {
        return strncmp(name, follower->prefix, strlen(follower->prefix)) == 0;
    }
    return follower->key < 0 || follower->key == key;
}

void follower_open(struct chance *chance, struct ptl_store *store, struct follower *follower)
{
    static const char *const prefixes[] = {"a", "b", "ab"};

    *follower = (struct follower){
        .chance = chance,
        .family = (int)sim_random_below(&chance->random, FAMILIES),
        .key = -1,
        .woken = true,
    };
    struct ptl_span family = ptl_span_text(family_names[follower->family]);
    switch (sim_random_below(&chance->random, 4)) {
    case 0:
        follower->key = (int)sim_random_below(&chance->random, KEYS);
        follower->watch =
            ptl_watch_key(store, family, ptl_span_text(key_names[follower->key]), wake, follower);
        break;
    case 1:
        follower->prefix = prefixes[sim_random_below(&chance->random, 3)];
        follower->watch =
            ptl_watch_prefix(store, family, ptl_span_text(follower->prefix), wake, follower);
        break;
    default:
        follower->watch = ptl_watch_family(store, family, wake, follower);
    }
    check(chance, follower->watch != NULL);
}

static void apply_to_copy(struct chance *chance, struct follower *follower,
                          const struct ptl_change *change)
{
    if (change->kind == PTL_CHANGE_ALL) {
        memset(follower->copy, 0, sizeof(follower->copy));
        return;
    }
    unsigned *copy = &follower->copy[index_of(key_names, KEYS, change->key)];
    check(chance, (change->kind == PTL_CHANGE_ADDED) == (*copy == 0));
    *copy = change->kind == PTL_CHANGE_DELETED ? 0 : value_of(change->value);
}

static void check_copy(const struct follower *follower, const struct ptl_store *store)
{
    struct ptl_span family = ptl_span_text(family_names[follower->family]);
    struct ptl_item item;

    for (int key = 0; key < KEYS; key++) {
        bool there = follows(follower, key) &&
                     ptl_store_get(store, family, ptl_span_text(key_names[key]), &item);
        check(follower->chance, follower->copy[key] == (there ? value_of(item.value) : 0));
    }
}

/* It is so now. */
static void check_told(const struct follower *follower, const struct ptl_store *store,
                       const struct ptl_change *change)
{
    struct ptl_item item;
    bool there = ptl_store_get(store, change->family, change->key, &item);

    check(follower->chance, there == (change->kind != PTL_CHANGE_DELETED));
    check(follower->chance, !there || ptl_span_equal(item.value, change->value));
}

void follower_take(struct follower *follower, const struct ptl_store *store, unsigned most)
{
    struct chance *chance = follower->chance;
    struct ptl_change change;
    bool told[KEYS] = {false};
    bool copies = ptl_watch_copies(follower->watch);

    if (!follower->woken) {
        check(chance, ptl_watch_pending(follower->watch) == 0);
        return;
    }
    check(chance, ptl_watch_pending(follower->watch) <= KEYS + 1); /* the copy is one */
    while (most-- > 0) {
        if (copies && !ptl_watch_copies(follower->watch)) {
            copies = false;
            memset(told, 0, sizeof(told)); /* once by the copy, and once as changed since */
        }
        if (!ptl_watch_take(follower->watch, &change)) {
            follower->woken = false;
            check_copy(follower, store);
            return;
        }
        if (change.kind == PTL_CHANGE_NONE) {
            continue;
        }
        if (change.kind == PTL_CHANGE_ALL) {
            copies = true;
            memset(told, 0, sizeof(told));
        } else {
            int key = index_of(key_names, KEYS, change.key);
            check(chance, !told[key]);
            told[key] = true;
            check_told(follower, store, &change);
        }
        apply_to_copy(chance, follower, &change);
    }
}

/* ---- Mirrors ------------------------------------------------------------------------------ */

static void wake_mirror(void *data)
{
    struct mirror *mirror = data;

    check(mirror->chance, !mirror->woken);
    mirror->woken = true;
}

void mirror_open(struct chance *chance, struct ptl_store *store, struct mirror *mirror)
{
    *mirror = (struct mirror){
        .chance = chance,
        .via = (unsigned)sim_random_below(&chance->random, GLOBALS),
        .woken = true,
        .merged = sim_random_chance(&chance->random, 500),
    };
    struct ptl_span via = ptl_span_text(owner_names[mirror->via]);
    mirror->feed = mirror->merged ? ptl_feed_merged(store, via, wake_mirror, mirror)
                                  : ptl_feed_via(store, via, wake_mirror, mirror);
    check(chance, mirror->feed != NULL);
}

/* Where it listens, or of one of its ports. */
static bool says_of_itself(int owner, int family, int key)
{
    size_t size = strlen(owner_names[owner]);

    return strncmp(key_names[key], owner_names[owner], size) == 0 &&
           (key_names[key][size] == '#' || (family == 2 && key_names[key][size] == '\0'));
}

int first_owner(const unsigned values[OWNERS], int family, int key)
{
    int best = -1;

    for (int owner = 0; owner < OWNERS; owner++) {
        if (values[owner] == 0) {
            continue;
        }
        if (says_of_itself(owner, family, key)) {
            return owner;
        }
        if (best < 0 || strcmp(owner_names[owner], owner_names[best]) < 0) {
            best = owner;
        }
    }
    return best;
}

static void read_whole(struct chance *chance, const struct ptl_store *store, int owner,
                       struct database *whole)
{
    struct ptl_walk walk = ptl_store_walk_owner(store, ptl_span_text(owner_names[owner]));
    struct ptl_item item;

    memset(whole, 0, sizeof(*whole));
    while (ptl_store_next(&walk, &item)) {
        int family = index_of(family_names, FAMILIES, item.family);
        int key = index_of(key_names, KEYS, item.key);
        check(chance, whole->values[family][key] == 0);
        whole->values[family][key] = value_of(item.value);
    }
}

/* What came through a node: of each owner, zeroes for all others; returns how many they are. */
static unsigned read_via(struct chance *chance, const struct ptl_store *store, unsigned via,
                         struct database wholes[OWNERS], uint64_t attachments[OWNERS])
{
    struct ptl_source source;
    const void *place = NULL;
    unsigned count = 0;

    memset(wholes, 0, OWNERS * sizeof(wholes[0]));
    memset(attachments, 0, OWNERS * sizeof(attachments[0]));
    while (ptl_store_owner_next(store, ptl_span_text(owner_names[via]), &place, &source)) {
        int owner = index_of(owner_names, OWNERS, source.owner);
        read_whole(chance, store, owner, &wholes[owner]);
        attachments[owner] = source.attachment;
        count++;
    }
    return count;
}

static int first_of(const struct database wholes[OWNERS], int family, int key)
{
    unsigned values[OWNERS];

    for (int owner = 0; owner < OWNERS; owner++) {
        values[owner] = wholes[owner].values[family][key];
    }
    return first_owner(values, family, key);
}

static void check_together(const struct mirror *mirror, const struct database wholes[OWNERS])
{
    for (int family = 0; family < FAMILIES; family++) {
        for (int key = 0; key < KEYS; key++) {
            int first = first_of(wholes, family, key);
            check(mirror->chance, mirror->together.values[family][key] ==
                                      (first < 0 ? 0 : wholes[first].values[family][key]));
        }
    }
}

static void check_mirror(const struct mirror *mirror, const struct ptl_store *store)
{
    struct chance *chance = mirror->chance;
    struct database wholes[OWNERS];
    uint64_t attachments[OWNERS];
    unsigned count = read_via(chance, store, mirror->via, wholes, attachments);

    if (mirror->merged) {
        if (!ptl_store_has_work(store)) { /* else it shows entries of owners that are gone */
            check_together(mirror, wholes);
        }
        return;
    }
    for (int owner = 0; owner < OWNERS; owner++) {
        if (mirror->owners[owner].known) {
            check(chance, mirror->owners[owner].attachment == attachments[owner]);
            check(chance,
                  memcmp(&mirror->owners[owner].copy, &wholes[owner], sizeof(wholes[owner])) == 0);
            count--;
        }
    }
    check(chance, count == 0);
}

/* What is told is so now: the value that ranks first, and whose it is. */
static void mirror_together(struct mirror *mirror, const struct ptl_store *store,
                            const struct ptl_change *change)
{
    int family = index_of(family_names, FAMILIES, change->family);
    int key = index_of(key_names, KEYS, change->key);
    unsigned value = change->kind == PTL_CHANGE_DELETED ? 0 : value_of(change->value);
    struct database wholes[OWNERS];
    uint64_t attachments[OWNERS];

    check(mirror->chance, change->kind != PTL_CHANGE_OWNER && change->kind != PTL_CHANGE_LOST);
    read_via(mirror->chance, store, mirror->via, wholes, attachments);
    int first = first_of(wholes, family, key);
    if (!ptl_store_has_work(store)) {
        check(mirror->chance, first == index_of(owner_names, OWNERS, change->source.owner));
        check(mirror->chance, value == (first < 0 ? 0 : wholes[first].values[family][key]));
    }
    mirror->together.values[family][key] = value;
}

/* `again`: it belongs to a copy that is told once more. */
static void mirror_owner(struct mirror *mirror, const struct ptl_change *change, bool again)
{
    struct chance *chance = mirror->chance;
    int number = index_of(owner_names, OWNERS, change->source.owner);
    bool deleted = change->kind == PTL_CHANGE_DELETED;

    check(chance, number >= 0);
    if (change->kind == PTL_CHANGE_OWNER && again) {
        check(chance, mirror->owners[number].known &&
                          mirror->owners[number].attachment == change->source.attachment);
        return; /* what it has stays */
    }
    if (change->kind == PTL_CHANGE_OWNER) {
        mirror->owners[number].known = true;
        mirror->owners[number].attachment = change->source.attachment;
        memset(&mirror->owners[number].copy, 0, sizeof(mirror->owners[number].copy));
        return;
    }
    check(chance, mirror->owners[number].known);
    if (change->kind == PTL_CHANGE_LOST) {
        check(chance, mirror->owners[number].attachment <= change->source.attachment);
        mirror->owners[number].known = false;
        return;
    }
    check(chance, mirror->owners[number].attachment == change->source.attachment);
    int family = index_of(family_names, FAMILIES, change->family);
    int key = index_of(key_names, KEYS, change->key);
    mirror->owners[number].copy.values[family][key] = deleted ? 0 : value_of(change->value);
}

void mirror_take(struct mirror *mirror, const struct ptl_store *store, unsigned most)
{
    struct chance *chance = mirror->chance;
    struct ptl_change change;

    if (!mirror->woken) {
        check(chance, ptl_watch_pending(mirror->feed) == 0);
        return;
    }
    while (most-- > 0) {
        bool again = mirror->again && ptl_watch_copies(mirror->feed);
        if (!ptl_watch_take(mirror->feed, &change)) {
            mirror->woken = false;
            check_mirror(mirror, store);
            return;
        }
        if (change.kind == PTL_CHANGE_NONE) {
            continue;
        }
        if (change.kind == PTL_CHANGE_ALL) {
            mirror->again = false;
            memset(&mirror->together, 0, sizeof(mirror->together));
            memset(mirror->owners, 0, sizeof(mirror->owners));
        } else if (mirror->merged) {
            mirror_together(mirror, store, &change);
        } else {
            mirror_owner(mirror, &change, again);
        }
    }
}

void mirror_again(struct mirror *mirror)
{
    if (ptl_watch_copies(mirror->feed)) {
        return;
    }
    mirror->again = true;
    ptl_feed_again(mirror->feed);
    check(mirror->chance, mirror->woken); /* as with any news, whether it was told before or not */
}
