/*
 * tests/sim/network.h - virtual time and a virtual TCP that is meaner than any real one.
 *
 *   end 0 --write--> [ bytes accepted | in flight | arrived, unread ] --read--> end 1
 *         <--read--- [ ...                                           ] <--write--
 *
 * Every stream has two directions, and each has its own delay, jitter, windows and faults.  Nothing
 * happens but in sim_network_advance(), which runs the one next event; so a run is a function of
 * its seed.  The simulated loop (sim_loop.h) stands on this as the real one stands on the kernel.
 *
 * Units are nanoseconds and bytes.  Thread: all of it belongs to one thread.
 */
#pragma once

#include "io/base.h"
#include "io/loop.h"
#include "tests/common/random.h"

#include <stdarg.h>

#define SIM_MILLISECOND UINT64_C(1000000)
#define SIM_SECOND (1000 * SIM_MILLISECOND)
#define SIM_HOSTS_MAX 8
#define SIM_BACKLOG 8 /* connections that wait for their acceptance */
#define SIM_NAME_MAX 24

struct sim_network;
struct sim_host;   /* a machine with one address */
struct sim_end;    /* one side of a stream */
struct sim_socket; /* a listening socket */

/* Something about an end or a socket may have changed: look at it. */
typedef void sim_notify_fn(void *owner);

/* What happened to the network, counted. */
enum sim_fault {
    SIM_FAULT_REFUSED,   /* a connection was refused */
    SIM_FAULT_HANGING,   /* a connection was never answered */
    SIM_FAULT_SLOW,      /* a connection took a second or more */
    SIM_FAULT_RESET,     /* a stream was cut and both or one end told */
    SIM_FAULT_BLACKHOLE, /* a stream was cut and nobody told */
    SIM_FAULT_PARTITION, /* two hosts lost each other for a while */
    SIM_FAULT_SPLIT,     /* two groups of hosts lost each other for a while */
    SIM_FAULT_RESTART,   /* a process died and its system said so */
    SIM_FAULT_POWER,     /* a machine was gone without a word */
    SIM_FAULT_PAUSE,     /* a process stood still */
    SIM_FAULT_FLAP,      /* all streams of two hosts were cut at once */
    SIM_FAULTS
};

/* How mean connecting is, out of a thousand attempts each. */
struct sim_weather {
    unsigned refused;
    unsigned hanging;
    unsigned slow;
    unsigned unresolved;
    unsigned short_io; /* sends and receives that move only a part */
    unsigned deferred; /* completions told a poll or more later */
};

/* ---- The network ----------------------------------------------------------------------------- */

/* NULL when there is no memory.  Owns: the caller, until sim_network_free(). */
struct sim_network *sim_network_make(uint64_t seed);

/* Frees hosts, ends and sockets with it; the loops must be gone. */
void sim_network_free(struct sim_network *network);

struct sim_random *sim_network_random(struct sim_network *network);
struct sim_weather *sim_network_weather(struct sim_network *network);

uint64_t sim_network_now(const struct sim_network *network);

/* Let time pass, but not beyond the next event: returns the time that it is then. */
uint64_t sim_network_pass(struct sim_network *network, uint64_t duration);

/* When the next event happens; UINT64_MAX: none. */
uint64_t sim_network_next(const struct sim_network *network);

/* Go to the time of the next event and have it happen. */
void sim_network_advance(struct sim_network *network);

/* Have `call(data)` happen at `at`.  It cannot be taken back. */
void sim_network_at(struct sim_network *network, uint64_t at, void (*call)(void *data), void *data);

/* Count a fault and trace it. */
void sim_network_fault(struct sim_network *network, enum sim_fault fault, uint64_t detail);
uint64_t sim_network_faults(const struct sim_network *network, enum sim_fault fault);
const char *sim_fault_name(enum sim_fault fault);

/* Ends that somebody still holds open.  A clean end of a run leaves none. */
unsigned sim_network_open_ends(const struct sim_network *network);

/* ---- The trace ------------------------------------------------------------------------------- */

/*
 * Mix an event into the hash that names the run; with sim_network_verbose() it is a line too.
 * `what` is constant text.
 */
void sim_trace(struct sim_network *network, const char *what, uint64_t a, uint64_t b);
uint64_t sim_network_hash(const struct sim_network *network);
void sim_network_verbose(struct sim_network *network, bool on);

