/*
 * engine/link/links_end.h - the end of all links of a shard: deaf, goodbye, free.
 * Thread: the shard's.
 */
#pragma once

#include <stdbool.h>

struct ptl_link;
struct ptl_shard;

/* Stop reading: what peers still send is not accepted any more, and would keep us busy. */
void ptl_links_deafen(struct ptl_shard *shard);

/* Say goodbye on every connection; and whether all of them are gone. */
void ptl_links_close(struct ptl_shard *shard);
bool ptl_links_closed(const struct ptl_shard *shard);

/* Free a link that nobody wants. */
void ptl_link_forget(struct ptl_shard *shard, struct ptl_link *link);

/* Free all. */
void ptl_links_drop(struct ptl_shard *shard);
