/*
 * engine/message/flat.h - values one behind the other, none of them in a container: what nearly all
 * formats say.
 *
 *   "tiy" --measure--> so many bytes --room for these--> write: where they are to be
 *
 * So such a message needs no writer, and none of its bytes is copied twice.  All other formats, and
 * those that are wrong, are ptl_putv()'s.  Thread: any.
 */
#pragma once

#include "engine/message/format.h"

/* How many arguments a letter takes of what comes next; -1: that is not what it wants. */
int ptl_format_fitting(char letter, const struct ptl_argument *next);

/* What such a message comes to. */
struct ptl_flat {
    size_t size; /* bytes of its values */
    uint32_t count;
};

/* False: it is none, or of more than `size_max` bytes, which is at most 2^30. */
bool ptl_flat_measure(const char *format, const struct ptl_argument arguments[], size_t size_max,
                      struct ptl_flat *flat);

/* Write the values, which have been measured, to `to`; returns the place behind them. */
uint8_t *ptl_flat_write(uint8_t *to, const char *format, const struct ptl_argument arguments[]);
