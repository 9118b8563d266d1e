/*
 * engine/portolan.h - the public interface of libportolan: a message broker node inside a program.
 *
 *   program --- ptl_send() ---> port "rain#echo"        on this node or any other of the network
 *      ^                             | handler, on the shard that owns the port
 *      '---- ptl_monitor() <---------'  told once when it is gone or messages to it were lost
 *
 * A *node* has an ID and one or more *shards*, each a thread with a slice of the ports.  A *port*
 * is a destination, "NODEID#PORTNAME"; what is sent to it arrives in order at its handlers, one
 * message at a time, on its own shard.
 *
 * Threads.  Every function that takes a node may be called from a handler (any callback of that
 * node) and from any thread of the program, unless its comment says otherwise.  Nothing here
 * blocks but ptl_node_open(), ptl_node_start() and ptl_node_stop().
 *
 * Callbacks share their shard with thousands of ports: one should return within a millisecond.
 * One that runs for more than 100 ms is logged with its port and what it was called for.  Work
 * that takes longer belongs in a thread of the program, which sends its result to a port.
 *
 * Errors are negative codes of io/err.h; ptl_err_text() tells what to do about each.
 */
#pragma once

#include "engine/link/rules.h"
#include "engine/message/format.h"
#include "engine/node_options.h"
#include "engine/stats.h"
#include "io/allocator.h"
#include "io/err.h"
#include "io/log_writer.h"
#include "io/loop_kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* What a shared library shows begins here. */
#pragma GCC visibility push(default)

#define PTL_VERSION "0.1.0"
#define PTL_PORT_ID_MAX 231 /* bytes of "NODEID#PORTNAME" */
#define PTL_NODE_ID_MAX 200 /* bytes of a node ID */
#define PTL_SHARDS_MAX 64   /* shards of a node */
#define PTL_DEPTH_MAX 500   /* nesting of values; a real node reads no deeper */

struct ptl_node;
struct ptl_msg;

/* ---- Nodes ------------------------------------------------------------------------------- */

/*
 * A node's life:  ptl_node_make() -> furnish it -> ptl_node_open() -> ptl_node_stop()
 *
 * A node that is made and not opened yet has no threads, listens nowhere and dials nobody.  All
 * functions may be called already: ports, functions and database entries that are made now are
 * there before the first peer is.  What is sent, asked or monitored waits, within
 * options.inbox_room, and happens once the node is open.
 *
 * Errors: PTL_EINVAL, PTL_ENAME, PTL_EADDRESS, PTL_ESECRET, PTL_ENOMEM; of certificates PTL_ECERT,
 * PTL_EKEY, PTL_EAUTHORITIES, PTL_ELIST.
 * Owns: the options are copied; the node is the caller's until ptl_node_stop().
 */
PTL_MUST_CHECK int ptl_node_make(const struct ptl_node_options *options, struct ptl_node **node);

/*
 * Open it: its threads (one a shard, all signals blocked) run when this returns, its addresses
 * listen, its seeds are being connected.  An address that another listens at is tried for half a
 * second: a killed node's is free only then.
 * Errors: PTL_EFEATURE (`loop` of the options says io_uring, and it cannot be had), PTL_ENOMEM,
 * -errno of the address that could not be bound (a log line says which), PTL_EINVAL (it is open).
 * After any but the last the node is as it was before, with all that it was furnished with: open
 * it again, or free it with ptl_node_stop().
 * Thread: any but a handler.
 */
PTL_MUST_CHECK int ptl_node_open(struct ptl_node *node);

/*
 * Both in one, for a program that has nothing to offer to others: a client.  After an error there
 * is no node.  Errors, owns, thread: as above.
 */
PTL_MUST_CHECK int ptl_node_start(const struct ptl_node_options *options, struct ptl_node **node);

/*
 * Stop it and free it: new sends are refused, what was accepted is flushed, monitors on ports of
 * other nodes fire with ["node_stopped"], links are closed, threads end.  All within about
 * `deadline_ms`; what is not flushed by then is lost, and so is what is for a node whose link fails
 * meanwhile.  Returns 0, or PTL_ETIMEOUT when something was lost, or may be, since a linked node's
 * system does not confirm within `silence_ms` that it has got it; a log line says how much, and for
 * whom.  Either way the node is gone, and no callback runs afterwards.
 * A node that was never open is freed at once, with what waited in it: nobody is told anything.
 * Thread: any but a handler, once; no other call on the node may be under way or follow.
 */
int ptl_node_stop(struct ptl_node *node, unsigned deadline_ms);

/*
 * Do all of this but free it, so that others of the program's threads can go on to ask it
 * meanwhile: ptl_node_draining() is true from the beginning, and all sending returns PTL_ESTOPPED.
 * When this returns the node has no ports, links and turns any more; ptl_node_stop() is still to be
 * called, says what this has come to, and has no deadline of its own then.
 * Thread: any but a handler, once; before ptl_node_stop().
 */
void ptl_node_drain(struct ptl_node *node, unsigned deadline_ms);

/* Whether the node has begun to stop.  Thread: any. */
bool ptl_node_draining(const struct ptl_node *node);

