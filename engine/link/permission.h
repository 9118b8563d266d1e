/*
 * engine/link/permission.h - what a link's node may do here, by the rules in force.
 *
 *   ptl_node_set_rules() --> [ node: rules, their number ] --before bytes are read--> shard, link
 *   request --> ptl_link_may() --> the first rule that fits
 *   message --> is the verdict on its port, as the flow or the connection has it, of that number?
 *
 * Rules are never changed, only replaced: by their number a verdict that was made by others is
 * known to be old.  A node without rules has links of number 0, which may do all: then nothing is
 * asked.  Only nodes that are let in without a proof may do nothing there.
 * Thread: the link owner's, unless it says otherwise.  Spec: docs/rules.md.
 */
#pragma once

#include "engine/link/rule.h"

#include <stdatomic.h>

struct ptl_link;
struct ptl_node;
struct ptl_port;
struct ptl_shard;

/* Of a node; the links' lock guards `rules`. */
struct ptl_rules_in_force {
    struct ptl_rules *rules; /* NULL: none */
    _Atomic uint32_t number; /* of these; never 0, and another one with each change */
};

/* What a shard has seen of them. */
struct ptl_rules_seen {
    struct ptl_rules *rules;
    uint32_t number;
    uint64_t refused[PTL_ACTIONS]; /* requests, by what they asked for */
};

#define PTL_REFUSALS_TOLD 8 /* rules whose refusals are told apart in the log, in one second */

/* Of a link.  Only permission.c changes the fields. */
struct ptl_permission {
    uint32_t number; /* of the rules that judge it; 0: it may do all */
    uint32_t seen;   /* of the rules that it was last looked at by */
    uint8_t proof;   /* enum ptl_proof */
    uint64_t refused;
    struct ptl_sent_to *sent_to; /* verdicts on ports; NULL: none is remembered */
    struct {
        uint64_t until; /* ns: not told again before */
        uint32_t key;   /* the rule's line, or what stands for an action that none allows */
    } told[PTL_REFUSALS_TOLD];
};

/* The link has come up, and its node has proved itself so. */
void ptl_permission_begin(struct ptl_shard *shard, struct ptl_link *link, enum ptl_proof proof);

/* The link is freed, or the shard ends. */
void ptl_permission_drop(struct ptl_shard *shard, struct ptl_link *link);
void ptl_rules_unsee(struct ptl_shard *shard);

/*
 * Bytes of the link's node are going to be read: they are judged by the rules of this moment.
 * Errors: PTL_EDENIED: it speaks as a global node, and may no longer: the link is to fail.
 */
PTL_MUST_CHECK int ptl_permission_renew(struct ptl_shard *shard, struct ptl_link *link);

/*
 * Whether its node may do that to an object (empty, where the action has none), or to a port of
 * ours.  No: that is counted and, once a second for each rule, logged.
 */
bool ptl_link_may(struct ptl_shard *shard, struct ptl_link *link, enum ptl_action action,
                  struct ptl_span object);
bool ptl_link_may_to_port(struct ptl_shard *shard, struct ptl_link *link, enum ptl_action action,
                          const struct ptl_port *port);

/* The same of sending; the verdicts on the ports that it was last asked for are remembered. */
bool ptl_link_may_send(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_port *port);

/* The node is freed. */
void ptl_rules_in_force_drop(struct ptl_node *node);
