/*
 * The database as programs use it: each function checks its arguments and has the shard of the
 * family, or of the port, do the rest.
 */
#include "engine/directory/body.h"
#include "engine/directory/follower.h"
#include "engine/directory/key.h"
#include "engine/directory/outlet_follower.h"
#include "engine/directory/question.h"
#include "engine/directory/registration.h"
#include "engine/message/name.h"
#include "engine/port/call.h"
#include "engine/port/room.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

/* The shard that has the family: all that concerns it goes there, from wherever it comes. */
static unsigned place_of(const struct ptl_node *node, const char *family)
{
    return ptl_shard_of(ptl_name_hash(ptl_span_text(family)), node->shard_count);
}

/* The network's own families are read and watched only. */
static bool is_writable(const char *family)
{
    return ptl_family_valid(ptl_span_text(family)) && family[0] != '\'';
}

/* What others have called a family is there to be read, whatever it looks like. */
static bool is_readable(const char *family)
{
    struct ptl_span name = ptl_span_text(family);

    return ptl_family_fits(name) && ptl_key_valid(name);
}

static int check_entry(const struct ptl_node *node, const char *family, const char *key,
                       const struct ptl_msg *value)
{
    if (!is_writable(family)) {
        return PTL_EINVAL;
    }
    if (strlen(key) > PTL_DB_KEY_MAX) {
        return PTL_ESIZE;
    }
    if (!ptl_key_valid(ptl_span_text(key)) || (value != NULL && value->count != 1)) {
        return PTL_EINVAL;
    }
    if (value != NULL && value->size > node->options.db_value_bytes_max) {
        return PTL_ESIZE;
    }
    return ptl_node_stopping(node) ? PTL_ESTOPPED : PTL_OK;
}

/* ---- Setting --------------------------------------------------------------------------------- */

/* To the family's shard, behind what this sender has sent there before. */
static int post(struct ptl_node *node, unsigned place, const struct ptl_op *op)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    if (shard == NULL) {
        return ptl_submit(node, place, op, PTL_WAY_MESSAGE);
    }
    int err = ptl_shard_post(shard, place, op, false);
    if (err == PTL_EFULL) {
        ptl_bottleneck_at_ring(&shard->ports->bottleneck, place);
    }
    return err;
}

/*
 * The key will be looked up in the family's shard, in its next turn.  If we are on that very shard,
 * what the look-up touches first can be fetched into the processor's caches until then.
 */
static void announce(struct ptl_node *node, unsigned place, const char *family, const char *key)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    if (shard != NULL && shard->index == place) {
        ptl_store_expect(shard->directory->store, ptl_span_text(family), ptl_span_text(key));
    }
}

static int change(struct ptl_node *node, enum ptl_directory_op kind, const char *family,
                  const char *key, const struct ptl_msg *value)
{
    unsigned place = place_of(node, family);
    struct ptl_writer writer;

    announce(node, place, family, key);
    ptl_writer_init(&writer, node);
    int err = ptl_body_put_entry(&writer, ptl_span_text(family), ptl_span_text(key), value);
    if (err == PTL_OK) {
        struct ptl_op op = ptl_dir_op(kind);
        /* Its bytes lie in the writer: posting copies them, so they may go when it has returned. */
        op.body = ptl_writer_body(&writer);
        op.count = writer.count;
        err = post(node, place, &op);
    }
    ptl_writer_drop(&writer);
    return err;
}

int ptl_db_set(struct ptl_node *node, const char *family, const char *key,
               const struct ptl_msg *value)
{
    int err = check_entry(node, family, key, value);

    return err < 0 ? err : change(node, PTL_DIR_SET, family, key, value);
}

int ptl_db_del(struct ptl_node *node, const char *family, const char *key)
{
    int err = check_entry(node, family, key, NULL);

    return err < 0 ? err : change(node, PTL_DIR_DEL, family, key, NULL);
}

/* Family, key and value in a message of their own. */
static int make_entry(struct ptl_node *node, const char *family, const char *key,
                      const struct ptl_msg *value, struct ptl_msg **entry)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, node);
    ptl_body_put_entry(&writer, ptl_span_text(family), ptl_span_text(key), value);
    return ptl_writer_finish(&writer, entry);
}

