/*
 * Global nodes exchange feeds, ordinary nodes come, go and move between them, links are cut and
 * joined, changes are set and deleted: afterwards all stores agree with a model that knows only who
 * set what.  Whenever a watcher has taken all there is, its copy equals its family, or what came
 * through the node that its feed is of.  Memory is short at times.
 *
 * The argument "--seed N" runs one schedule; a failure prints its seed.
 */
#include "tests/store/store_copies.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef PTL_QUICK
#define SCHEDULES 12000
#else
#define SCHEDULES 50000
#endif
#define STEPS 120
#define WATCHES 5
#define MIRRORS 4
#define FLIGHT 16 /* changes on their way from one store to another */

/* One change on its way, with bytes of its own. */
struct packet {
    enum ptl_change_kind kind;
    int owner; /* -1: of none */
    uint64_t attachment;
    int family;
    int key;
    unsigned value;
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
    struct mirror mirrors[MIRRORS];
    struct link to[GLOBALS];
    bool leaves[LEAVES]; /* takes this one for attached to it, rightly or not */
    uint64_t leaf_attachment[LEAVES];
};

struct world {
    struct chance chance;
    unsigned globals;
    struct global nodes[GLOBALS];
    struct database truth[OWNERS];
    int master[LEAVES]; /* -1: none */
    uint64_t attachment[LEAVES];
    unsigned values; /* given out */
    struct ptl_allocator allocator;
    bool short_at_times;
};

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

    if (world->chance.scarce && new_size > old_size &&
        sim_random_chance(&world->chance.random, 250)) {
        return NULL;
    }
    return libc->resize(libc->user, block, old_size, new_size);
}

/* ---- Feeds between global nodes ------------------------------------------------------------ */

/* Without memory it is begun, and tried once more. */
static int replace_in_pieces(struct ptl_store *store, const struct ptl_source *source,
                             const struct ptl_item items[], size_t count)
{
    int result = ptl_store_replace_begin(store, source);

    for (size_t i = 0; i < count && result == PTL_STORE_DONE; i++) {
        int err = ptl_store_set(store, source, items[i].family, items[i].key, items[i].value);
        result = err < 0 ? err : result;
    }
    while (result == PTL_STORE_DONE && ptl_store_replace_end(store, source, &(uint32_t){2})) {
    }
    return result;
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
    int result = replace_in_pieces(store, source, items, count);
    check(&world->chance, result >= 0 || (world->chance.scarce && result == PTL_ENOMEM));
    return result;
}

static struct packet *send(struct world *world, struct link *link)
{
    check(&world->chance, link->count < FLIGHT);
    struct packet *packet = &link->flight[(link->first + link->count++) % FLIGHT];
    memset(packet, 0, sizeof(*packet));
    return packet;
}

/* Take one change from the feed and put it on its way. */
static bool feed_one(struct world *world, unsigned from, unsigned to)
{
    struct global *node = &world->nodes[from];
    struct link *link = &node->to[to];
    struct ptl_change change;

    if (!link->up || link->count == FLIGHT || !ptl_watch_take(link->feed, &change)) {
        return false;
    }
    if (change.kind == PTL_CHANGE_NONE) {
        return true;
    }
    struct packet *packet = send(world, link);
    packet->kind = change.kind;
    if (change.kind == PTL_CHANGE_ALL) {
        return true;
    }
    packet->owner = index_of(owner_names, OWNERS, change.source.owner);
    packet->attachment = change.source.attachment;
    if (change.kind != PTL_CHANGE_OWNER && change.kind != PTL_CHANGE_LOST) {
        packet->family = index_of(family_names, FAMILIES, change.family);
        packet->key = index_of(key_names, KEYS, change.key);
    }
    if (change.value.size > 0) {
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
        result = replace_in_pieces(store, &source, NULL, 0);
        break;
    case PTL_CHANGE_LOST:
        ptl_store_drop(store, &source);
        break;
    case PTL_CHANGE_DELETED:
        result = ptl_store_del(store, &source, family, key);
        break;
    case PTL_CHANGE_NONE:
        break;
    case PTL_CHANGE_ADDED:
    case PTL_CHANGE_CHANGED:
        result = ptl_store_set(store, &source, family, key, value_bytes(packet->value, text));
    }
    /* An owner that was lost meanwhile through another node is unknown. */
    check(&world->chance,
          result >= 0 || result == PTL_EOWNER || (world->chance.scarce && result == PTL_ENOMEM));
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
        check(&world->chance, link->feed != NULL);
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
    unsigned pick = (unsigned)sim_random_below(&world->chance.random, world->globals + LEAVES);

    return (int)(pick < world->globals ? pick : GLOBALS + pick - world->globals);
}

