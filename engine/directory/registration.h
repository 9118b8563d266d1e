/*
 * engine/directory/registration.h - a port that is a key of the database for as long as it lives.
 *
 * It belongs to the port, and the port's shard tells both, that it is there and that it is gone,
 * through one ring: they cannot overtake each other.  Thread: the port's shard.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/op.h"
#include "engine/shard/untold.h"

struct ptl_shard;
struct ptl_slot;

struct ptl_registration {
    struct ptl_belonging belonging;
    struct ptl_untold untold; /* while it is still to be told */
    struct ptl_list listed;   /* among those whose port is gone, until that is told */
    bool gone;
    uint32_t place;        /* the family's shard */
    uint32_t slot;         /* of its port ... */
    uint32_t generation;   /* ... once it is carried out */
    uint64_t hash;         /* of these and the family */
    struct ptl_msg *entry; /* family, key, value */
};

/* NULL: no memory.  Owns: `entry` is the registration's.  Thread: any. */
struct ptl_registration *ptl_registration_make(struct ptl_node *node, unsigned place,
                                               struct ptl_msg *entry);

/* Carry it out: the port is `slot`.  Errors: PTL_ENOMEM.  Owns: it is the port's, or freed. */
PTL_MUST_CHECK int ptl_registration_take(struct ptl_shard *shard, struct ptl_slot *slot,
                                         struct ptl_registration *registration);

/* Free one that will not be carried out. */
void ptl_registration_free(struct ptl_shard *shard, struct ptl_registration *registration);

/* Free those that are still to be told that their port is gone: the shard is closing. */
void ptl_registrations_drop(struct ptl_shard *shard);
