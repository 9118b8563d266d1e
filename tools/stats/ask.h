/*
 * tools/stats/ask.h - the question that the service `stats` of a node is asked, and its answers.
 */
#pragma once

#include "engine/portolan.h"

#include <jansson.h>

#define PTL_STATS_BYTES_MAX ((size_t)4 << 20) /* of an answer: others are not looked at */

/* Make the question for at most so many of each.  Returns 0 or PTL_ENOMEM.  Owns: the caller. */
PTL_MUST_CHECK int ptl_stats_question(struct ptl_node *node, unsigned links, unsigned ports,
                                      unsigned families, struct ptl_msg **msg);

/*
 * What has come of it, as of ptl_call().  Returns the object that was answered (the caller's), or
 * NULL, and `*code`, an exit code of tools/command.h, and `*why`, a block of malloc() or NULL.
 */
json_t *ptl_stats_answer(int err, const struct ptl_msg *reply, int *code, char **why);
