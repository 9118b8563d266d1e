/*
 * engine/directory/roles.h - what this node and its peers are in the network, on every shard: what
 * changes in its part of the database when a role does.
 *
 *   ALONE <--master lost--> ATTACHED --global--> BECOMING --3 s, or master lost--> GLOBAL
 *     |       attached          '------global, and the master is not-----------------^
 *     '-----------------global-------------------------------------------------------'
 *
 *   we have a master   it is fed, asked our questions, and for the families watched here
 *   we are global      peers that are global are fed; copies go; 'g and 'l begin (mesh.h)
 *   a peer is global   it brings its database itself, and is fed ours
 *   a link is down     what came through it goes; a master that is lost is waited for
 *
 * Shard 0 decides on our own role (role_choice.h).  Thread: the shard's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/directory/database.h"

/* PTL_DIR_MASTER and PTL_DIR_GLOBAL: our own role. */
void ptl_roles_take_master(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_roles_take_global(struct ptl_shard *shard, const struct ptl_op *op);

/* PTL_DIR_PEER_GLOBAL: a peer's; PTL_DIR_PEER_AGAIN: it wants to be told all once more. */
void ptl_roles_take_peer_global(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_roles_take_peer_again(struct ptl_shard *shard, const struct ptl_op *op);

/* The link to that node has failed: what came through it is gone. */
void ptl_roles_link_down(struct ptl_shard *shard, struct ptl_span node);

/* A node that has become global asks its former master for a while: is that over?  Returns when it
 * is, or UINT64_MAX. */
uint64_t ptl_roles_work(struct ptl_shard *shard);
