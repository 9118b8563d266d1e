#include "engine/directory/question_book.h"

#include "engine/directory/answer_bounds.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

/* ---- Askers ---------------------------------------------------------------------------------- */

static bool same_asker(const void *entry, struct ptl_span node)
{
    const struct ptl_asker *asker = entry;
    return ptl_span_equal(ptl_span(asker->id, asker->id_size), node);
}

static void init_asker(struct ptl_asker *asker, struct ptl_asked *places)
{
    ptl_list_init(&asker->to_do);
    ptl_list_init(&asker->roomless);
    asker->places = places;
}

struct ptl_asker *ptl_asker_find(struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_map_find(&shard->directory->askers, ptl_name_hash(node), same_asker, node);
}

struct ptl_asker *ptl_asker_get(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_map *askers = &shard->directory->askers;
    uint64_t hash = ptl_name_hash(node);
    struct ptl_asker *asker = ptl_asker_find(shard, node);

    if (asker != NULL || ptl_map_reserve(askers) < 0) {
        return asker;
    }
    asker = ptl_alloc(shard->allocator, sizeof(*asker));
    if (asker != NULL) {
        asker->hash = hash;
        init_asker(asker, &shard->directory->peers_asked);
        asker->id_size = (uint8_t)node.size;
        memcpy(asker->id, node.bytes, node.size);
        ptl_map_insert(askers, hash, asker);
    }
    return asker;
}

struct ptl_asker *ptl_asker_own(struct ptl_shard *shard, unsigned place)
{
    ptl_assert(place < shard->node->shard_count);
    return &shard->directory->own_questions[place];
}

void ptl_asker_remove(struct ptl_shard *shard, struct ptl_asker *asker)
{
    ptl_assert(asker->id_size != 0 && asker->waiting == 0);
    ptl_assert(asker->asked.count == 0 && asker->asked.held == 0);
    ptl_list_remove(&asker->due);
    ptl_map_remove(&shard->directory->askers, asker->hash, asker);
    ptl_free(shard->allocator, asker, sizeof(*asker));
}

void ptl_asker_due(struct ptl_shard *shard, struct ptl_asker *asker)
{
    ptl_assert(!ptl_list_empty(&asker->to_do));
    if (!ptl_listed(&asker->due)) {
        ptl_list_append(&shard->directory->askers_due, &asker->due);
    }
}

static void take_off(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_list_remove(&q->listed);
    ptl_untold_cancel(shard, &q->untold);
    if (ptl_list_empty(&q->asker->to_do)) {
        ptl_list_remove(&q->asker->due);
    }
}

/* Among what its asker has to do, behind `place`. */
static void put(struct ptl_shard *shard, struct ptl_question *q, struct ptl_list *place)
{
    ptl_list_insert(place, &q->listed);
    ptl_asker_due(shard, q->asker);
    shard->directory->questions_news = true;
}

static size_t own_size(const struct ptl_shard *shard)
{
    return shard->node->shard_count * sizeof(struct ptl_asker);
}

int ptl_askers_init(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    ptl_list_init(&directory->askers_due);
    ptl_list_init(&directory->questions_sent);
    directory->answer_bytes = PTL_ANSWER_GUESS;
    ptl_map_init(&directory->askers, shard->allocator);
    directory->own_questions = ptl_alloc(shard->allocator, own_size(shard));
    if (directory->own_questions == NULL) {
        return PTL_ENOMEM;
    }
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        init_asker(&directory->own_questions[i], &directory->own_asked);
    }
    return PTL_OK;
}

void ptl_askers_drop(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_asker *asker;

    while ((asker = ptl_map_take(&directory->askers)) != NULL) {
        ptl_free(shard->allocator, asker, sizeof(*asker));
    }
    ptl_map_drop(&directory->askers);
    ptl_free(shard->allocator, directory->own_questions, own_size(shard));
    directory->own_questions = NULL;
}

/* ---- Questions ------------------------------------------------------------------------------- */

struct ptl_question *ptl_question_make(struct ptl_shard *shard,
                                       const struct ptl_body_question *asked)
{
    struct ptl_span family = asked->family, key = asked->key;
    struct ptl_question *q = ptl_alloc(shard->allocator, sizeof(*q) + family.size + key.size);

    if (q == NULL) {
        return NULL;
    }
    q->what = asked->what;
    q->family_size = (uint8_t)family.size;
    q->key_size = (uint16_t)key.size;
    memcpy(q->text, family.bytes, family.size);
    if (key.size != 0) {
        memcpy(q->text + family.size, key.bytes, key.size);
    }
    return q;
}

