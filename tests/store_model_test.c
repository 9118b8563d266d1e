/*
 * Global nodes exchange feeds, ordinary nodes come, go and move between them, links are cut and
 * joined, changes are set and deleted: afterwards all stores agree with a model that knows only who
 * set what, and every watcher's copy equals its family at every take.  Memory is short at times.
 *
 * The argument "--seed N" runs one schedule; a failure prints its seed.
 */
#include "store/watch.h"

#include "sim/random.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define SCHEDULES 12000
#else
#define SCHEDULES 50000
#endif
#define STEPS 120
#define GLOBALS 5
#define LEAVES 4
#define OWNERS (GLOBALS + LEAVES)
#define FAMILIES 3
#define KEYS 5
#define WATCHES 5
#define FLIGHT 16 /* changes on their way from one store to another */
#define ENTRIES (FAMILIES * KEYS)

/* Owner IDs out of step with their numbers, so that the lowest ID is nobody special. */
static const char *const owner_names[OWNERS] = {"m0", "b1", "x2", "a3", "q4",
                                                "l5", "c6", "z7", "aa"};
static const char *const family_names[FAMILIES] = {"fam", "other:2", "'l"};
/* In 'l two of the keys are nodes. */
static const char *const key_names[KEYS] = {"a", "ab", "b1", "l5", "k"};

/* A database as the model has it: values above 0, or 0 for none. */
struct database {
    unsigned values[FAMILIES][KEYS];
};

/* One change on its way, with bytes of its own. */
struct packet {
    enum ptl_change_kind kind;
    int owner; /* -1: of none */
    uint64_t attachment;
    int family;
    int key;
    unsigned value;
    struct database whole; /* with PTL_CHANGE_OWNER */
};

struct follower {
    struct ptl_watch *watch;
    int family;
    int key;            /* -1: all, or a prefix */
    const char *prefix; /* NULL: none */
    unsigned copy[KEYS];
    bool woken;
};

struct link {
    bool up;
    struct ptl_watch *feed; /* of the sender's own owners */
    struct packet flight[FLIGHT];
    unsigned first, count;
};

struct global {
    struct ptl_store *store;
    struct follower followers[WATCHES];
    struct link to[GLOBALS];
    bool leaves[LEAVES]; /* takes this one for attached to it, rightly or not */
    uint64_t leaf_attachment[LEAVES];
};

struct world {
    struct sim_random random;
    uint64_t seed;
    unsigned globals;
    struct global nodes[GLOBALS];
    struct database truth[OWNERS];
    int master[LEAVES]; /* -1: none */
    uint64_t attachment[LEAVES];
    unsigned values; /* given out */
    struct ptl_allocator allocator;
    bool short_at_times;
    bool scarce; /* every fourth call gets no memory */
};

#define check(world, fact)                                                                         \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fail_msg("seed %llu: %s", (unsigned long long)(world)->seed, #fact);                   \
        }                                                                                          \
    } while (0)

static int index_of(const char *const names[], int count, struct ptl_span name)
{
    for (int i = 0; i < count; i++) {
        if (ptl_span_equal(name, ptl_span_text(names[i]))) {
            return i;
        }
    }
    return -1;
}

/* Values of several sizes, so that they are sometimes replaced in place. */
static struct ptl_span value_bytes(unsigned value, char text[static 24])
{
    int size = snprintf(text, 24, "%u%s", value, value % 3 == 0 ? "....." : "");
    return ptl_span(text, (size_t)size);
}

static unsigned value_of(struct ptl_span bytes)
{
    unsigned value = 0;

    for (size_t i = 0; i < bytes.size && bytes.bytes[i] != '.'; i++) {
        value = value * 10 + (bytes.bytes[i] - (unsigned)'0');
    }
    return value;
}

static struct ptl_source source_of(int owner, unsigned via, uint64_t attachment)
{
    return (struct ptl_source){.owner = ptl_span_text(owner_names[owner]),
                               .via = ptl_span_text(owner_names[via]),
                               .attachment = attachment};
}

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    struct world *world = user;
    const struct ptl_allocator *libc = ptl_allocator_libc();

    if (world->scarce && new_size > old_size && sim_random_chance(&world->random, 250)) {
        return NULL;
    }
    return libc->resize(libc->user, block, old_size, new_size);
}