/*
 * From now on other nodes may do what these rules allow, and nothing else; NULL: all, but nodes
 * that have not proved themselves nothing.  Links that are up are judged by them, too: each request
 * that is read after this.  What was begun before, a monitor or watch, goes on; a global node that
 * may be none any more loses its link.  What is denied is counted, logged, and told to who asked
 * for it where there is a way to (monitors, questions to the database).
 * Owns: the node takes a hold of its own.  Thread: any.
 */
void ptl_node_set_rules(struct ptl_node *node, struct ptl_rules *rules);

/* The node's ID.  Owns: the node. */
const char *ptl_node_id(const struct ptl_node *node);

/* From now on no lines above that level are made.  Thread: any. */
void ptl_node_log_level(struct ptl_node *node, enum ptl_log_level level);

/*
 * What proves from now on that a node belongs to the network; links that are up stay so.  We prove
 * with `secret`.  Others may prove with `other`, too, and whoever does is answered with it: so a
 * network changes its secret node by node.  First every node takes the new one as `other`, then
 * each has it as `secret` and the old one as `other`, and at last the old one is left away.
 * Errors: PTL_EINVAL, PTL_ESECRET (too short), PTL_ENOMEM: nothing is changed then.
 * Owns: both are copied.  Thread: any.
 */
PTL_MUST_CHECK int ptl_node_set_secrets(struct ptl_node *node, const void *secret,
                                        size_t secret_size, const void *other, size_t other_size);

/*
 * Join the network by these from now on, NULL at the end: new ones are tried at once, others no
 * more; links that are up stay so.  A node knows at most 64 seeds in its life.  A seed is
 * "HOST:PORT" or "srv:NAME", a service whose hosts and ports are in DNS, say
 * "srv:_portolan._tcp.example".  Names are resolved for each attempt, and all of their addresses
 * (16 at most) are tried.
 * Errors: PTL_EADDRESS, PTL_ESECRET (the secret is too short for them), PTL_ELIMIT, PTL_ENOMEM:
 * nothing is changed then.  Owns: copied.  Thread: any.
 */
PTL_MUST_CHECK int ptl_node_set_seeds(struct ptl_node *node, const char *const *seeds);

/* What of a node's options may change while it runs, with the same meaning and defaults. */
struct ptl_node_limits {
    size_t size; /* sizeof(struct ptl_node_limits) */
    unsigned spawned_max;
    unsigned monitors_max;
    unsigned spawn_rate;
    unsigned poll_us;
};

/*
 * Have these count from now on.  Whoever has more than that by then keeps it.
 * Errors: PTL_EINVAL (`size`).  Thread: any.
 */
PTL_MUST_CHECK int ptl_node_set_limits(struct ptl_node *node, const struct ptl_node_limits *limits);

/* Whether each of its seeds has been joined or could not be, once at least.  Thread: any. */
bool ptl_node_has_tried_seeds(const struct ptl_node *node);

/*
 * Tell others these, as `announces` of the options, from now on; all who know us learn of it.
 * Errors: PTL_EADDRESS, PTL_ENOMEM: nothing is changed then.  Owns: copied.  Thread: any.
 */
PTL_MUST_CHECK int ptl_node_set_announces(struct ptl_node *node, const char *const *announces);

/*
 * Take the certificates of `options` (tls_pair, or tls_cert, tls_key, tls_ca, tls_crl; nothing else
 * counts) for what has not begun TLS yet.  A node that had none offers TLS from then on.
 * Errors, and then the old ones stay: PTL_EINVAL (there are none, or the node was made with
 * PTL_TLS_OFF), PTL_ECERT, PTL_EKEY, PTL_EAUTHORITIES, PTL_ELIST, PTL_ESIZE, PTL_ENOMEM.
 * Owns: the texts stay the caller's, who wipes a key.  Thread: any.
 */
PTL_MUST_CHECK int ptl_node_set_tls(struct ptl_node *node, const struct ptl_node_options *options);

/* Whether ptl_node_set_tls() could take these: 0, or its errors.  Thread: any. */
PTL_MUST_CHECK int ptl_tls_check(const struct ptl_node_options *options);

/* Whether it is a global node now; an ordinary one becomes global when it is somebody's seed. */
bool ptl_node_is_global(const struct ptl_node *node);

/* How many shards it has. */
unsigned ptl_node_shards(const struct ptl_node *node);

/* The address that binds[index] listens on, with the real port; NULL past the end, and until the
 * node is open. */
const char *ptl_node_address(const struct ptl_node *node, unsigned index);

/*
 * Tell where a node listens: messages to it then connect there by themselves.  `addresses` is
 * "HOST:PORT" or several with commas, tried in order; it replaces what was known.
 * Errors: PTL_ENAME, PTL_EADDRESS, PTL_ENOMEM.
 */
int ptl_node_known(struct ptl_node *node, const char *node_id, const char *addresses);

/* A link to `node_id` came up, or went down for `reason` (["transport_error", NODE, TEXT]). */
typedef void ptl_link_fn(struct ptl_node *node, const char *node_id, bool up,
                         const struct ptl_msg *reason, void *data);

/*
 * Be told of every link that comes up or goes down from now on, on the link's own shard, until
 * the node stops.  A link that is up already is told at once as up.  Errors: PTL_ENOMEM.
 */
int ptl_on_link(struct ptl_node *node, ptl_link_fn *tell, void *data);

/*
 * The IDs of the nodes linked at this moment: calls `each` for every one of them, on this thread,
 * before it returns.  `each` may not call the node.
 */
