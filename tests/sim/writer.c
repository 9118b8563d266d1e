/*
 * Who changes the database.  Every key of a node has one writer, so that the order of accepting is
 * the order of what must be; a hand registers itself and nobody else deletes that.
 */
#include "tests/sim/database.h"
#include "tests/sim/network_inside.h"

#include <stdlib.h>

#define WRITERS_A_NODE 3 /* the first is a thread */
#define HAND_PAUSE_MS 3000
#define BURST_MAX 6
#define LAST_BURST 10

struct sim_writer {
    struct sim_database *database;
    struct sim_ticker ticker;
    unsigned index; /* among those of its node */
    bool waiting;   /* for room */
};

/* What belongs to a port that is registered. */
struct sim_hand {
    struct sim_ticker ticker;
    struct sim_entry entry;
};

static struct sim_random *dice_of(const struct sim_writer *writer)
{
    return writer->database->world->random;
}

static struct sim_node *node_of(const struct sim_writer *writer)
{
    return &writer->database->world->nodes[writer->ticker.life.node];
}

/* ---- Room ------------------------------------------------------------------------------------ */

static void write_some(struct sim_writer *writer, unsigned count);

static void room_again(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct sim_promise *promise = data;
    struct sim_writer *writer = promise->data;
    (void)node;
    (void)to;
    sim_promise_kept(&writer->database->world->checker, promise);
    writer->waiting = false;
    /* A thread writes from its own ticks, never from within a shard. */
    if (writer->ticker.actor != NULL && !sim_database_is_quiet(writer->database) &&
        sim_ticker_is_on(&writer->ticker)) {
        write_some(writer, (unsigned)sim_random_between(dice_of(writer), 1, BURST_MAX));
    }
}

static void wait_for_room(struct sim_writer *writer, unsigned family)
{
    struct sim_actor *actor = writer->ticker.actor;
    struct sim_promise *promise =
        sim_promise_begin(&writer->database->world->checker, SIM_G6_ROOM, "database room",
                          writer->ticker.life, actor == NULL ? NULL : &actor->facts);
    promise->data = writer;
    int err = ptl_db_on_room(node_of(writer)->node, sim_family_name(family), room_again, promise);
    sim_check_result(writer->database->workload, "ptl_db_on_room", err);
    promise->given = err == 0;
    writer->waiting = err == 0;
}

/* ---- Single keys ----------------------------------------------------------------------------- */

static int set(struct sim_writer *writer, unsigned family, unsigned key, struct sim_entry *entry)
{
    struct sim_database *database = writer->database;
    struct sim_node *node = node_of(writer);
    bool again = entry->set && entry->value.stamp != 0 && sim_random_chance(dice_of(writer), 80);
    int64_t stamp = again ? entry->value.stamp : sim_stamp(database, node->index, family, key);
    struct ptl_msg *msg = sim_value_make(node, stamp);
    struct sim_value value = sim_value_of(msg, stamp);

    int err = ptl_db_set(node->node, sim_family_name(family), sim_key_name(key), msg);
    sim_check_result(database->workload, "ptl_db_set", err);
    ptl_msg_free(msg);
    if (err == 0) {
        entry->set = true;
        entry->value = value;
    } else if (!again) {
        sim_stamp_refused(database, stamp);
    }
    return err;
}

static int del(struct sim_writer *writer, unsigned family, unsigned key, struct sim_entry *entry)
{
    int err = ptl_db_del(node_of(writer)->node, sim_family_name(family), sim_key_name(key));
    sim_check_result(writer->database->workload, "ptl_db_del", err);
    if (err == 0) {
        entry->set = false;
    }
    return err;
}

static int write_one(struct sim_writer *writer, unsigned family, unsigned key)
{
    struct sim_database *database = writer->database;
    struct sim_entry *entry = &database->entries[node_of(writer)->index][family][key];
    bool deletes = sim_random_chance(dice_of(writer), entry->set ? 300 : 50);
    int err = deletes ? del(writer, family, key, entry) : set(writer, family, key, entry);
    if (err == 0) {
        entry->writes++;
        database->accepted++;
        sim_say(database->world->network, "%s: %s \"%s\" in %s: %lld", node_of(writer)->id,
                deletes ? "deletes" : "sets", sim_key_name(key), sim_family_name(family),
                deletes ? 0LL : (long long)entry->value.stamp);
    }
    return err;
}

static void write_some(struct sim_writer *writer, unsigned count)
{
    struct sim_random *dice = dice_of(writer);
    for (unsigned i = 0; i < count && !writer->waiting; i++) {
        unsigned family = (unsigned)sim_random_below(dice, SIM_PLAIN);
        unsigned key = (unsigned)sim_random_below(dice, writer->database->keys);
        if (key % WRITERS_A_NODE != writer->index) {
            continue;
        }
        if (write_one(writer, family, key) == PTL_EFULL && sim_random_chance(dice, 500)) {
            wait_for_room(writer, family);
        }
        if (sim_random_chance(dice, 100)) {
            sim_question_ask_own(writer->database, node_of(writer), writer->ticker.actor, family,
                                 key);
        }
    }
}

/* ---- Hands ----------------------------------------------------------------------------------- */

