/*
 * tests/common/stepped.h - a node whose shards have no threads: the test makes each of their turns,
 * and so sees what one turn does.
 */
#pragma once

#include "engine/portolan.h"

#include <stdbool.h>

struct ptl_dir_words;

/* Before the first test: somebody accepts at an address, and says nothing. */
void stepped_begin(void);

/*
 * The node "rain", with its shards open.  It knows "snow" and "hail" at that address: a link to
 * them fails when the test wants it to.
 */
struct ptl_node *stepped_make(unsigned shards, bool ordinary);

/* One turn of each shard that wants one.  Returns whether any did. */
bool stepped_turn(struct ptl_node *node);

/* Turns until no shard wants one. */
void stepped_settle(struct ptl_node *node);

/*
 * What a link tells the directory of shard 0 about that peer, in its next turn: these words, with
 * the values of the writer, or of the message.  Either may be NULL: there are none.
 */
void stepped_tell(struct ptl_node *node, const char *peer, const struct ptl_dir_words *words,
                  const struct ptl_writer *writer);
void stepped_tell_msg(struct ptl_node *node, const char *peer, const struct ptl_dir_words *words,
                      const struct ptl_msg *msg);

/* Tell it that the peer is global, and of ours. */
void stepped_tell_global(struct ptl_node *node, const char *peer);

/* Tell it the peer's whole database, which is empty: from now on that is attached to us. */
void stepped_tell_attached(struct ptl_node *node, const char *peer);

/* One of one shard, global by now, and for some seconds its master, "snow", is still asked. */
struct ptl_node *stepped_make_becoming(void);
