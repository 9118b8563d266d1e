/*
 * engine/port/send.h - the way of an op from whoever issues it to the shard where it belongs.
 *
 *   handler on shard S --ring S->T--> port's shard T          own port
 *                      --ring S->O--> link's owner O          port of another node (S == O: direct)
 *   program's thread   --inbox------> T or O
 *
 * Every op to another node carries how many failures its issuer had been told of (G2).
 */
#pragma once

#include "engine/port/place.h"
#include "engine/portolan.h"
#include "engine/shard/op.h"

struct ptl_shard;
struct ptl_untold;

/* What an op may use of the room on its way. */
enum ptl_way {
    PTL_WAY_MESSAGE, /* messages: up to the mark */
    PTL_WAY_OWN,     /* what the node tells itself: whoever tells keeps it where there is no room */
    PTL_WAY_CONTROL, /* what programs ask for beside messages: a share beyond the mark */
};

/* The share beyond a mark that control ops may use: of the inbox, of a port, of a link. */
#define PTL_CONTROL_SHARE(mark) ((mark) / 4)

/*
 * Send an op on its way to `port`, from a shard's turn or from any other thread.
 * Errors: PTL_EFULL, PTL_ENOMEM, PTL_EINVAL.
 */
PTL_MUST_CHECK int ptl_route(struct ptl_node *node, const struct ptl_port *port, struct ptl_op *op,
                             enum ptl_way way);

/*
 * The same for an untold, by PTL_WAY_OWN and behind those who wait for the ring to the port's
 * shard.  Errors: as its ptl_untold_fn returns them.  Thread: the shard's.
 */
PTL_MUST_CHECK int ptl_route_untold(struct ptl_shard *shard, struct ptl_untold *untold,
                                    const struct ptl_port *port, struct ptl_op *op);

/*
 * Hand an op to a shard from a thread that is none.  Errors: PTL_EFULL (but PTL_WAY_OWN),
 * PTL_ENOMEM.  Thread: any.
 */
PTL_MUST_CHECK int ptl_submit(struct ptl_node *node, unsigned shard, const struct ptl_op *op,
                              enum ptl_way way);

/*
 * Whether there is room for something of `size` bytes that whoever runs here asks of `port`; what
 * is beyond the mark is counted.  For control ops that take another way than ptl_route().
 */
bool ptl_control_has_room(struct ptl_node *node, const struct ptl_port *port, uint64_t size);

/* Whether a message of this size is refused: by us, or, as far as known, by that port's node. */
bool ptl_is_too_large(struct ptl_node *node, const struct ptl_port *to, size_t size);

/* Remember where a handler found no room, so that PTL_LATER knows what to wait for; returns err. */
int ptl_note_full(struct ptl_node *node, const struct ptl_port *port, int err);

/*
 * Have a shard keep `size` bytes of a program's message for later: a timer's, a monitor's prefix.
 * False: options.kept_room is used up.  Each is given back.  Thread: any.
 */
bool ptl_keep(struct ptl_shard *shard, uint64_t size);
void ptl_keep_no_more(struct ptl_shard *shard, uint64_t size);

/* The failures of that owner's links which whoever runs on `shard` now has been told of. */
uint64_t ptl_epoch_of(struct ptl_shard *shard, const struct ptl_port *port);

/* ... and a thread of the program, at this moment; or PTL_TELLING_OUTSIDE. */
uint64_t ptl_epoch_outside(const struct ptl_node *node, const struct ptl_port *port);

/* Send a message whose values are already encoded; as ptl_send(). */
PTL_MUST_CHECK int ptl_send_body(struct ptl_node *node, const struct ptl_port *to,
                                 struct ptl_span body, uint32_t count, const struct ptl_msg *whole);
