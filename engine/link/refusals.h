/*
 * engine/link/refusals.h - peers with which no link comes about since one of the two refuses the
 * other: which of that the operator is told of.
 *
 *   whom we dial        one line a minute and address
 *   a seed              by its own line, as rarely: seed.c
 *   who comes to us     at debug, until it is proved: anybody may
 *
 * Thread: any.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

/* Addresses that are told apart in a minute; more are not told of. */
#define PTL_REFUSALS_MAX 64

/* When each was last told of: by the hash of its address; at 0 it is free. */
struct ptl_refusals {
    struct {
        uint64_t hash;
        uint64_t told_at; /* ns */
    } told[PTL_REFUSALS_MAX];
};

/* Whether that is an error of what two nodes say to each other before they are linked: it comes
 * back with each attempt, until somebody changes something. */
bool ptl_refusal_is(int err);

/* Whether the operator is to be told of one at this address, and then not before a minute. */
bool ptl_refusal_is_news(struct ptl_node *node, struct ptl_span address, uint64_t now);
