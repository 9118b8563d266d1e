#include "engine/directory/apply.h"

#include "engine/directory/attachment.h"
#include "engine/directory/interest.h"
#include "engine/directory/key.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

/* Keys that the store is told to expect, ahead of the one that is being set. */
#define AHEAD 8

/* ---- Reading --------------------------------------------------------------------------------- */

const char *ptl_apply_trouble(int err)
{
    return err == PTL_ESIZE ? "a key of more than 1024 bytes" : "a key that is none";
}

bool ptl_apply_is_echo(const struct ptl_shard *shard, struct ptl_span key)
{
    struct ptl_span self = ptl_directory_self(&shard->node->self);

    return key.size > self.size && memcmp(key.bytes, self.bytes, self.size) == 0 &&
           key.bytes[self.size] == '#';
}

static void skip_map(struct ptl_cursor *cursor)
{
    int err = ptl_skip(cursor);

    (void)err; /* the message is well-formed */
}

void ptl_apply_warn(struct ptl_shard *shard, struct ptl_span node, struct ptl_span family,
                    const char *trouble)
{
    struct ptl_span shown = ptl_key_shown(family);

    ptl_log_about(shard, PTL_LOG_WARN, node, "from %.*s: family '%.*s%s': %s: ignored",
                  (int)node.size, (const char *)node.bytes, (int)shown.size,
                  (const char *)shown.bytes, shown.size < family.size ? "..." : "", trouble);
}

static void warn_of_owner(struct ptl_shard *shard, struct ptl_span node)
{
    ptl_log_about(shard, PTL_LOG_WARN, node, "from %.*s: an owner that is none: ignored",
                  (int)node.size, (const char *)node.bytes);
}

/* ---- Nodes without owners -------------------------------------------------------------------- */

static bool by_global(const struct ptl_op *op)
{
    return (op->watcher & PTL_BY_GLOBAL) != 0;
}

/* Whose entries they are, and through whom they come. */
static struct ptl_source source_of(const struct ptl_shard *shard, const struct ptl_op *op)
{
    return (struct ptl_source){
        .owner = op->node,
        .via = by_global(op) ? op->node : ptl_directory_self(&shard->node->self),
        .attachment = by_global(op) ? UINT64_MAX : op->epoch | PTL_ATTACHMENT_HERE,
    };
}

bool ptl_apply_over_limit(const struct ptl_shard *shard, struct ptl_span owner)
{
    return ptl_store_owner_count(shard->directory->store, owner) >
           shard->node->options.db_entries_max;
}

static void judge(struct ptl_shard *shard, const struct ptl_op *op, int result)
{
    if (ptl_apply_over_limit(shard, op->node)) {
        ptl_directory_fail(shard, op->node, PTL_ELIMIT);
    } else if (result < 0 && result != PTL_EOWNER) {
        ptl_directory_fail(shard, op->node, result);
    }
}

/* One update, taken apart. */
struct update {
    struct ptl_span family;
    struct ptl_cursor sets, dels; /* behind their heads */
    uint32_t set_count, del_count;
};

/* Family, set, del; the last two may be null or absent.  Returns what is wrong, or NULL. */
static const char *read_update(struct ptl_cursor cursor, struct update *update,
                               uint8_t room[static PTL_KEY_ROOM])
{
    struct ptl_value head;
    update->family = ptl_span(NULL, 0);
    update->set_count = update->del_count = 0;
    int err = ptl_key_next(&cursor, room, &update->family);
    if (err < 0 || !ptl_family_fits(update->family)) {
        return "a family whose name is not one";
    }
    update->sets = cursor;
    if (ptl_next(&update->sets, &head) < 0) {
        return NULL; /* nothing changes */
    }
    if (head.type != PTL_MAP && head.type != PTL_NULL) {
        return "an update that sets no map";
    }
    update->set_count = head.type == PTL_MAP ? head.count : 0;
    skip_map(&cursor);
    update->dels = cursor;
    if (ptl_next(&update->dels, &head) < 0) {
        return NULL;
    }
    if (head.type != PTL_ARRAY && head.type != PTL_NULL) {
        return "an update that deletes no array";
    }
    update->del_count = head.type == PTL_ARRAY ? head.count : 0;
    return NULL;
}

/* A key of an update, in a map from the hashes of their names. */
struct named {
    struct ptl_cursor at;
};

static bool same_named(const void *entry, struct ptl_span key)
{
    struct ptl_cursor cursor = ((const struct named *)entry)->at;
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span name;

    return ptl_key_next(&cursor, room, &name) == PTL_OK && ptl_span_equal(name, key);
}

