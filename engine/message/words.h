/*
 * engine/message/words.h - tables of words, found by halving: what requests begin with.
 *
 * A peer chooses how often a word is looked up, so that costs a handful of comparisons, however
 * many words there are.
 */
#pragma once

#include "io/base.h"

/* The first member of a table's entries. */
struct ptl_word {
    const char *text;
    size_t size;
};

#define PTL_WORD(literal)                                                                          \
    {                                                                                              \
        .text = (literal), .size = sizeof(literal) - 1                                             \
    }

/*
 * The index of the entry for `text` in a table of `count` entries of `stride` bytes, sorted by
 * their bytes; -1: it is not there.
 */
int ptl_words_find(const void *table, size_t count, size_t stride, struct ptl_span text);
