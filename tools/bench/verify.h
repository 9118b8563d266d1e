/*
 * tools/bench/verify.h - `portolan bench --verify`: is what the network promises kept, on a node or
 * cluster that runs?
 *
 *   trial --rows of numbered messages, kills--> [ a way that is cut now and then ] --> echo
 *     '---- judges what it is told, and when its monitors fire <----------------------'
 *
 * Looked for: messages that are lost while no monitor tells, repeated, changed, in another order
 * than they were sent in, or behind what a monitor has told; monitors that do not fire, or twice;
 * deaths that are told before the last words.
 */
#pragma once

#include "tools/bench/options.h"

/* Run it, print what came of it, and return an exit code: see portolan bench --help. */
int ptl_bench_verify(const struct ptl_bench_options *options);
