/*
 * engine/send.h - the way of an op from whoever issues it to the shard where it belongs.
 *
 *   handler on shard S --ring S->T--> port's shard T          own port
 *                      --ring S->O--> link's owner O          port of another node (S == O: direct)
 *   program's thread   --inbox------> T or O
 *
 * Every op to another node carries how many failures its issuer had been told of (G2).
 */
#pragma once

#include "engine/op.h"
#include "engine/portolan.h"

struct ptl_shard;

/* The shard that has the port, or the link to its node.  `port` is this node's own view of it. */
unsigned ptl_place_of(const struct ptl_node *node, const struct ptl_port *port);

/* Fill in the destination of an op: to, slot, generation, node, name. */
void ptl_op_address(struct ptl_op *op, const struct ptl_port *port);

/*
 * Send an op on its way to `port`, from a shard's turn or from any other thread.  `control` may use
 * the reserve and is not held up by a port or link that is full.
 * Errors: PTL_EFULL, PTL_ENOMEM, PTL_EINVAL.
 */
PTL_MUST_CHECK int ptl_route(struct ptl_node *node, const struct ptl_port *port, struct ptl_op *op,
                             bool control);

/*
 * Hand an op to a shard from a thread that is none.  Errors: PTL_EFULL (unless `control`),
 * PTL_ENOMEM.  Thread: any.
 */
PTL_MUST_CHECK int ptl_submit(struct ptl_node *node, unsigned shard, const struct ptl_op *op,
                              bool control);

/* The failures of that owner's links which whoever runs on `shard` now has been told of. */
uint64_t ptl_epoch_of(struct ptl_shard *shard, const struct ptl_port *port);

/* ... and a thread of the program, at this moment; or PTL_TELLING_OUTSIDE. */
uint64_t ptl_epoch_outside(const struct ptl_node *node, const struct ptl_port *port);

/* Send a message whose values are already encoded; as ptl_send(). */
PTL_MUST_CHECK int ptl_send_body(struct ptl_node *node, const struct ptl_port *to,
                                 struct ptl_span body, uint32_t count, const struct ptl_msg *whole);