/* ---- Watchers ----------------------------------------------------------------------------- */

static void wake(void *data)
{
    ((struct follower *)data)->woken = true;
}

static bool follows(const struct follower *follower, int key)
{
    const char *name = key_names[key];

    if (follower->prefix != NULL) {
        return strncmp(name, follower->prefix, strlen(follower->prefix)) == 0;
    }
    return follower->key < 0 || follower->key == key;
}

static void open_follower(struct world *world, struct global *node, struct follower *follower)
{
    static const char *const prefixes[] = {"a", "b", "ab"};

    *follower = (struct follower){
        .family = (int)sim_random_below(&world->random, FAMILIES),
        .key = -1,
        .woken = true,
    };
    struct ptl_span family = ptl_span_text(family_names[follower->family]);
    switch (sim_random_below(&world->random, 4)) {
    case 0:
        follower->key = (int)sim_random_below(&world->random, KEYS);
        follower->watch = ptl_watch_key(node->store, family,
                                        ptl_span_text(key_names[follower->key]), wake, follower);
        break;
    case 1:
        follower->prefix = prefixes[sim_random_below(&world->random, 3)];
        follower->watch =
            ptl_watch_prefix(node->store, family, ptl_span_text(follower->prefix), wake, follower);
        break;
    default:
        follower->watch = ptl_watch_family(node->store, family, wake, follower);
    }
    check(world, follower->watch != NULL);
}

static void copy_all(struct world *world, struct follower *follower)
{
    struct ptl_walk walk = ptl_watch_walk(follower->watch);
    struct ptl_item item;

    memset(follower->copy, 0, sizeof(follower->copy));
    while (ptl_store_next(&walk, &item)) {
        int key = index_of(key_names, KEYS, item.key);
        check(world, follower->copy[key] == 0);
        follower->copy[key] = value_of(item.value);
    }
}

static void apply_to_copy(struct world *world, struct follower *follower,
                          const struct ptl_change *change)
{
    if (change->kind == PTL_CHANGE_ALL) {
        copy_all(world, follower);
        return;
    }
    unsigned *copy = &follower->copy[index_of(key_names, KEYS, change->key)];
    check(world, (change->kind == PTL_CHANGE_ADDED) == (*copy == 0));
    *copy = change->kind == PTL_CHANGE_DELETED ? 0 : value_of(change->value);
}

static void check_copy(struct world *world, struct global *node, struct follower *follower)
{
    struct ptl_span family = ptl_span_text(family_names[follower->family]);
    struct ptl_item item;

    for (int key = 0; key < KEYS; key++) {
        bool there = follows(follower, key) &&
                     ptl_store_get(node->store, family, ptl_span_text(key_names[key]), &item);
        check(world, follower->copy[key] == (there ? value_of(item.value) : 0));
    }
}

/* Take some changes, or all: then the copy is right. */
static void take(struct world *world, struct global *node, struct follower *follower, unsigned most)
{
    struct ptl_change change;
    bool told[KEYS] = {false};

    if (!follower->woken) {
        check(world, ptl_watch_pending(follower->watch) == 0);
        return;
    }
    check(world, ptl_watch_pending(follower->watch) <= KEYS);
    while (most-- > 0) {
        if (!ptl_watch_take(follower->watch, &change)) {
            follower->woken = false;
            check_copy(world, node, follower);
            return;
        }
        if (change.kind != PTL_CHANGE_ALL) {
            int key = index_of(key_names, KEYS, change.key);
            check(world, !told[key]);
            told[key] = true;
        }
        apply_to_copy(world, follower, &change);
    }
}

/* ---- Feeds between global nodes ------------------------------------------------------------ */

static void read_whole(struct world *world, const struct ptl_store *store, int owner,
                       struct database *whole)
{
    struct ptl_walk walk = ptl_store_walk_owner(store, ptl_span_text(owner_names[owner]));
    struct ptl_item item;

