/*
 * tools/bench/embedded.h - the other end in this process, for a load that needs no network.
 */
#pragma once

#include "tools/bench/load.h"

/*
 * Start a node with the service, where the options say so; the load's seed is then its address.
 * With --embedded=ports it is the only link too.  Returns an exit code, after one line on standard
 * error if it is not PTL_EXIT_OK.  Owns: the load stops load->embedded.
 */
int ptl_bench_embedded_start(struct ptl_bench_load *load);
