/*
 * tools/http/chronicle.h - what has happened of late: links that came and went, warnings, errors.
 *
 *   shards --ptl_on_link()--> links --.
 *   whoever logs --journal--> lines --'--> /api/log
 *
 * Each is a ring: the oldest goes when it is full, and neither crowds the other out.  The commands
 * of this program, which come and go all day, are left out.  Thread: any, for all of it.
 */
#pragma once

#include "tools/journal.h"

#include <jansson.h>

#define PTL_CHRONICLE_LINKS 128 /* links that came up or went */
#define PTL_CHRONICLE_LINES 64  /* lines of level warn and error */

struct ptl_chronicle;

/*
 * Begin one, of a node that runs: what happens from now on.  `journal` is listened to.
 * Errors: PTL_ENOMEM.  Owns: the caller, until ptl_chronicle_free().
 */
PTL_MUST_CHECK int ptl_chronicle_begin(struct ptl_node *node, struct ptl_journal *journal,
                                       struct ptl_chronicle **chronicle);

/* NULL is allowed. */
void ptl_chronicle_free(struct ptl_chronicle *chronicle);

/* How many entries it has had: who has seen so many need not look again. */
uint64_t ptl_chronicle_count(struct ptl_chronicle *chronicle);

/* All of it, the oldest first: {"links":[...],"lines":[...]}.  NULL: no memory. */
json_t *ptl_chronicle_json(struct ptl_chronicle *chronicle, const char *node);
