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

/* What is so by now.  One whose port is gone is freed when that has been told. */
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

    if (shard->closing) {
        ptl_registration_free(shard, registration); /* nothing is told any more */
        return;
    }
    registration->gone = true;
    ptl_list_append(&shard->directory->leaving, &registration->listed);
    tell(shard, registration);
}

static struct ptl_span family_of(const struct ptl_registration *registration)
{
    return ptl_body_entry(ptl_msg_body(registration->entry)).family;
}

/* The port's registration in the same family, or NULL. */
static struct ptl_registration *earlier(const struct ptl_port_more *more,
                                        const struct ptl_registration *registration)
{
    for (struct ptl_belonging *b = more->belongings; b != NULL; b = b->next) {
        struct ptl_registration *other = ptl_container(b, struct ptl_registration, belonging);
        if (b->end == end && ptl_span_equal(family_of(other), family_of(registration))) {
            return other;
        }
    }
    return NULL;
}

int ptl_registration_take(struct ptl_shard *shard, struct ptl_slot *slot,
                          struct ptl_registration *registration)
{
    struct ptl_port_more *more = ptl_port_more(shard, slot);

    ptl_assert(!registration->gone);
    if (more == NULL) {
        ptl_registration_free(shard, registration);
        return PTL_ENOMEM;
    }
    struct ptl_registration *old = earlier(more, registration);
    if (old != NULL) {
        /* A port stands once in a family: the new value takes the place of the old one. */
        struct ptl_msg *entry = old->entry;
        old->entry = registration->entry;
        registration->entry = entry;
        ptl_registration_free(shard, registration);
        tell(shard, old);
        return PTL_OK;
    }
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
}
