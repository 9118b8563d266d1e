#include "engine/directory/interest.h"

#include "engine/directory/key.h"
#include "engine/directory/outlet.h"
#include "engine/directory/post.h"
#include "engine/message/name.h"
#include "engine/port/monitor.h"
#include "engine/port/send.h"
#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/slice.h"

static bool same_family(const void *entry, struct ptl_span family)
{
    return ptl_span_equal(ptl_interest_family(entry), family);
}

struct ptl_interest *ptl_interest_find(struct ptl_shard *shard, struct ptl_span family)
{
    return ptl_map_find(&shard->directory->interests, ptl_name_hash(family), same_family, family);
}

struct ptl_span ptl_interest_family(const struct ptl_interest *interest)
{
    return ptl_span(interest->owner + 1, interest->family_size);
}

struct ptl_source ptl_interest_source(const struct ptl_interest *interest)
{
    struct ptl_span owner = ptl_span(interest->owner, 1 + (size_t)interest->family_size);

    return (struct ptl_source){.owner = owner, .via = owner, .attachment = 1};
}

/* ---- The master ------------------------------------------------------------------------------ */

/* A request to the master: false: no memory.  Its values lie in the buffer for packets. */
static bool make_request(struct ptl_shard *shard, const char *word, struct ptl_span family,
                         struct ptl_op *op)
{
    ptl_assert(ptl_directory_has_master(shard->directory));
    struct ptl_buffer *packet = &shard->directory->packet;

    ptl_buffer_clear(packet);
    ptl_key_put(packet, ptl_span_text(word));
    ptl_key_put(packet, family);
    *op = (struct ptl_op){
        .kind = PTL_OP_MESSAGE,
        .body = ptl_buffer_span(packet),
        .count = 2,
    };
    return packet->err == PTL_OK;
}

enum ptl_interest_state ptl_interest_state(const struct ptl_shard *shard,
                                           const struct ptl_interest *interest)
{
    ptl_assert(interest->round <= shard->directory->interest_round);
    return interest->round < shard->directory->interest_round
               ? PTL_INTEREST_UNASKED
               : (enum ptl_interest_state)interest->state;
}

/* Alone changes the state of one that was made; UNASKED and on the list of those are the same. */
static void enter(struct ptl_shard *shard, struct ptl_interest *interest,
                  enum ptl_interest_state state)
{
    struct ptl_shard_directory *directory = shard->directory;

    ptl_assert(state == ptl_interest_state(shard, interest) + 1u);
    interest->state = (uint8_t)state;
    interest->round = directory->interest_round;
    if (state == PTL_INTEREST_ASKED) {
        ptl_list_remove(&interest->listed);
        ptl_list_append(&directory->asked, &interest->listed);
    }
}

static struct ptl_interest *first_of(const struct ptl_list *list)
{
    return ptl_container(list->next, struct ptl_interest, listed);
}

static int ask_for(struct ptl_shard *shard, struct ptl_untold *untold,
                   const struct ptl_interest *interest)
{
    const struct ptl_port *master = &shard->directory->master;
    struct ptl_op op;

    untold->to = ptl_place_of(shard->node, master);
    return make_request(shard, "g_mon1", ptl_interest_family(interest), &op)
               ? ptl_route_untold(shard, untold, master, &op)
               : PTL_ENOMEM;
}

/* As a ptl_untold_fn. */
static int ask_unasked(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_shard_directory *directory = shard->directory;

    while (!ptl_list_empty(&directory->unasked) && ptl_directory_has_master(directory)) {
        struct ptl_interest *interest = first_of(&directory->unasked);
        int err = *units > 0 ? ask_for(shard, untold, interest) : PTL_LATER;
        if (err < 0) {
            return err;
        }
        --*units;
        enter(shard, interest, PTL_INTEREST_ASKED);
    }
    return PTL_OK;
}

static void ask(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    if (!ptl_list_empty(&directory->unasked) && ptl_directory_has_master(directory) &&
        !ptl_untold_waits(&directory->unasked_untold)) {
        directory->unasked_untold.tell = ask_unasked;
        ptl_untold_tell(shard, &directory->unasked_untold);
    }
}

/* All are UNASKED from now on, however many they are. */
void ptl_interests_again(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    directory->interest_round++;
    ptl_list_append_all(&directory->unasked, &directory->asked);
}

/* ---- Watchers -------------------------------------------------------------------------------- */

static void release_outlets(struct ptl_interest *interest)
{
    while (!ptl_list_empty(&interest->held)) {
        ptl_outlet_release(ptl_container(interest->held.next, struct ptl_outlet, listed));
    }
}

void ptl_interest_copied(struct ptl_shard *shard, struct ptl_interest *interest)
{
    if (ptl_interest_state(shard, interest) == PTL_INTEREST_ASKED) {
        enter(shard, interest, PTL_INTEREST_FRESH);
    }
    if (!interest->copied) {
        interest->copied = true;
        release_outlets(interest);
    }
}