    memset(whole, 0, sizeof(*whole));
    while (ptl_store_next(&walk, &item)) {
        int family = index_of(family_names, FAMILIES, item.family);
        int key = index_of(key_names, KEYS, item.key);
        check(world, whole->values[family][key] == 0);
        whole->values[family][key] = value_of(item.value);
    }
}

static int replace(struct world *world, struct ptl_store *store, const struct ptl_source *source,
                   const struct database *whole)
{
    struct ptl_item items[ENTRIES];
    char text[ENTRIES][24];
    size_t count = 0;

    for (int family = 0; family < FAMILIES; family++) {
        for (int key = 0; key < KEYS; key++) {
            unsigned value = whole->values[family][key];
            if (value != 0) {
                items[count] = (struct ptl_item){
                    .family = ptl_span_text(family_names[family]),
                    .key = ptl_span_text(key_names[key]),
                    .value = value_bytes(value, text[count]),
                };
                count++;
            }
        }
    }
    int result = ptl_store_replace(store, source, items, count);
    check(world, result >= 0 || (world->scarce && result == PTL_ENOMEM));
    return result;
}

static struct packet *send(struct world *world, struct link *link)
{
    check(world, link->count < FLIGHT);
    struct packet *packet = &link->flight[(link->first + link->count++) % FLIGHT];
    memset(packet, 0, sizeof(*packet));
    return packet;
}

static void send_owner(struct world *world, struct global *from, struct link *link,
                       const struct ptl_source *source)
{
    struct packet *packet = send(world, link);

    packet->kind = PTL_CHANGE_OWNER;
    packet->owner = index_of(owner_names, OWNERS, source->owner);
    packet->attachment = source->attachment;
    read_whole(world, from->store, packet->owner, &packet->whole);
}

static void send_all(struct world *world, struct global *from, unsigned number, struct link *link)
{
    struct ptl_source source;
    const void *place = NULL;

    send(world, link)->kind = PTL_CHANGE_ALL;
    while (ptl_store_owner_next(from->store, ptl_span_text(owner_names[number]), &place, &source)) {
        send_owner(world, from, link, &source);
    }
}

/* Take one change from the feed and put it on its way. */
static bool feed_one(struct world *world, unsigned from, unsigned to)
{
    struct global *node = &world->nodes[from];
    struct link *link = &node->to[to];
    struct ptl_change change;

    if (!link->up || link->count + OWNERS + 1 > FLIGHT || !ptl_watch_take(link->feed, &change)) {
        return false;
    }
    if (change.kind == PTL_CHANGE_ALL) {
        send_all(world, node, from, link);
        return true;
    }
    if (change.kind == PTL_CHANGE_OWNER) {
        send_owner(world, node, link, &change.source);
        return true;
    }
    struct packet *packet = send(world, link);
    packet->kind = change.kind;
    packet->owner = index_of(owner_names, OWNERS, change.source.owner);
    packet->attachment = change.source.attachment;
    if (change.kind != PTL_CHANGE_LOST) {
        packet->family = index_of(family_names, FAMILIES, change.family);
        packet->key = index_of(key_names, KEYS, change.key);
    }
    if (change.kind == PTL_CHANGE_ADDED || change.kind == PTL_CHANGE_CHANGED) {
        packet->value = value_of(change.value);
    }
    return true;
}

static int apply(struct world *world, struct ptl_store *store, unsigned via,
                 const struct packet *packet)
{
    struct ptl_source source =
        source_of(packet->owner < 0 ? 0 : packet->owner, via, packet->attachment);
    struct ptl_span family = ptl_span_text(family_names[packet->family]);
    struct ptl_span key = ptl_span_text(key_names[packet->key]);
    char text[24];
    int result = 0;

    switch (packet->kind) {
    case PTL_CHANGE_ALL:
        ptl_store_drop_via(store, ptl_span_text(owner_names[via]));
        break;
    case PTL_CHANGE_OWNER:
        result = replace(world, store, &source, &packet->whole);
        break;
    case PTL_CHANGE_LOST:
        ptl_store_drop(store, &source);
        break;
    case PTL_CHANGE_DELETED:
        result = ptl_store_del(store, &source, family, key);
        break;
    case PTL_CHANGE_ADDED:
    case PTL_CHANGE_CHANGED:
        result = ptl_store_set(store, &source, family, key, value_bytes(packet->value, text));
    }
    /* An owner that was lost meanwhile through another node is unknown. */
    check(world, result >= 0 || result == PTL_EOWNER || (world->scarce && result == PTL_ENOMEM));
    return result;
}

