#include "engine/link/stranger.h"

/* Connections, the oldest first. */
struct list {
    struct ptl_stranger *first;
    struct ptl_stranger **end; /* where the next one is put */
};

struct ptl_source {
    uint64_t address;
    unsigned count;
    struct list silent, greeted;
    bool ranked_silent; /* its rank is that of sources with silent connections */
    struct ptl_source *rank_next, *rank_before;
};

unsigned ptl_strangers_share(unsigned all, unsigned shards)
{
    unsigned share = (all + shards - 1) / shards;

    return share >= PTL_STRANGERS_MIN ? share : all < PTL_STRANGERS_MIN ? all : PTL_STRANGERS_MIN;
}

void ptl_strangers_init(struct ptl_strangers *strangers, const struct ptl_allocator *allocator,
                        unsigned places, unsigned per_source)
{
    *strangers = (struct ptl_strangers){
        .allocator = allocator,
        .places = places,
        .per_source = per_source < places ? per_source : places,
    };
    ptl_map_init(&strangers->sources, allocator);
}

static size_t ranks_size(const struct ptl_strangers *strangers)
{
    return 2 * ((size_t)strangers->places + 1) * sizeof(*strangers->ranks);
}

void ptl_strangers_drop(struct ptl_strangers *strangers)
{
    struct ptl_source *source;
    uint32_t at = 0;

    while ((source = ptl_map_next(&strangers->sources, &at)) != NULL) {
        ptl_free(strangers->allocator, source, sizeof(*source));
    }
    ptl_map_drop(&strangers->sources);
    ptl_free(strangers->allocator, strangers->ranks, ranks_size(strangers));
    strangers->ranks = NULL;
}

/* ---- Sources by how many they have --------------------------------------------------------- */

static struct ptl_source_rank *rank_of(const struct ptl_strangers *strangers,
                                       const struct ptl_source *source)
{
    return &strangers->ranks[2 * (size_t)source->count + source->ranked_silent];
}

static void leave_rank(struct ptl_strangers *strangers, struct ptl_source *source)
{
    struct ptl_source_rank *rank = rank_of(strangers, source);

    *(source->rank_before == NULL ? &rank->first : &source->rank_before->rank_next) =
        source->rank_next;
    *(source->rank_next == NULL ? &rank->last : &source->rank_next->rank_before) =
        source->rank_before;
}

/* Behind those that have had as many for longer. */
static void enter_rank(struct ptl_strangers *strangers, struct ptl_source *source)
{
    source->ranked_silent = source->silent.first != NULL;
    struct ptl_source_rank *rank = rank_of(strangers, source);

    source->rank_next = NULL;
    source->rank_before = rank->last;
    *(rank->last == NULL ? &rank->first : &rank->last->rank_next) = source;
    rank->last = source;
    strangers->most = source->count > strangers->most ? source->count : strangers->most;
}

static void lower_most(struct ptl_strangers *strangers)
{
    while (strangers->most > 0 && strangers->ranks[2 * (size_t)strangers->most].first == NULL &&
           strangers->ranks[2 * (size_t)strangers->most + 1].first == NULL) {
        strangers->most--; /* as many steps as there were additions, at most */
    }
}

/* ---- One source's connections -------------------------------------------------------------- */

static void append(struct list *list, struct ptl_stranger *stranger)
{
    stranger->next = NULL;
    stranger->link = list->end;
    *list->end = stranger;
    list->end = &stranger->next;
}

static void cut_out(struct list *list, struct ptl_stranger *stranger)
{
    *stranger->link = stranger->next;
    if (stranger->next == NULL) {
        list->end = stranger->link;
    } else {
        stranger->next->link = stranger->link;
    }
}

static struct list *list_of(const struct ptl_stranger *stranger)
{
    return stranger->greeted ? &stranger->source->greeted : &stranger->source->silent;
}

/* The hash is the whole key: sources with the same one are the same. */
static struct ptl_source *find(const struct ptl_strangers *strangers, uint64_t address)
{
    return ptl_map_find(&strangers->sources, ptl_map_spread(address), NULL, ptl_span(NULL, 0));
}

static struct ptl_source *make(struct ptl_strangers *strangers, uint64_t address)
{
    if (strangers->ranks == NULL) {
        strangers->ranks = ptl_alloc(strangers->allocator, ranks_size(strangers));
    }
    if (strangers->ranks == NULL || ptl_map_reserve(&strangers->sources) < 0) {
        return NULL;
    }
    struct ptl_source *source = ptl_alloc(strangers->allocator, sizeof(*source));
    if (source == NULL) {
        return NULL;
    }
    source->address = address;
    source->silent.end = &source->silent.first;
    source->greeted.end = &source->greeted.first;
    ptl_map_insert(&strangers->sources, ptl_map_spread(address), source);
    return source;
}

/* ---- Places -------------------------------------------------------------------------------- */

static struct ptl_stranger *first_to_go(const struct ptl_source *source)
{
    return source->silent.first != NULL ? source->silent.first : source->greeted.first;
}

struct ptl_stranger *ptl_strangers_worst(const struct ptl_strangers *strangers)
{
    if (strangers->count == 0) {
        return NULL;
    }
    const struct ptl_source_rank *ranks = &strangers->ranks[2 * (size_t)strangers->most];
    return first_to_go(ranks[1].first != NULL ? ranks[1].first : ranks[0].first);
}

struct ptl_stranger *ptl_strangers_victim(const struct ptl_strangers *strangers, uint64_t source)
{
    const struct ptl_source *own = find(strangers, source);

    if (own != NULL && own->count >= strangers->per_source) {
        return first_to_go(own);
    }
    if (strangers->count < strangers->places) {
        return NULL;
    }
    /* With the one that comes it would have most. */
    if (own != NULL && own->count >= strangers->most) {
        return first_to_go(own);
    }
    return ptl_strangers_worst(strangers);
}

int ptl_stranger_add(struct ptl_strangers *strangers, struct ptl_stranger *stranger,
                     uint64_t address)
{
    struct ptl_source *source = find(strangers, address);

    ptl_assert(stranger->source == NULL && strangers->count < strangers->places);
    if (source != NULL) {
        leave_rank(strangers, source);
    } else {
        source = make(strangers, address);
    }
    if (source == NULL) {
        return PTL_ENOMEM;
    }
    stranger->source = source;
    stranger->greeted = false;
    append(&source->silent, stranger);
    source->count++;
    strangers->count++;
    enter_rank(strangers, source);
    return PTL_OK;
}

void ptl_stranger_greeted(struct ptl_strangers *strangers, struct ptl_stranger *stranger)
{
    struct ptl_source *source = stranger->source;

    if (source == NULL || stranger->greeted) {
        return;
    }
    leave_rank(strangers, source);
    cut_out(&source->silent, stranger);
    stranger->greeted = true;
    append(&source->greeted, stranger);
    enter_rank(strangers, source);
}

void ptl_stranger_remove(struct ptl_strangers *strangers, struct ptl_stranger *stranger)
{
    struct ptl_source *source = stranger->source;

    if (source == NULL) {
        return;
    }
    ptl_assert(source->count != 0 && strangers->count >= source->count);
    leave_rank(strangers, source);
    cut_out(list_of(stranger), stranger);
    stranger->source = NULL;
    source->count--;
    strangers->count--;
    if (source->count != 0) {
        enter_rank(strangers, source);
    } else {
        ptl_map_remove(&strangers->sources, ptl_map_spread(source->address), source);
        ptl_free(strangers->allocator, source, sizeof(*source));
    }
    lower_most(strangers);
}
