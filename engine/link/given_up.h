/*
 * engine/link/given_up.h - why connections come to nothing, as it is counted.
 */
#pragma once

#include "engine/stats.h"

/* The reason that such an error is one of. */
enum ptl_stats_reason ptl_given_up_for(int err);
