#include "engine/directory/question.h"

#include "engine/directory/answer.h"
#include "engine/directory/answer_bounds.h"
#include "engine/directory/interest.h"
#include "engine/directory/key.h"
#include "engine/directory/node_directory.h"
#include "engine/directory/outlet_peer.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/directory/question_book.h"
#include "engine/directory/question_master.h"
#include "engine/message/name.h"
#include "engine/port/fullness.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"

/* What it costs to try one again, of a slice. */
#define TRY_UNITS 8

/* ---- Whether it can be answered here --------------------------------------------------------- */

static bool knows_address(const struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_item item;

    return ptl_store_get(shard->directory->store, ptl_question_family(q), ptl_question_key(q),
                         &item);
}

/*
 * Who has attached here makes this node global, and finds what it has set when this shard, too,
 * knows of that.
 */
static bool waits_for_role(struct ptl_shard *shard, const struct ptl_question *q)
{
    if (ptl_directory_is_global(shard->directory) || !ptl_question_is_peers(q)) {
        return false;
    }
    const struct ptl_peer *peer = ptl_peer_find(shard, ptl_port_node(&q->to));
    return peer != NULL && peer->role == PTL_PEER_ATTACHED;
}

/*
 * Of a global node that asks, because we were its master, the last word on what it has set is here
 * and not at our own master: it tells both, each by a link of its own, and the question that we
 * pass on comes before what it has told there.  Where others listen it does not set itself.
 */
static bool tells_master_itself(struct ptl_shard *shard, const struct ptl_question *q)
{
    const struct ptl_peer *peer =
        !ptl_question_is_peers(q) ? NULL : ptl_peer_find(shard, ptl_port_node(&q->to));

    return q->what != PTL_ASK_FIND && peer != NULL && peer->role == PTL_PEER_GLOBAL;
}

/*
 * Whether what is here is the answer.  An ordinary node passes on what strangers ask, too, and so
 * does one that has just become global, until it has had time to get what the others have; but not
 * what another global node asks.  What its last master has said must be gone by then: it would hide
 * what was set here since.
 */
static bool has_whole_database(struct ptl_shard *shard, const struct ptl_question *q)
{
    const struct ptl_shard_directory *directory = shard->directory;

    if (q->what == PTL_ASK_FIND && knows_address(shard, q)) {
        return true;
    }
    if (ptl_directory_is_global(directory) &&
        (!ptl_directory_has_master(directory) || tells_master_itself(shard, q))) {
        return !ptl_interests_are_ending(shard);
    }
    if (ptl_directory_has_master(directory)) {
        return ptl_question_is_peers(q) && ptl_port_equal(&q->to, &directory->master);
    }
    return ptl_question_is_peers(q) && !waits_for_role(shard, q) &&
           !atomic_load(&shard->node->directory->attaching);
}

/* A peer that watches the family, too, is told of it in the order in which it changes. */
static bool overtakes_changes(struct ptl_shard *shard, const struct ptl_question *q)
{
    const struct ptl_peer *peer =
        !ptl_question_is_peers(q) ? NULL : ptl_peer_find(shard, ptl_port_node(&q->to));

    return peer != NULL && ptl_outlet_is_telling(peer, ptl_question_family(q));
}

/* ---- One step -------------------------------------------------------------------------------- */

/* What could be done for a question that waits. */
enum progress {
    DONE,      /* it is answered and gone, or the master has it */
    NOTHING,   /* it waits for something to happen: see ptl_directory_news() */
    NEXT_TURN, /* its asker has had its share of this one */
    NO_ROOM,
    NO_MEMORY, /* nobody says when there is some: it is tried again and again */
};

static enum progress progress_of(int err)
{
    switch (err) {
    case PTL_OK:
        return DONE;
    case PTL_LATER:
        return NEXT_TURN;
    case PTL_ENOMEM:
        return NO_MEMORY;
    default:
        return NO_ROOM;
    }
}

static bool is_answered_here(struct ptl_shard *shard, const struct ptl_question *q)
{
    return q->state == PTL_QUESTION_ANSWERED ||
           (has_whole_database(shard, q) && !overtakes_changes(shard, q));
}

