#include "engine/directory/database.h"
#include "engine/node/node.h"
#include "store/store.h"
#include "tests/sim/database.h"
#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Names ----------------------------------------------------------------------------------- */

const char *sim_family_name(unsigned family)
{
    static const char *const names[SIM_FAMILIES] = {
        "workers", "sim::plain", "a", "Lights_2", "hands", "'l", "'g",
    };
    return names[family];
}

/* Two prefixes, one of them a key too, a port of a node, and one that is no ASCII. */
const char *sim_key_name(unsigned key)
{
    static const char *const names[SIM_KEYS] = {
        "r", "rain", "beta#x", "rock", "s", "snow storm", "s\xc3\xa9isme", "\xc3\xa9t\xc3\xa9",
    };
    return names[key];
}

bool sim_key_is_port_of(const char *key, const struct sim_node *node)
{
    size_t size = strlen(node->id);
    return strncmp(key, node->id, size) == 0 && key[size] == '#';
}

static unsigned key_index(const char *key)
{
    unsigned index = 0;
    while (index < SIM_KEYS && strcmp(sim_key_name(index), key) != 0) {
        index++;
    }
    return index;
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* Of a stamp, from the highest bits on: its number, a node, a family, a key. */
#define STAMP_NUMBER 12
#define STAMP_NODE 8
#define STAMP_FAMILY 4

int64_t sim_stamp(struct sim_database *database, unsigned node, unsigned family, unsigned key)
{
    uint64_t number = ++database->last_number;
    if ((number & (number - 1)) == 0) {
        database->refused = sim_must_grow(database->refused, 2 * (size_t)number);
        memset(database->refused + number, 0, (size_t)number);
    }
    return (int64_t)(number << STAMP_NUMBER | (uint64_t)node << STAMP_NODE |
                     (uint64_t)family << STAMP_FAMILY | key);
}

unsigned sim_stamp_node(int64_t stamp)
{
    return (unsigned)((uint64_t)stamp >> STAMP_NODE & 15);
}

uint64_t sim_stamp_number(int64_t stamp)
{
    return (uint64_t)stamp >> STAMP_NUMBER;
}

void sim_stamp_refused(struct sim_database *database, int64_t stamp)
{
    database->refused[sim_stamp_number(stamp)] = true;
}

struct ptl_msg *sim_value_make(struct sim_node *node, int64_t stamp)
{
    const struct sim_workload *workload = node->world->workload;
    uint64_t number = sim_stamp_number(stamp);
    struct ptl_msg *msg = NULL;
    int err = 0;

    if (number % (workload->database->fat ? 2 : 128) == 0) {
        err = ptl_msg_make(node->node, &msg, "[iT]", stamp, workload->payload,
                           (size_t)(1000 + number * 7919 % 7000));
    } else if (number % 8 == 1) {
        err = ptl_msg_make(node->node, &msg, "{tit[nb]}", "stamp", stamp, "more", true);
    } else if (number % 8 == 2) {
        err = ptl_msg_make(node->node, &msg, "[itf]", stamp, "h\xc3\xb6her", 0.5);
    } else if (number % 32 != 3) {
        err = ptl_msg_make(node->node, &msg, "i", stamp);
    }
    ptl_assert(err == 0);
    return msg;
}

#define PRINT_FIRST 0xcbf29ce484222325u

static uint64_t print_bytes(uint64_t print, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        print = (print ^ at[i]) * 0x100000001b3u;
    }
    return print;
}

/*
 * A scalar, or the head of a container.  What it says counts, not how it is encoded; and strings
 * are their characters, since JSON has one kind only.
 */
static uint64_t print_value(uint64_t print, const struct ptl_value *value)
{
    enum ptl_type type = value->type == PTL_BYTES ? PTL_TEXT : value->type;
    print = print_bytes(print, &type, sizeof type);
    switch (type) {
    case PTL_NULL:
        return print;
    case PTL_BOOL:
        return print_bytes(print, &value->boolean, sizeof value->boolean);
    case PTL_FLOAT:
        return print_bytes(print, &value->real, sizeof value->real);
    case PTL_TEXT:
        print = print_bytes(print, value->string.chars, value->string.size);
        return print_bytes(print, &value->string.size, sizeof value->string.size);
    case PTL_ARRAY:
    case PTL_MAP:
        return print_bytes(print, &value->count, sizeof value->count);
    default:
        return print_bytes(print, &value->natural, sizeof value->natural);
    }
}

bool sim_value_read(struct ptl_cursor *cursor, struct sim_value *value)
{
    struct ptl_cursor inside = *cursor;
    struct ptl_value head;

    *value = (struct sim_value){.print = PRINT_FIRST};
    if (ptl_skip(cursor) < 0) {
        return false;
    }
    inside.end = cursor->at;
    while (ptl_next(&inside, &head) == 0) {
        value->print = print_value(value->print, &head);
        if (value->stamp == 0 && head.type == PTL_INT) {
            value->stamp = head.integer;
        }
    }
    return true;
}

