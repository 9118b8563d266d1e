/*
 * engine/link/nonce.h - nonces of our own handshakes that are not finished: who sends one of them
 * back is this node itself, or plays one of its own greetings to it.  Thread: any.
 */
#pragma once

#include "io/base.h"

struct ptl_connection;
struct ptl_node;

/* This connection's nonce is in use, or is not any more. */
void ptl_node_nonce(struct ptl_node *node, struct ptl_connection *connection, bool used);

/* Whether a nonce is one of those. */
bool ptl_node_nonce_is_ours(struct ptl_node *node, struct ptl_span nonce);
