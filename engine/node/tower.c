#include "engine/node/tower.h"

#include "engine/directory/attach.h"
#include "engine/directory/find.h"
#include "engine/directory/follower.h"
#include "engine/directory/post.h"
#include "engine/directory/registration.h"
#include "engine/directory/request.h"
#include "engine/link/connection.h"
#include "engine/link/link_take.h"
#include "engine/link/outside.h"
#include "engine/link/peer_room.h"
#include "engine/link/watch_here.h"
#include "engine/node/node.h"
#include "engine/port/outside.h"

static const struct ptl_port_outside port_outside = {
    .refuses = ptl_peer_refuses,
    .take = ptl_link_take,
    .resume = ptl_connection_resume,
    .has_room = ptl_peers_tell_room,
    .died = ptl_link_peer_died,
    .follow = ptl_follower_run,
    .enter = ptl_registration_take,
};

static const struct ptl_link_outside link_outside = {
    .words = ptl_directory_words,
    .word_count = PTL_DIRECTORY_WORDS,
    .up = ptl_directory_link_up,
    .is_seed = ptl_directory_link_is_seed,
    .find = ptl_directory_find,
    .waits = ptl_directory_waits,
};

void ptl_tower_raise(struct ptl_node *node)
{
    node->port_outside = &port_outside;
    node->link_outside = &link_outside;
}