/* A line of the full log, with the virtual time before it; nothing unless verbose. */
void sim_say(struct sim_network *network, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- Hosts ----------------------------------------------------------------------------------- */

/*
 * Add a machine; it is on and its address is 10.0.0.N.  Owns: the network.
 */
struct sim_host *sim_host_add(struct sim_network *network, const char *name);
struct sim_network *sim_host_network(struct sim_host *host);
const char *sim_host_ip(const struct sim_host *host);

/*
 * The machine is off from now on: no end of it says anything any more, its owners can only close
 * what they hold.  After sim_host_power_on() what still arrives for the old ends is answered with
 * a reset.
 */
void sim_host_power_off(struct sim_host *host);
void sim_host_power_on(struct sim_host *host);

/* What `a` sends to `b` waits until sim_hosts_heal(); the other direction is a call of its own. */
void sim_hosts_part(struct sim_host *a, struct sim_host *b);
void sim_hosts_heal(struct sim_host *a, struct sim_host *b);

/* ---- Cutting streams ------------------------------------------------------------------------- */

enum sim_cut {
    SIM_CUT_SILENT,     /* the rest of that direction never arrives, nobody is told */
    SIM_CUT_RESET_TO,   /* the receiver is told, the sender hears nothing */
    SIM_CUT_RESET_FROM, /* the sender is told, the receiver hears nothing */
    SIM_CUT_RESET_BOTH, /* both are told */
};

/* Streams that are established between two different hosts, both ends open. */
unsigned sim_network_streams(const struct sim_network *network);

/* Which end of stream number `which` is on that host: 0, 1, or 2 when neither is. */
unsigned sim_network_end_at(struct sim_network *network, unsigned which,
                            const struct sim_host *host);

/*
 * Cut stream number `which` (of sim_network_streams()): `after` more bytes that end `from` (0 or
 * 1) sends, or has in flight, arrive, then what `how` says happens.
 */
void sim_network_cut(struct sim_network *network, unsigned which, unsigned from, uint64_t after,
                     enum sim_cut how);

/* Forget the cuts that have not come yet. */
void sim_network_spare(struct sim_network *network);

/* ---- What the simulated loop uses ------------------------------------------------------------ */

/* Returns 0, PTL_EADDRESS or -errno.  A port of 0 is chosen.  Owns: the caller, until unlisten. */
int sim_socket_listen(struct sim_host *host, const struct ptl_address *address,
                      sim_notify_fn *notify, void *owner, struct sim_socket **socket,
                      struct ptl_address *bound);

/* Connections not accepted are reset. */
void sim_socket_close(struct sim_socket *socket);

/* The next connection that waits, or NULL.  Owns: the caller, until sim_end_close(). */
struct sim_end *sim_socket_accept(struct sim_socket *socket, struct ptl_address *peer);

/* Returns 0, PTL_EADDRESS or PTL_ENOMEM; sim_end_state() tells what becomes of it. */
int sim_end_connect(struct sim_host *host, const struct ptl_address *address, sim_notify_fn *notify,
                    void *owner, struct sim_end **end);

/* Say who is notified from now on; both may be NULL. */
void sim_end_own(struct sim_end *end, sim_notify_fn *notify, void *owner);

#define SIM_CONNECTING 1 /* of sim_end_state(); 0 is open, below 0 is failed with that error */

int sim_end_state(const struct sim_end *end);
bool sim_end_finished(const struct sim_end *end); /* the peer has closed and all is read */
size_t sim_end_room(const struct sim_end *end);
uint64_t sim_end_number(const struct sim_end *end);

/* At most sim_end_room() bytes; they are on their way. */
void sim_end_write(struct sim_end *end, struct ptl_span bytes);

/* What has arrived and can be read; lives until the next call on this end. */
struct ptl_span sim_end_peek(struct sim_end *end);
void sim_end_consume(struct sim_end *end, size_t size);

/* Fail when what was written stays unacknowledged for so long; 0: never. */
void sim_end_user_timeout(struct sim_end *end, uint64_t duration);

/* As shutdown(SHUT_WR) does: the peer is told of the end behind what was written. */
void sim_end_finish(struct sim_end *end);

/* As close() does: what was written is delivered if possible, unread bytes cause a reset. */
void sim_end_close(struct sim_end *end);

/* Hold an end by a number, between the loops of one host. */
int sim_end_to_handle(struct sim_end *end);
struct sim_end *sim_end_from_handle(struct sim_network *network, int handle);

/* The address of `name` ("alpha:4040") or of a numeric address; PTL_EADDRESS, PTL_ERESOLVE. */
int sim_network_resolve(struct sim_network *network, const char *host_port,
                        struct ptl_address *address);