static int answer(struct ptl_shard *shard, const struct ptl_question *q)
{
    int err = ptl_answer_room(shard, q);

    if (err < 0) {
        return err;
    }
    err = q->state == PTL_QUESTION_ANSWERED ? ptl_answer_held(shard, q)
                                            : ptl_answer_from_store(shard, q);
    /* The peer has said only now how little it takes. */
    return err == PTL_ESIZE ? ptl_answer_error(shard, q, err) : err;
}

/*
 * Answer it or ask the master; `way`: where there was no room, if there was none.  One whose answer
 * is made waits for room only: the master is not asked again, whatever has been set since.
 */
static enum progress advance(struct ptl_shard *shard, struct ptl_question *q,
                             const struct ptl_port **way)
{
    if (is_answered_here(shard, q)) {
        enum progress progress = progress_of(answer(shard, q));
        *way = &q->to;
        if (progress == DONE) {
            ptl_question_end(shard, q);
        }
        return progress;
    }
    if (q->state != PTL_QUESTION_WAITS || waits_for_role(shard, q) ||
        !ptl_master_may_ask(shard, q)) {
        return NOTHING;
    }
    *way = &shard->directory->master;
    return progress_of(ptl_master_ask(shard, q));
}

/* ---- What lacks room ------------------------------------------------------------------------- */

/* As a ptl_untold_fn: there may be room. */
static int try_again(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_question *q = ptl_container(untold, struct ptl_question, untold);
    const struct ptl_port *way = NULL;

    *units -= *units < TRY_UNITS ? *units : TRY_UNITS;
    switch (advance(shard, q, &way)) {
    case DONE:
        ptl_directory_news(shard->directory); /* those behind it have waited for that */
        break;
    case NOTHING:
        ptl_question_to_do(shard, q);
        break;
    case NEXT_TURN:
        *units = 0;
        return PTL_LATER;
    case NO_ROOM:
        return ptl_room_missed(shard, way, untold);
    case NO_MEMORY:
        return PTL_ENOMEM;
    }
    return PTL_OK;
}

static void let_wait(struct ptl_shard *shard, struct ptl_question *q, enum progress progress,
                     const struct ptl_port *way)
{
    int err = PTL_ENOMEM;

    ptl_question_lacks_room(shard, q);
    q->untold.tell = try_again;
    q->untold.to = shard->index;
    if (progress == NO_ROOM) {
        err = ptl_room_missed(shard, way, &q->untold);
    }
    if (err < 0) {
        ptl_untold_wait(shard, &q->untold, q->untold.to);
    }
}

/* ---- Beginning ------------------------------------------------------------------------------- */

/* It will not be answered: say so, if there is room for that.  A peer has only itself to blame. */
static void refuse(struct ptl_shard *shard, struct ptl_question *q, int err)
{
    if (ptl_answer_error(shard, q, err) < 0) {
        ptl_log(shard->node, ptl_question_is_peers(q) ? PTL_LOG_DEBUG : PTL_LOG_ERROR,
                "too many questions wait: one is lost");
    }
    ptl_question_free(shard, q);
}

static bool too_many_wait(const struct ptl_shard *shard, const struct ptl_question *q)
{
    return ptl_question_is_peers(q) ? q->asker->waiting >= PTL_QUESTIONS_PEER_MAX
                                    : shard->directory->own_waiting >= PTL_QUESTIONS_MAX;
}

static void begin(struct ptl_shard *shard, struct ptl_question *q)
{
    bool stops = shard->stop_step >= PTL_STOP_TELL;

    ptl_assert(q->state == PTL_QUESTION_NEW && q->asker != NULL);
    if (stops || too_many_wait(shard, q)) {
        refuse(shard, q, stops ? PTL_ESTOPPED : PTL_ELIMIT);
        return;
    }
    if (!ptl_question_is_peers(q)) {
        ptl_directory_need(shard);
    }
    /* Those before it go first, even when there is room again. */
    if (q->asker->waiting == 0 && is_answered_here(shard, q) && answer(shard, q) == PTL_OK) {
        ptl_question_free(shard, q);
        return;
    }
    ptl_question_wait(shard, q);
}

