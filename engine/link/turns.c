#include "engine/link/turns.h"

#include "engine/shard/belonging.h"
#include "io/base.h"

void ptl_turns_init(struct ptl_turns *turns)
{
    ptl_list_init(&turns->ring);
}

void ptl_turns_add(struct ptl_turns *turns, struct ptl_turn *turn)
{
    ptl_assert(!ptl_listed(&turn->listed));
    ptl_list_append(&turns->ring, &turn->listed);
}

/* What it has sent too much stays its debt; what it has not sent is no claim. */
void ptl_turns_leave(struct ptl_turn *turn)
{
    ptl_list_remove(&turn->listed);
    turn->left = turn->left < 0 ? turn->left : 0;
}

struct ptl_turn *ptl_turns_first(struct ptl_turns *turns, size_t *left)
{
    if (ptl_list_empty(&turns->ring)) {
        return NULL;
    }
    struct ptl_turn *turn = ptl_container(turns->ring.next, struct ptl_turn, listed);

    if (turn->left <= 0) { /* its turn begins */
        turn->left += PTL_TURN_BYTES;
    }
    ptl_assert(turn->left > 0);
    *left = (size_t)turn->left;
    return turn;
}

void ptl_turns_sent(struct ptl_turns *turns, struct ptl_turn *turn, size_t bytes, bool more)
{
    ptl_assert(turns->ring.next == &turn->listed);
    ptl_assert(bytes < (size_t)turn->left + PTL_TURN_BYTES);
    turn->left -= (int32_t)bytes;
    if (!more) {
        ptl_turns_leave(turn);
    } else if (turn->left <= 0) {
        ptl_list_remove(&turn->listed);
        ptl_list_append(&turns->ring, &turn->listed);
    }
}
