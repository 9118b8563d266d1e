/*
 * tools/option_values.h - the kinds of values that options take: see ptl_take_fn.
 *
 * What is judged here is judged without looking at the world: a file that is named may be missing,
 * an address may be another's.
 */
#pragma once

#include "tools/options.h"

ptl_take_fn ptl_take_yes_no;   /* bool: yes, true, on, 1 and their opposites */
ptl_take_fn ptl_take_unsigned; /* unsigned, size_t, uint64_t: a whole number from least to most */
ptl_take_fn ptl_take_size;
ptl_take_fn ptl_take_count;
ptl_take_fn ptl_take_seconds;  /* unsigned milliseconds: seconds from 0.001 to 1000000 */
ptl_take_fn ptl_take_timeout;  /* the same, and for each of many nodes that are asked */
ptl_take_fn ptl_take_text;     /* const char *: anything but nothing, in a file of keys */
ptl_take_fn ptl_take_word;     /* const char *: one of the option's words */
ptl_take_fn ptl_take_framings; /* const char *: some of them, with commas, our own first */
ptl_take_fn ptl_take_node;     /* const char *: what may be a node's ID */
ptl_take_fn ptl_take_secret;   /* const char *: 1 to PTL_SECRET_MAX bytes, never told */
ptl_take_fn ptl_take_address;  /* struct ptl_list: HOST:PORT, [HOST]:PORT */
ptl_take_fn ptl_take_seed;     /* struct ptl_list: the same, or srv:NAME */
ptl_take_fn ptl_take_http;     /* const char *: a port, or HOST:PORT */
ptl_take_fn ptl_take_announce; /* struct ptl_list: the same, of one that others can connect to */
ptl_take_fn ptl_take_service;  /* struct ptl_list: a built-in port */

/* Whether a seed is the name of a service, whose hosts and ports are in DNS. */
bool ptl_is_service(const char *seed);

/*
 * The first address of the options that other machines reach, or we reach them at; NULL: there is
 * none.  `key` is the option that it is one of.
 */
const char *ptl_open_address(const struct ptl_options *options, const char **key);
