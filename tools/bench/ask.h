/*
 * tools/bench/ask.h - a question of the main thread to a port, and its wait for the answer.
 */
#pragma once

#include "engine/portolan.h"

/*
 * Call `to` with `msg` and wait, `timeout_ms` at most.  Returns 0 and the reply; PTL_ENOPORT and
 * the reason why the port is gone; or another error of ptl_call() and NULL.
 * Owns: `msg` stays the caller's, `reply` (may be NULL) becomes it.  Thread: any but a handler.
 */
PTL_MUST_CHECK int ptl_bench_ask(struct ptl_node *node, const struct ptl_port *to,
                                 const struct ptl_msg *msg, unsigned timeout_ms,
                                 struct ptl_msg **reply);