int ptl_db_register(struct ptl_node *node, const char *family, const struct ptl_port *port,
                    const struct ptl_msg *value)
{
    struct ptl_port own;
    struct ptl_msg *entry;

    port = ptl_port_own_view(&node->self, port, &own);
    if (port == NULL || (port->kind != PTL_PORT_SLOT && port->kind != PTL_PORT_NAMED)) {
        return PTL_EINVAL;
    }
    int err = check_entry(node, family, ptl_port_id(port), value);
    if (err == PTL_OK) {
        err = make_entry(node, family, ptl_port_id(port), value, &entry);
    }
    if (err < 0) {
        return err;
    }
    /* To the port's shard, not the family's: there it belongs to the port and goes with it. */
    struct ptl_registration *registration =
        ptl_registration_make(node, place_of(node, family), entry);
    if (registration == NULL) {
        ptl_msg_free(entry);
        return PTL_ENOMEM;
    }
    struct ptl_op op = {
        .kind = PTL_OP_REGISTER,
        .as.handed = {.registration = registration,
                      .bytes = ptl_op_bytes(sizeof(*registration) + entry->size)},
    };
    err = ptl_note_full(node, port, ptl_route(node, port, &op, PTL_WAY_MESSAGE));
    if (err < 0) {
        /* Any shard does: to free it takes the allocator alone, which all have in common. */
        ptl_registration_free(&node->shards[0], registration);
    }
    return err;
}

int ptl_db_on_room(struct ptl_node *node, const char *family, ptl_room_fn *tell, void *data)
{
    return ptl_db_on_room_owned(node, family, tell, data, NULL);
}