static void set_or_delete(struct world *world)
{
    int owner = some_owner(world);
    unsigned family = (unsigned)sim_random_below(&world->chance.random, FAMILIES);
    unsigned key = (unsigned)sim_random_below(&world->chance.random, KEYS);
    unsigned *truth = &world->truth[owner].values[family][key];
    struct ptl_span name = ptl_span_text(family_names[family]);
    struct ptl_span key_name = ptl_span_text(key_names[key]);
    struct ptl_source source;
    struct ptl_store *store;
    char text[24];
    unsigned before = *truth;

    if (sim_random_chance(&world->chance.random, 350)) {
        *truth = 0;
    } else if (!sim_random_chance(&world->chance.random, 100) || *truth == 0) {
        *truth = ++world->values; /* else the same value again */
    }
    if (!home(world, owner, &store, &source)) {
        return;
    }
    int result = *truth == 0
                     ? ptl_store_del(store, &source, name, key_name)
                     : ptl_store_set(store, &source, name, key_name, value_bytes(*truth, text));
    if (world->chance.scarce && result == PTL_ENOMEM) {
        *truth = before;
        return;
    }
    check(&world->chance, result == (*truth == before ? PTL_STORE_SAME : PTL_STORE_DONE));
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
    int leaf = (int)sim_random_below(&world->chance.random, LEAVES);
    int old = world->master[leaf];
    int master = (int)sim_random_below(&world->chance.random, world->globals + 1) - 1;

    world->master[leaf] = -1;
    if (old >= 0 && (old == master || sim_random_chance(&world->chance.random, 500))) {
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
    while (replace(world, node->store, &source, &world->truth[GLOBALS + leaf]) == PTL_ENOMEM) {
        world->chance.scarce = false;
    }
}

/* A global node starts, or starts again, with an empty store. */
static void start(struct world *world, unsigned number)
{
    /* In every other world owners go in pieces. */
    const struct ptl_store_limits limits = {255, 4096, ENTRIES, world->chance.seed % 2 == 0 ? 2 : 0,
                                            0};
    struct global *node = &world->nodes[number];
    struct ptl_source source = source_of((int)number, number, 1);

    memset(node->leaves, 0, sizeof(node->leaves));
    node->store = ptl_store_new(&world->allocator, &limits);
    check(&world->chance, node->store != NULL);
    check(&world->chance, ptl_store_attach(node->store, &source) == PTL_STORE_DONE);
    check(&world->chance,
          replace(world, node->store, &source, &world->truth[number]) == PTL_STORE_DONE);
    for (unsigned i = 0; i < WATCHES; i++) {
        follower_open(&world->chance, node->store, &node->followers[i]);
    }
    for (unsigned i = 0; i < MIRRORS; i++) {
        mirror_open(&world->chance, node->store, &node->mirrors[i]);
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
    for (unsigned i = 0; i < MIRRORS; i++) {
        ptl_watch_free(node->mirrors[i].feed);
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
        check(&world->chance,
              replace(world, store, &source, &world->truth[owner]) == PTL_STORE_DONE);
    }
}

/* ---- Schedules ------------------------------------------------------------------------------ */

/* Some of a feed is taken, some of it arrives. */
static void step_link(struct world *world, unsigned from, unsigned to)
{
    for (uint64_t left = sim_random_between(&world->chance.random, 1, 12); left > 0; left--) {
        if (sim_random_chance(&world->chance.random, 500)) {
            feed_one(world, from, to);
        } else {
            deliver_one(world, from, to);
        }
    }
}

/* One of the watchers looks, or begins anew. */
static void step_watcher(struct world *world, struct global *node)
{
    unsigned number = (unsigned)sim_random_below(&world->chance.random, WATCHES + MIRRORS);
    unsigned most = (unsigned)sim_random_between(&world->chance.random, 1, 8);
    bool reopens = sim_random_chance(&world->chance.random, 60);

    if (number < WATCHES) {
        struct follower *follower = &node->followers[number];
        follower_take(follower, node->store, most);
        world->chance.scarce = false;
        if (reopens) {
            ptl_watch_free(follower->watch);
            follower_open(&world->chance, node->store, follower);
        }
        return;
    }
    struct mirror *mirror = &node->mirrors[number - WATCHES];
    mirror_take(mirror, node->store, most == 8 ? UINT32_MAX : most);
    world->chance.scarce = false;
    if (reopens) {
        ptl_watch_free(mirror->feed);
        mirror_open(&world->chance, node->store, mirror);
    } else if (sim_random_chance(&world->chance.random, 100)) {
        mirror_again(mirror);
    }
}

static void step(struct world *world)
{
    unsigned from = (unsigned)sim_random_below(&world->chance.random, world->globals);
    unsigned to =
        (from + 1 + (unsigned)sim_random_below(&world->chance.random, world->globals - 1)) %
        world->globals;
    uint64_t what = sim_random_below(&world->chance.random, 1000);

    ptl_store_work(world->nodes[from].store, (uint32_t)(what % 3));
    world->chance.scarce =
        what < 920 && world->short_at_times && sim_random_chance(&world->chance.random, 200);
    if (what < 300) {
        set_or_delete(world);
    } else if (what < 600) {
        step_link(world, from, to);
    } else if (what < 840) {
        step_watcher(world, &world->nodes[from]);
    } else if (what < 890) {
        move_leaf(world);
    } else if (what < 905) {
        notice(world, from, (int)sim_random_below(&world->chance.random, LEAVES));
    } else if (what < 920) {
        cut(world, from, to);
    } else if (what < 970) {
        join(world, from, to);
    } else if (what < 980) {
        repeat_whole(world);
    } else if (what < 985) {
        stop(world, from);
        start(world, from);
    }
    world->chance.scarce = false;
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
    unsigned values[OWNERS];

    for (int owner = 0; owner < OWNERS; owner++) {
        bool here =
            owner < GLOBALS ? owner < (int)world->globals : world->master[owner - GLOBALS] >= 0;
        values[owner] = here ? world->truth[owner].values[family][key] : 0;
    }
    int first = first_owner(values, family, key);
    return first < 0 ? 0 : values[first];
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
            check(&world->chance, value == (there ? value_of(item.value) : 0));
            count += there;
        }
        check(&world->chance, ptl_store_family_count(node->store, name) == count);
        struct ptl_walk walk = ptl_store_walk_family(node->store, name);
        while (ptl_store_next(&walk, &item)) {
            count--;
        }
        check(&world->chance, count == 0);
    }
}

