/*
 * tests/replay/program.h - what runs on our node when it takes the part of a recorded one: it sets,
 * watches and asks as the recorded program did, and remembers what it is told.
 *
 * There is one at a time.
 */
#pragma once

#include "tests/replay/database.h"

/* Do what the recorded program did, so that our node says what the recorded one said. */
void program_acts(struct ptl_node *node, const struct packet *packet);

/* Set or delete one entry: an entry_fn, `data` is the node. */
void program_sets(const char *family, const char *key, const struct ptl_msg *value, void *data);

/* Send to a node, so that it is looked for. */
void program_calls(struct ptl_node *node, const char *node_id);

/* Whether the recorded nodes had that one as a seed: they looked for such ones by the way. */
bool program_has_seed(const char *node_id);

/*
 * Whether it has been told what the other side has said, of the families that ours watches, and
 * been answered the same.
 */
bool program_knows(const struct said *said, const struct said *ours);

/* Write to standard error what it was told. */
void program_show(void);

/* Begin anew; the node has stopped. */
void program_forget(void);
