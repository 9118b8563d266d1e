/*
 * tools/stats/tree.h - JSON values as values of a message, and back.
 */
#pragma once

#include "engine/portolan.h"

#include <jansson.h>

/* Put one JSON value with all that is in it; NULL is null.  Errors stick to the writer. */
void ptl_tree_put(struct ptl_writer *writer, const json_t *value);

/* The first value of a message; NULL: it is none that JSON has, or there is no memory.
 * Owns: the caller. */
json_t *ptl_tree_of(const struct ptl_msg *msg);
