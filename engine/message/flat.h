/*
 * engine/message/flat.h - values one behind the other, none of them in a container: what nearly all
 * formats say.
 *
 *   "tiy", "text", -1, bytes, size --> 64 74 65 78 74 20 ...        where they are to be
 *
 * So such a message needs no writer, and none of its bytes is copied twice.  All other formats, and
 * those that are wrong, are ptl_putv()'s.  Thread: any.
 */
#pragma once

#include "engine/message/format.h"

/* How many arguments a letter takes of what comes next; -1: that is not what it wants. */
int ptl_format_fitting(char letter, const struct ptl_argument *next);

/* The number that the argument of an 'f' stands for. */
double ptl_format_float(const struct ptl_argument *argument);

/*
 * Write the values to `to`, and how many they are to `count`; returns the place behind them.  NULL:
 * the format says more than that, or it is wrong, or they do not end before `end`; then anything
 * may stand there.
 */
uint8_t *ptl_flat_write(uint8_t *to, const uint8_t *end, const char *format,
                        const struct ptl_argument arguments[], uint32_t *count);