static uint64_t null_print(void)
{
    return print_value(PRINT_FIRST, &(struct ptl_value){.type = PTL_NULL});
}

/* What a node's own entry in 'l is: an array of one address. */
static uint64_t address_print(const char *address)
{
    struct ptl_value head = {.type = PTL_ARRAY, .count = 1};
    struct ptl_value text = {.type = PTL_TEXT,
                             .string = {.chars = address, .size = strlen(address)}};
    return print_value(print_value(PRINT_FIRST, &head), &text);
}

struct sim_value sim_value_of(const struct ptl_msg *msg, int64_t stamp)
{
    struct sim_value value = {.print = null_print()};
    if (msg != NULL) {
        struct ptl_cursor cursor = ptl_msg_begin(msg);
        bool read = sim_value_read(&cursor, &value);
        ptl_assert(read && value.stamp == stamp);
    }
    return value;
}

void sim_value_check(struct sim_database *database, unsigned family, const char *key,
                     const struct sim_value *value)
{
    uint64_t number = sim_stamp_number(value->stamp);
    unsigned index = family < SIM_PLAIN ? key_index(key) : 0;
    bool known = index < SIM_KEYS && (family == SIM_ADDRESSES || family == SIM_GLOBALS ||
                                      value->print == null_print() || value->stamp > 0);
    if (known && value->stamp != 0) {
        known = number <= database->last_number && !database->refused[number] &&
                ((uint64_t)value->stamp >> STAMP_FAMILY & 15) == family &&
                ((uint64_t)value->stamp & 15) == index;
    }
    if (!known) {
        sim_checker_fail(&database->world->checker, SIM_CONTENT,
                         "\"%s\" in %s has a value (%lld) that nobody has set", key,
                         sim_family_name(family), (long long)value->stamp);
    }
}

/* ---- What should be -------------------------------------------------------------------------- */

static bool is_up(const struct sim_node *node)
{
    return node->node != NULL && node->world->checker.up[node->index];
}

static bool is_global(const struct sim_node *node)
{
    return is_up(node) && ptl_node_is_global(node->node);
}

unsigned sim_model_globals(const struct sim_database *database)
{
    const struct sim_world *world = database->world;
    unsigned globals = 0;
    for (unsigned i = 0; i < world->node_count; i++) {
        globals |= is_global(&world->nodes[i]) ? 1u << i : 0;
    }
    return globals;
}

/* Whether others know what it has set: it is global, or attached to a seed that is. */
static bool counts(const struct sim_node *node)
{
    const struct sim_world *world = node->world;
    bool known = is_global(node);
    for (unsigned i = 0; i < world->node_count && is_up(node); i++) {
        known = known || ((node->seeds >> i & 1) != 0 && is_global(&world->nodes[i]));
    }
    return known;
}

static void add_plain(const struct sim_database *database, unsigned node, unsigned family,
                      struct sim_view *view)
{
    for (unsigned key = 0; key < SIM_KEYS; key++) {
        const struct sim_entry *entry = &database->entries[node][family][key];
        if (entry->set) {
            sim_view_put(view, sim_key_name(key), entry->value.print);
        }
    }
}

static void add_hands(const struct sim_database *database, unsigned node, struct sim_view *view)
{
    const struct sim_workload *workload = database->workload;
    for (uint32_t i = 0; i < workload->actor_count; i++) {
        const struct sim_actor *actor = workload->actors[i];
        if (actor->kind == SIM_HAND && actor->entry != NULL && actor->entry->set &&
            actor->facts.life.node == node && sim_actor_is_on(actor)) {
            sim_view_put(view, ptl_port_id(&actor->port), actor->entry->value.print);
        }
    }
}

/* What one node has of a family. */
static void add_own(const struct sim_database *database, unsigned index, unsigned family,
                    struct sim_view *view)
{
    const struct sim_node *node = &database->world->nodes[index];
    if (family < SIM_PLAIN) {
        add_plain(database, index, family, view);
    } else if (family == SIM_HANDS) {
        add_hands(database, index, view);
    } else if (family == SIM_ADDRESSES) {
        sim_view_put(view, node->id, address_print(node->told));
    } else if (is_global(node)) {
        sim_view_put(view, node->id, null_print());
    }
}

/* What a node says of its own ports comes before what all others say of them. */
static void add_ports(const struct sim_database *database, unsigned family, struct sim_view *view)
{
    const struct sim_world *world = database->world;

    for (unsigned i = 0; i < world->node_count; i++) {
        struct sim_view own = {0};
        if (counts(&world->nodes[i])) {
            add_own(database, i, family, &own);
        }
        for (size_t item = 0; item < own.count; item++) {
            const char *key = own.items[item].key;
            if (sim_key_is_port_of(key, &world->nodes[i])) {
                sim_view_put(view, key, own.items[item].print);
            }
        }
        sim_view_drop(&own);
    }
}