static bool deliver_one(struct world *world, unsigned from, unsigned to)
{
    struct link *link = &world->nodes[from].to[to];

    if (!link->up || link->count == 0) {
        return false;
    }
    if (apply(world, world->nodes[to].store, from, &link->flight[link->first]) == PTL_ENOMEM) {
        return true; /* it stays first */
    }
    link->first = (link->first + 1) % FLIGHT;
    link->count--;
    return true;
}

static void join(struct world *world, unsigned a, unsigned b)
{
    struct link *link = &world->nodes[a].to[b];

    if (link->up) {
        return;
    }
    for (int way = 0; way < 2; way++) {
        link->up = true;
        link->first = link->count = 0;
        link->feed = ptl_feed_via(world->nodes[a].store, ptl_span_text(owner_names[a]), NULL, NULL);
        check(world, link->feed != NULL);
        unsigned other = a;
        a = b;
        b = other;
        link = &world->nodes[a].to[b];
    }
}

static void cut(struct world *world, unsigned a, unsigned b)
{
    for (int way = 0; way < 2; way++) {
        struct link *link = &world->nodes[a].to[b];
        if (link->up) {
            ptl_watch_free(link->feed);
            link->up = false;
            ptl_store_drop_via(world->nodes[a].store, ptl_span_text(owner_names[b]));
        }
        unsigned other = a;
        a = b;
        b = other;
    }
}

/* ---- What nodes do -------------------------------------------------------------------------- */

/* Where an owner's changes go: its store and its source; false when they go nowhere. */
static bool home(struct world *world, int owner, struct ptl_store **store,
                 struct ptl_source *source)
{
    if (owner < GLOBALS) {
        *store = world->nodes[owner].store;
        *source = source_of(owner, (unsigned)owner, 1);
        return true;
    }
    int leaf = owner - GLOBALS;
    int master = world->master[leaf];
    if (master < 0) {
        return false;
    }
    *store = world->nodes[master].store;
    *source = source_of(owner, (unsigned)master, world->attachment[leaf]);
    return true;
}

static int some_owner(struct world *world)
{
    unsigned pick = (unsigned)sim_random_below(&world->random, world->globals + LEAVES);

    return (int)(pick < world->globals ? pick : GLOBALS + pick - world->globals);
}

static void set_or_delete(struct world *world)
{
    int owner = some_owner(world);
    unsigned family = (unsigned)sim_random_below(&world->random, FAMILIES);
    unsigned key = (unsigned)sim_random_below(&world->random, KEYS);
    unsigned *truth = &world->truth[owner].values[family][key];
    struct ptl_span name = ptl_span_text(family_names[family]);
    struct ptl_span key_name = ptl_span_text(key_names[key]);
    struct ptl_source source;
    struct ptl_store *store;
    char text[24];
    unsigned before = *truth;

    if (sim_random_chance(&world->random, 350)) {
        *truth = 0;
    } else if (!sim_random_chance(&world->random, 100) || *truth == 0) {
        *truth = ++world->values; /* else the same value again */
    }
    if (!home(world, owner, &store, &source)) {
        return;
    }
    int result = *truth == 0
                     ? ptl_store_del(store, &source, name, key_name)
                     : ptl_store_set(store, &source, name, key_name, value_bytes(*truth, text));
    if (world->scarce && result == PTL_ENOMEM) {
        *truth = before;
        return;
    }
    check(world, result == (*truth == before ? PTL_STORE_SAME : PTL_STORE_DONE));
}

