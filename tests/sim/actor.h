/*
 * tests/sim/actor.h - the ports of the workload, and how they make ports, monitors and promises
 * that the checker knows of.  number.c has the numbered messages, errand.c the experiments,
 * database.h the database.
 */
#pragma once

#include "tests/sim/workload.h"

#define SIM_PAYLOAD_MAX 300000

struct sim_sender;
struct sim_database;
struct sim_ticker;
struct sim_entry;

enum sim_kind {
    SIM_RECEIVER,
    SIM_SENDER,
    SIM_ECHO,
    SIM_TALKER,   /* says some last words and dies */
    SIM_VICTIM,   /* counts hits until it is killed */
    SIM_ERRAND,   /* does one experiment */
    SIM_WRITER,   /* sets and deletes in the database */
    SIM_HAND,     /* is registered there */
    SIM_FOLLOWER, /* watches it */
    SIM_NODE,     /* a node port: not ours, only monitored */
};

/* A port.  Actors live as long as the workload, whatever becomes of their ports. */
struct sim_actor {
    struct sim_actor_facts facts;
    struct sim_workload *workload;
    enum sim_kind kind;
    struct ptl_port port;
    bool placed;           /* `port` is set */
    bool doomed;           /* somebody has killed it, which may not have got through */
    unsigned later_chance; /* out of 1000: says PTL_LATER */
    struct sim_sender *sender;
    struct sim_ticker *ticker; /* of the database's actors */
    struct sim_entry *entry;   /* of a hand: what it is registered with */
    /* Of experiments. */
    struct sim_actor *other; /* whom it is about; of that one: who made it */
    struct sim_actor *third;
    unsigned experiment;
    uint64_t sent, received; /* words or hits, as accepted and as handled */
    uint64_t kill_after;     /* hits that were sent before the kill; UINT64_MAX: none was */
    unsigned open;           /* what the errand still waits for */
    struct sim_watch *watch;
};

struct sim_workload {
    struct sim_world *world;
    struct sim_actor **actors;
    uint32_t actor_count;
    struct sim_sender **senders;
    uint32_t sender_count;
    struct sim_database *database;
    bool busy;     /* new errands begin */
    bool finished; /* nobody sends any more */
    char *payload; /* SIM_PAYLOAD_MAX + 256 letters */
};

/* What comes back for a port of a life that is over: everything is refused. */
static inline bool sim_actor_is_on(const struct sim_actor *actor)
{
    return actor->facts.alive &&
           sim_life_is_on(&actor->workload->world->checker, actor->facts.life);
}

static inline struct sim_node *sim_actor_node(const struct sim_actor *actor)
{
    return &actor->workload->world->nodes[actor->facts.life.node];
}

static inline struct sim_random *sim_dice(const struct sim_workload *workload)
{
    return workload->world->random;
}

/* A port to be: it exists once sim_actor_place() or a spawn has made it. */
struct sim_actor *sim_actor_new(struct sim_workload *workload, enum sim_kind kind,
                                struct sim_node *node);

/* Make its port on its own node; `name` may be NULL.  Returns what ptl_port_new() does. */
int sim_actor_place(struct sim_actor *actor, const char *name);

/* Have its own node spawn it from `from`.  Returns what ptl_spawn() does. */
int sim_actor_spawn(struct sim_actor *actor, struct sim_node *from);

/* Parse its ID again, as `node` sees it. */
void sim_actor_view(struct sim_actor *actor, struct sim_node *node);

/* It is about to be killed with `reason`: what will its monitors be told? */
void sim_actor_doomed(struct sim_actor *actor, const struct ptl_msg *reason);

/* A message of that tag for that actor, with what `format` adds.  NULL never. */
#define sim_message(node, tag, to, ...) sim_message_values(node, tag, to, PTL_FORMAT(__VA_ARGS__))
struct ptl_msg *sim_message_values(struct sim_node *node, const char *tag,
                                   const struct sim_actor *to, const char *format,
                                   const struct ptl_argument values[]);

/* Set a monitor of any form from a handler of `owner`, or from a thread (NULL) of `node`. */
struct sim_watch *sim_monitor(struct sim_node *node, struct sim_actor *owner,
                              struct sim_actor *target, enum sim_watch_form form,
                              void (*then)(struct sim_watch *, const struct ptl_msg *, bool),
                              void *data);

/* Take it back. */
void sim_unmonitor(struct sim_node *node, struct sim_watch *watch);

/* ptl_after() in a handler of `owner`. */
struct sim_promise *sim_after(struct sim_actor *owner, unsigned delay_ms, ptl_timer_fn *tell,
                              struct sim_promise *promise);
struct sim_promise *sim_timer_promise(struct sim_actor *owner, unsigned delay_ms, void *data);

/* Complain of a result that should not be. */
void sim_check_result(struct sim_workload *workload, const char *what, int err);

/* The handlers of errands: errand.c. */
int sim_errand_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor);
int sim_talker_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor);
int sim_victim_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor);
int sim_echo_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor);

/* Begin an errand on some node. */
void sim_errand_begin(struct sim_workload *workload);

/* The same without a port: from a thread of the program.  thread_errand.c. */
void sim_thread_errand_begin(struct sim_workload *workload);

/* Take a reply apart and see that it answers `promise`. */
void sim_check_answer(struct sim_workload *workload, struct ptl_node *node, int err,
                      const struct ptl_msg *reply, struct sim_promise *promise);

/* One of several reasons to die of; NULL: a normal one.  Owns: the caller. */
struct ptl_msg *sim_any_reason(struct sim_actor *actor);

/* ptl_port_parse() of "NODE#NAME". */
struct ptl_port sim_named_port(struct sim_node *from, const struct sim_node *on, const char *name);

/* The numbered messages: number.c. */
struct sim_actor *sim_receiver_any(struct sim_workload *workload);
int sim_receiver_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor);
int sim_sender_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor);
void sim_sender_add(struct sim_workload *workload, struct sim_node *node, bool outside);
void sim_sender_burst(struct sim_sender *sender);
struct sim_life sim_sender_life(const struct sim_sender *sender);