void ptl_links(struct ptl_node *node, void (*each)(const char *node_id, void *data), void *data);

/* ---- Ports ------------------------------------------------------------------------------- */

/*
 * A port's ID, parsed.  A value: copy it freely, nothing is owned, it stays good for ever (names
 * are never reused).  For programs it has no fields; only engine/message/name.c sets them.
 */
struct ptl_port {
    uint64_t node_hash;
    uint32_t slot;
    uint32_t generation;
    uint16_t shard;
    uint8_t kind;
    uint8_t node_size;
    uint8_t id_size;
    char id[PTL_PORT_ID_MAX]; /* ends with NUL when shorter than the maximum allows */
    char end;                 /* always NUL */
};

/*
 * Parse "NODEID#PORTNAME"; "NODEID" and "NODEID#" are the node port.  Errors: PTL_ENAME.
 */
PTL_MUST_CHECK int ptl_port_parse(const struct ptl_node *node, const char *id, size_t size,
                                  struct ptl_port *port);

/* "NODEID#PORTNAME", with a NUL at the end.  Owns: lives as long as `port`. */
const char *ptl_port_id(const struct ptl_port *port);

/* Whether two values name the same port. */
bool ptl_port_equal(const struct ptl_port *a, const struct ptl_port *b);

/*
 * Handle one message; it lives for this call (ptl_msg_keep() takes a longer hold).  Returns
 *   0          done
 *   PTL_LATER  not now: the message stays the port's first, and the port waits until there is room
 *              where its last ptl_send() found none; without such a send, for a millisecond
 *   else       the handler failed: its port is killed with the reason ["die", TEXT], TEXT from
 *              ptl_fail() or else the error's own
 * Timers, monitors and watches of the database return the same.  Those that belong to no port and
 * fail are logged; they come again a millisecond after PTL_LATER, as all timers do.
 * Thread: the shard of the port.
 */
typedef int ptl_handler_fn(struct ptl_node *node, const struct ptl_msg *msg, void *data);

/* Releases something that a port owned. */
typedef void ptl_release_fn(void *data);

/* A handler for the messages whose first value is `tag`. */
struct ptl_port_tag {
    const char *tag; /* copied; NULL ends a table */
    ptl_handler_fn *handler;
    void *data;
};

/* Everything may stay zero, but `size`. */
struct ptl_port_options {
    size_t size;             /* sizeof(struct ptl_port_options) */
    const char *name;        /* a chosen name, "echo"; its hash decides the shard [a fresh one] */
    ptl_handler_fn *handler; /* for messages whose tag has no handler of its own [none] */
    void *data;              /* for `handler` and `release` */
    ptl_release_fn *release; /* called with `data` when the port is gone [none] */
    uint32_t shard_plus_one; /* 1 + the shard it shall live on [this handler's, or any in turn] */
    bool ignore_unhandled;   /* a message that nothing handles is dropped and does not kill */
    const struct ptl_port_tag *tags; /* as ptl_port_on() of each, before anybody can send [none] */
};

/*
 * Make a port.  It may be sent to as soon as this returns, and has its handlers by then.
 * Errors: PTL_EEXIST (chosen name), PTL_ENAME, PTL_ENOMEM, PTL_ELIMIT, PTL_ESTOPPED, PTL_EINVAL
 * (`size`, a shard that is not there, a tag twice or without a handler).
 * Owns: the port lives until killed, or until its node stops; on an error `release` is not called.
 */
PTL_MUST_CHECK int ptl_port_new(struct ptl_node *node, const struct ptl_port_options *options,
                                struct ptl_port *port);

/*
 * Have `handler` take the messages of `port` whose first value is `tag`; NULL takes it back.  The
 * handler gets the whole message, its tag included.  `tag` NULL is the default handler.
 * From a callback on the port's own shard it holds from the next message on that the port is given,
 * wherever that comes from.  From elsewhere it keeps its place among the messages sent to the port
 * from there, and others may overtake it: what a port must have from its first message on stands in
 * options.tags.
 * Errors: PTL_EINVAL (not a port of this node), PTL_EFULL, PTL_ENOMEM.
 */
int ptl_port_on(struct ptl_node *node, const struct ptl_port *port, const char *tag,
                ptl_handler_fn *handler, void *data);

/*
 * Have `release(data)` called on the port's shard when the port is gone, the last one given
 * first.  From a handler of that port only.  Errors: PTL_EINVAL, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_port_own(struct ptl_node *node, ptl_release_fn *release, void *data);

/* The port whose handler is running.  False outside of a port's handlers. */
bool ptl_self(struct ptl_node *node, struct ptl_port *port);