void ptl_question_free(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_assert(q->state == PTL_QUESTION_NEW && q->answer == NULL && !ptl_listed(&q->listed));
    ptl_assert(!ptl_untold_waits(&q->untold));
    ptl_msg_free(q->tag);
    ptl_free(shard->allocator, q, sizeof(*q) + q->family_size + q->key_size);
}

/* What the master has of an asker, and what is held for it, is part of what all have. */
static void count_sent(const struct ptl_question *q, uint32_t change)
{
    q->asker->asked.count += change;
    q->asker->places->count += change;
    ptl_assert(q->asker->asked.count <= q->asker->places->count);
}

static void count_held(const struct ptl_question *q, uint64_t change)
{
    q->asker->asked.held += change;
    q->asker->places->held += change;
    ptl_assert(q->asker->asked.held <= q->asker->places->held);
}

static bool may_enter(enum ptl_question_state from, enum ptl_question_state to)
{
    switch (from) {
    case PTL_QUESTION_NEW:
        return to == PTL_QUESTION_WAITS;
    case PTL_QUESTION_WAITS:
        return true;
    case PTL_QUESTION_SENT:
        return to == PTL_QUESTION_WAITS || to == PTL_QUESTION_NEW;
    case PTL_QUESTION_ANSWERED:
        return to == PTL_QUESTION_NEW;
    }
    ptl_unreachable("no such state of a question");
}

/* What goes with its old state goes, and with its new one comes; lists are the caller's. */
static void enter(struct ptl_question *q, enum ptl_question_state state)
{
    ptl_assert(may_enter(q->state, state));
    if (q->state == PTL_QUESTION_SENT) {
        count_sent(q, UINT32_MAX);
    }
    if (q->state == PTL_QUESTION_ANSWERED) {
        count_held(q, -(uint64_t)q->answer->size);
        ptl_msg_free(q->answer);
        q->answer = NULL;
    }
    q->state = (uint8_t)state;
    if (state == PTL_QUESTION_SENT) {
        count_sent(q, 1);
    }
}

void ptl_question_wait(struct ptl_shard *shard, struct ptl_question *q)
{
    enter(q, PTL_QUESTION_WAITS);
    q->asker->waiting++;
    shard->directory->own_waiting += !ptl_question_is_peers(q);
    put(shard, q, q->asker->to_do.before);
}

void ptl_question_sent(struct ptl_shard *shard, struct ptl_question *q)
{
    struct ptl_list *sent = &shard->directory->questions_sent;

    ptl_assert(ptl_list_empty(sent) || ptl_question_of(sent->before)->id < q->id);
    enter(q, PTL_QUESTION_SENT);
    take_off(shard, q);
    ptl_list_append(sent, &q->listed);
}

void ptl_question_back(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_assert(q->state == PTL_QUESTION_SENT);
    enter(q, PTL_QUESTION_WAITS);
    ptl_question_to_do(shard, q);
}

void ptl_question_to_do(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_assert(q->state == PTL_QUESTION_WAITS || q->state == PTL_QUESTION_ANSWERED);
    take_off(shard, q);
    put(shard, q, &q->asker->to_do);
}

void ptl_question_lacks_room(struct ptl_shard *shard, struct ptl_question *q)
{
    ptl_assert(q->state == PTL_QUESTION_WAITS || q->state == PTL_QUESTION_ANSWERED);
    take_off(shard, q);
    ptl_list_append(&q->asker->roomless, &q->listed);
}

void ptl_question_hold(struct ptl_question *q, struct ptl_msg *answer)
{
    ptl_assert(q->state == PTL_QUESTION_WAITS && q->answer == NULL);
    enter(q, PTL_QUESTION_ANSWERED);
    q->answer = answer;
    count_held(q, answer->size);
}

void ptl_question_end(struct ptl_shard *shard, struct ptl_question *q)
{
    struct ptl_asker *asker = q->asker;

    ptl_assert(asker->waiting > 0);
    enter(q, PTL_QUESTION_NEW);
    take_off(shard, q);
    shard->directory->own_waiting -= !ptl_question_is_peers(q);
    asker->waiting--;
    shard->directory->questions_news = true; /* the master may have a place for another */
    ptl_question_free(shard, q);
}

/* From the first on: the master answers in their order, most often. */
struct ptl_question *ptl_question_find_sent(struct ptl_shard *shard, uint64_t id)
{
    struct ptl_list *sent = &shard->directory->questions_sent, *at = sent->next;

    while (at != sent && ptl_question_of(at)->id < id) {
        at = at->next;
    }
    return at != sent && ptl_question_of(at)->id == id ? ptl_question_of(at) : NULL;
}