static void run(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));

    world->chance.seed = seed;
    sim_random_seed(&world->chance.random, seed);
    world->allocator = (struct ptl_allocator){.resize = resize, .user = world};
    world->short_at_times = sim_random_chance(&world->chance.random, 500);
    world->globals = (unsigned)sim_random_between(&world->chance.random, 3, GLOBALS);
    for (int leaf = 0; leaf < LEAVES; leaf++) {
        world->master[leaf] = -1;
    }
    for (unsigned i = 0; i < world->globals; i++) {
        start(world, i);
        for (unsigned other = 0; other < i; other++) {
            if (sim_random_chance(&world->chance.random, 500)) {
                join(world, i, other);
            }
        }
    }
    for (int i = 0; i < STEPS; i++) {
        step(world);
    }
    settle(world);
    for (unsigned i = 0; i < world->globals; i++) {
        while (ptl_store_work(world->nodes[i].store, 1)) {
        }
    }
    for (unsigned i = 0; i < world->globals; i++) {
        check_store(world, &world->nodes[i]);
        for (unsigned j = 0; j < WATCHES; j++) {
            follower_take(&world->nodes[i].followers[j], world->nodes[i].store, UINT32_MAX);
        }
        for (unsigned j = 0; j < MIRRORS; j++) {
            mirror_take(&world->nodes[i].mirrors[j], world->nodes[i].store, UINT32_MAX);
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