/* One key may stand there many times. */
static int name_set(struct ptl_map *map, struct named *named, struct ptl_span key)
{
    uint64_t hash = ptl_name_hash(key);

    if (ptl_map_find(map, hash, same_named, key) != NULL) {
        return PTL_OK;
    }
    int err = ptl_map_reserve(map);
    if (err == PTL_OK) {
        ptl_map_insert(map, hash, named);
    }
    return err;
}

static int name_sets(const struct update *update, struct named *named, struct ptl_map *map)
{
    struct ptl_cursor cursor = update->sets;
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key;

    for (uint32_t i = 0; i < update->set_count; i++) {
        named[i].at = cursor;
        int err = ptl_key_next(&cursor, room, &key);
        skip_map(&cursor);
        if (err == PTL_OK) {
            err = name_set(map, &named[i], key);
            if (err < 0) {
                return err;
            }
        }
    }
    return PTL_OK;
}

static bool deletes_one(const struct update *update, const struct ptl_map *map)
{
    struct ptl_cursor cursor = update->dels;
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key;

    for (uint32_t i = 0; i < update->del_count; i++) {
        if (ptl_key_next(&cursor, room, &key) == PTL_OK &&
            ptl_map_find(map, ptl_name_hash(key), same_named, key) != NULL) {
            return true;
        }
    }
    return false;
}

/* Whether a key is both set and deleted: 1 or 0, or PTL_ENOMEM. */
static int contradicts(struct ptl_shard *shard, const struct update *update)
{
    struct ptl_map map;

    if (update->set_count == 0 || update->del_count == 0) {
        return 0;
    }
    size_t size = update->set_count * sizeof(struct named);
    struct named *named = ptl_alloc_raw(shard->allocator, size);
    if (named == NULL) {
        return PTL_ENOMEM;
    }
    ptl_map_init(&map, shard->allocator);
    int result = name_sets(update, named, &map);
    if (result == PTL_OK) {
        result = deletes_one(update, &map);
    }
    ptl_map_drop(&map);
    ptl_free(shard->allocator, named, size);
    return result;
}

/* How an update is taken. */
struct taking {
    struct ptl_shard *shard;
    const struct ptl_source *source;
    size_t value_max;
    bool skip_echoes;
    const char *trouble; /* why an entry was left out, or NULL */
    int result;          /* the last that was not PTL_STORE_DONE or _SAME */
};

static void note_result(struct taking *taking, int result)
{
    if (result < 0 || result == PTL_STORE_OLD) {
        taking->result = result;
    }
}

/* A key further on, as long as there is one. */
static void look_ahead(struct taking *taking, const struct update *update, struct ptl_cursor *ahead)
{
    struct ptl_span key, value;

    if (ptl_next_string(ahead, &key) == PTL_OK && ptl_next_span(ahead, &value) == PTL_OK) {
        ptl_store_expect(taking->shard->directory->store, update->family, key);
    }
}

static void take_sets(struct taking *taking, const struct update *update)
{
    struct ptl_cursor cursor = update->sets;
    struct ptl_cursor ahead = cursor;
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key, value;

    for (uint32_t i = 0; i < AHEAD; i++) {
        look_ahead(taking, update, &ahead);
    }
    for (uint32_t i = 0; i < update->set_count; i++) {
        look_ahead(taking, update, &ahead);
        int err = ptl_key_next(&cursor, room, &key);
        if (err == PTL_EEND || ptl_next_span(&cursor, &value) < 0) {
            return;
        }
        if (err < 0) {
            taking->trouble = ptl_apply_trouble(err);
        } else if (value.size > taking->value_max) {
            taking->trouble = "a value over the limit";
        } else if (!taking->skip_echoes || !ptl_apply_is_echo(taking->shard, key)) {
            note_result(taking, ptl_store_set(taking->shard->directory->store, taking->source,
                                              update->family, key, value));
        }
    }
}

static void take_dels(struct taking *taking, const struct update *update)
{
    struct ptl_cursor cursor = update->dels;
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span key;

    for (uint32_t i = 0; i < update->del_count; i++) {
        int err = ptl_key_next(&cursor, room, &key);
        if (err < 0) {
            taking->trouble = ptl_apply_trouble(err);
            continue;
        }
        note_result(taking, ptl_store_del(taking->shard->directory->store, taking->source,
                                          update->family, key));
    }
}

/* Take a whole update, or nothing where it contradicts itself. */
static void take_update(struct taking *taking, const struct update *update)
{
    int twice = contradicts(taking->shard, update);

    if (twice < 0) {
        taking->result = twice;
        return;
    }
    if (twice > 0) {
        taking->trouble = "an update that sets and deletes one key";
        return;
    }
    take_dels(taking, update);
    take_sets(taking, update);
}

