#include "engine/directory/op_words.h"

/* What the words of a kind are. */
enum form { NOTHING, FOLLOWER, BY, ATTACHMENT, OWNERS, QUESTION, FAILURE };

static enum form form_of(enum ptl_directory_op kind)
{
    switch (kind) {
    case PTL_DIR_WATCH:
    case PTL_DIR_NEXT:
    case PTL_DIR_UNWATCH:
    case PTL_DIR_TOLD:
    case PTL_DIR_AGAIN:
    case PTL_DIR_UNFOLLOW:
        return FOLLOWER;
    case PTL_DIR_REPLACE:
    case PTL_DIR_UPDATE:
    case PTL_DIR_OWNED:
    case PTL_DIR_COPY:
    case PTL_DIR_CHANGE:
    case PTL_DIR_TAKEN:
        return BY;
    case PTL_DIR_ATTACH:
    case PTL_DIR_MASTER:
        return ATTACHMENT;
    case PTL_DIR_PEER_GLOBAL:
        return OWNERS;
    case PTL_DIR_ANSWER:
        return QUESTION;
    case PTL_DIR_FAIL:
        return FAILURE;
    case PTL_DIR_SET:
    case PTL_DIR_DEL:
    case PTL_DIR_ASK:
    case PTL_DIR_OWNER:
    case PTL_DIR_LOST:
    case PTL_DIR_PEER_AGAIN:
    case PTL_DIR_PEER_ASKS:
    case PTL_DIR_PEER_WATCHES:
    case PTL_DIR_PEER_LEAVES:
    case PTL_DIR_SEED:
    case PTL_DIR_NEEDED:
    case PTL_DIR_WANTED:
    case PTL_DIR_GLOBAL:
    case PTL_DIR_UNATTACHED:
    case PTL_DIR_ADDRESSES:
    case PTL_DIR_FIND:
    case PTL_DIR_FOUND:
    case PTL_DIR_KEEP:
    case PTL_DIR_LEAVE:
        return NOTHING;
    case PTL_DIR_OPS:
        break;
    }
    ptl_unreachable("an op of the database of no kind");
}

/* Flags. */
#define BY_GLOBAL 1u
#define BY_OURS 2u
#define KNOWS_OWNERS 1u

struct ptl_op ptl_dir_say(const struct ptl_dir_words *words)
{
    struct ptl_op op = {.kind = PTL_OP_DIRECTORY, .to = PTL_TO_SHARD};
    struct ptl_op_words *out = &op.as.words;

    out->kind = (uint16_t)words->kind;
    switch (form_of((enum ptl_directory_op)words->kind)) {
    case NOTHING:
        break;
    case FOLLOWER:
        out->large = words->follower.id;
        out->small = words->follower.shard;
        break;
    case BY:
        out->large = words->by.attachment;
        out->small = words->by.number;
        out->flags = (words->by.global ? BY_GLOBAL : 0) | (words->by.ours ? BY_OURS : 0);
        break;
    case ATTACHMENT:
        out->large = words->attachment.number;
        out->flags = words->attachment.knows_owners ? KNOWS_OWNERS : 0;
        break;
    case OWNERS:
        out->flags = words->knows_owners ? KNOWS_OWNERS : 0;
        break;
    case QUESTION:
        out->large = words->question;
        break;
    case FAILURE:
        ptl_assert(words->err < 0); /* an error is negative, and a word is not */
        out->small = (uint32_t)-words->err;
        break;
    }
    return op;
}

struct ptl_op ptl_dir_op(enum ptl_directory_op kind)
{
    ptl_assert(form_of(kind) == NOTHING);
    /* Each set of a key comes here: written once, where the caller wants it. */
    return (struct ptl_op){
        .kind = PTL_OP_DIRECTORY, .to = PTL_TO_SHARD, .as.words.kind = (uint16_t)kind};
}

enum ptl_directory_op ptl_dir_kind(const struct ptl_op *op)
{
    ptl_assert(op->kind == PTL_OP_DIRECTORY);
    ptl_assert(op->as.words.kind != 0 && op->as.words.kind < PTL_DIR_OPS);
    return (enum ptl_directory_op)op->as.words.kind;
}

struct ptl_dir_words ptl_dir_words(const struct ptl_op *op)
{
    enum ptl_directory_op kind = ptl_dir_kind(op);
    const struct ptl_op_words *in = &op->as.words;
    struct ptl_dir_words words = {.kind = kind};

    switch (form_of(kind)) {
    case NOTHING:
        break;
    case FOLLOWER:
        words.follower.id = in->large;
        words.follower.shard = in->small;
        break;
    case BY:
        words.by.attachment = in->large;
        words.by.number = in->small;
        words.by.global = (in->flags & BY_GLOBAL) != 0;
        words.by.ours = (in->flags & BY_OURS) != 0;
        break;
    case ATTACHMENT:
        words.attachment.number = in->large;
        words.attachment.knows_owners = (in->flags & KNOWS_OWNERS) != 0;
        break;
    case OWNERS:
        words.knows_owners = (in->flags & KNOWS_OWNERS) != 0;
        break;
    case QUESTION:
        words.question = in->large;
        break;
    case FAILURE:
        words.err = -(int)in->small;
        break;
    }
    return words;
}