int ptl_db_on_room_owned(struct ptl_node *node, const char *family, ptl_room_fn *tell, void *data,
                         ptl_release_fn *release)
{
    struct ptl_bottleneck at;

    if (!ptl_family_valid(ptl_span_text(family))) {
        return PTL_EINVAL;
    }
    ptl_bottleneck_at_ring(&at, place_of(node, family));
    return ptl_on_room_at(node, &at, tell, data, release);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int ask(struct ptl_node *node, enum ptl_ask what, const char *family, const char *key,
               ptl_reply_fn *tell, void *data, ptl_release_fn *release)
{
    struct ptl_writer writer;
    struct ptl_msg *msg;

    if (!is_readable(family) || (key != NULL && !ptl_key_valid(ptl_span_text(key)))) {
        return PTL_EINVAL;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    ptl_writer_init(&writer, node);
    ptl_body_put_question(&writer, what, ptl_span_text(family),
                          key != NULL ? ptl_span_text(key) : ptl_span(NULL, 0));
    int err = ptl_writer_finish(&writer, &msg);
    if (err == PTL_OK) {
        struct ptl_op op = ptl_dir_op(PTL_DIR_ASK);
        err = ptl_call_shard(node, place_of(node, family), &op.as.words, msg, tell, data, release);
        ptl_msg_free(msg);
    }
    return err;
}

int ptl_db_get(struct ptl_node *node, const char *family, const char *key, ptl_reply_fn *tell,
               void *data)
{
    return ptl_db_get_owned(node, family, key, tell, data, NULL);
}

int ptl_db_get_owned(struct ptl_node *node, const char *family, const char *key, ptl_reply_fn *tell,
                     void *data, ptl_release_fn *release)
{
    return key == NULL ? PTL_EINVAL : ask(node, PTL_ASK_GET, family, key, tell, data, release);
}

int ptl_db_family(struct ptl_node *node, const char *family, ptl_reply_fn *tell, void *data)
{
    return ask(node, PTL_ASK_FAMILY, family, NULL, tell, data, NULL);
}

int ptl_db_family_owned(struct ptl_node *node, const char *family, ptl_reply_fn *tell, void *data,
                        ptl_release_fn *release)
{
    return ask(node, PTL_ASK_FAMILY, family, NULL, tell, data, release);
}

int ptl_db_keys(struct ptl_node *node, const char *family, ptl_reply_fn *tell, void *data)
{
    return ask(node, PTL_ASK_KEYS, family, NULL, tell, data, NULL);
}

int ptl_db_keys_owned(struct ptl_node *node, const char *family, ptl_reply_fn *tell, void *data,
                      ptl_release_fn *release)
{
    return ask(node, PTL_ASK_KEYS, family, NULL, tell, data, release);
}

int ptl_db_values(struct ptl_node *node, const char *family, ptl_reply_fn *tell, void *data)
{
    return ask(node, PTL_ASK_VALUES, family, NULL, tell, data, NULL);
}

int ptl_db_values_owned(struct ptl_node *node, const char *family, ptl_reply_fn *tell, void *data,
                        ptl_release_fn *release)
{
    return ask(node, PTL_ASK_VALUES, family, NULL, tell, data, release);
}

/* ---- Watching -------------------------------------------------------------------------------- */

static int hand_over(struct ptl_node *node, struct ptl_follower *follower)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    /* It lives where it is made: on the port's shard, or, for a thread of the program, on the
     * family's. */
    if (shard != NULL) {
        return ptl_follower_add(shard, follower);
    }
    struct ptl_op op = {
        .kind = PTL_OP_FOLLOW,
        .to = PTL_TO_SHARD,
        .as.handed = {.follower = follower,
                      .bytes = ptl_op_bytes(sizeof(*follower) + follower->what->size)},
    };
    return ptl_submit(node, follower->place, &op, PTL_WAY_MESSAGE);
}

/* What a follower wants to be told of, in a message of its own. */
static int make_watch(struct ptl_node *node, const char *family, enum ptl_watch_how how,
                      const char *filter, struct ptl_msg **what)
{
    struct ptl_body_watch watch = {
        .family = ptl_span_text(family),
        .how = (uint8_t)how,
        .filter = ptl_span_text(filter),
    };
    struct ptl_writer writer;

    ptl_writer_init(&writer, node);
    ptl_body_put_watch(&writer, &watch);
    return ptl_writer_finish(&writer, what);
}

static int watch(struct ptl_node *node, const char *family, enum ptl_watch_how how,
                 const char *filter, ptl_db_watch_fn *tell, void *data, ptl_release_fn *release,
                 struct ptl_db_watch *watch)
{
    const struct ptl_shard *shard = ptl_shard_here(node);
    struct ptl_msg *what;

    if (!is_readable(family) || (how != PTL_WATCH_ALL && !ptl_key_valid(ptl_span_text(filter)))) {
        return PTL_EINVAL;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    int err = make_watch(node, family, how, filter, &what);
    if (err < 0) {
        return err;
    }
    struct ptl_follower *follower =
        ptl_follower_make(node, place_of(node, family), what, tell, data);
    if (follower == NULL) {
        ptl_msg_free(what);
        return PTL_ENOMEM;
    }
    follower->release = release;
    struct ptl_db_watch named = {
        .id = follower->id,
        .shard = shard != NULL ? shard->index : follower->place,
    };
    /* Named before: once handed over, the follower may be ended and freed at any time. */
    err = hand_over(node, follower);
    if (err < 0) {
        follower->release = NULL; /* its data stays the caller's */
        ptl_follower_free(&node->shards[0], follower);
    } else if (watch != NULL) {
        *watch = named;
    }
    return err;
}

int ptl_db_watch(struct ptl_node *node, const char *family, ptl_db_watch_fn *tell, void *data,
                 struct ptl_db_watch *handle)
{
    return ptl_db_watch_owned(node, family, tell, data, NULL, handle);
}

int ptl_db_watch_owned(struct ptl_node *node, const char *family, ptl_db_watch_fn *tell, void *data,
                       ptl_release_fn *release, struct ptl_db_watch *handle)
{
    return watch(node, family, PTL_WATCH_ALL, "", tell, data, release, handle);
}

int ptl_db_watch_key(struct ptl_node *node, const char *family, const char *key,
                     ptl_db_watch_fn *tell, void *data, struct ptl_db_watch *handle)
{
    return ptl_db_watch_key_owned(node, family, key, tell, data, NULL, handle);
}

int ptl_db_watch_key_owned(struct ptl_node *node, const char *family, const char *key,
                           ptl_db_watch_fn *tell, void *data, ptl_release_fn *release,
                           struct ptl_db_watch *handle)
{
    return watch(node, family, PTL_WATCH_ONE, key, tell, data, release, handle);
}

int ptl_db_watch_prefix(struct ptl_node *node, const char *family, const char *prefix,
                        ptl_db_watch_fn *tell, void *data, struct ptl_db_watch *handle)
{
    return ptl_db_watch_prefix_owned(node, family, prefix, tell, data, NULL, handle);
}

int ptl_db_watch_prefix_owned(struct ptl_node *node, const char *family, const char *prefix,
                              ptl_db_watch_fn *tell, void *data, ptl_release_fn *release,
                              struct ptl_db_watch *handle)
{
    /* All keys begin with nothing. */
    enum ptl_watch_how how = prefix[0] != 0 ? PTL_WATCH_BEGINNING : PTL_WATCH_ALL;

    return watch(node, family, how, prefix, tell, data, release, handle);
}

void ptl_db_unwatch(struct ptl_node *node, const struct ptl_db_watch *handle)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    struct ptl_dir_words words = {.kind = PTL_DIR_UNFOLLOW, .follower = {.id = handle->id}};
    struct ptl_op op = ptl_dir_say(&words);

    if (handle->id == 0 || handle->shard >= node->shard_count) {
        return;
    }
    if (shard != NULL && shard->index == handle->shard) {
        ptl_follower_end(shard, handle->id);
    } else if (ptl_submit(node, handle->shard, &op, PTL_WAY_OWN) < 0) {
        ptl_log(node, PTL_LOG_ERROR, "out of memory: a watch could not be ended");
    }
}
