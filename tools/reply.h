/*
 * tools/reply.h - what built-in ports have in common: they read a question and answer it.
 *
 *   [TAG, VALUE..., REPLYPORT] --ptl_reply_values(), ptl_reply_port()--> tools/replies.h
 */
#pragma once

#include "engine/portolan.h"

/*
 * Copy the next `count` values with all that is in them.  Returns 0 or PTL_EEND; other errors stick
 * to the writer.
 */
PTL_MUST_CHECK int ptl_reply_values(struct ptl_writer *writer, struct ptl_cursor *cursor,
                                    uint64_t count);

/* The port that the next value names; false when it names none. */
bool ptl_reply_port(struct ptl_node *node, struct ptl_cursor *cursor, struct ptl_port *port);