static int register_hand(struct sim_actor *hand)
{
    struct sim_database *database = hand->workload->database;
    struct sim_node *node = sim_actor_node(hand);
    int64_t stamp = sim_stamp(database, node->index, SIM_HANDS, 0);
    struct ptl_msg *msg = sim_value_make(node, stamp);
    struct sim_value value = sim_value_of(msg, stamp);

    int err = ptl_db_register(node->node, sim_family_name(SIM_HANDS), &hand->port, msg);
    sim_check_result(hand->workload, "ptl_db_register", err);
    ptl_msg_free(msg);
    if (err == 0) {
        hand->entry->set = true;
        hand->entry->value = value;
        database->accepted++;
        sim_say(database->world->network, "actor %u is registered: %lld", hand->facts.id,
                (long long)stamp);
    } else {
        sim_stamp_refused(database, stamp);
    }
    return err;
}

static void unregister_hand(struct sim_actor *hand)
{
    int err = ptl_db_del(sim_actor_node(hand)->node, sim_family_name(SIM_HANDS),
                         ptl_port_id(&hand->port));
    sim_check_result(hand->workload, "ptl_db_del", err);
    if (err == 0) {
        hand->entry->set = false;
        hand->workload->database->accepted++;
        sim_say(hand->workload->world->network, "actor %u is not registered", hand->facts.id);
    }
}

static void end_hand(struct sim_actor *hand)
{
    struct ptl_msg *reason = sim_any_reason(hand);
    int err = ptl_kill(sim_actor_node(hand)->node, &hand->port, reason);
    sim_check_result(hand->workload, "ptl_kill", err);
    if (err == 0) {
        sim_actor_doomed(hand, reason);
        hand->doomed = true;
    }
    ptl_msg_free(reason);
}

static void hand_tick(void *data)
{
    struct sim_actor *hand = data;
    unsigned dice = (unsigned)sim_random_below(sim_dice(hand->workload), 100);
    if (sim_database_is_quiet(hand->workload->database)) {
        return;
    }
    if (dice < 50) {
        register_hand(hand);
    } else if (dice < 65) {
        unregister_hand(hand);
    } else if (dice < 80 && !hand->doomed) {
        if (dice < 70) {
            register_hand(hand); /* as a last word */
        }
        end_hand(hand);
    }
}

/* A port that is registered by whoever made it, or that sees to that itself. */
static void add_hand(struct sim_writer *writer)
{
    struct sim_workload *workload = writer->database->workload;
    struct sim_actor *hand = sim_actor_new(workload, SIM_HAND, node_of(writer));
    if (sim_actor_place(hand, NULL) < 0) {
        return;
    }
    struct sim_hand *record = sim_must_alloc(sizeof *record);
    sim_append(&writer->database->hands, &writer->database->hand_count, record);
    record->ticker = (struct sim_ticker){
        .workload = workload,
        .life = hand->facts.life,
        .actor = hand,
        .pause_max_ms = HAND_PAUSE_MS,
        .tick = hand_tick,
        .data = hand,
    };
    hand->ticker = &record->ticker;
    hand->entry = &record->entry;
    /* The other one of the two never touches its entry. */
    if (sim_random_chance(dice_of(writer), 600)) {
        sim_database_tell(hand, "begin");
    } else if (register_hand(hand) == 0 && sim_random_chance(dice_of(writer), 300)) {
        end_hand(hand);
    }
}

/* ---- Writers --------------------------------------------------------------------------------- */

static void writer_tick(void *data)
{
    struct sim_writer *writer = data;
    struct sim_random *dice = dice_of(writer);
    if (sim_database_is_quiet(writer->database)) {
        return;
    }
    write_some(writer, (unsigned)sim_random_scale(dice, 1, 3 * BURST_MAX));
    if (sim_random_chance(dice, 60)) {
        add_hand(writer);
    }
    if (sim_random_chance(dice, 60)) {
        sim_question_ask(writer->database, node_of(writer), writer->ticker.actor,
                         (unsigned)sim_random_below(dice, SIM_FAMILIES));
    }
}

void sim_writers_add(struct sim_database *database, struct sim_node *node)
{
    for (unsigned i = 0; i < WRITERS_A_NODE; i++) {
        struct sim_writer *writer = sim_must_alloc(sizeof *writer);
        sim_append(&database->writers, &database->writer_count, writer);
        writer->database = database;
        writer->index = i;
        writer->ticker = (struct sim_ticker){
            .workload = database->workload,
            .life = sim_node_life(node),
            .pause_max_ms = database->pause_max_ms,
            .tick = writer_tick,
            .data = writer,
        };
        if (i == 0) {
            sim_ticker_start(&writer->ticker);
            continue;
        }
        struct sim_actor *actor = sim_actor_new(database->workload, SIM_WRITER, node);
        writer->ticker.actor = actor;
        actor->ticker = &writer->ticker;
        if (sim_actor_place(actor, NULL) == 0) {
            sim_database_tell(actor, "begin");
        }
    }
}

void sim_writers_burst(struct sim_database *database, struct sim_node *node)
{
    for (uint32_t i = 0; i < database->writer_count; i++) {
        struct sim_writer *writer = database->writers[i];
        if (writer->ticker.actor == NULL && writer->ticker.life.node == node->index &&
            sim_ticker_is_on(&writer->ticker)) {
            write_some(writer, LAST_BURST);
            sim_question_ask(database, node, NULL, 0);
        }
    }
}

void sim_writers_free(struct sim_database *database)
{
    for (uint32_t i = 0; i < database->writer_count; i++) {
        free(database->writers[i]);
    }
    for (uint32_t i = 0; i < database->hand_count; i++) {
        free(database->hands[i]);
    }
    free(database->writers);
    free(database->hands);
}
