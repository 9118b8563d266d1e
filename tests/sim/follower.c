/*
 * Who watches: ports, some of them slow, and threads.  Each watch has a copy of its own that
 * changes by what it is told and by nothing else.
 */
#include "tests/sim/database.h"
#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

#define WATCHES_MAX 3 /* of a follower at once */
#define FOLLOWER_PAUSE_MS 2500
#define LATE_MAX (8 * SIM_SECOND) /* more than a node ever stands still */

struct sim_follower {
    struct sim_database *database;
    struct sim_ticker ticker;
    struct sim_follow *follows[WATCHES_MAX];
};

/* ---- What is told ---------------------------------------------------------------------------- */

bool sim_follow_is_on(const struct sim_follow *follow)
{
    return follow->given && !follow->ended &&
           sim_life_is_on(&follow->database->world->checker, follow->life) &&
           (follow->owner == NULL || follow->owner->facts.alive);
}

bool sim_follow_wants(const struct sim_follow *follow, const char *key)
{
    switch (follow->form) {
    case SIM_FOLLOW_KEY:
        return strcmp(key, follow->filter) == 0;
    case SIM_FOLLOW_PREFIX:
        return strncmp(key, follow->filter, strlen(follow->filter)) == 0;
    default:
        return true;
    }
}

static const char *event_name(enum ptl_db_event event)
{
    switch (event) {
    case PTL_DB_ADDED:
        return "added";
    case PTL_DB_CHANGED:
        return "changed";
    case PTL_DB_DELETED:
        return "deleted";
    case PTL_DB_COPIED:
        return "copied";
    case PTL_DB_RESET:
        return "reset";
    }
    return "no event";
}

static void fail(const struct sim_follow *follow, const struct ptl_db_change *change,
                 const char *what)
{
    sim_checker_fail(&follow->database->world->checker, SIM_G7_DATABASE,
                     "watch %u of %s is told \"%s\" %s: %s", follow->id,
                     sim_family_name(follow->family), change->key, event_name(change->event), what);
}

/* May this watch be told anything at all, and here? */
static void check_place(const struct sim_follow *follow, struct ptl_node *node,
                        const struct ptl_db_change *change)
{
    const struct sim_database *database = follow->database;
    struct ptl_port self;
    if (!follow->given) {
        fail(follow, change, "it was refused");
    } else if (follow->ended && follow->owner != NULL) {
        fail(follow, change, "it has ended");
    } else if (follow->ended &&
               sim_network_now(database->world->network) > follow->ended_at + LATE_MAX) {
        fail(follow, change, "it has ended long ago");
    } else if (!follow->ended && !sim_follow_is_on(follow)) {
        fail(follow, change, "its owner is dead");
    } else if (follow->owner != NULL &&
               (!ptl_self(node, &self) || !ptl_port_equal(&self, &follow->owner->port))) {
        fail(follow, change, "by somebody else");
    }
}

/*
 * What a node sets reaches another in order, whatever links fail.  Only of a node that has always
 * been global can that be said: an older copy of an ordinary one's entries may come to light again
 * when the bearer of the newer one is lost.
 */
static void check_order(struct sim_follow *follow, const struct ptl_db_change *change,
                        const struct sim_value *value)
{
    const struct sim_world *world = follow->database->world;
    unsigned key = (unsigned)((uint64_t)value->stamp & 15);
    unsigned from = sim_stamp_node(value->stamp);
    uint64_t number = sim_stamp_number(value->stamp);
    if (follow->family >= SIM_PLAIN || value->stamp <= 0 || from >= world->node_count ||
        key >= SIM_KEYS || world->nodes[from].ever_ordinary ||
        world->nodes[follow->life.node].ever_ordinary) {
        return;
    }
    if (number < follow->newest[key][from]) {
        fail(follow, change, "a newer value of that node came before");
    }
    follow->newest[key][from] = number;
}

