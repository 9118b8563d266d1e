/*
 * tests/sim/database.h - the database's part of the workload, and what all of it should come to.
 *
 *   writers    a thread and ports of each node set, delete and read; every key of a node is
 *              written by one of them, so that what it accepted last is what counts
 *   hands      ports that are registered, again and again, and die
 *   followers  ports and threads that watch, and keep a copy by what they are told
 *
 *   what nodes accepted --merge--> model == every global node == every copy == every answer
 *
 * The equations are looked at when all has come to rest; what may never happen is looked at always
 * (G7).  database.c has the nodes' lives, model.c values and the model, the others what their name
 * says.
 */
#pragma once

#include "tests/sim/actor.h"
#include "tests/sim/view.h"

/* Families, by number: the first ones are set key by key. */
#define SIM_PLAIN 4
#define SIM_HANDS 4     /* ID of a port -> what it is registered with */
#define SIM_ADDRESSES 5 /* 'l */
#define SIM_GLOBALS 6   /* 'g */
#define SIM_FAMILIES 7
#define SIM_KEYS 8

/* What is known of a value: all of it, and who made it for which key. */
struct sim_value {
    uint64_t print;
    int64_t stamp; /* 0: it carries none */
};

/* What a node has accepted for a key of its own. */
struct sim_entry {
    bool set;
    struct sim_value value;
    uint64_t writes; /* how often it was written */
};

/* The last value that was found in a store, of one key of one owner. */
struct sim_found {
    char via[8];         /* who brought it */
    uint64_t attachment; /* and the owner's attachment there */
    uint64_t number;     /* of its stamp */
};

struct sim_database {
    struct sim_workload *workload;
    struct sim_world *world;
    struct sim_entry entries[SIM_NODES_MAX][SIM_PLAIN][SIM_KEYS];
    /* On each node, of each owner. */
    struct sim_found found[SIM_NODES_MAX][SIM_NODES_MAX][SIM_PLAIN][SIM_KEYS];
    bool *refused; /* of each stamp's number */
    uint64_t last_number;
    unsigned keys;         /* that are written in this run: few are written often */
    unsigned pause_max_ms; /* of a writer */
    bool fat;              /* many values are large: families do not fit into one piece */
    uint64_t quiet_at;     /* when writers and hands end */
    uint64_t accepted;     /* sets, deletes and registrations */
    uint64_t told;         /* to followers */
    struct sim_follow **follows;
    uint32_t follow_count;
    struct sim_question **questions;
    uint32_t question_count;
    struct sim_writer **writers;
    uint32_t writer_count;
    struct sim_hand **hands;
    uint32_t hand_count;
    struct sim_follower **followers;
    uint32_t follower_count;
};

/* ---- Values and the model: model.c ----------------------------------------------------------- */

const char *sim_family_name(unsigned family);
const char *sim_key_name(unsigned key);

/* Of such a key the node's own value comes before all others. */
bool sim_key_is_port_of(const char *key, const struct sim_node *node);

/* A new stamp for a key of that node. */
int64_t sim_stamp(struct sim_database *database, unsigned node, unsigned family, unsigned key);

/* Whose a stamp is, and how late among all. */
unsigned sim_stamp_node(int64_t stamp);
uint64_t sim_stamp_number(int64_t stamp);

/* Nobody has accepted it: it may not be seen. */
void sim_stamp_refused(struct sim_database *database, int64_t stamp);

/* The value of a stamp: of equal stamps equal.  NULL is null.  Owns: the caller. */
struct ptl_msg *sim_value_make(struct sim_node *node, int64_t stamp);

/* What ptl_db_set() makes of `msg`. */
struct sim_value sim_value_of(const struct ptl_msg *msg, int64_t stamp);

/* Read the value at `cursor` and step over it; false when it cannot be read. */
bool sim_value_read(struct ptl_cursor *cursor, struct sim_value *value);

/* A key and its value have been seen somewhere: has anybody set them? */
void sim_value_check(struct sim_database *database, unsigned family, const char *key,
                     const struct sim_value *value);

/* What that family should be for everybody now.  Owns: the caller. */
struct sim_view sim_model_view(const struct sim_database *database, unsigned family);