/* A global node finds that a link to an ordinary node is gone. */
static void notice(struct world *world, unsigned node, int leaf)
{
    struct global *global = &world->nodes[node];

    if (global->leaves[leaf] && world->master[leaf] != (int)node) {
        struct ptl_source source = source_of(GLOBALS + leaf, node, global->leaf_attachment[leaf]);
        ptl_store_drop(global->store, &source);
        global->leaves[leaf] = false;
    }
}

/* An ordinary node loses its master, and perhaps finds another at once. */
static void move_leaf(struct world *world)
{
    int leaf = (int)sim_random_below(&world->random, LEAVES);
    int old = world->master[leaf];
    int master = (int)sim_random_below(&world->random, world->globals + 1) - 1;

    world->master[leaf] = -1;
    if (old >= 0 && (old == master || sim_random_chance(&world->random, 500))) {
        notice(world, (unsigned)old, leaf);
    }
    if (master < 0) {
        return;
    }
    world->master[leaf] = master;
    struct global *node = &world->nodes[master];
    node->leaves[leaf] = true;
    node->leaf_attachment[leaf] = ++world->attachment[leaf];
    struct ptl_source source =
        source_of(GLOBALS + leaf, (unsigned)master, node->leaf_attachment[leaf]);
    check(world,
          replace(world, node->store, &source, &world->truth[GLOBALS + leaf]) == PTL_STORE_DONE);
}

/* A global node starts, or starts again, with an empty store. */
static void start(struct world *world, unsigned number)
{
    static const struct ptl_store_limits limits = {255, 4096, ENTRIES};
    struct global *node = &world->nodes[number];
    struct ptl_source source = source_of((int)number, number, 1);

    memset(node->leaves, 0, sizeof(node->leaves));
    node->store = ptl_store_new(&world->allocator, &limits);
    check(world, node->store != NULL);
    check(world, ptl_store_attach(node->store, &source) == PTL_STORE_DONE);
    check(world, replace(world, node->store, &source, &world->truth[number]) == PTL_STORE_DONE);
    for (unsigned i = 0; i < WATCHES; i++) {
        open_follower(world, node, &node->followers[i]);
    }
}

static void stop(struct world *world, unsigned number)
{
    struct global *node = &world->nodes[number];

    for (unsigned other = 0; other < world->globals; other++) {
        if (other != number) {
            cut(world, number, other);
        }
    }
    for (int leaf = 0; leaf < LEAVES; leaf++) {
        if (world->master[leaf] == (int)number) {
            world->master[leaf] = -1;
        }
    }
    for (unsigned i = 0; i < WATCHES; i++) {
        ptl_watch_free(node->followers[i].watch);
    }
    ptl_store_free(node->store);
}

/* A whole database anew through the attachment it has, with what was missed while it had none. */
static void repeat_whole(struct world *world)
{
    int owner = some_owner(world);
    struct ptl_source source;
    struct ptl_store *store;

    if (home(world, owner, &store, &source)) {
        check(world, replace(world, store, &source, &world->truth[owner]) == PTL_STORE_DONE);
    }
}

/* ---- Schedules ------------------------------------------------------------------------------ */

static void step_link(struct world *world, unsigned from, unsigned to)
{
    if (sim_random_chance(&world->random, 600)) {
        feed_one(world, from, to);
    } else {
        deliver_one(world, from, to);
    }
}

static void reopen(struct world *world, struct global *node, struct follower *follower)
{
    ptl_watch_free(follower->watch);
    open_follower(world, node, follower);
}

static void step(struct world *world)
{
    unsigned from = (unsigned)sim_random_below(&world->random, world->globals);
    unsigned to = (from + 1 + (unsigned)sim_random_below(&world->random, world->globals - 1)) %
                  world->globals;
    struct global *node = &world->nodes[from];
    struct follower *follower = &node->followers[sim_random_below(&world->random, WATCHES)];
    uint64_t what = sim_random_below(&world->random, 1000);

    if (what < 700) {
        world->scarce = world->short_at_times && sim_random_chance(&world->random, 200);
        if (what < 350) {
            set_or_delete(world);
        } else {
            step_link(world, from, to);
        }
        world->scarce = false;
    } else if (what < 850) {
        take(world, node, follower, (unsigned)sim_random_between(&world->random, 1, 8));
    } else if (what < 900) {
        move_leaf(world);
    } else if (what < 930) {
        notice(world, from, (int)sim_random_below(&world->random, LEAVES));
    } else if (what < 945) {
        cut(world, from, to);
    } else if (what < 970) {
        join(world, from, to);
    } else if (what < 980) {
        repeat_whole(world);
    } else if (what < 992) {
        reopen(world, node, follower);
    } else {
        stop(world, from);
        start(world, from);
    }
}