static int read_reply_port(struct ptl_shard *shard, struct ptl_span value, struct ptl_port *to)
{
    struct ptl_cursor cursor = ptl_cursor_of(value);
    struct ptl_span id;
    int err = ptl_next_string(&cursor, &id);

    return err < 0 ? err : ptl_port_read(&shard->node->self, id, to);
}

void ptl_question_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_question asked = ptl_body_question(op->body);
    struct ptl_question *q = ptl_question_make(shard, &asked);

    if (q == NULL || read_reply_port(shard, asked.asker, &q->to) < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: a question to the database is lost");
        if (q != NULL) {
            ptl_question_free(shard, q);
        }
        return;
    }
    q->asker = ptl_asker_own(shard, ptl_place_of(shard->node, &q->to));
    begin(shard, q);
}

void ptl_question_take_peer(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_question asked = ptl_body_question(op->body);
    struct ptl_question *q = ptl_question_make(shard, &asked);
    int err = q == NULL ? PTL_ENOMEM
                        : ptl_port_at(&shard->node->self, op->node, ptl_span(NULL, 0), &q->to);
    if (err == PTL_OK) {
        err = ptl_msg_from(shard->allocator, asked.asker, 1, &q->tag);
    }
    if (err == PTL_OK) {
        q->asker = ptl_asker_get(shard, op->node);
        err = q->asker == NULL ? PTL_ENOMEM : PTL_OK;
    }
    if (err < 0) {
        if (q != NULL) {
            ptl_question_free(shard, q);
        }
        ptl_directory_fail(shard, op->node, err);
        return;
    }
    begin(shard, q);
}

/* ---- Going on -------------------------------------------------------------------------------- */

static bool lacks_room(const struct ptl_asker *asker)
{
    return !ptl_list_empty(&asker->roomless);
}

/* Returns whether anything could be done, or can be in the next turn. */
static bool look_at(struct ptl_shard *shard, struct ptl_question *q)
{
    const struct ptl_port *way = NULL;
    enum progress progress = advance(shard, q, &way);

    if (progress == NO_ROOM || progress == NO_MEMORY) {
        let_wait(shard, q, progress, way);
    }
    return progress != NOTHING;
}

/*
 * What one asker has to do, in order, up to so many questions of those that are left for this turn.
 * None goes before one that lacks room: who asks twice is not told first what was so last.
 * Returns whether anything could be done.
 */
static bool serve(struct ptl_shard *shard, struct ptl_asker *asker, uint32_t *left)
{
    struct ptl_list *at = asker->to_do.next;
    uint32_t looks = *left < PTL_QUESTIONS_ASKER_TURN_MAX ? *left : PTL_QUESTIONS_ASKER_TURN_MAX;
    bool done = false;

    *left -= looks;
    for (; at != &asker->to_do && looks > 0 && !lacks_room(asker); looks--) {
        struct ptl_list *next = at->next;
        done |= look_at(shard, ptl_question_of(at));
        /* Read before: an answered question is freed. */
        at = next;
    }
    *left += looks;
    return done;
}

/* Look at askers in turn, each once.  Returns whether some are to be looked at once more. */
static bool serve_askers(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_list *last = directory->askers_due.before;
    uint32_t looks = PTL_QUESTIONS_TURN_MAX;
    bool done = false, ends = false;

    ptl_assert(!ptl_list_empty(&directory->askers_due)); /* it is asked for only then */
    while (!ends && looks > 0) {
        struct ptl_list *first = directory->askers_due.next;
        struct ptl_asker *asker = ptl_container(first, struct ptl_asker, due);
        ends = first == last;
        ptl_list_remove(first);
        done |= serve(shard, asker, &looks);
        if (!ptl_list_empty(&asker->to_do)) {
            ptl_asker_due(shard, asker);
        }
    }
    return done || !ends;
}

void ptl_questions_work(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    if (directory->questions_news && !ptl_list_empty(&directory->askers_due)) {
        directory->questions_news = false;
        directory->questions_news |= serve_askers(shard);
        shard->unfinished |= directory->questions_news;
    }
}

/* A node that has just become global has asked once more: the first answer is none. */
static void log_strange_answer(struct ptl_shard *shard, const struct ptl_op *op)
{
    enum ptl_log_level level =
        ptl_directory_is_global(shard->directory) ? PTL_LOG_DEBUG : PTL_LOG_WARN;

    ptl_log_about(shard, level, op->node, "from %.*s: an answer to no question: ignored",
                  (int)op->node.size, (const char *)op->node.bytes);
}