struct sim_view sim_model_view(const struct sim_database *database, unsigned family)
{
    const struct sim_world *world = database->world;
    struct sim_view view = {0};
    bool done[SIM_NODES_MAX] = {false};

    /* From the highest ID to the lowest, which is put last and shows. */
    for (unsigned round = 0; round < world->node_count; round++) {
        unsigned last = SIM_NODES_MAX;
        for (unsigned i = 0; i < world->node_count; i++) {
            if (!done[i] &&
                (last == SIM_NODES_MAX || strcmp(world->nodes[i].id, world->nodes[last].id) > 0)) {
                last = i;
            }
        }
        done[last] = true;
        if (counts(&world->nodes[last])) {
            add_own(database, last, family, &view);
        }
    }
    add_ports(database, family, &view);
    return view;
}

/* ---- What is --------------------------------------------------------------------------------- */

static void put_item(const struct ptl_item *item, struct sim_view *view)
{
    struct ptl_cursor cursor = {item->value.bytes, item->value.bytes + item->value.size};
    char key[SIM_KEY_SIZE];
    struct sim_value value;
    snprintf(key, sizeof key, "%.*s", (int)item->key.size, (const char *)item->key.bytes);
    bool read = sim_value_read(&cursor, &value) && cursor.at == cursor.end;
    sim_view_put(view, key, read ? value.print : 0);
}

/* The walk of one shard's part of the store, as far as it is of this family. */
static void walk(struct ptl_walk walk, unsigned family, struct sim_view *view)
{
    struct ptl_item item;
    while (ptl_store_next(&walk, &item)) {
        if (ptl_span_equal(item.family, ptl_span_text(sim_family_name(family)))) {
            put_item(&item, view);
        }
    }
}

/* What a node holds of a family: all merged, or of one owner. */
static struct sim_view held(const struct sim_node *node, unsigned family,
                            const struct sim_node *owner)
{
    struct ptl_span name = ptl_span_text(sim_family_name(family));
    struct sim_view view = {0};
    for (unsigned i = 0; i < node->shards; i++) {
        const struct ptl_store *store = node->node->shards[i].directory->store;
        walk(owner == NULL ? ptl_store_walk_family(store, name)
                           : ptl_store_walk_owner(store, ptl_span_text(owner->id)),
             family, &view);
    }
    return view;
}

/* ---- Never back ------------------------------------------------------------------------------ */

/*
 * Of one attachment there is one stream of changes, however often it is begun anew.  So a value
 * that is older than one found before has come through another attachment.
 */
static void observe_item(struct sim_database *database, const struct sim_node *node,
                         const struct ptl_source *source, const struct ptl_item *item)
{
    struct ptl_cursor cursor = {item->value.bytes, item->value.bytes + item->value.size};
    struct sim_value value;
    if (!sim_value_read(&cursor, &value) || value.stamp <= 0) {
        return;
    }
    unsigned owner = sim_stamp_node(value.stamp);
    unsigned family = (unsigned)((uint64_t)value.stamp >> STAMP_FAMILY & 15);
    unsigned key = (unsigned)((uint64_t)value.stamp & 15);
    if (owner >= database->world->node_count || family >= SIM_PLAIN || key >= SIM_KEYS) {
        return;
    }
    struct sim_found *found = &database->found[node->index][owner][family][key];
    struct sim_found now = {.attachment = source->attachment,
                            .number = sim_stamp_number(value.stamp)};
    snprintf(now.via, sizeof now.via, "%.*s", (int)source->via.size,
             (const char *)source->via.bytes);
    if (strcmp(now.via, found->via) == 0 && now.attachment == found->attachment &&
        now.number < found->number) {
        sim_checker_fail(&database->world->checker, SIM_G7_DATABASE,
                         "%s goes back to an older value of \"%s\" in %s, set by %s", node->id,
                         sim_key_name(key), sim_family_name(family),
                         database->world->nodes[owner].id);
    }
    *found = now;
}

static void observe_store(struct sim_database *database, const struct sim_node *node,
                          const struct ptl_store *store)
{
    struct ptl_source source;
    struct ptl_item item;
    for (unsigned owner = 0; owner < database->world->node_count; owner++) {
        struct ptl_span id = ptl_span_text(database->world->nodes[owner].id);
        if (!ptl_store_owner(store, id, &source)) {
            continue;
        }
        struct ptl_walk walk = ptl_store_walk_owner(store, id);
        while (ptl_store_next(&walk, &item)) {
            observe_item(database, node, &source, &item);
        }
    }
}