/* Say why this handler is about to fail; returns PTL_EHANDLER for it to return. */
int ptl_fail(struct ptl_node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Sending ----------------------------------------------------------------------------- */

/*
 * Send a message; never blocks.  Messages from one sender (a port, or a thread of the program) to
 * one port arrive in order, and never with a hole while a monitor on the port is set.
 * Errors: PTL_EFULL (see ptl_on_room()), PTL_ESIZE (larger than message_bytes_max, ours or that of
 * the node it is for, once that is known), PTL_ESTOPPED, PTL_ENOMEM.  Only what was
 * accepted (0) is sent.  A port that does not exist takes it silently.
 * Owns: `msg` stays the caller's, whatever is returned, and may be sent again.
 */
PTL_MUST_CHECK int ptl_send(struct ptl_node *node, const struct ptl_port *to,
                            const struct ptl_msg *msg);

/*
 * The same for values written as one call, ptl_sendf(node, to, format, ...): see ptl_msg_make().
 * Also returns PTL_EINVAL.
 */
#define ptl_sendf(node, to, ...) ptl_sendv(node, to, PTL_FORMAT(__VA_ARGS__))
PTL_MUST_CHECK int ptl_sendv(struct ptl_node *node, const struct ptl_port *to, const char *format,
                             const struct ptl_argument arguments[]);

/*
 * Kill a port of any node.  `reason` NULL or empty is a normal death.  The kill keeps its place
 * among the messages to the port.  A port that does not exist is no error.
 * Errors: PTL_EFULL, PTL_ESIZE, PTL_ESTOPPED, PTL_ENOMEM, PTL_EINVAL (a node port).
 * Owns: `reason` stays the caller's.
 */
int ptl_kill(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason);

typedef void ptl_room_fn(struct ptl_node *node, const struct ptl_port *to, void *data);

/*
 * After PTL_EFULL, of whatever function: be told once when there is room on the way to `to`,
 * perhaps at once, never inside this call.  From a handler: on its shard, and never when its port
 * has died.  From another thread: on a shard of the node.  That there is room now promises nothing
 * for later.
 * When the node stops it is told too, and sending then returns PTL_ESTOPPED.
 * Errors: PTL_ENOMEM, PTL_ESTOPPED.
 */
PTL_MUST_CHECK int ptl_on_room(struct ptl_node *node, const struct ptl_port *to, ptl_room_fn *tell,
                               void *data);

/* ---- Monitors ---------------------------------------------------------------------------- */

/* Names a monitor, to take it back with.  A value. */
struct ptl_monitor {
    uint64_t id;
    uint32_t shard;
};

/*
 * The port is gone, or messages to it may have been lost.  `reason`: empty for a normal death,
 * else as given to ptl_kill(), or ["die", TEXT], ["no_such_port", TEXT, PORTID],
 * ["transport_error", NODEID, TEXT], ["unhandled_message", TEXT], ["node_stopped"]; or
 * ["not_allowed", TEXT, PORTID]: the rules of its node do not let us monitor it.
 * Returns as a handler does.
 */
typedef int ptl_monitor_fn(struct ptl_node *node, const struct ptl_port *port,
                           const struct ptl_msg *reason, void *data);

/*
 * Monitor a port of any node: `tell` is called exactly once, unless the monitor is taken back.
 * A port that does not exist is told at once (never inside this call).  A node port ("rain" or
 * "rain#") is told when the link to that node goes.
 * Made in a handler the monitor belongs to its port, runs as its handlers do and ends with it.
 * Made on another thread it runs on a shard of the node.
 * `monitor` may be NULL.  Errors: PTL_EFULL, PTL_ENOMEM, PTL_ESTOPPED.
 */
PTL_MUST_CHECK int ptl_monitor(struct ptl_node *node, const struct ptl_port *port,
                               ptl_monitor_fn *tell, void *data, struct ptl_monitor *monitor);

/*
 * The same, told as a message to `to`: the values of `prefix` (may be NULL), then the reason's.
 * Errors: also PTL_EINVAL, PTL_ESIZE, and PTL_ELIMIT beyond options.kept_room.
 * Owns: `prefix` stays the caller's.
 */
PTL_MUST_CHECK int ptl_monitor_message(struct ptl_node *node, const struct ptl_port *port,
                                       const struct ptl_port *to, const struct ptl_msg *prefix,
                                       struct ptl_monitor *monitor);

/* The same, told by killing `victim` with the reason; a normal death kills nobody. */
PTL_MUST_CHECK int ptl_monitor_kill(struct ptl_node *node, const struct ptl_port *port,
                                    const struct ptl_port *victim, struct ptl_monitor *monitor);

/*
 * Take a monitor back.  On the shard where it was made (the handler's own) it never runs
 * afterwards; from another thread it may be running just now.  Taking back twice is no error.
 */
void ptl_unmonitor(struct ptl_node *node, const struct ptl_monitor *monitor);

/* ---- Spawning ---------------------------------------------------------------------------- */

/*
 * Let other nodes (and this one) spawn ports by the name of `init`, "portolan::echo".  `init` runs
 * as a handler of the new port: it sets further handlers with ptl_port_on(), and an error kills
 * the port.  `msg` is what the spawner gave.  A spawned port ignores what nothing handles.  One
 * whose `init` sets no handler and makes nothing that would call it (a timer, monitor, watch, call,
 * resource or registration) is gone when that returns, as if there had never been one.
 * Errors: PTL_EEXIST, PTL_ENAME, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_register(struct ptl_node *node, const char *name, ptl_handler_fn *init,
                                void *data);

/*
 * Make a port on `node_id` and run the init function `function` there with the values of `msg`
 * (NULL: none).  `port` may be sent to at once.  Whatever goes wrong there, a monitor tells: also
 * when that node has as many ports of ours as options.spawned_max allows.  It outlives us.
 * Errors: PTL_ENAME, PTL_EFULL, PTL_ESIZE, PTL_ENOMEM, PTL_ESTOPPED.
 * Owns: `msg` stays the caller's.
 */
PTL_MUST_CHECK int ptl_spawn(struct ptl_node *node, const char *node_id, const char *function,
                             const struct ptl_msg *msg, struct ptl_port *port);

/* ---- Calls and timers -------------------------------------------------------------------- */

/*
 * The answer to a call: err 0 and the reply, or PTL_ETIMEOUT and NULL, or PTL_ENOPORT and the
 * reason why the port is gone.
 */
typedef void ptl_reply_fn(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data);

/*
 * Send `msg` with the ID of a temporary reply port as one more value at its end; `tell` is called
 * exactly once, with the first message to that port, when `timeout_ms` have passed (0: no limit),
 * or when the port called is gone (monitored if `monitor`; set it when there is no timeout).
 * Made in a handler the call belongs to its port: it ends untold when the port dies.
 * Errors: those of ptl_send() and ptl_port_new(); then `tell` is never called.
 */
PTL_MUST_CHECK int ptl_call(struct ptl_node *node, const struct ptl_port *to,
                            const struct ptl_msg *msg, unsigned timeout_ms, bool monitor,
                            ptl_reply_fn *tell, void *data);

/* Names a timer.  A value. */
struct ptl_timer {
    uint64_t id;
    uint32_t shard;
};

/* Returns as a handler does; after PTL_LATER it fires again, with the same ID. */
typedef int ptl_timer_fn(struct ptl_node *node, void *data);

/*
 * Call `tell` once after `delay_ms`.  Made in a handler it belongs to its port and ends with it.
 * `timer` may be NULL.  Errors: PTL_EFULL, PTL_ENOMEM, PTL_ESTOPPED.
 */
PTL_MUST_CHECK int ptl_after(struct ptl_node *node, unsigned delay_ms, ptl_timer_fn *tell,
                             void *data, struct ptl_timer *timer);

/*
 * Send `msg` to `to` after `delay_ms`: the same.  What was accepted is sent, when there is room by
 * then, unless it is taken back or its port dies.
 * Errors: also PTL_EINVAL, PTL_ESIZE, and PTL_ELIMIT beyond options.kept_room.
 * Owns: `msg` stays the caller's.
 */
PTL_MUST_CHECK int ptl_after_send(struct ptl_node *node, unsigned delay_ms,
                                  const struct ptl_port *to, const struct ptl_msg *msg,
                                  struct ptl_timer *timer);

/* Take a timer back; as with ptl_unmonitor(). */
void ptl_timer_cancel(struct ptl_node *node, const struct ptl_timer *timer);

/* ---- The database ------------------------------------------------------------------------ */

/*
 * Who offers what: family / key -> value, the same on all nodes of the network.
 *
 *   a node sets   workers / "rain#x" = 4      and every node reads and watches it
 *
 * Every entry is owned by the node that set it, and is gone when that node is.  Of a key that
 * several nodes have set the value of the lowest node ID shows, but of a key "ID#...", which names
 * a port of node ID, the one that this has set.  A *global* node holds the whole
 * database and answers at once; an ordinary one asks the seed that it is attached to.  A seed that
 * cannot be reached delays answers and changes, and loses none.
 *
 * Families are [A-Za-z][A-Za-z0-9_:]*, at most 255 bytes; what programs of other kinds call one may
 * look otherwise, and can be read and watched.  "'l" (node -> array of its addresses)
 * and "'g" (global nodes) are the network's own, to be read and watched.  Keys are UTF-8 of 1 to
 * PTL_DB_KEY_MAX bytes.  A value is a message of one value.
 */
#define PTL_DB_KEY_MAX 1024

/*
 * Set a key of this node.  `value` NULL is null.  What one sender sets, deletes and asks of one
 * family happens in that order.
 * Errors: PTL_EINVAL (family, key, or not one value), PTL_ESIZE, PTL_EFULL (see ptl_db_on_room()),
 * PTL_ENOMEM, PTL_ESTOPPED.  What is beyond options.db_entries_max or db_bytes_max is refused with
 * a line in the log.
 * Owns: everything is copied.
 */
PTL_MUST_CHECK int ptl_db_set(struct ptl_node *node, const char *family, const char *key,
                              const struct ptl_msg *value);

/* Delete a key of this node; one that it has not set is no error.  Errors: as ptl_db_set(). */
PTL_MUST_CHECK int ptl_db_del(struct ptl_node *node, const char *family, const char *key);

/*
 * Set a key that is the ID of `port`, a port of this node, and delete it when that port is gone.
 * Once more with another value replaces that.  Errors: as ptl_db_set(); a port that does not exist
 * is not entered.
 */
PTL_MUST_CHECK int ptl_db_register(struct ptl_node *node, const char *family,
                                   const struct ptl_port *port, const struct ptl_msg *value);

/*
 * After PTL_EFULL of one of the above: be told once when there is room.  As ptl_on_room(); `to`
 * means nothing.
 */
PTL_MUST_CHECK int ptl_db_on_room(struct ptl_node *node, const char *family, ptl_room_fn *tell,
                                  void *data);

/*
 * Read.  `tell` is called exactly once, never inside this call, with err 0 and a message of one
 * value, or an error and NULL: PTL_ENOKEY (get), PTL_ESIZE (more than one message can hold),
 * PTL_ELIMIT (too many questions wait for a seed), PTL_ESTOPPED.  Made in a handler the question
 * belongs to its port and ends with it untold.
 *   get      the value of one key            family   a map of all keys and values
 *   keys     an array of all keys            values   an array of all values
 * Errors: PTL_EINVAL, PTL_EFULL, PTL_ENOMEM, PTL_ESTOPPED; then `tell` is never called.
 */
PTL_MUST_CHECK int ptl_db_get(struct ptl_node *node, const char *family, const char *key,
                              ptl_reply_fn *tell, void *data);
PTL_MUST_CHECK int ptl_db_family(struct ptl_node *node, const char *family, ptl_reply_fn *tell,
                                 void *data);
PTL_MUST_CHECK int ptl_db_keys(struct ptl_node *node, const char *family, ptl_reply_fn *tell,
                               void *data);
PTL_MUST_CHECK int ptl_db_values(struct ptl_node *node, const char *family, ptl_reply_fn *tell,
                                 void *data);

enum ptl_db_event {
    PTL_DB_ADDED,   /* a key that was not there */
    PTL_DB_CHANGED, /* the value of a key that was, the same again if it has changed hands */
    PTL_DB_DELETED, /* it is there no more */
    PTL_DB_COPIED,  /* once: all that was there when the watch began has been told as added */
    PTL_DB_RESET,   /* memory ran out meanwhile: forget the copy, it is told anew */
};

/* One change.  Lives as long as the call. */
struct ptl_db_change {
    enum ptl_db_event event;
    const char *key; /* key_size bytes and a NUL; with the last two events it is empty */
    size_t key_size;
    const struct ptl_msg *value; /* of one value; NULL where there is none */
};

/* Returns as a handler does; after PTL_LATER the same change is told again. */
typedef int ptl_db_watch_fn(struct ptl_node *node, const struct ptl_db_change *change, void *data);

/* Names a watch, to end it with.  A value. */
struct ptl_db_watch {
    uint64_t id;
    uint32_t shard;
};

/*
 * Watch a family, one key of it, or all keys that begin with `prefix`: `tell` is called for what is
 * there, then for every change, so that who applies them has the family as it is.  Nothing is
 * missed and nothing told twice; what has changed again before it was told is told once, as it is
 * by then.  A watcher that is slow (a port whose handler said PTL_LATER) delays nobody else.
 * Made in a handler the watch belongs to its port, runs as its handlers do and ends with it.  Made
 * on another thread it runs on a shard of the node.  `watch` may be NULL.
 * Errors: PTL_EINVAL, PTL_EFULL, PTL_ENOMEM, PTL_ESTOPPED.
 */
PTL_MUST_CHECK int ptl_db_watch(struct ptl_node *node, const char *family, ptl_db_watch_fn *tell,
                                void *data, struct ptl_db_watch *watch);
PTL_MUST_CHECK int ptl_db_watch_key(struct ptl_node *node, const char *family, const char *key,
                                    ptl_db_watch_fn *tell, void *data, struct ptl_db_watch *watch);
PTL_MUST_CHECK int ptl_db_watch_prefix(struct ptl_node *node, const char *family,
                                       const char *prefix, ptl_db_watch_fn *tell, void *data,
                                       struct ptl_db_watch *watch);

/* End a watch; as with ptl_unmonitor(). */
void ptl_db_unwatch(struct ptl_node *node, const struct ptl_db_watch *watch);

/* ---- Data that a callback owns ------------------------------------------------------------- */

/*
 * What is given along with a callback may be freed when the callback will never be called (again).
 * A thread cannot know when that is: the callback may be running just now, or its port has ended
 * it.  So each function that takes one has a twin that takes `release` as well: release(data) is
 * called exactly once, after the callback was called for the last time, was taken back, or ended
 * untold with its port or its node, on the shard that would have called it, or in ptl_node_stop().
 * After an error of the twin it is not called: `data` stays the caller's.
 *
 * `release` may be called inside the function that takes the callback back; it may not call the
 * node.  NULL is allowed.  All else is as the function without `_owned` says.  (The data of a
 * port's handlers is released with the port: options.release and ptl_port_own().  That of
 * ptl_register() is in use until the node has stopped.)
 *
 * A callback for room, for links and for an answer is not taken back: the first is called soon, the
 * second as long as there is a node, the third ends with its timeout.
 */
PTL_MUST_CHECK int ptl_on_link_owned(struct ptl_node *node, ptl_link_fn *tell, void *data,
                                     ptl_release_fn *release);
PTL_MUST_CHECK int ptl_on_room_owned(struct ptl_node *node, const struct ptl_port *to,
                                     ptl_room_fn *tell, void *data, ptl_release_fn *release);
PTL_MUST_CHECK int ptl_monitor_owned(struct ptl_node *node, const struct ptl_port *port,
                                     ptl_monitor_fn *tell, void *data, ptl_release_fn *release,
                                     struct ptl_monitor *monitor);
PTL_MUST_CHECK int ptl_call_owned(struct ptl_node *node, const struct ptl_port *to,
                                  const struct ptl_msg *msg, unsigned timeout_ms, bool monitor,
                                  ptl_reply_fn *tell, void *data, ptl_release_fn *release);
PTL_MUST_CHECK int ptl_after_owned(struct ptl_node *node, unsigned delay_ms, ptl_timer_fn *tell,
                                   void *data, ptl_release_fn *release, struct ptl_timer *timer);
PTL_MUST_CHECK int ptl_db_on_room_owned(struct ptl_node *node, const char *family,
                                        ptl_room_fn *tell, void *data, ptl_release_fn *release);
PTL_MUST_CHECK int ptl_db_get_owned(struct ptl_node *node, const char *family, const char *key,
                                    ptl_reply_fn *tell, void *data, ptl_release_fn *release);
PTL_MUST_CHECK int ptl_db_family_owned(struct ptl_node *node, const char *family,
                                       ptl_reply_fn *tell, void *data, ptl_release_fn *release);
PTL_MUST_CHECK int ptl_db_keys_owned(struct ptl_node *node, const char *family, ptl_reply_fn *tell,
                                     void *data, ptl_release_fn *release);
PTL_MUST_CHECK int ptl_db_values_owned(struct ptl_node *node, const char *family,
                                       ptl_reply_fn *tell, void *data, ptl_release_fn *release);
PTL_MUST_CHECK int ptl_db_watch_owned(struct ptl_node *node, const char *family,
                                      ptl_db_watch_fn *tell, void *data, ptl_release_fn *release,
                                      struct ptl_db_watch *watch);
PTL_MUST_CHECK int ptl_db_watch_key_owned(struct ptl_node *node, const char *family,
                                          const char *key, ptl_db_watch_fn *tell, void *data,
                                          ptl_release_fn *release, struct ptl_db_watch *watch);
PTL_MUST_CHECK int ptl_db_watch_prefix_owned(struct ptl_node *node, const char *family,
                                             const char *prefix, ptl_db_watch_fn *tell, void *data,
                                             ptl_release_fn *release, struct ptl_db_watch *watch);

/* ---- Messages: writing -------------------------------------------------------------------- */

/*
 * A message under construction.  Put values one after another, then ptl_writer_finish().  Errors
 * stick: only the last call needs to be looked at.  Keep it where you like; after
 * ptl_writer_finish() or ptl_writer_drop() it holds nothing.  For programs it has no fields; only
 * engine/message/message.c sets them.  Thread: one at a time.
 */
struct ptl_writer {
    const struct ptl_allocator *allocator;
    uint8_t *bytes;  /* a block of the allocator; NULL while all is in `scratch` */
    size_t size;     /* written so far */
    size_t capacity; /* of `bytes` */
    uint32_t count;  /* top-level values so far */
    int32_t err;     /* the first error */
    uint32_t depth;  /* containers open */
    uint64_t *open;  /* what each open container still wants, a block of the allocator */
    uint32_t open_capacity;
    uint8_t scratch[192];
};

/* Begin a message.  `node` says where memory comes from; NULL is the C library. */
void ptl_writer_init(struct ptl_writer *writer, const struct ptl_node *node);

int ptl_put_null(struct ptl_writer *writer);
int ptl_put_bool(struct ptl_writer *writer, bool value);
int ptl_put_int(struct ptl_writer *writer, int64_t value);
int ptl_put_uint(struct ptl_writer *writer, uint64_t value);
int ptl_put_float(struct ptl_writer *writer, double value);
int ptl_put_bytes(struct ptl_writer *writer, const void *bytes, size_t size);

/* UTF-8 text; PTL_ESYNTAX if it is not. */
int ptl_put_text(struct ptl_writer *writer, const char *text, size_t size);

/* A port's ID, as text. */
int ptl_put_port(struct ptl_writer *writer, const struct ptl_port *port);

/* The next `count` values make an array; the next 2 * `count` (key, value, ...) make a map. */
int ptl_put_array(struct ptl_writer *writer, uint32_t count);
int ptl_put_map(struct ptl_writer *writer, uint32_t count);

/* All values of `msg`, in place. */
int ptl_put_values(struct ptl_writer *writer, const struct ptl_msg *msg);

/* One JSON value, transcoded; PTL_ESYNTAX when it is not JSON. */
int ptl_put_json(struct ptl_writer *writer, const char *json, size_t size);

/*
 * End the message.  Errors: the first one of the calls above, PTL_EINVAL when a container was not
 * filled.  Owns: `msg` is the caller's, until ptl_msg_free(); the writer holds nothing any more.
 */
PTL_MUST_CHECK int ptl_writer_finish(struct ptl_writer *writer, struct ptl_msg **msg);

/* Give a message up half-written. */
void ptl_writer_drop(struct ptl_writer *writer);

/*
 * A whole message in one call, ptl_msg_make(node, &msg, format, ...).  `format` has a letter a
 * value, and for each the arguments:   n  null                              b  a truth value: an
 * integer, 0 is false   i  any integer, as it is             u  the same, but not below 0   f
 * double, or an integer             t  const char * (UTF-8)       T  const char *, its size   y
 * const void *, its size (bytes)    p  const struct ptl_port *   m  const struct ptl_msg * (all its
 * values)              [ ]  array    { }  map: key, value, ... Every argument comes with its type
 * (engine/message/format.h), so integers and sizes may have any width: no casts.  At most 24
 * arguments. Errors: PTL_EINVAL (the format, or it does not fit the arguments), PTL_ESYNTAX (text),
 * PTL_ENOMEM.
 */
#define ptl_msg_make(node, msg, ...) ptl_msg_makev(node, msg, PTL_FORMAT(__VA_ARGS__))
PTL_MUST_CHECK int ptl_msg_makev(const struct ptl_node *node, struct ptl_msg **msg,
                                 const char *format, const struct ptl_argument arguments[]);

/* The same into a message under construction: ptl_put_format(writer, format, ...). */
#define ptl_put_format(writer, ...) ptl_putv(writer, PTL_FORMAT(__VA_ARGS__))
int ptl_putv(struct ptl_writer *writer, const char *format, const struct ptl_argument arguments[]);

/*
 * Hold a message beyond the call that brought it.  A message that was made (not received) is
 * shared, not copied.  NULL when there is no memory.  Owns: the caller, until ptl_msg_free().
 */
struct ptl_msg *ptl_msg_keep(const struct ptl_msg *msg);

/* Let go of a message; NULL is allowed.  Thread: any. */
void ptl_msg_free(struct ptl_msg *msg);

/* ---- Messages: reading -------------------------------------------------------------------- */

enum ptl_type {
    PTL_NULL,
    PTL_BOOL,
    PTL_INT,   /* fits int64_t */
    PTL_UINT,  /* an integer above INT64_MAX */
    PTL_FLOAT, /* and integers below INT64_MIN */
    PTL_BYTES,
    PTL_TEXT,
    PTL_ARRAY, /* its `count` elements follow */
    PTL_MAP,   /* its `count` pairs follow: key, value, key, value */
};

struct ptl_value {
    enum ptl_type type;
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
        uint32_t count;
        struct {
            const char *chars; /* no NUL at the end; lives as long as the message */
            size_t size;
        } string;
    };
};

