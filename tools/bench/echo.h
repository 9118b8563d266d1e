/*
 * tools/bench/echo.h - the other end of `portolan bench --verify`: a port that is spawned, tells
 * its spawner of each message that comes, and ends with it.
 *
 *   spawned with [PORT]                              PORT is told, and watched
 *   [ROW, NUMBER, BYTES]   -> ["seen", ROW, NUMBER, DUE, INTACT]
 *
 * A *row* is what was sent from one monitor's setting to its firing, numbered from 0 on; rows are
 * numbered upwards.  DUE is the number that should have come.  A link that fails ends a row and not
 * the port, so that what was sent before the failure would be seen if it came after it.
 */
#pragma once

#include "engine/portolan.h"

#define PTL_BENCH_ECHO "portolan::bench_echo"

/* The byte at `at` of a message of that number: printable, so that JSON keeps it as it is. */
static inline char ptl_bench_echo_byte(uint64_t row, uint64_t number, size_t at)
{
    return (char)('a' + (row * 7 + number * 3 + at) % 26);
}

/* Let it be spawned on this node.  Errors: those of ptl_register(). */
PTL_MUST_CHECK int ptl_bench_echo_register(struct ptl_node *node);