/* At any time: look into the stores of all global nodes, which may never go back. */
void sim_model_observe(struct sim_database *database);

/* The nodes that are global now, a bit each. */
unsigned sim_model_globals(const struct sim_database *database);

/* Whether all nodes and followers agree with the model; `text` says who does not. */
bool sim_model_agrees(struct sim_database *database, char *text, size_t size);

/* ---- The whole: database.c ------------------------------------------------------------------- */

struct sim_database *sim_database_make(struct sim_workload *workload);
void sim_database_free(struct sim_database *database);

/* A node has begun: give it writers and followers. */
void sim_database_node_up(struct sim_database *database, struct sim_node *node);

/*
 * The storm begins.  In most runs nobody writes after it, or even in its last seconds, so that what
 * the faults have left behind is not written over.
 */
void sim_database_storm(struct sim_database *database);
bool sim_database_is_quiet(const struct sim_database *database);

/* Somebody, on some node, kills a hand or a follower. */
void sim_database_kill(struct sim_database *database);

/* The handler of writers, hands and followers; and send one of them a message of this tag. */
int sim_database_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor);
void sim_database_tell(struct sim_actor *actor, const char *tag);

/* Append to an array of pointers (give its address) that grows by doubling. */
void sim_append(void *array, uint32_t *count, void *record);

/* Somebody who does something now and then, until the workload is finished. */
struct sim_ticker {
    struct sim_workload *workload;
    struct sim_life life;
    struct sim_actor *actor; /* NULL: a thread */
    unsigned pause_max_ms;
    void (*tick)(void *data);
    void *data;
};

/* Begin; that of an actor in a handler of its own. */
void sim_ticker_start(struct sim_ticker *ticker);

/* It lives, and its node is not about to stop. */
bool sim_ticker_is_on(const struct sim_ticker *ticker);

/* ---- Writers and hands: writer.c ------------------------------------------------------------- */

void sim_writers_add(struct sim_database *database, struct sim_node *node);
void sim_writers_free(struct sim_database *database);

/* The threads of that node write and ask once more. */
void sim_writers_burst(struct sim_database *database, struct sim_node *node);

/* ---- Followers: follower.c ------------------------------------------------------------------- */

enum sim_follow_form { SIM_FOLLOW_FAMILY, SIM_FOLLOW_KEY, SIM_FOLLOW_PREFIX };

/* One watch, and the copy that is kept by it. */
struct sim_follow {
    struct sim_database *database;
    uint32_t id;
    struct sim_life life;
    struct sim_actor *owner; /* NULL: a thread */
    unsigned family;
    enum sim_follow_form form;
    char filter[SIM_KEY_SIZE];
    bool given;
    bool copied;
    bool ended;
    uint64_t ended_at;
    struct ptl_db_watch handle;
    struct sim_view copy;
    uint64_t newest[SIM_KEYS][SIM_NODES_MAX]; /* number of the last stamp of each node */
};

void sim_follower_add(struct sim_database *database, struct sim_node *node, bool outside);
void sim_followers_free(struct sim_database *database);

/* Whether it should have all that is there. */
bool sim_follow_is_on(const struct sim_follow *follow);
bool sim_follow_wants(const struct sim_follow *follow, const char *key);

/* ---- Questions: question.c ------------------------------------------------------------------- */

/* Ask something of a family, from a handler of `actor` or from a thread (NULL). */
void sim_question_ask(struct sim_database *database, struct sim_node *node, struct sim_actor *actor,
                      unsigned family);

/* A writer asks for a key of its own, of which it knows what it may hear. */
void sim_question_ask_own(struct sim_database *database, struct sim_node *node,
                          struct sim_actor *actor, unsigned family, unsigned key);

/* All is at rest: a thread of that node asks for every family, and each answer must be right. */
void sim_questions_ask_all(struct sim_database *database, struct sim_node *node);

/* Whether all that threads have asked of nodes that still live has been answered. */
bool sim_questions_are_told(const struct sim_database *database);

/* That life has ended with a stop: has all that its threads asked been answered? */
void sim_questions_stopped(struct sim_database *database, struct sim_life life);
void sim_questions_free(struct sim_database *database);
