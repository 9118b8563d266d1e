#include "engine/directory/permitted.h"

#include "engine/directory/key.h"
#include "engine/link/link.h"
#include "engine/message/message.h"
#include "engine/shard/node.h"
#include "io/cbor.h"

/* The next pair, as it stands there; whether its family may be written.  What is no name is for
 * whoever takes the database to complain of. */
static bool next_pair(const struct ptl_inquiry *q, struct ptl_cursor *cursor, struct ptl_span *pair)
{
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_span family;
    const uint8_t *begin = cursor->at;
    int err = ptl_key_next(cursor, room, &family);
    int skipped = ptl_skip(cursor);

    (void)skipped; /* the message is well-formed */
    *pair = ptl_span(begin, (size_t)(cursor->at - begin));
    return err < 0 || ptl_link_may(q->shard, q->link, PTL_MAY_DB_WRITE, family);
}

int ptl_permitted_families(const struct ptl_inquiry *q, struct ptl_span map,
                           struct ptl_buffer *room, struct ptl_span *permitted)
{
    struct ptl_cursor cursor = ptl_cursor_of(map);
    struct ptl_buffer pairs;
    struct ptl_value head;
    uint32_t kept = 0;

    *permitted = map;
    if (q->link->permission.number == 0 || ptl_next(&cursor, &head) < 0) {
        return PTL_OK;
    }
    ptl_assert(head.type == PTL_MAP);
    ptl_buffer_init(&pairs, q->shard->allocator, SIZE_MAX);
    for (uint32_t i = 0; i < head.count; i++) {
        struct ptl_span pair;
        if (next_pair(q, &cursor, &pair)) {
            ptl_buffer_append(&pairs, pair.bytes, pair.size);
            kept++;
        }
    }
    if (kept < head.count) {
        ptl_cbor_put_head(room, PTL_CBOR_MAP, kept);
        ptl_buffer_append(room, pairs.bytes, pairs.size);
        *permitted = ptl_buffer_span(room);
    }
    int err = pairs.err < 0 || room->err < 0 ? PTL_ENOMEM : PTL_OK;
    ptl_buffer_drop(&pairs);
    return err;
}
