/*
 * engine/link/link_weight.h - what waits for a link, and how much may.
 *
 *   one link: at most options.link_room, and at most what is left of
 *   all links of a shard: options.links_room
 *
 * So any number of links that take nothing leave as much as each of them holds to those that do.
 * Large messages that wait for their turns weigh no more than PTL_BACKLOG_LARGE_WEIGHT a flow, so
 * that they leave room to others, as long as all links of the shard hold at most links_room of what
 * does not weigh so.
 * Thread: the shard's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ptl_link;
struct ptl_shard;

/* The bytes that one link may hold just now. */
uint64_t ptl_link_room(const struct ptl_shard *shard);

/* The bytes that its connection has not sent yet. */
size_t ptl_link_unsent(const struct ptl_link *link);

/* What waits for it, but for what does not weigh. */
uint64_t ptl_link_weight(struct ptl_shard *shard, struct ptl_link *link);

/* Something has been added or has left: say that the link is full, or has room again. */
void ptl_link_weigh(struct ptl_shard *shard, struct ptl_link *link);

/* The link will be freed. */
void ptl_link_weigh_no_more(struct ptl_shard *shard, struct ptl_link *link);
