/*
 * tests/common/sealed.h - tests of running nodes once more, with all that these say to each other
 * sealed.
 *
 *   PTL_SEALED=pair-13          each node has the same certificate; TLS 1.3
 *              authority-12     certificates of one authority; TLS 1.2
 *
 * Where that stands in the environment, nodes whose test says nothing of TLS offer it.  So two of
 * them link over it, and whoever plays the other end of a socket goes on in the clear.  Which of
 * both is the client is a matter of their nonces, and so of chance, each time.
 */
#pragma once

#include "engine/portolan.h"

/* Whether that stands there. */
bool sealed_is_asked_for(void);

/* Skip a test of secrets there: over TLS it is the certificate that proves. */
void sealed_skip_secrets(void);

/* Give a node certificates, if nodes are to have them and `options` say nothing of TLS. */
void sealed_dress(struct ptl_node_options *options);