void ptl_question_answered(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_question *q = ptl_question_find_sent(shard, ptl_dir_words(op).question);

    if (q == NULL) {
        log_strange_answer(shard, op);
        return;
    }
    ptl_question_back(shard, q); /* now it waits for room only; else it is asked again */
    if (!ptl_master_take_answer(shard, q, op->body)) {
        return;
    }
    /* Behind those that wait for that, and before what is answered next. */
    int err = lacks_room(q->asker) ? PTL_EFULL : answer(shard, q);
    if (err < 0) {
        let_wait(shard, q, progress_of(err), &q->to);
    } else {
        ptl_question_end(shard, q);
    }
}

/* Its questions that lack room are looked at anew: the last one first, so they stay in order. */
static void look_anew(struct ptl_shard *shard, struct ptl_asker *asker)
{
    while (!ptl_list_empty(&asker->roomless)) {
        ptl_question_to_do(shard, ptl_question_of(asker->roomless.before));
    }
}

void ptl_questions_again(struct ptl_shard *shard)
{
    struct ptl_list *sent = &shard->directory->questions_sent;
    struct ptl_asker *asker;
    uint32_t at = 0;

    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        look_anew(shard, ptl_asker_own(shard, i));
    }
    while ((asker = ptl_map_next(&shard->directory->askers, &at)) != NULL) {
        look_anew(shard, asker);
    }

    /* The last one first: each goes before those of its asker that were sent later. */
    while (!ptl_list_empty(sent)) {
        ptl_question_back(shard, ptl_question_of(sent->before));
    }
}

/* ---- Life ------------------------------------------------------------------------------------ */

int ptl_questions_init(struct ptl_shard *shard)
{
    return ptl_askers_init(shard);
}

static void drop_all(struct ptl_shard *shard, struct ptl_asker *asker)
{
    look_anew(shard, asker);
    while (!ptl_list_empty(&asker->to_do)) {
        ptl_question_end(shard, ptl_question_of(asker->to_do.next));
    }
}

void ptl_questions_forget(struct ptl_shard *shard, struct ptl_span peer)
{
    struct ptl_asker *asker = ptl_asker_find(shard, peer);
    struct ptl_list *sent = &shard->directory->questions_sent, *at = sent->next;

    if (asker == NULL) {
        return;
    }
    while (asker->asked.count > 0) {
        ptl_assert(at != sent); /* its count says that one more of it stands there */
        struct ptl_question *q = ptl_question_of(at);
        at = at->next;
        if (q->asker == asker) {
            ptl_question_end(shard, q);
        }
    }
    drop_all(shard, asker);
    ptl_asker_remove(shard, asker);
}

/* Its own questions are answered with an error, as long as there is room for that. */
static void stop_own(struct ptl_shard *shard, struct ptl_asker *asker, int err)
{
    while (!ptl_list_empty(&asker->to_do)) {
        struct ptl_question *q = ptl_question_of(asker->to_do.next);
        if (ptl_answer_error(shard, q, err) == PTL_EFULL) {
            return; /* dropped with the shard: its rings are full at the very end */
        }
        ptl_question_end(shard, q);
    }
}

void ptl_questions_stop(struct ptl_shard *shard, int err)
{
    struct ptl_asker *asker;
    uint32_t at = 0;

    ptl_questions_again(shard);
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        stop_own(shard, ptl_asker_own(shard, i), err);
    }
    while ((asker = ptl_map_next(&shard->directory->askers, &at)) != NULL) {
        drop_all(shard, asker);
    }
}

void ptl_questions_drop(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_asker *asker;
    uint32_t at = 0;

    if (directory->own_questions == NULL) {
        return; /* there was no memory for these: nobody could ask */
    }
    ptl_questions_again(shard);
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        drop_all(shard, ptl_asker_own(shard, i));
    }
    while ((asker = ptl_map_next(&directory->askers, &at)) != NULL) {
        drop_all(shard, asker);
    }
    ptl_askers_drop(shard);
}
