/*
 * tests/hostile/attack.h - what the two hostile programs have in common.
 *
 *   hostile_peer --port P --secret S --seed N --seconds T [--turn-ms T] [--attack NAME]...
 *                [--lair P] [--list]
 *
 * All attacks once in turn, then in random order until the time is over.  Each prints its name when
 * it begins.  An attack is cheap to make and dear to bear: none sends faster than attack_push()
 * lets it, so that what others suffer from is the node's work and not that of this program.
 */
#pragma once

#include "tests/hostile/wire.h"

#define ATTACK_VICTIM "rain" /* the node that is attacked */
#define ATTACK_FRIEND "snow" /* one that is linked to it */
#define ATTACK_PAIRS 16      /* pairs of clients "pair-N-a" and "pair-N-b" */
#define ATTACK_GUESTS 8      /* names "guest-N" of those who come and go */

struct attack_ground {
    uint16_t port;      /* of 127.0.0.1: the victim */
    uint16_t lair;      /* of 127.0.0.1: where the victim has a seed that is dead, or 0 */
    const char *secret; /* NULL: a stranger's */
    struct sim_random random;
    uint64_t end_at;    /* ms: of this attack */
    uint64_t allowance; /* bytes that may leave ... */
    uint64_t filled_at; /* ... as of this ms */
    uint64_t number;    /* of the last name made */
};

struct attack {
    const char *name;
    void (*run)(struct attack_ground *ground);
};

/* Whether this attack still has time. */
bool attack_goes_on(const struct attack_ground *ground);

/* A name that nobody has had.  Owns: good until eight more have been made. */
const char *attack_name(struct attack_ground *ground, const char *prefix);

/* A name of somebody who means well; of one who is linked all the time, unless `guests`. */
const char *attack_innocent(struct attack_ground *ground, bool guests);

/* Dial and wait until it is up.  False: it is not, and there is nothing to be closed. */
bool attack_open(struct attack_ground *ground, struct wire *wire, const char *id,
                 enum wire_style style);

/* Send all that was said, at a pace; false: the connection or the time has come to its end. */
bool attack_push(struct attack_ground *ground, struct wire *wire);

/* Stay, reading what comes, for so long or to the end of the attack. */
void attack_linger(struct attack_ground *ground, struct wire *wires, unsigned count,
                   unsigned milliseconds);

/* Do nothing for so long. */
void attack_pause(unsigned milliseconds);

/* The whole program. */
int attack_main(int argc, char *argv[], const struct attack attacks[], unsigned count);
