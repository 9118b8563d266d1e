/*
 * tools/http/serve.h - HTTP as the options of `portolan run` want it.
 */
#pragma once

#include "tools/command.h"
#include "tools/http/server.h"

/*
 * Whether its token can be read, and is there where others than this machine can ask: the same exit
 * code and line as of serving it.
 */
int ptl_http_judge(const struct ptl_options *options);

/*
 * Serve where --http says; *http stays NULL where it says nothing.  Returns an exit code, after a
 * line on standard error if it is not PTL_EXIT_OK.
 */
int ptl_http_serve(const struct ptl_options *options, struct ptl_node *node,
                   struct ptl_journal *journal, struct ptl_http **http);