/* A place in a message.  A value: copy it to remember a place. */
struct ptl_cursor {
    const uint8_t *at;
    const uint8_t *end;
};

/* How many values the message has, its tag included. */
uint32_t ptl_msg_count(const struct ptl_msg *msg);

/* The encoded size of its values in bytes. */
size_t ptl_msg_size(const struct ptl_msg *msg);

/* Whether the first value is this string (bytes or text). */
bool ptl_msg_is(const struct ptl_msg *msg, const char *tag);

/* The place before the first value. */
struct ptl_cursor ptl_msg_begin(const struct ptl_msg *msg);

/*
 * Read one value and step over it; of an array or a map only the head, its elements come next.
 * Errors: PTL_EEND.
 */
PTL_MUST_CHECK int ptl_next(struct ptl_cursor *cursor, struct ptl_value *value);

/* Step over one whole value, whatever is in it.  Errors: PTL_EEND. */
int ptl_skip(struct ptl_cursor *cursor);

/*
 * Read values in one call, from the first on: ptl_msg_read(node, msg, format, ...).  `format` has a
 * letter a value and for each where to put it:
 *   b  bool *      f  double *      i  int *, long *, int64_t *      u  the same, unsigned
 *   s  const char **, size_t *  (bytes or text, not NUL-terminated; lives as long as the message)
 *   p  struct ptl_port *        v  struct ptl_value *          *  nothing: the value is skipped
 *   .  nothing: the message must end here
 * Numbers that come as strings ("42") are taken, as real AEMP nodes send them; so are truth values
 * as "1", "", 1 and 0.  Errors: PTL_EEND (too few values), PTL_ETYPE (not such a value, or one that
 * its place is too small for), PTL_EINVAL (the format, or it does not fit the places).
 */
