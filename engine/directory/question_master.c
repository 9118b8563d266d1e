#include "engine/directory/question_master.h"

#include "engine/directory/answer.h"
#include "engine/directory/answer_bounds.h"
#include "engine/directory/key.h"
#include "engine/directory/outlet_peer.h"
#include "engine/directory/peer.h"
#include "engine/message/name.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"

#include <stdio.h>

/* ---- Asking ---------------------------------------------------------------------------------- */

/*
 * Questions that the master may have at once: as many as bring about what may be held here, by what
 * its answers were like lately.
 */
static uint32_t asked_max(const struct ptl_shard_directory *directory)
{
    uint64_t each = directory->answer_bytes + 1;
    uint64_t max = PTL_ANSWERS_HELD_MAX / each;

    return max < PTL_QUESTIONS_ASKED_LEAST ? PTL_QUESTIONS_ASKED_LEAST
           : max > PTL_QUESTIONS_MAX       ? PTL_QUESTIONS_MAX
                                           : (uint32_t)max;
}

/*
 * Peers have three quarters of these places, each an eighth: those who ask much or take nothing
 * leave some for others, and for this node.
 */
static bool has_place(const struct ptl_shard_directory *directory, const struct ptl_asker *asker)
{
    uint32_t max = asked_max(directory);

    if (asker->places == &directory->own_asked) {
        return asker->places->count < max && asker->places->held <= PTL_ANSWERS_HELD_MAX / 2;
    }
    return asker->places->count < max - max / 4 &&
           asker->places->held <= PTL_ANSWERS_HELD_PEERS_MAX / 2 &&
           asker->asked.count < (max < 8 ? 1 : max / 8) &&
           asker->asked.held <= PTL_ANSWERS_HELD_PEER_MAX;
}

bool ptl_master_may_ask(struct ptl_shard *shard, const struct ptl_question *q)
{
    struct ptl_shard_directory *directory = shard->directory;

    if (!ptl_directory_has_master(directory) || !has_place(directory, q->asker)) {
        return false;
    }
    const struct ptl_peer *master = ptl_peer_find(shard, ptl_port_node(&directory->master));
    /* Not before it has been told what we have set: an answer without that would be an older
     * one. */
    return master != NULL && master->feed != NULL && !ptl_outlet_is_feeding(master);
}

static const char *request_of(const struct ptl_question *q)
{
    switch ((enum ptl_ask)q->what) {
    case PTL_ASK_KEYS:
        return "g_db_keys";
    case PTL_ASK_VALUES:
        return "g_db_values";
    default:
        return "g_db_family";
    }
}

int ptl_master_ask(struct ptl_shard *shard, struct ptl_question *q)
{
    struct ptl_buffer *packet = &shard->directory->packet;
    char id[40];

    ptl_assert(q->state == PTL_QUESTION_WAITS && ptl_directory_has_master(shard->directory));
    q->id = ++shard->directory->last_question;
    int size = snprintf(id, sizeof(id), "%x.%llx", shard->index, (unsigned long long)q->id);
    ptl_assert(size > 0 && (size_t)size < sizeof(id));
    ptl_buffer_clear(packet);
    ptl_key_put(packet, ptl_span_text(request_of(q)));
    ptl_key_put(packet, ptl_question_family(q));
    ptl_key_put(packet, ptl_span(id, (size_t)size));
    if (q->key_size != 0) {
        ptl_key_put(packet, ptl_question_key(q)); /* a master of ours answers with this one only */
    }
    if (packet->err < 0) {
        return PTL_ENOMEM;
    }
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .body = ptl_buffer_span(packet),
        .count = q->key_size != 0 ? 4 : 3,
    };
    int err = ptl_route(shard->node, &shard->directory->master, &op, PTL_WAY_MESSAGE);
    if (err == PTL_OK) {
        ptl_question_sent(shard, q);
    }
    return err;
}

/* ---- Its answers ----------------------------------------------------------------------------- */

/* The largest of late: quick to rise, slow to fall. */
static void note_answer(struct ptl_shard_directory *directory, size_t size)
{
    uint32_t before = directory->answer_bytes - directory->answer_bytes / 8;
    uint32_t bytes = size < UINT32_MAX / 2 ? (uint32_t)size : UINT32_MAX / 2;

    directory->answer_bytes = bytes > before ? bytes : before;
}

static bool too_much_waits(const struct ptl_shard_directory *directory,
                           const struct ptl_asker *asker)
{
    bool own = asker->places == &directory->own_asked;

    return asker->places->held > (own ? PTL_ANSWERS_HELD_MAX : PTL_ANSWERS_HELD_PEERS_MAX);
}

bool ptl_master_take_answer(struct ptl_shard *shard, struct ptl_question *q, struct ptl_span body)
{
    struct ptl_msg *answer;

    ptl_assert(q->state == PTL_QUESTION_WAITS);
    note_answer(shard->directory, body.size);
    if (too_much_waits(shard->directory, q->asker) ||
        ptl_answer_from_master(shard, q, body, &answer) < 0) {
        return false;
    }
    ptl_question_hold(q, answer);
    return true;
}