/* Links heal, losses are noticed, everything is taken and has arrived. */
static void settle(struct world *world)
{
    bool moving = true;

    for (unsigned a = 0; a < world->globals; a++) {
        for (int leaf = 0; leaf < LEAVES; leaf++) {
            notice(world, a, leaf);
        }
        for (unsigned b = 0; b < a; b++) {
            join(world, a, b);
        }
    }
    while (moving) {
        moving = false;
        for (unsigned a = 0; a < world->globals; a++) {
            for (unsigned b = 0; b < world->globals; b++) {
                moving = (a != b && (feed_one(world, a, b) | deliver_one(world, a, b))) || moving;
            }
        }
    }
}

/* The value that should show, by the model alone. */
static unsigned expected(const struct world *world, int family, int key)
{
    int best = -1;

    for (int owner = 0; owner < OWNERS; owner++) {
        bool here =
            owner < GLOBALS ? owner < (int)world->globals : world->master[owner - GLOBALS] >= 0;
        if (!here || world->truth[owner].values[family][key] == 0) {
            continue;
        }
        if (family == 2 && strcmp(owner_names[owner], key_names[key]) == 0) {
            best = owner;
            break;
        }
        if (best < 0 || strcmp(owner_names[owner], owner_names[best]) < 0) {
            best = owner;
        }
    }
    return best < 0 ? 0 : world->truth[best].values[family][key];
}

static void check_store(struct world *world, struct global *node)
{
    for (int family = 0; family < FAMILIES; family++) {
        struct ptl_span name = ptl_span_text(family_names[family]);
        struct ptl_item item;
        uint32_t count = 0;
        for (int key = 0; key < KEYS; key++) {
            unsigned value = expected(world, family, key);
            bool there = ptl_store_get(node->store, name, ptl_span_text(key_names[key]), &item);
            check(world, value == (there ? value_of(item.value) : 0));
            count += there;
        }
        check(world, ptl_store_family_count(node->store, name) == count);
        struct ptl_walk walk = ptl_store_walk_family(node->store, name);
        while (ptl_store_next(&walk, &item)) {
            count--;
        }
        check(world, count == 0);
    }
}

static void run(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));

    world->seed = seed;
    sim_random_seed(&world->random, seed);
    world->allocator = (struct ptl_allocator){.resize = resize, .user = world};
    world->short_at_times = sim_random_chance(&world->random, 500);
    world->globals = (unsigned)sim_random_between(&world->random, 3, GLOBALS);
    for (int leaf = 0; leaf < LEAVES; leaf++) {
        world->master[leaf] = -1;
    }
    for (unsigned i = 0; i < world->globals; i++) {
        start(world, i);
    }
    for (int i = 0; i < STEPS; i++) {
        step(world);
    }
    settle(world);
    for (unsigned i = 0; i < world->globals; i++) {
        check_store(world, &world->nodes[i]);
        for (unsigned j = 0; j < WATCHES; j++) {
            take(world, &world->nodes[i], &world->nodes[i].followers[j], UINT32_MAX);
        }
    }
    for (unsigned i = 0; i < world->globals; i++) {
        stop(world, i);
    }
    free(world);
}

static uint64_t only_seed;

static void stores_that_exchange_feeds_agree_with_the_model_and_so_do_all_watchers(void **state)
{
    (void)state;
    if (only_seed != 0) {
        run(only_seed);
        return;
    }
    for (uint64_t seed = 1; seed <= SCHEDULES; seed++) {
        run(seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_that_exchange_feeds_agree_with_the_model_and_so_do_all_watchers),
    };

    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        only_seed = strtoull(argv[2], NULL, 10);
    } else if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
