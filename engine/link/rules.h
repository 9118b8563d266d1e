/*
 * engine/link/rules.h - what other nodes may do here, as rules: the first that fits decides.
 *
 *   text --ptl_rules_read()--> struct ptl_rules --ptl_node_set_rules()--> a node
 *                                      '--ptl_rules_ask()--> which line decides
 *
 *   allow  hub-*                    *
 *   deny   edge-*                   spawn,kill
 *   allow  * by certificate         send          @made public.*
 *   allow|deny NODE [by PROOF,...]  ACTION,...    [OBJECT ...]
 *
 * What no rule fits is denied.  Rules are constant once they are read, so any number of nodes and
 * threads may have them.  A part of the public interface: engine/portolan.h includes it.
 * Spec: docs/rules.md.
 */
#pragma once

#include "io/err.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
/* What a shared library shows begins here. */
#pragma GCC visibility push(default)

#define PTL_RULES_MAX 4096                    /* rules of one text */
#define PTL_RULE_LINE_MAX 1024                /* bytes of a line without its end */
#define PTL_RULES_BYTES_MAX ((size_t)1 << 20) /* of a text */
#define PTL_RULES_MISTAKES_MAX 50             /* that are told of one text */

/* What another node does.  Behind each: what it does that to, the rule's object. */
enum ptl_action {
    PTL_MAY_SEND,     /* a message: a port's name */
    PTL_MAY_KILL,     /* a port's name */
    PTL_MAY_MONITOR,  /* a port's name */
    PTL_MAY_SPAWN,    /* run a function: its name */
    PTL_MAY_DB_READ,  /* ask for, or watch: a family of the database */
    PTL_MAY_DB_WRITE, /* set and delete: a family */
    PTL_MAY_RELAY,    /* have us send for it: the ID of the node that it is for */
    PTL_MAY_GLOBAL,   /* speak as a global node: nothing */
    PTL_MAY_OBSERVE,  /* ask for statistics: nothing */
};

#define PTL_ACTIONS (PTL_MAY_OBSERVE + 1)

/* How another node has proved itself. */
enum ptl_proof {
    PTL_PROOF_SECRET,
    PTL_PROOF_CERTIFICATE,
    PTL_PROOF_ANONYMOUS, /* not at all: it has been let in all the same */
};

#define PTL_PROOFS (PTL_PROOF_ANONYMOUS + 1)

struct ptl_rules;

/* A line of the text (from 1; 0: the text as a whole) is wrong, and what is. */
typedef void ptl_rules_mistake_fn(void *data, unsigned line, const char *what);

/*
 * Read rules.  Each mistake is told, PTL_RULES_MISTAKES_MAX of them at most; `tell` may be NULL.
 * Errors: PTL_ERULES (there are mistakes), PTL_ENOMEM.  Owns: the text stays the caller's; the
 * rules are, too, until ptl_rules_free().  Thread: any.
 */
PTL_MUST_CHECK int ptl_rules_read(const char *text, size_t size, ptl_rules_mistake_fn *tell,
                                  void *data, struct ptl_rules **rules);

/* Let go of them; a node that was given them has a hold of its own.  NULL is none.  Thread: any. */
void ptl_rules_free(struct ptl_rules *rules);

/* How many there are. */
unsigned ptl_rules_count(const struct ptl_rules *rules);

/*
 * What they say to a question in the words of a rule: NODE, perhaps "by" and one PROOF, one ACTION,
 * and its OBJECT where it has one; without "by" it is the secret.  `*line` is that of the rule
 * which decides, 0: none fits.  Returns 1 for yes and 0 for no.  Errors: PTL_EINVAL (told as a
 * mistake of line 0: what is no such question).  Thread: any.
 */
PTL_MUST_CHECK int ptl_rules_ask(const struct ptl_rules *rules, const char *const words[],
                                 size_t count, ptl_rules_mistake_fn *tell, void *data,
                                 unsigned *line);

/* "send", "db-read". */
const char *ptl_action_name(enum ptl_action action);

/* "secret", "certificate", "anonymous". */
const char *ptl_proof_name(enum ptl_proof proof);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