static void take_value(struct sim_follow *follow, const struct ptl_db_change *change)
{
    struct sim_value value = {0};
    if (change->value == NULL || ptl_msg_count(change->value) != 1) {
        fail(follow, change, "without a value");
        return;
    }
    struct ptl_cursor cursor = ptl_msg_begin(change->value);
    if (!sim_value_read(&cursor, &value)) {
        fail(follow, change, "the value cannot be read");
    }
    sim_value_check(follow->database, follow->family, change->key, &value);
    check_order(follow, change, &value);
    sim_view_put(&follow->copy, change->key, value.print);
    sim_trace(follow->database->world->network, "told", follow->id, value.print);
}

static void take_copied(struct sim_follow *follow, const struct ptl_db_change *change)
{
    if (follow->copied) {
        fail(follow, change, "once more");
    }
    if (change->key_size != 0 || change->value != NULL) {
        fail(follow, change, "with a key or a value");
    }
    follow->copied = true;
}

static void take_deleted(struct sim_follow *follow, const struct ptl_db_change *change)
{
    if (change->value != NULL) {
        fail(follow, change, "with a value");
    }
    if (!sim_view_remove(&follow->copy, change->key)) {
        fail(follow, change, "it was not there");
    }
}

static int changed(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    struct sim_follow *follow = data;
    bool had = sim_view_find(&follow->copy, change->key) != NULL;

    sim_trace(follow->database->world->network, "change", follow->id, change->event);
    follow->database->told++;
    check_place(follow, node, change);
    if (strlen(change->key) != change->key_size || change->key_size >= SIM_KEY_SIZE ||
        (change->key_size > 0 && !sim_follow_wants(follow, change->key))) {
        fail(follow, change, "that is not its key");
        return 0;
    }
    switch (change->event) {
    case PTL_DB_ADDED:
    case PTL_DB_CHANGED:
        if (had != (change->event == PTL_DB_CHANGED)) {
            fail(follow, change, had ? "it was there" : "it was not there");
        }
        take_value(follow, change);
        return 0;
    case PTL_DB_DELETED:
        take_deleted(follow, change);
        return 0;
    case PTL_DB_COPIED:
        take_copied(follow, change);
        return 0;
    case PTL_DB_RESET:
        fail(follow, change, "memory never runs out here");
        return 0;
    }
    fail(follow, change, "no such event");
    return 0;
}

/* ---- Watching -------------------------------------------------------------------------------- */

/* The ID of some hand, dead or alive, or of some node. */
static void any_name(struct sim_follow *follow)
{
    struct sim_workload *workload = follow->database->workload;
    struct sim_random *dice = sim_dice(workload);
    const struct sim_node *node =
        &workload->world->nodes[sim_random_below(dice, workload->world->node_count)];
    const struct sim_actor *actor = workload->actors[sim_random_below(dice, workload->actor_count)];
    if (follow->family == SIM_HANDS && actor->kind == SIM_HAND && actor->placed) {
        snprintf(follow->filter, sizeof follow->filter, "%s", ptl_port_id(&actor->port));
    } else {
        snprintf(follow->filter, sizeof follow->filter, "%s", node->id);
    }
}

static void choose(struct sim_follow *follow)
{
    struct sim_random *dice = follow->database->world->random;
    unsigned form = (unsigned)sim_random_below(dice, 100);
    follow->family = (unsigned)sim_random_below(dice, SIM_FAMILIES);
    follow->form = form < 60 ? SIM_FOLLOW_FAMILY : form < 80 ? SIM_FOLLOW_KEY : SIM_FOLLOW_PREFIX;
    if (follow->family < SIM_PLAIN) {
        snprintf(follow->filter, sizeof follow->filter, "%s",
                 sim_key_name((unsigned)sim_random_below(dice, SIM_KEYS)));
    } else {
        any_name(follow);
    }
    if (follow->form == SIM_FOLLOW_PREFIX) {
        /* Of one character or of several, but never in the middle of one. */
        size_t size = strlen(follow->filter);
        size_t cut = (size_t)sim_random_between(dice, 1, size);
        while (cut < size && ((uint8_t)follow->filter[cut] & 0xc0) == 0x80) {
            cut++;
        }
        follow->filter[cut] = '\0';
    }
}

