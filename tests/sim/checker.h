/*
 * tests/sim/checker.h - what a node promises, held against what it does.
 *
 *   workload --says what it asked and what came--> checker --fails the run at the first lie
 *
 * The checker keeps a record of every run of numbered messages, every monitor, call, timer and wish
 * for room.  Most properties are checked the moment something happens; what must happen at last is
 * checked once the storm is over and all has come to rest.  Records live until the run ends.
 */
#pragma once

#include "engine/portolan.h"
#include "tests/sim/network.h"

enum sim_property {
    SIM_G1_ORDER,    /* runs of one sender out of order */
    SIM_G2_HOLE,     /* something missing while the monitor was silent */
    SIM_ONCE,        /* something came twice */
    SIM_G3_PORT,     /* something reached another port than it was sent to */
    SIM_G4_MONITOR,  /* a monitor that fired twice, never, after it was taken back, or lied */
    SIM_G5_PLACE,    /* a kill or a death notice out of its place */
    SIM_G6_ROOM,     /* memory without bound, or nobody told of room */
    SIM_G7_DATABASE, /* nodes, watchers or answers that do not agree, or never come to agree */
    SIM_G9_END,      /* an end that is not clean */
    SIM_CALL,        /* an answer twice, never or wrong */
    SIM_TIMER,       /* a timer early, twice, never, or after it was taken back */
    SIM_CONTENT,     /* a message that is not what was sent */
    SIM_REST,        /* a node that never comes to rest, or refuses what it should take */
    SIM_PROPERTIES
};

/* Which life of which node; a node that has crashed begins another. */
struct sim_life {
    unsigned node;
    unsigned number;
};

/* Numbered messages from one sender to one receiver under one monitor. */
struct sim_run {
    uint32_t id;
    uint32_t sender;
    uint32_t receiver;     /* the actor it is sent to */
    uint64_t accepted;     /* by ptl_send() */
    uint64_t received;     /* by the receiver, in order */
    bool over;             /* its monitor has fired, and not because its own node stops */
    struct sim_run *later; /* the next run of this sender to this receiver */
    struct sim_life from;
};

enum sim_watch_form { SIM_WATCH_CALLBACK, SIM_WATCH_MESSAGE, SIM_WATCH_KILL };

/* A port of the workload, as far as the checker is concerned. */
struct sim_actor_facts {
    uint32_t id;
    struct sim_life life;
    bool born;
    bool alive;
    bool ageless;    /* a node port: whoever lives under that ID will do */
    bool certain;    /* it was killed by one hand only, and `reason` is what that gave */
    char reason[96]; /* as JSON; "[]": a normal death */
};

/* A monitor. */
struct sim_watch {
    uint32_t id;
    enum sim_watch_form form;
    struct sim_life life;                /* where it was set */
    const struct sim_actor_facts *owner; /* NULL: a thread of the program */
    const struct sim_actor_facts *target;
    const struct sim_actor_facts *victim; /* of a killing one */
    unsigned downs;                       /* of the link to the target's node, when it was set */
    unsigned fired;
    bool accepted; /* ptl_monitor() returned 0 */
    bool taken_back;
    bool outside;
    bool expect_dead; /* of a killing one: its victim must be dead at last */
    bool expect_alive;
    struct ptl_monitor handle;
    void (*then)(struct sim_watch *watch, const struct ptl_msg *reason, bool lost);
    void *data;
};

/* Something that is answered exactly once: a call, a timer, a wish for room. */
struct sim_promise {
    enum sim_property property;
    const char *what;
    uint32_t id;
    struct sim_life life;
    const struct sim_actor_facts *owner; /* NULL: a thread of the program */
    uint64_t due;                        /* not before */
    uint64_t limit;                      /* of a call: no timeout before; 0: none at all */
    unsigned kept;
    bool given; /* the call that asked for it returned 0 */
    bool taken_back;
    void *data;
    struct ptl_timer timer;
};

struct sim_checker {
    struct sim_network *network;
    bool failed;
    enum sim_property property;
    char text[512];
    uint64_t delivered; /* messages given to handlers */
    uint64_t fired;     /* monitors */
    uint64_t kept;      /* promises */
    struct sim_run **runs;
    uint32_t run_count;
    struct sim_watch **watches;
    uint32_t watch_count;
    struct sim_promise **promises;
    uint32_t promise_count;
    /* The workload's knowledge of nodes. */
    unsigned lives[SIM_HOSTS_MAX];                /* the present one of each node */
    bool up[SIM_HOSTS_MAX];                       /* whether it is being lived */
    unsigned downs[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* links that node told to be down */
    bool linked[SIM_HOSTS_MAX][SIM_HOSTS_MAX];    /* what that node has told last */
};

void sim_checker_init(struct sim_checker *checker, struct sim_network *network);
void sim_checker_drop(struct sim_checker *checker);

const char *sim_property_name(enum sim_property property);

/* The node did not keep `property`.  Only the first failure of a run is kept. */
void sim_checker_fail(struct sim_checker *checker, enum sim_property property, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/* Whether that life is the present one of a node that is up. */
bool sim_life_is_on(const struct sim_checker *checker, struct sim_life life);
struct sim_life sim_life_of(const struct sim_checker *checker, unsigned node);

/* Begin a run.  Owns: the checker, as with everything that follows. */
struct sim_run *sim_run_begin(struct sim_checker *checker, uint32_t sender, uint32_t receiver,
                              struct sim_life from);

/* A numbered message has reached the handler of `receiver`, which accepts it. */
void sim_run_received(struct sim_checker *checker, uint32_t run, uint32_t receiver,
                      uint64_t sequence);

/* A monitor is about to be set; set `accepted` and `handle` when it was. */
struct sim_watch *sim_watch_begin(struct sim_checker *checker, enum sim_watch_form form,
                                  struct sim_life life, const struct sim_actor_facts *owner,
                                  const struct sim_actor_facts *target);

/* The monitor has fired: checks, then calls `then`. */
void sim_watch_fired(struct sim_checker *checker, struct sim_watch *watch,
                     const struct ptl_msg *reason);

struct sim_promise *sim_promise_begin(struct sim_checker *checker, enum sim_property property,
                                      const char *what, struct sim_life life,
                                      const struct sim_actor_facts *owner);
void sim_promise_kept(struct sim_checker *checker, struct sim_promise *promise);

/* All has come to rest, every fault is healed: what must have happened by now? */
void sim_checker_rest(struct sim_checker *checker);

/* That node has stopped: were its monitors on other nodes told, was everything flushed? */
void sim_checker_stopped(struct sim_checker *checker, unsigned node);
