#include "engine/directory/update.h"

#include "engine/directory/database.h"
#include "engine/directory/intake_limit.h"
#include "engine/directory/key.h"
#include "engine/shard/node.h"

/* Keys that the store is told to expect, ahead of the one that is being set. */
#define AHEAD 8

/* A key that is set, in a map from the hashes of their names. */
struct ptl_named {
    struct ptl_cursor at;
};

static void skip(struct ptl_cursor *cursor)
{
    int err = ptl_skip(cursor);

    (void)err; /* the message is well-formed */
}

/* ---- The steps ------------------------------------------------------------------------------- */

static void begin_step(struct ptl_update *update, enum ptl_update_step step)
{
    bool is_of_sets = step != PTL_UPDATE_COMPARE && step != PTL_UPDATE_DELETE;

    update->step = (uint8_t)step;
    update->at = is_of_sets ? update->sets : update->dels;
    update->left = is_of_sets ? update->set_count : update->del_count;
}

/* The rest is left as it is. */
static void stop(struct ptl_update *update, const char *trouble, int result)
{
    update->step = PTL_UPDATE_DONE;
    update->left = 0;
    if (trouble != NULL) {
        update->trouble = trouble;
    }
    update->result = result;
}

/* An owner that is not the one that counts any more does not become so again within this. */
static void note_result(struct ptl_update *update, int result)
{
    if (result < 0 || result == PTL_STORE_OLD) {
        stop(update, NULL, result);
    }
}

static bool is_named(const void *entry, struct ptl_span key)
{
    struct ptl_cursor cursor = ((const struct ptl_named *)entry)->at;
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span name;

    return ptl_key_next(&cursor, room, &name) == PTL_OK && ptl_span_equal(name, key);
}

static bool has_name(const struct ptl_update *update, struct ptl_span key)
{
    return ptl_map_find(&update->by_name, ptl_name_hash(key), is_named, key) != NULL;
}

/* One key may stand there many times. */
static void name_one(struct ptl_update *update)
{
    struct ptl_named *named = &update->named[update->set_count - 1 - update->left];
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key;

    ptl_assert(update->left < update->set_count); /* this one is counted off already */
    named->at = update->at;
    int err = ptl_key_next(&update->at, room, &key);
    skip(&update->at);
    if (err < 0 || has_name(update, key)) {
        return;
    }
    if (ptl_map_reserve(&update->by_name) < 0) {
        stop(update, NULL, PTL_ENOMEM);
        return;
    }
    ptl_map_insert(&update->by_name, ptl_name_hash(key), named);
}

/* Which of the two is meant nobody can say, and no real node sends it: nothing of it is taken. */
static void compare_one(struct ptl_update *update)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key;

    if (ptl_key_next(&update->at, room, &key) == PTL_OK && has_name(update, key)) {
        stop(update, "an update that sets and deletes one key", PTL_OK);
    }
}

static void delete_one(struct ptl_shard *shard, struct ptl_update *update,
                       const struct ptl_source *source)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key;
    int err = ptl_key_next(&update->at, room, &key);

    if (err < 0) {
        update->trouble = ptl_intake_key_trouble(err);
        return;
    }
    note_result(update, ptl_store_del(shard->directory->store, source, update->family, key));
}

/* A key further on, as long as there is one. */
static void look_ahead(struct ptl_shard *shard, struct ptl_update *update)
{
    struct ptl_span key, value;

    if (ptl_next_string(&update->ahead, &key) == PTL_OK &&
        ptl_next_span(&update->ahead, &value) == PTL_OK) {
        ptl_store_expect(shard->directory->store, update->family, key);
    }
}

static void set_one(struct ptl_shard *shard, struct ptl_update *update,
                    const struct ptl_source *source)
{
    size_t value_max = update->trusted ? SIZE_MAX : shard->node->options.db_value_bytes_max;
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key, value;

    look_ahead(shard, update);
    int err = ptl_key_next(&update->at, room, &key);
    if (err == PTL_EEND || ptl_next_span(&update->at, &value) < 0) {
        stop(update, NULL, PTL_OK);
    } else if (err < 0) {
        update->trouble = ptl_intake_key_trouble(err);
    } else if (value.size > value_max) {
        update->trouble = "a value over the limit";
    } else if (!update->skips_echoes || !ptl_intake_is_echo(shard, key)) {
        note_result(update,
                    ptl_store_set(shard->directory->store, source, update->family, key, value));
    }
}

