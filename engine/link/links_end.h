/*
 * engine/link/links_end.h - all links of a shard together: what they have to send goes out, and
 * their end.  Thread: the shard's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_link;
struct ptl_shard_links;
struct ptl_node;
struct ptl_shard;

void ptl_links_init(struct ptl_shard_links *links, const struct ptl_node *node);

/* A step of the turn: send all that has gathered, one send a link.  Never due by itself. */
uint64_t ptl_links_flush(struct ptl_shard *shard);

/* Whether all that was accepted for other nodes has left. */
bool ptl_links_flushed(struct ptl_shard *shard);

/* Stop reading: what peers still send is not accepted any more, and would keep us busy. */
void ptl_links_deafen(struct ptl_shard *shard);

/* Say goodbye on every connection; and whether all of them are gone. */
void ptl_links_close(struct ptl_shard *shard);
bool ptl_links_closed(const struct ptl_shard *shard);

/* Free a link that nobody wants. */
void ptl_link_forget(struct ptl_shard *shard, struct ptl_link *link);

/* Free all. */
void ptl_links_drop(struct ptl_shard *shard);
