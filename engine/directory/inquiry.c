#include "engine/directory/inquiry.h"

#include "engine/directory/key.h"
#include "engine/directory/post.h"
#include "engine/link/link.h"
#include "engine/message/message.h"
#include "engine/port/bottleneck.h"
#include "engine/shard/node.h"

_Static_assert(sizeof(((struct ptl_inquiry *)0)->room) == PTL_KEY_ROOM,
               "a key fits an inquiry's room");

static struct ptl_span link_id(const struct ptl_link *link)
{
    return ptl_span(link->id, link->id_size);
}

int ptl_inquiry_ignore(const struct ptl_inquiry *q, const char *why)
{
    ptl_log_about(q->shard, PTL_LOG_WARN, link_id(q->link), "from %s: '%s' %s: ignored",
                  q->link->id, q->name, why);
    return PTL_OK;
}

int ptl_inquiry_malformed(const struct ptl_inquiry *q)
{
    return ptl_inquiry_ignore(q, "with missing or wrong arguments");
}

/* ---- Passing on ------------------------------------------------------------------------------ */

struct ptl_op ptl_inquiry_say(const struct ptl_inquiry *q, const struct ptl_dir_words *words)
{
    struct ptl_op op = ptl_dir_say(words);

    op.node = link_id(q->link);
    op.body = q->values;
    op.count = q->count;
    return op;
}

struct ptl_op ptl_inquiry_op(const struct ptl_inquiry *q, enum ptl_directory_op kind)
{
    return ptl_inquiry_say(q, &(struct ptl_dir_words){.kind = kind});
}

static int no_room(const struct ptl_inquiry *q, unsigned shard)
{
    ptl_bottleneck_at_ring(q->full, shard);
    return PTL_EFULL;
}

/* Refused, not queued: the connection is held until there is room, and so the peer is not read. */
int ptl_inquiry_pass(const struct ptl_inquiry *q, unsigned shard, const struct ptl_op *op)
{
    ptl_assert(shard < q->shard->node->shard_count);
    if (ptl_directory_waits(q->shard, shard)) {
        return no_room(q, shard);
    }
    int err = ptl_shard_post(q->shard, shard, op, false);
    return err == PTL_EFULL ? no_room(q, shard) : err;
}

/* To all shards or none.  A large body is copied once, and held by all. */
int ptl_inquiry_pass_all(const struct ptl_inquiry *q, struct ptl_op *op)
{
    struct ptl_msg *held = NULL;
    unsigned count = q->shard->node->shard_count;

    for (unsigned i = 0; i < count; i++) {
        if (ptl_directory_waits(q->shard, i) ||
            !ptl_ring_has_room(ptl_shard_ring(q->shard, i), PTL_RECORD_MAX, 1)) {
            return no_room(q, i);
        }
    }
    /* All have room, and no ring is written by anybody else: none of them can refuse it now. */
    if (op->body.size > PTL_OP_INLINE_MAX) {
        int err = ptl_msg_from(q->shard->allocator, op->body, op->count, &held);
        if (err < 0) {
            return err;
        }
        op->whole = held;
        op->body = ptl_msg_body(held);
    }
    int err = PTL_OK;
    for (unsigned i = 0; i < count && err == PTL_OK; i++) {
        err = ptl_shard_post(q->shard, i, op, false);
    }
    ptl_msg_free(held);
    return err;
}

/* The name, of whatever, that the values begin with; false: there is none. */
bool ptl_inquiry_name(struct ptl_inquiry *q, struct ptl_span *name)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values);

    return q->count > 0 && ptl_key_next(&cursor, q->room, name) == PTL_OK;
}

bool ptl_inquiry_family(struct ptl_inquiry *q, struct ptl_span *family)
{
    return ptl_inquiry_name(q, family) && ptl_family_fits(*family);
}

int ptl_inquiry_no_family(struct ptl_inquiry *q)
{
    struct ptl_cursor cursor = ptl_cursor_of(q->values);
    struct ptl_span family = ptl_span(NULL, 0);
    int err = ptl_key_next(&cursor, q->room, &family);
    struct ptl_span shown = ptl_key_shown(family);

    (void)err; /* too long, perhaps: it is named all the same */
    ptl_log_about(q->shard, PTL_LOG_WARN, link_id(q->link),
                  "from %s: '%s' of a family whose name is not one: '%.*s%s': ignored", q->link->id,
                  q->name, (int)shown.size, (const char *)shown.bytes,
                  shown.size < family.size ? "..." : "");
    return PTL_OK;
}

int ptl_inquiry_pass_by_family(struct ptl_inquiry *q, enum ptl_directory_op kind)
{
    struct ptl_op op = ptl_inquiry_op(q, kind);
    struct ptl_span family;

    if (!ptl_inquiry_family(q, &family)) {
        return ptl_inquiry_no_family(q);
    }
    return ptl_inquiry_pass(q, ptl_directory_place(q->shard, family), &op);
}
