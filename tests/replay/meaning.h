/*
 * tests/replay/meaning.h - whether two packets mean the same, though one was said by a real node
 * and one by ours.
 *
 * Values are compared one by one.  Strings are compared by their characters, as byte strings stand
 * for the characters U+0000 to U+00FF, and maps without regard to the order of their keys.  A table
 * tells which answers cannot be equal and what they must be like instead.
 */
#pragma once

#include "tests/replay/recording.h"

/* Whether all values are equal. */
bool meaning_same_values(const struct ptl_msg *a, const struct ptl_msg *b);

/*
 * Whether `got` from our node means what `expected` from the real one did; both are called `node`.
 * NULL: all must be equal.
 */
bool meaning_same(const struct packet *expected, const struct packet *got, const char *node);

/* Whether two packets must keep their order: to the same port, or about the same one. */
bool meaning_ordered(const struct packet *a, const struct packet *b);

/* Whether nobody needs to say it: keepalives and the global protocol. */
bool meaning_none(const struct packet *packet);

/*
 * Fail unless `got` has the same packets as `expected`, in the same order where order counts;
 * `in_turn` false: only death notices keep theirs.  What means nothing is passed over.
 */
void meaning_compare(const char *title, struct packets *expected, struct packets *got,
                     const char *node, bool in_turn);
