#include "engine/directory/registration.h"

#include "engine/directory/body.h"
#include "engine/directory/database.h"
#include "engine/port/port.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

struct ptl_registration *ptl_registration_make(struct ptl_node *node, unsigned place,
                                               struct ptl_msg *entry)
{
    struct ptl_registration *registration = ptl_alloc(node->allocator, sizeof(*registration));

    if (registration != NULL) {
        ptl_assert(entry != NULL && place < node->shard_count);
        registration->place = place;
        registration->entry = entry;
    }
    return registration;
}

void ptl_registration_free(struct ptl_shard *shard, struct ptl_registration *registration)
{
    ptl_msg_free(registration->entry);
    ptl_free(shard->allocator, registration, sizeof(*registration));
}

static struct ptl_span family_of(const struct ptl_registration *registration)
{
    return ptl_body_entry(ptl_msg_body(registration->entry)).family;
}

/* ---- By port and family --------------------------------------------------------------------- */

/*
 * A port may have any number of things beside, so they are found by it and their family: by its
 * generation, too, since those of one that is dead are cleared away while its slot has an heir.
 */
struct key {
    uint32_t slot, generation;
    uint8_t family[PTL_FAMILY_MAX];
};

static struct ptl_span key_of(const struct ptl_registration *registration, struct key *key)
{
    struct ptl_span family = family_of(registration);

    ptl_assert(family.size <= sizeof(key->family)); /* ptl_db_register() has looked */
    key->slot = registration->slot;
    key->generation = registration->generation;
    memcpy(key->family, family.bytes, family.size);
    return ptl_span(key, offsetof(struct key, family) + family.size);
}

static bool has_key(const void *entry, struct ptl_span wanted)
{
    struct key key;

    return ptl_span_equal(key_of(entry, &key), wanted);
}

/* The port's registration in the same family, or NULL. */
static struct ptl_registration *earlier(const struct ptl_shard *shard,
                                        const struct ptl_registration *registration)
{
    struct key key;

    return ptl_map_find(&shard->directory->registrations, registration->hash, has_key,
                        key_of(registration, &key));
}

/* ---- Telling --------------------------------------------------------------------------------- */

/*
 * Tell the family's shard how things stand now: the entry is set, or, its port being gone, deleted.
 * Whichever of the two was still to be told before needs no telling any more.  After the deletion
 * nothing is left to tell, and the registration is freed.
 */
static int tell_untold(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_registration *registration = ptl_container(untold, struct ptl_registration, untold);
    struct ptl_op op = ptl_dir_op(registration->gone ? PTL_DIR_DEL : PTL_DIR_SET);

    op.body = ptl_msg_body(registration->entry);
    op.count = registration->entry->count;
    op.whole = registration->entry;
    int err = ptl_untold_post(shard, untold, registration->place, &op);
    (void)units;
    if (err == PTL_OK && registration->gone) {
        ptl_list_remove(&registration->listed);
        ptl_registration_free(shard, registration);
    }
    return err;
}

static void tell(struct ptl_shard *shard, struct ptl_registration *registration)
{
    registration->untold.tell = tell_untold;
    if (!ptl_untold_waits(&registration->untold)) {
        ptl_untold_tell(shard, &registration->untold);
    }
}

/* Its port is gone: the entry goes, behind whatever was told of it before. */
static void end(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    struct ptl_registration *registration =
        ptl_container(belonging, struct ptl_registration, belonging);

    ptl_assert(!registration->gone && !ptl_listed(&registration->listed));
    if (shard->closing) {
        ptl_registration_free(shard, registration); /* nothing is told or looked for any more */
        return;
    }
    ptl_map_remove(&shard->directory->registrations, registration->hash, registration);
    registration->gone = true;
    ptl_list_append(&shard->directory->leaving, &registration->listed);
    tell(shard, registration);
}

/* A port stands once in a family: the new value takes the place of the old one. */
static void replace(struct ptl_shard *shard, struct ptl_registration *old,
                    struct ptl_registration *registration)
{
    struct ptl_msg *entry = old->entry;

    old->entry = registration->entry;
    registration->entry = entry;
    ptl_registration_free(shard, registration);
    tell(shard, old);
}

int ptl_registration_take(struct ptl_shard *shard, struct ptl_slot *slot,
                          struct ptl_registration *registration)
{
    struct ptl_map *registrations = &shard->directory->registrations;
    struct ptl_port_more *more = ptl_port_more(shard, slot);
    struct key key;

    ptl_assert(!registration->gone);
    if (more == NULL || ptl_map_reserve(registrations) < 0) {
        ptl_registration_free(shard, registration);
        return PTL_ENOMEM;
    }
    registration->slot = slot->index;
    registration->generation = slot->generation;
    registration->hash = ptl_name_hash(key_of(registration, &key));
    struct ptl_registration *old = earlier(shard, registration);
    if (old != NULL) {
        replace(shard, old, registration);
        return PTL_OK;
    }
    ptl_map_insert(registrations, registration->hash, registration);
    registration->belonging.end = end;
    ptl_belonging_add(&more->belongings, &registration->belonging);
    tell(shard, registration);
    return PTL_OK;
}

void ptl_registrations_drop(struct ptl_shard *shard)
{
    struct ptl_list *leaving = &shard->directory->leaving;

    while (!ptl_list_empty(leaving)) {
        struct ptl_registration *registration =
            ptl_container(leaving->next, struct ptl_registration, listed);
        ptl_list_remove(&registration->listed);
        ptl_registration_free(shard, registration);
    }
    ptl_map_drop(&shard->directory->registrations);
}