#define ptl_msg_read(node, msg, ...) ptl_msg_readv(node, msg, PTL_FORMAT(__VA_ARGS__))
PTL_MUST_CHECK int ptl_msg_readv(const struct ptl_node *node, const struct ptl_msg *msg,
                                 const char *format, const struct ptl_argument places[]);

/*
 * The message's values as one JSON array, with a NUL at the end, in a block of malloc(); NULL when
 * there is no memory.  Bytes above 127 in byte strings become the characters U+0080 to U+00FF.
 * Owns: the caller, until free().
 */
char *ptl_msg_json(const struct ptl_msg *msg);

#pragma GCC visibility pop
#ifdef __cplusplus
}

/* What the macros of these names are in C. */
#undef ptl_sendf
#undef ptl_msg_make
#undef ptl_put_format
#undef ptl_msg_read

template <class... A>
PTL_MUST_CHECK inline int ptl_sendf(struct ptl_node *node, const struct ptl_port *to,
                                    const char *format, A... values)
{
    const struct ptl_argument list[] = {ptl_argument_of(values)..., ptl_argument{}};
    return ptl_sendv(node, to, format, list);
}

template <class... A>
PTL_MUST_CHECK inline int ptl_msg_make(const struct ptl_node *node, struct ptl_msg **msg,
                                       const char *format, A... values)
{
    const struct ptl_argument list[] = {ptl_argument_of(values)..., ptl_argument{}};
    return ptl_msg_makev(node, msg, format, list);
}

template <class... A>
inline int ptl_put_format(struct ptl_writer *writer, const char *format, A... values)
{
    const struct ptl_argument list[] = {ptl_argument_of(values)..., ptl_argument{}};
    return ptl_putv(writer, format, list);
}

template <class... A>
PTL_MUST_CHECK inline int ptl_msg_read(const struct ptl_node *node, const struct ptl_msg *msg,
                                       const char *format, A... places)
{
    const struct ptl_argument list[] = {ptl_argument_of(places)..., ptl_argument{}};
    return ptl_msg_readv(node, msg, format, list);
}
#endif
