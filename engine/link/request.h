/*
 * engine/link/request.h - what the node port understands.  Spec: AEMP protocol 4.
 */
#pragma once

#include "engine/port/bottleneck.h"
#include "engine/portolan.h"
#include "io/base.h"

struct ptl_link;
struct ptl_op;
struct ptl_shard;

/*
 * Carry out one request to our node port.  `link` is where it came from, NULL: this node itself.
 * A request that is unknown or lacks arguments is logged and ignored.  Returns 0, or PTL_EFULL
 * when its answer, or what it asks for, finds no room, *full says where: come again with the same
 * request.
 */
PTL_MUST_CHECK int ptl_request(struct ptl_shard *shard, struct ptl_link *link,
                               const struct ptl_msg *msg, struct ptl_bottleneck *full);

/*
 * The same for an operation of our own for our node port: only messages are requests, and what is
 * refused is counted as lost.
 */
void ptl_request_take(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg);
