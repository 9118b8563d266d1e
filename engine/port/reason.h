/*
 * engine/port/reason.h - why a port is gone, kept until all who observe it have been told.
 *
 * Telling takes as long as a shard or link without room makes it take.  What large reasons hold
 * meanwhile is bounded; beyond that they are told in other words, since that a port is gone must be
 * told, and why only if it can be.  Thread: the shard's.
 */
#pragma once

#include "engine/message/message.h"

struct ptl_shard;

/* Up to this many bytes a reason is always told as it is. */
#define PTL_REASON_SMALL 1024

/* Bytes that the larger ones may hold on one shard (one more may exceed it). */
#define PTL_REASONS_ROOM ((uint64_t)4 << 20)

/* What is told instead: ["die", TEXT].  Lives for ever, and no hold on it can be taken. */
struct ptl_msg ptl_reason_short(void);

/* The same where there was no memory to keep the reason. */
struct ptl_msg ptl_reason_lost(void);

/*
 * A hold on the reason, or on what is told instead; NULL for an empty one and without memory.
 * Owns: the caller, until ptl_reason_let_go() on the same shard, for which NULL is allowed.
 */
struct ptl_msg *ptl_reason_keep(struct ptl_shard *shard, const struct ptl_msg *reason);
void ptl_reason_let_go(struct ptl_shard *shard, struct ptl_msg *reason);
