/*
 * engine/port/outside.h - what ports ask of the rooms above: of links to other nodes, and of the
 * database.
 *
 *   port --struct ptl_port_outside--> link, directory          set in engine/node/tower.c
 *
 * Only what concerns another node or the database goes through this table: a message to a port of
 * this node never does.  Thread: the shard's, unless it says otherwise.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

struct ptl_connection;
struct ptl_link;
struct ptl_monitoring;
struct ptl_msg;
struct ptl_node;
struct ptl_op;
struct ptl_port;
struct ptl_registration;
struct ptl_shard;
struct ptl_slot;

struct ptl_port_outside {
    /* Whether that node, not our own, refuses a message of this size.  Thread: any. */
    bool (*refuses)(struct ptl_node *node, struct ptl_span peer, size_t size);

    /*
     * The short way of a small message to a port of another node, by whoever has been told of
     * `told` failures; it is not full.  False: its link is of another shard, or it is not that
     * simple: ptl_route().
     */
    bool (*send)(struct ptl_shard *shard, const struct ptl_port *to, uint64_t told,
                 struct ptl_span body, uint32_t count);

    /* An op for a port of a node whose link this shard owns.  Errors: PTL_ENOMEM. */
    int (*take)(struct ptl_shard *shard, const struct ptl_op *op);

    /* Fail the link to that node, if this shard has one. */
    void (*fail)(struct ptl_shard *shard, struct ptl_span node, int err);

    /* The same, if it has failed since the failure `known`. */
    void (*fail_once_more)(struct ptl_shard *shard, struct ptl_span node, uint64_t known);

    /* The connection whose next packet waited for room may go on. */
    void (*resume)(struct ptl_connection *connection);

    /* Port `name` of ours has room again: peers that were told that it is full are told. */
    void (*has_room)(struct ptl_shard *shard, struct ptl_span name);

    /* The port that is monitored for a link's peer is gone. */
    void (*died)(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                 const struct ptl_msg *reason);

    /* Changes for a port's follower of the database.  False: it said PTL_LATER, come again. */
    bool (*follow)(struct ptl_shard *shard, uint64_t follower, const struct ptl_msg *changes);

    /* Enter a port into the database.  Errors: PTL_ENOMEM.  Owns: it is the port's, or freed. */
    int (*enter)(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_registration *entry);
};
