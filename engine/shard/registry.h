/*
 * engine/shard/registry.h - the life of what engine/shard/registry.c keeps in a node.  What it does
 * is declared in engine/node/node.h.
 */
#pragma once

struct ptl_node;

void ptl_registry_init(struct ptl_node *node);
void ptl_registry_drop(struct ptl_node *node);
