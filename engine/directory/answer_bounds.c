#include "engine/directory/answer_bounds.h"

#include "engine/directory/question.h"
#include "engine/link/peer_limit.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

size_t ptl_answer_size_max(struct ptl_shard *shard, const struct ptl_question *q)
{
    size_t ours = shard->node->options.message_bytes_max;
    size_t theirs =
        ptl_question_is_peers(q) ? ptl_peer_takes(shard->node, ptl_port_node(&q->to)) : SIZE_MAX;

    return ours < theirs ? ours : theirs;
}
