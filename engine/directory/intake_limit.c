#include "engine/directory/intake_limit.h"

#include "engine/directory/key.h"
#include "engine/shard/node.h"

const char *ptl_intake_key_trouble(int err)
{
    return err == PTL_ESIZE ? "a key of more than 1024 bytes" : "a key that is none";
}

/* A port of ours, said by another: it has it from us, and would keep it when the port is gone. */
bool ptl_intake_is_echo(const struct ptl_shard *shard, struct ptl_span key)
{
    struct ptl_span self = ptl_directory_self(&shard->node->self);

    return key.size > self.size && memcmp(key.bytes, self.bytes, self.size) == 0 &&
           key.bytes[self.size] == '#';
}

bool ptl_intake_is_over(const struct ptl_shard *shard, struct ptl_span owner)
{
    const struct ptl_node_options *options = &shard->node->options;
    const struct ptl_store *store = shard->directory->store;

    return ptl_store_owner_count(store, owner) > options->db_entries_max ||
           ptl_store_owner_bytes(store, owner) > options->db_bytes_max;
}

static bool is_beyond(uint64_t count, uint64_t leaving, uint64_t max)
{
    return count > max || count + leaving > 2 * max;
}

bool ptl_intake_brings_too_much(const struct ptl_shard *shard, struct ptl_span via)
{
    const struct ptl_node_options *options = &shard->node->options;
    struct ptl_brought brought = ptl_store_brought(shard->directory->store, via);

    return is_beyond(brought.owners, brought.leaving_owners, options->db_owners_max) ||
           is_beyond(brought.entries, brought.leaving_entries, options->db_brought_max) ||
           is_beyond(brought.bytes, brought.leaving_bytes, options->db_brought_bytes_max);
}

bool ptl_intake_may_name(const struct ptl_source *source, struct ptl_span family)
{
    return !ptl_span_equal(family, ptl_span_text("'g")) ||
           ptl_span_equal(source->owner, source->via);
}

void ptl_intake_warn(struct ptl_shard *shard, struct ptl_span node, struct ptl_span family,
                     const char *trouble)
{
    struct ptl_span shown = ptl_key_shown(family);

    ptl_log_about(shard, PTL_LOG_WARN, node, "from %.*s: family '%.*s%s': %s: ignored",
                  (int)node.size, (const char *)node.bytes, (int)shown.size,
                  (const char *)shown.bytes, shown.size < family.size ? "..." : "", trouble);
}