void sim_model_observe(struct sim_database *database)
{
    struct sim_world *world = database->world;
    for (unsigned i = 0; i < world->node_count; i++) {
        const struct sim_node *node = &world->nodes[i];
        for (unsigned shard = 0; shard < node->shards && is_global(node); shard++) {
            observe_store(database, node, node->node->shards[shard].directory->store);
        }
    }
}

/* ---- Do they agree? -------------------------------------------------------------------------- */

/* A global node wants its seeds to be global; an ordinary one only its master. */
static bool role_fits(const struct sim_node *node, char *text, size_t size)
{
    bool asked = !node->ordinary;
    for (unsigned i = 0; i < node->world->node_count; i++) {
        const struct sim_node *other = &node->world->nodes[i];
        asked = asked || (is_global(other) && (other->seeds >> node->index & 1) != 0);
    }
    if (asked && !is_global(node)) {
        snprintf(text, size, "%s is not global, but should be", node->id);
        return false;
    }
    if (node->ordinary && !node->named && is_global(node)) {
        snprintf(text, size, "%s is global, and nobody has asked for that", node->id);
        return false;
    }
    return true;
}

static bool merged_fits(const struct sim_node *node, unsigned family,
                        const struct sim_view *expected, char *text, size_t size)
{
    char where[160];
    struct sim_view view = held(node, family, NULL);
    bool differ = sim_views_differ(expected, &view, where, sizeof where);
    if (differ) {
        snprintf(text, size, "on %s in %s %s", node->id, sim_family_name(family), where);
    }
    sim_view_drop(&view);
    return !differ;
}

/* What does not show must be right, too: one day it will. */
static bool owner_fits(const struct sim_database *database, const struct sim_node *node,
                       const struct sim_node *owner, unsigned family, char *text, size_t size)
{
    char where[160];
    struct sim_view expected = {0};
    struct sim_view view = held(node, family, owner);
    if (counts(owner)) {
        add_own(database, owner->index, family, &expected);
    }
    bool differ = sim_views_differ(&expected, &view, where, sizeof where);
    if (differ) {
        snprintf(text, size, "on %s in what %s has in %s %s", node->id, owner->id,
                 sim_family_name(family), where);
    }
    sim_view_drop(&expected);
    sim_view_drop(&view);
    return !differ;
}

static bool node_fits(const struct sim_database *database, const struct sim_node *node,
                      unsigned family, const struct sim_view *expected, char *text, size_t size)
{
    bool fits = merged_fits(node, family, expected, text, size);
    for (unsigned i = 0; i < database->world->node_count && fits && family <= SIM_HANDS; i++) {
        fits = owner_fits(database, node, &database->world->nodes[i], family, text, size);
    }
    return fits;
}

static bool follow_fits(const struct sim_follow *follow, const struct sim_view *family, char *text,
                        size_t size)
{
    char where[160];
    struct sim_view expected = {0};
    for (uint32_t i = 0; i < family->count; i++) {
        if (sim_follow_wants(follow, family->items[i].key)) {
            sim_view_put(&expected, family->items[i].key, family->items[i].print);
        }
    }
    bool differ = sim_views_differ(&expected, &follow->copy, where, sizeof where);
    sim_view_drop(&expected);
    if (differ || !follow->copied) {
        snprintf(text, size, "for watch %u on %s of %s %s", follow->id,
                 follow->database->world->nodes[follow->life.node].id,
                 sim_family_name(follow->family), differ ? where : "is no word that it is copied");
    }
    return !differ && follow->copied;
}

static bool family_agrees(struct sim_database *database, unsigned family, char *text, size_t size)
{
    struct sim_world *world = database->world;
    struct sim_view expected = sim_model_view(database, family);
    bool fits = true;
    for (unsigned i = 0; i < world->node_count && fits; i++) {
        if (is_global(&world->nodes[i])) {
            fits = node_fits(database, &world->nodes[i], family, &expected, text, size);
        }
    }
    for (uint32_t i = 0; i < database->follow_count && fits; i++) {
        const struct sim_follow *follow = database->follows[i];
        if (follow->family == family && sim_follow_is_on(follow) &&
            counts(&world->nodes[follow->life.node])) {
            fits = follow_fits(follow, &expected, text, size);
        }
    }
    sim_view_drop(&expected);
    return fits;
}

bool sim_model_agrees(struct sim_database *database, char *text, size_t size)
{
    struct sim_world *world = database->world;
    bool fits = true;
    for (unsigned i = 0; i < world->node_count && fits; i++) {
        fits = !is_up(&world->nodes[i]) || role_fits(&world->nodes[i], text, size);
    }
    for (unsigned family = 0; family < SIM_FAMILIES && fits; family++) {
        fits = family_agrees(database, family, text, size);
    }
    return fits;
}
