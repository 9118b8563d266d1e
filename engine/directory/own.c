#include "engine/directory/own.h"

#include "engine/directory/body.h"
#include "engine/directory/post.h"
#include "engine/shard/node.h"

struct ptl_source ptl_directory_own(const struct ptl_shard *shard)
{
    struct ptl_span self = ptl_directory_self(&shard->node->self);

    /* Nothing that others say of us counts more. */
    return (struct ptl_source){.owner = self, .via = self, .attachment = UINT64_MAX};
}

static void complain(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key, int err)
{
    ptl_log(shard->node, PTL_LOG_ERROR, "the key '%.*s' of family %.*s: %s", (int)key.size,
            (const char *)key.bytes, (int)family.size, (const char *)family.bytes,
            ptl_err_text(err));
}

/*
 * Whether one more entry of ours, or its bytes, are too many.  Whether the key is one more, or has
 * a value already, is looked at only at a limit: that costs a look into the store.
 */
static bool over_limit(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key,
                       struct ptl_span value)
{
    const struct ptl_node_options *options = &shard->node->options;
    const struct ptl_store *store = shard->directory->store;
    struct ptl_span self = ptl_directory_self(&shard->node->self);
    uint64_t bytes = ptl_store_owner_bytes(store, self) + key.size + value.size;
    bool is_full = ptl_store_owner_count(store, self) >= options->db_entries_max;
    struct ptl_item item;

    if (!is_full && bytes <= options->db_bytes_max) {
        return false;
    }
    if (!ptl_store_get(store, family, key, &item) || !ptl_span_equal(item.owner, self)) {
        return true;
    }
    return bytes - item.key.size - item.value.size > options->db_bytes_max;
}

void ptl_directory_set(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key,
                       struct ptl_span value)
{
    ptl_assert(ptl_directory_place(shard, family) == shard->index);
    struct ptl_source own = ptl_directory_own(shard);
    int err = over_limit(shard, family, key, value)
                  ? PTL_ELIMIT
                  : ptl_store_set(shard->directory->store, &own, family, key, value);

    if (err < 0) {
        complain(shard, family, key, err);
    }
}

void ptl_directory_del(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key)
{
    ptl_assert(ptl_directory_place(shard, family) == shard->index);
    struct ptl_source own = ptl_directory_own(shard);
    int err = ptl_store_del(shard->directory->store, &own, family, key);

    if (err < 0) {
        complain(shard, family, key, err);
    }
}

void ptl_directory_take_set(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_entry entry = ptl_body_entry(op->body);

    /* The first entry of ours is a reason to have a master: others shall see it. */
    ptl_directory_need(shard);
    ptl_directory_set(shard, entry.family, entry.key, entry.value);
}

void ptl_directory_take_del(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_entry entry = ptl_body_entry(op->body);

    ptl_directory_need(shard);
    ptl_directory_del(shard, entry.family, entry.key);
}