static struct ptl_interest *make(struct ptl_shard *shard, struct ptl_span family)
{
    if (ptl_map_reserve(&shard->directory->interests) < 0) {
        return NULL;
    }
    struct ptl_interest *interest = ptl_alloc(shard->allocator, sizeof(*interest));
    if (interest == NULL) {
        return NULL;
    }
    ptl_assert(ptl_family_fits(family));
    interest->hash = ptl_name_hash(family);
    interest->family_size = (uint8_t)family.size;
    memcpy(interest->owner + 1, family.bytes, family.size);
    ptl_list_init(&interest->held);
    interest->round = shard->directory->interest_round; /* UNASKED, which is 0 */
    ptl_list_append(&shard->directory->unasked, &interest->listed);
    ptl_map_insert(&shard->directory->interests, interest->hash, interest);
    return interest;
}

int ptl_interest_add(struct ptl_shard *shard, struct ptl_span family)
{
    struct ptl_interest *interest = ptl_interest_find(shard, family);

    if (interest == NULL) {
        interest = make(shard, family);
    }
    if (interest == NULL) {
        return PTL_ENOMEM;
    }
    interest->watchers++;
    ptl_assert(interest->watchers != 0);
    ptl_directory_need(shard);
    return PTL_OK;
}

static void drop_copy(struct ptl_shard *shard, const struct ptl_interest *interest)
{
    struct ptl_source source = ptl_interest_source(interest);

    ptl_store_drop(shard->directory->store, &source);
}

static void leave(struct ptl_shard *shard, struct ptl_span family)
{
    struct ptl_op op;

    if (make_request(shard, "g_mon0", family, &op)) {
        int err = ptl_route(shard->node, &shard->directory->master, &op, PTL_WAY_OWN);
        (void)err; /* then it goes on telling us, and we do not listen */
    }
}

void ptl_interest_remove(struct ptl_shard *shard, struct ptl_span family)
{
    struct ptl_interest *interest = ptl_interest_find(shard, family);

    if (interest == NULL || --interest->watchers != 0) {
        return;
    }
    bool asked = ptl_interest_state(shard, interest) != PTL_INTEREST_UNASKED;
    if (asked && ptl_directory_has_master(shard->directory)) {
        leave(shard, family);
    }
    ptl_list_remove(&interest->listed);
    release_outlets(interest); /* of one that is about to be closed */
    drop_copy(shard, interest);
    ptl_map_remove(&shard->directory->interests, interest->hash, interest);
    ptl_free(shard->allocator, interest, sizeof(*interest));
}

/* ---- The end --------------------------------------------------------------------------------- */

void ptl_interests_end(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    ptl_list_append_all(&directory->ended, &directory->unasked);
    ptl_list_append_all(&directory->ended, &directory->asked);
    ptl_map_drop(&directory->interests); /* nobody finds them any more */
    shard->unfinished = true;
}

bool ptl_interests_are_ending(const struct ptl_shard *shard)
{
    return !ptl_list_empty(&shard->directory->ended);
}

/*
 * Up to *max entries of its copy go: *max is less by these then.  Returns whether some are left.
 * It is replaced by nothing, not dropped: a large one that is dropped shows for a while yet.
 */
static bool end_copy(struct ptl_shard *shard, struct ptl_interest *interest, uint32_t *max)
{
    struct ptl_store *store = shard->directory->store;
    struct ptl_source source = ptl_interest_source(interest);

    if (!interest->ending && ptl_store_owner_count(store, source.owner) > 0) {
        int err = ptl_store_replace_begin(store, &source);
        ptl_assert(err == PTL_OK); /* it is there: no memory is needed */
    }
    interest->ending = true;
    return ptl_store_replace_end(store, &source, max);
}

static void end_one(struct ptl_shard *shard, struct ptl_interest *interest)
{
    drop_copy(shard, interest);
    release_outlets(interest);
    ptl_list_remove(&interest->listed);
    ptl_free(shard->allocator, interest, sizeof(*interest));
}

static void end_some(struct ptl_shard *shard)
{
    struct ptl_list *ended = &shard->directory->ended;
    uint32_t units = PTL_SLICE;

    while (units > 0 && !ptl_list_empty(ended)) {
        if (!end_copy(shard, first_of(ended), &units)) {
            end_one(shard, first_of(ended));
            units -= units > 0;
        }
    }
    if (ptl_list_empty(ended)) {
        ptl_directory_news(shard->directory); /* questions wait until they are gone, say */
    } else {
        shard->unfinished = true;
    }
}

void ptl_interests_work(struct ptl_shard *shard)
{
    if (ptl_interests_are_ending(shard)) {
        end_some(shard);
    }
    ask(shard);
}

static void drop_list(struct ptl_shard *shard, struct ptl_list *list)
{
    while (!ptl_list_empty(list)) {
        struct ptl_interest *interest = first_of(list);
        ptl_assert(ptl_list_empty(&interest->held)); /* outlets lead to it */
        ptl_list_remove(&interest->listed);
        ptl_free(shard->allocator, interest, sizeof(*interest));
    }
}

void ptl_interests_init(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    ptl_map_init(&directory->interests, shard->allocator);
    ptl_list_init(&directory->unasked);
    ptl_list_init(&directory->asked);
    ptl_list_init(&directory->ended);
}

void ptl_interests_drop(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    drop_list(shard, &directory->unasked);
    drop_list(shard, &directory->asked);
    drop_list(shard, &directory->ended);
    ptl_map_drop(&directory->interests);
}
