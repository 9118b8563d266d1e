/*
 * tests/peer/values.h - passing values on from one message to another, on the public interface.
 */
#pragma once

#include "engine/portolan.h"

/* Copy the next `count` values, with all that is in them.  Errors: PTL_EEND, or the writer's. */
int peer_put_values(struct ptl_writer *writer, struct ptl_cursor *cursor, uint64_t count);

/*
 * Make a message of `tag` (NULL: none) and the values of `msg` but the first `skip` and the last
 * `drop`.  Errors: PTL_EEND when it has fewer, or the writer's.
 */
int peer_part_of(struct ptl_node *node, const char *tag, const struct ptl_msg *msg, uint32_t skip,
                 uint32_t drop, struct ptl_msg **part);

/* The same with nothing dropped. */
int peer_rest_of(struct ptl_node *node, const char *tag, const struct ptl_msg *msg, uint32_t skip,
                 struct ptl_msg **rest);

/* The port that the `index`th value of `msg` names.  Errors: PTL_EEND, PTL_ETYPE, PTL_ENAME. */
int peer_port_at(struct ptl_node *node, const struct ptl_msg *msg, uint32_t index,
                 struct ptl_port *port);
