/*
 * engine/link/peer_role.h - what a peer has said that it is in the database.  It takes nothing back
 * while its link lasts.
 *
 *   UNSAID --brings its database--> ATTACHED --says so--> GLOBAL
 *      '-------------------------says so--------------------^
 */
#pragma once

#include "io/base.h"

enum ptl_peer_role {
    PTL_PEER_UNSAID,
    PTL_PEER_ATTACHED, /* to us: its entries come through us */
    PTL_PEER_GLOBAL,
};

/* Alone changes a role, wherever one is kept. */
static inline void ptl_peer_role_enter(uint8_t *role, enum ptl_peer_role next)
{
    ptl_assert(*role <= next && next != PTL_PEER_UNSAID);
    *role = (uint8_t)next;
}