static void do_one(struct ptl_shard *shard, struct ptl_update *update,
                   const struct ptl_source *source)
{
    switch (update->step) {
    case PTL_UPDATE_OVER:
        skip(&update->at);
        skip(&update->at);
        break;
    case PTL_UPDATE_NAME:
        name_one(update);
        break;
    case PTL_UPDATE_COMPARE:
        compare_one(update);
        break;
    case PTL_UPDATE_DELETE:
        delete_one(shard, update, source);
        break;
    case PTL_UPDATE_SET:
        set_one(shard, update, source);
        break;
    default:
        ptl_unreachable("nothing is left behind the end");
    }
}

/* ---- From one to the next -------------------------------------------------------------------- */

/* What is set lies behind us. */
static void read_dels(struct ptl_update *update)
{
    struct ptl_value head;

    update->dels = update->at;
    if (ptl_next(&update->dels, &head) < 0 || head.type == PTL_NULL) {
        begin_step(update, PTL_UPDATE_DELETE); /* of none */
    } else if (head.type != PTL_ARRAY) {
        stop(update, "an update that deletes no array", PTL_OK);
    } else {
        update->del_count = head.count;
        bool compares = !update->trusted && update->set_count > 0 && head.count > 0;
        begin_step(update, compares ? PTL_UPDATE_NAME : PTL_UPDATE_DELETE);
    }
}

static size_t named_size(const struct ptl_update *update)
{
    return update->set_count * sizeof(struct ptl_named);
}

static void make_names(struct ptl_shard *shard, struct ptl_update *update)
{
    ptl_assert(update->named == NULL && update->set_count > 0);
    update->named = ptl_alloc_raw(shard->allocator, named_size(update));
    if (update->named == NULL) {
        stop(update, NULL, PTL_ENOMEM);
    }
}

static void begin_sets(struct ptl_shard *shard, struct ptl_update *update)
{
    begin_step(update, PTL_UPDATE_SET);
    update->ahead = update->sets;
    for (uint32_t i = 0; i < AHEAD; i++) {
        look_ahead(shard, update);
    }
}

/*
 * OVER --> (NAME --> COMPARE) --> DELETE --> SET: all that is set is stepped over to find what is
 * deleted, which goes first.
 */
static void next_step(struct ptl_shard *shard, struct ptl_update *update)
{
    switch (update->step) {
    case PTL_UPDATE_OVER:
        read_dels(update);
        if (update->step == PTL_UPDATE_NAME) {
            make_names(shard, update);
        }
        break;
    case PTL_UPDATE_NAME:
        begin_step(update, PTL_UPDATE_COMPARE);
        break;
    case PTL_UPDATE_COMPARE:
        ptl_update_end(shard, update);
        begin_step(update, PTL_UPDATE_DELETE);
        break;
    case PTL_UPDATE_DELETE:
        begin_sets(shard, update);
        break;
    default:
        stop(update, NULL, update->result);
    }
}

void ptl_update_begin(struct ptl_shard *shard, struct ptl_update *update, struct ptl_span family,
                      struct ptl_cursor cursor)
{
    struct ptl_value head;

    *update = (struct ptl_update){.family = family, .sets = cursor};
    ptl_map_init(&update->by_name, shard->allocator);
    if (!ptl_family_fits(family)) {
        stop(update, "a family whose name is not one", PTL_OK);
    } else if (ptl_next(&update->sets, &head) < 0) {
        stop(update, NULL, PTL_OK); /* nothing changes */
    } else if (head.type != PTL_MAP && head.type != PTL_NULL) {
        stop(update, "an update that sets no map", PTL_OK);
    } else {
        update->set_count = head.type == PTL_MAP ? head.count : 0;
        begin_step(update, PTL_UPDATE_OVER);
    }
}

bool ptl_update_work(struct ptl_shard *shard, struct ptl_update *update,
                     const struct ptl_source *source, uint32_t *units)
{
    while (update->step != PTL_UPDATE_DONE) {
        /* A unit is a key, in whichever step: a long update is cut anywhere and goes on there. */
        for (; update->left > 0 && *units > 0; --*units) {
            update->left--;
            do_one(shard, update, source);
        }
        if (update->left > 0) {
            return true;
        }
        if (update->step != PTL_UPDATE_DONE) {
            next_step(shard, update);
        }
    }
    return false;
}

void ptl_update_end(struct ptl_shard *shard, struct ptl_update *update)
{
    ptl_map_drop(&update->by_name);
    ptl_map_init(&update->by_name, shard->allocator);
    ptl_free(shard->allocator, update->named, update->named == NULL ? 0 : named_size(update));
    update->named = NULL;
}
