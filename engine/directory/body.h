/*
 * engine/directory/body.h - what stands in the bodies of the database's ops.
 *
 * Each kind of body is written and read here and nowhere else, so that what one shard packs is what
 * the other takes apart.  Bodies are made by this node only, so reading asserts their form; what
 * peers write has packets of its own and is looked at as a stranger's.
 *
 * Owns: the spans of what was read lie in the body.  Thread: any.
 */
#pragma once

#include "engine/message/message.h"
#include "io/buffer.h"

/*
 * PTL_DIR_SET, PTL_DIR_DEL: an entry.  Both have a value: a registration's body is sent when its
 * port comes, and the same one when it goes.
 */
struct ptl_body_entry {
    struct ptl_span family, key;
    struct ptl_span value; /* one plain value */
};

/* `value` NULL stands for null.  Returns the writer's error. */
int ptl_body_put_entry(struct ptl_writer *writer, struct ptl_span family, struct ptl_span key,
                       const struct ptl_msg *value);
struct ptl_body_entry ptl_body_entry(struct ptl_span body);

/* PTL_DIR_ASK, PTL_DIR_PEER_ASKS: a question, and to whom the answer goes. */
struct ptl_body_question {
    uint8_t what; /* enum ptl_ask */
    struct ptl_span family;
    struct ptl_span key; /* empty: the whole family */
    struct ptl_span
        asker; /* one plain value: the reply port's ID, or the peer's for the question */
};

/* All but the asker, which whoever knows it puts behind.  Returns the writer's error. */
int ptl_body_put_question(struct ptl_writer *writer, unsigned what, struct ptl_span family,
                          struct ptl_span key);
struct ptl_body_question ptl_body_question(struct ptl_span body);

/* PTL_DIR_WATCH: what a follower wants to be told of. */
struct ptl_body_watch {
    struct ptl_span family;
    uint8_t how; /* enum ptl_watch_how */
    struct ptl_span filter;
};

int ptl_body_put_watch(struct ptl_writer *writer, const struct ptl_body_watch *watch);
struct ptl_body_watch ptl_body_watch(struct ptl_span body);

/* PTL_DIR_TOLD: changes, one behind the other. */
struct ptl_body_change {
    uint8_t event;         /* enum ptl_db_event */
    struct ptl_span key;   /* empty for those of the whole family; at most PTL_DB_KEY_MAX bytes */
    struct ptl_span value; /* one plain value; written empty and read as null where there is none */
};

/* The values that one change is, for the op's count. */
#define PTL_BODY_CHANGE_VALUES 3u

/* Errors stay in `out`. */
void ptl_body_put_change(struct ptl_buffer *out, const struct ptl_body_change *change);

/* Step over one change; the cursor must not be at its end. */
struct ptl_body_change ptl_body_next_change(struct ptl_cursor *cursor);
