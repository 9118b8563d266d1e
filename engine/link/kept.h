/*
 * engine/link/kept.h - links that are kept, whatever is sent: to nodes that others name as global.
 *
 *   not kept --named--> NAMED --nobody names it any more--> LOST --its time is over--> not kept
 *                         ^-------------named-----------------'
 *
 * Who names them may have made the names up, so each of the two has a bound of its own, beside that
 * of links for what is sent (PTL_LINKS_MAX): what is beyond it is not kept, and nobody else's link
 * is lost for it.
 *
 * Thread: the link owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_link;
struct ptl_shard;
struct ptl_shard_links;

/* Keep it as long as it is named.  False: as many are named as may be; one line a minute says so.
 * Owns: `link` may be NULL; then it is only said whether one more may be kept. */
bool ptl_link_keep(struct ptl_shard *shard, struct ptl_link *link);

/* It is named no more: keep it for so long (ns), if there are not too many of those. */
void ptl_link_keep_lost(struct ptl_shard *shard, struct ptl_link *link, uint64_t duration);

/* Keep it no longer. */
void ptl_link_keep_no_more(struct ptl_shard *shard, struct ptl_link *link);

/* Links that are not kept: these are what PTL_LINKS_MAX is of. */
uint32_t ptl_links_unkept(const struct ptl_shard_links *links);
