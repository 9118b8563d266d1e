/*
 * tests/common/witness.h - what tests of running nodes share: nodes, and a journal of what they
 * told.
 *
 *   handler, monitor, log ... (any thread) --note--> [ label: text ] --next--> the test's thread
 *
 * Callbacks cannot assert: they write a line under a label, which is their `data`, and the test
 * waits for the line.  A wait that takes longer than a minute fails the test and shows the journal.
 * When a test ends, its nodes are stopped, and nothing of them may be left: no byte, descriptor,
 * thread.
 */
#pragma once

#include "engine/portolan.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* How many shards witness_options() asks for; main() runs its tests with several. */
extern unsigned witness_shards;

/* Before and after each test. */
int witness_set_up(void **state);
int witness_tear_down(void **state);

#define WITNESSED(name) cmocka_unit_test_setup_teardown(name, witness_set_up, witness_tear_down)

/*
 * Run the tests with each of `shards` (0 at the end); argv[1] is a filter.  Returns main()'s value.
 * With a sanitizer, which makes all slow, and where links are to be sealed (tests/common/sealed.h),
 * only with the second of them, if there is one.
 */
int witness_main(int argc, char **argv, const char *name, const struct CMUnitTest tests[],
                 size_t count, const unsigned shards[]);

/* ---- Nodes --------------------------------------------------------------------------------- */

/* Defaults for a node that logs everything under its ID, takes its memory from the counted
 * allocator, and whose secret is the same for all. */
struct ptl_node_options witness_options(const char *id);

/* Make a node, not open yet; the test's end stops it. */
struct ptl_node *witness_make(const struct ptl_node_options *options);

/* Start a node; the test's end stops it. */
struct ptl_node *witness_start(const struct ptl_node_options *options);
struct ptl_node *witness_node(const char *id);

/* Stop one now; returns what ptl_node_stop() does. */
int witness_stop(struct ptl_node *node, unsigned deadline_ms);

/* Wait until nothing of stopped nodes is left; fails the test when something stays. */
void witness_nothing_left(void);

/* Parse a port's ID as `node` sees it. */
struct ptl_port witness_parse(struct ptl_node *node, const char *id);

/* ---- Memory -------------------------------------------------------------------------------- */

/* The allocator of all nodes of a test.  Any thread. */
const struct ptl_allocator *witness_allocator(void);

/* Refuse the `nth` request from now on (0: none), and when `for_good` all after it. */
void witness_fail_memory(size_t nth, bool for_good);

/* Requests since then, and the bytes that they were for, or for more. */
size_t witness_memory_requests(void);
size_t witness_memory_asked(void);

/* Bytes that are out. */
size_t witness_bytes(void);

/* ---- The journal --------------------------------------------------------------------------- */

/* Write a line.  Any thread. */
void witness_note(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next line of the label that was not taken yet; waits for it.  Lives until the test ends. */
const char *witness_next(const char *label);

/* The same, NULL when there is none now. */
const char *witness_next_if_any(const char *label);

/* The next line of the label is this. */
void assert_next(const char *label, const char *text);

/* No untaken line has the label now. */
void assert_silent(const char *label);

/* Wait for a line of the label that contains this; those before it are taken too. */
const char *witness_until(const char *label, const char *part);

/* Write the last lines of the journal to standard error: a test is about to fail. */
void witness_show(void);

/* How many lines of the label there are, taken or not. */
size_t witness_count(const char *label);

/* Wait until a counter that others raise has got there. */
void witness_reach(const _Atomic uint64_t *counter, uint64_t value);

/* ---- Callbacks: `data` is the label -------------------------------------------------------- */

int on_message(struct ptl_node *node, const struct ptl_msg *msg, void *data); /* its JSON */
int on_gone(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason,
            void *data); /* the reason's JSON */
void on_reply(struct ptl_node *node, int err, const struct ptl_msg *reply,
              void *data);                      /* "PTL_ETIMEOUT", or the error and the JSON */
int on_time(struct ptl_node *node, void *data); /* "time" */
void on_release(void *data);                    /* "released" */
void on_room(struct ptl_node *node, const struct ptl_port *to, void *data); /* "room" */
void on_link(struct ptl_node *node, const char *node_id, bool up, const struct ptl_msg *reason,
             void *data); /* "up NODE" or "down NODE JSON" */

/* Sends the message's values, from the second on, back to the port given as the last value. */
int on_echo(struct ptl_node *node, const struct ptl_msg *msg, void *data);

/* ---- Ports --------------------------------------------------------------------------------- */

/* A port with a default handler; `name` NULL: a fresh one. */
struct ptl_port witness_port(struct ptl_node *node, const char *name, ptl_handler_fn *handler,
                             void *data);

/* One whose messages are noted under `label`. */
struct ptl_port witness_listener(struct ptl_node *node, const char *label);

/* One on that shard, counted round and round. */
struct ptl_port witness_port_on(struct ptl_node *node, unsigned shard, ptl_handler_fn *handler,
                                void *data);

/* Send values as ptl_sendf() does; waits for room where there is none; no other error is taken. */
#define tell(node, port, ...) tell_values(node, port, PTL_FORMAT(__VA_ARGS__))
void tell_values(struct ptl_node *node, const struct ptl_port *port, const char *format,
                 const struct ptl_argument values[]);

/* A message of JSON values, "1, [2]".  Owns: the caller. */
struct ptl_msg *witness_values(const char *json);

/* A message of one text of that many bytes.  Owns: the caller. */
struct ptl_msg *witness_text(size_t size);

/* Kill with a reason of JSON values; "" is a normal death. */
void witness_kill(struct ptl_node *node, const struct ptl_port *port, const char *reason);
