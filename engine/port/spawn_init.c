#include "engine/port/spawn_init.h"

#include "engine/message/message.h"
#include "engine/port/callback.h"
#include "engine/port/death.h"
#include "engine/port/function.h"
#include "engine/port/port.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

bool ptl_spawn_name(struct ptl_cursor *cursor, uint8_t room[static PTL_STRING_NAME_ROOM],
                    struct ptl_span *name)
{
    struct ptl_value value;

    return ptl_next(cursor, &value) == PTL_OK && ptl_string_name(&value, room, name) == PTL_OK;
}

/* Nothing can ever come of it: no handler, and nothing that would call it. */
static bool keeps_nothing(const struct ptl_slot *slot)
{
    return slot->handler == NULL && slot->more->tag_count == 0 && slot->more->belongings == NULL;
}

bool ptl_spawn_init(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint32_t generation = slot->generation;
    uint8_t room[PTL_STRING_NAME_ROOM];
    struct ptl_function function;
    struct ptl_callback callback;
    struct ptl_span name;

    bool found =
        ptl_spawn_name(&cursor, room, &name) && ptl_node_function(shard->node, name, &function);
    ptl_assert(found); /* looked at when the port was made; none is ever taken away */
    struct ptl_msg values =
        ptl_msg_borrow(ptl_span(cursor.at, (size_t)(cursor.end - cursor.at)), op->count - 1);
    values.allocator = shard->allocator;
    ptl_callback_begin(shard, &callback, slot);
    int result = function.init(shard->node, &values, function.data);
    bool done = ptl_callback_done(shard, &callback, "an init function", name, result);
    if (done && ptl_slot_lives(slot, generation) && keeps_nothing(slot)) {
        ptl_port_vanish(shard, slot);
    }
    return done;
}
