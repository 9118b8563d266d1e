/*
 * engine/link/turns.h - whose turn it is: a fair share, by bytes, for all that have something to
 * send.
 *
 *   [ A ] -> [ B ] -> [ C ]        the front sends until its share is used up, then goes behind
 *     ^ has its turn               the others, or leaves when it has nothing more
 *
 * Deficit round robin.  A share may be exceeded by the rest of one frame, and what was exceeded
 * is missing in the next one.  So all that go on sending have sent the same after each round, to
 * within one share, whatever the sizes of their frames; and whoever comes waits for one round.
 *
 * Thread: that of its connection.
 */
#pragma once

#include "engine/shard/list.h"

#include <stdint.h>

/* Bytes of a share: as much as the longest frame, so that nobody has a turn and may not send. */
#define PTL_TURN_BYTES 17412

/* Embedded in what sends; only turns.c touches the fields.  Zeroed: it waits for no turn. */
struct ptl_turn {
    struct ptl_list listed;
    int32_t left; /* bytes of its share; below 0: so many too many were sent */
};

struct ptl_turns {
    struct ptl_list ring;
};

void ptl_turns_init(struct ptl_turns *turns);

/* It has something to send, which it had not. */
void ptl_turns_add(struct ptl_turns *turns, struct ptl_turn *turn);

/* It has something, but may not send for now. */
void ptl_turns_leave(struct ptl_turn *turn);

/* Whose turn it is, with `*left` bytes (1 at least) of its share left; NULL: nobody's. */
struct ptl_turn *ptl_turns_first(struct ptl_turns *turns, size_t *left);

/* The one whose turn it is has sent so much, and has more to send or not. */
void ptl_turns_sent(struct ptl_turns *turns, struct ptl_turn *turn, size_t bytes, bool more);
