/*
 * engine/node/survey.h - what there is, looked at by all shards: ptl_survey() of engine/stats.h.
 *
 *   ptl_survey() --a part each--> shards: begin, work in slices --the last one--> tell
 *
 * A part is handed over without memory and comes to its end in any case, at the latest when its
 * shard closes; so the one who waits is always told.
 */
#pragma once

#include "engine/shard/op.h"
#include "engine/shard/tower.h"

/* As struct ptl_op_taker has them. */
void ptl_survey_take(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg);
void ptl_survey_drop(struct ptl_shard *shard, const struct ptl_op *op);

/* A step of the turn: go on with the surveys under way. */
uint64_t ptl_surveys_work(struct ptl_shard *shard);

/* The shard closes: those under way end. */
void ptl_surveys_close(struct ptl_shard *shard);
