/*
 * engine/node/options.h - a node's options: checked, completed, copied.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

struct ptl_node;

/*
 * Copy `from` into the node with all defaults filled in.
 * Errors: PTL_EINVAL, PTL_EADDRESS, PTL_ESECRET, PTL_ENOMEM; ptl_options_drop() frees the rest.
 */
PTL_MUST_CHECK int ptl_options_take(struct ptl_node *node, const struct ptl_node_options *from);

/*
 * Whether these are addresses, HOST:PORT each, NULL at the end (or none); `is_open` becomes true
 * where one is not loopback.  Errors: PTL_EADDRESS.
 */
PTL_MUST_CHECK int ptl_options_check_addresses(const char *const *addresses, bool *is_open);

/* The same of seeds, which may be services, too: io/address.h. */
PTL_MUST_CHECK int ptl_options_check_seeds(const char *const *seeds, bool *is_open);

/*
 * Whether these may be a node's secret and the other one; `is_open`: it listens at or dials an
 * address that is not loopback.  Errors: PTL_EINVAL, PTL_ESECRET.
 */
PTL_MUST_CHECK int ptl_options_check_secrets(struct ptl_span secret, struct ptl_span other,
                                             bool is_open);

/* Have these count, with their defaults filled in.  Thread: any. */
void ptl_options_set_limits(struct ptl_node *node, struct ptl_node_limits limits);

void ptl_options_drop(struct ptl_node *node);