void ptl_apply_update(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_source source = source_of(shard, op);
    struct taking taking = {
        .shard = shard,
        .source = &source,
        .value_max = shard->node->options.db_value_bytes_max,
        .skip_echoes = by_global(op),
    };
    uint8_t room[PTL_KEY_ROOM];
    struct update update;

    taking.trouble = read_update(ptl_cursor_of(op->body), &update, room);
    if (taking.trouble == NULL) {
        take_update(&taking, &update);
    }
    if (taking.trouble != NULL) {
        ptl_apply_warn(shard, op->node, update.family, taking.trouble);
    }
    judge(shard, op, taking.result);
}

/* ---- Global nodes of ours -------------------------------------------------------------------- */

/* Owner and attachment; false: it is not of that form. */
static bool read_source(struct ptl_cursor *cursor, const struct ptl_op *op,
                        struct ptl_source *source, uint8_t room[static PTL_KEY_ROOM])
{
    struct ptl_value number;

    if (ptl_key_next(cursor, room, &source->owner) < 0 || ptl_next(cursor, &number) < 0 ||
        number.type != PTL_INT || number.integer < 0 || number.natural > PTL_ATTACHMENT_MAX ||
        !ptl_node_id_valid(source->owner)) {
        return false;
    }
    source->via = op->node;
    /* What it says of itself counts more than what anybody says of it. */
    source->attachment = ptl_span_equal(source->owner, op->node) ? UINT64_MAX : number.natural;
    return true;
}

/* Should what counts more go first, it is asked for this once more. */
static void note_ignored(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_peer *peer = ptl_peer_find(shard, node);

    if (peer != NULL) {
        peer->ignored = true;
    }
}

/* Whoever brought it before may be right after all. */
static void note_displaced(struct ptl_shard *shard, const struct ptl_source *source)
{
    struct ptl_source known;

    if (ptl_store_owner(shard->directory->store, source->owner, &known) &&
        !ptl_span_equal(known.via, source->via)) {
        note_ignored(shard, known.via);
    }
}

void ptl_apply_owner(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_source source;

    if (!read_source(&cursor, op, &source, room)) {
        warn_of_owner(shard, op->node);
        return;
    }
    note_displaced(shard, &source);
    int result = ptl_store_attach(shard->directory->store, &source);
    if (result == PTL_STORE_OLD) {
        note_ignored(shard, op->node);
    } else if (result < 0) {
        ptl_directory_fail(shard, op->node, result);
    }
}

void ptl_apply_lost(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_source source;

    if (!read_source(&cursor, op, &source, room)) {
        warn_of_owner(shard, op->node);
        return;
    }
    if (ptl_store_drop(shard->directory->store, &source) == PTL_STORE_DONE) {
        ptl_peers_ask_again(shard);
    }
}

/* Take what our own global nodes and our master say: it has been looked at there. */
static void take_trusted(struct taking *taking, struct ptl_cursor cursor, const struct ptl_op *op)
{
    uint8_t room[PTL_KEY_ROOM];
    struct update update;

    taking->value_max = SIZE_MAX;
    taking->trouble = read_update(cursor, &update, room);
    if (taking->trouble == NULL) {
        take_dels(taking, &update);
        take_sets(taking, &update);
    }
    if (taking->trouble != NULL) {
        ptl_apply_warn(taking->shard, op->node, update.family, taking->trouble);
    }
    /* An owner that is not attached was lost meanwhile, as another shard of the peer's told. */
    if (taking->result < 0 && taking->result != PTL_EOWNER) {
        ptl_directory_fail(taking->shard, op->node, taking->result);
    }
}

void ptl_apply_owned(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_source source;
    struct taking taking = {.shard = shard, .source = &source};

    if (!read_source(&cursor, op, &source, room)) {
        warn_of_owner(shard, op->node);
        return;
    }
    take_trusted(&taking, cursor, op);
}

/* ---- The master ------------------------------------------------------------------------------ */

static struct ptl_interest *interest_in(struct ptl_shard *shard, const struct ptl_op *op,
                                        struct ptl_cursor *cursor)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family;
    int err = ptl_key_next(cursor, room, &family);

    if (err < 0 || !ptl_directory_is_master(shard->directory, op->node)) {
        return NULL; /* from one that was the master until just now */
    }
    return ptl_interest_find(shard, family);
}

void ptl_apply_change(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    struct ptl_interest *interest = interest_in(shard, op, &cursor);

    if (interest == NULL) {
        return;
    }
    if (interest->state != PTL_INTEREST_FRESH) {
        ptl_apply_warn(shard, op->node, ptl_interest_family(interest),
                       "a change before its first copy");
        return;
    }
    struct ptl_source source = ptl_interest_source(interest);
    struct taking taking = {.shard = shard, .source = &source};
    take_trusted(&taking, ptl_cursor_of(op->body), op);
}