static int watch(struct sim_follow *follow, struct ptl_node *node)
{
    const char *family = sim_family_name(follow->family);
    switch (follow->form) {
    case SIM_FOLLOW_KEY:
        return ptl_db_watch_key(node, family, follow->filter, changed, follow, &follow->handle);
    case SIM_FOLLOW_PREFIX:
        return ptl_db_watch_prefix(node, family, follow->filter, changed, follow, &follow->handle);
    default:
        return ptl_db_watch(node, family, changed, follow, &follow->handle);
    }
}

static struct sim_follow *begin_watch(struct sim_follower *follower)
{
    struct sim_database *database = follower->database;
    struct sim_follow *follow = sim_must_alloc(sizeof *follow);

    follow->database = database;
    follow->id = database->follow_count;
    follow->life = follower->ticker.life;
    follow->owner = follower->ticker.actor;
    sim_append(&database->follows, &database->follow_count, follow);
    choose(follow);
    int err = watch(follow, database->world->nodes[follow->life.node].node);
    sim_check_result(database->workload, "ptl_db_watch", err);
    follow->given = err == 0;
    sim_say(database->world->network, "watch %u of actor %u in %s (%d \"%s\"): %d", follow->id,
            follow->owner == NULL ? UINT32_MAX : follow->owner->facts.id,
            sim_family_name(follow->family), (int)follow->form, follow->filter, err);
    return err == 0 ? follow : NULL;
}

static void end_watch(struct sim_follow *follow)
{
    struct sim_world *world = follow->database->world;
    sim_say(world->network, "watch %u is ended", follow->id);
    follow->ended = true;
    follow->ended_at = sim_network_now(world->network);
    ptl_db_unwatch(world->nodes[follow->life.node].node, &follow->handle);
}

/* ---- Followers ------------------------------------------------------------------------------- */

static void follower_tick(void *data)
{
    struct sim_follower *follower = data;
    struct sim_random *dice = follower->database->world->random;
    struct sim_actor *actor = follower->ticker.actor;
    struct sim_follow **follow = &follower->follows[sim_random_below(dice, WATCHES_MAX)];
    if (*follow == NULL) {
        *follow = begin_watch(follower);
    } else if (sim_random_chance(dice, 350)) {
        end_watch(*follow);
        *follow = sim_random_chance(dice, 300) ? begin_watch(follower) : NULL;
    }
    if (actor != NULL && !follower->database->workload->finished) {
        sim_database_tell(actor, "poke");
    }
}

void sim_follower_add(struct sim_database *database, struct sim_node *node, bool outside)
{
    struct sim_workload *workload = database->workload;
    struct sim_follower *follower = sim_must_alloc(sizeof *follower);

    sim_append(&database->followers, &database->follower_count, follower);
    follower->database = database;
    follower->ticker = (struct sim_ticker){
        .workload = workload,
        .life = sim_node_life(node),
        .pause_max_ms = FOLLOWER_PAUSE_MS,
        .tick = follower_tick,
        .data = follower,
    };
    if (outside) {
        sim_ticker_start(&follower->ticker);
        return;
    }
    struct sim_actor *actor = sim_actor_new(workload, SIM_FOLLOWER, node);
    if (workload->busy && sim_random_chance(workload->world->random, 400)) {
        actor->later_chance = (unsigned)sim_random_between(workload->world->random, 500, 999);
    }
    actor->ticker = &follower->ticker;
    follower->ticker.actor = actor;
    if (sim_actor_place(actor, NULL) == 0) {
        sim_database_tell(actor, "begin");
    }
}

void sim_followers_free(struct sim_database *database)
{
    for (uint32_t i = 0; i < database->follow_count; i++) {
        sim_view_drop(&database->follows[i]->copy);
        free(database->follows[i]);
    }
    for (uint32_t i = 0; i < database->follower_count; i++) {
        free(database->followers[i]);
    }
    free(database->follows);
    free(database->followers);
}
