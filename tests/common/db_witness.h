/*
 * tests/common/db_witness.h - what tests of the database share: setting, asking, and copies of
 * families.
 *
 *   watch (any shard) --change--> [ a copy: KEY -> VALUE ] --db_copy_until--> the test's thread
 *
 * A copy applies what its watch is told and holds it to its promise: only what is not there is
 * added, only what is there is changed or deleted, and the copy is announced once.  Its text is
 * "KEY=VALUE KEY=VALUE", by key, values as JSON; an empty family is "".
 */
#pragma once

#include "tests/common/witness.h"

#include <pthread.h>

/* ---- Setting and asking --------------------------------------------------------------------- */

/* Set a key to one JSON value, delete it, register a port; wait for room where there is none. */
void db_set(struct ptl_node *node, const char *family, const char *key, const char *json);
void db_del(struct ptl_node *node, const char *family, const char *key);
void db_register(struct ptl_node *node, const char *family, const struct ptl_port *port,
                 const char *json);

/* What ptl_db_set() returns for these JSON values. */
int db_try_set(struct ptl_node *node, const char *family, const char *key, const char *json);

/*
 * Callbacks: `data` is the label.  An answer that is a map is noted as the text of a copy, an array
 * sorted the same way; a value as its JSON; a change as "added KEY VALUE" and so on.
 */
void on_value(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data);
void on_answer(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data);
int on_change(struct ptl_node *node, const struct ptl_db_change *change, void *data);

/* Ask and wait for the answer: a value's JSON, the text of a map or array, or an error's name. */
const char *db_get(struct ptl_node *node, const char *family, const char *key);
const char *db_family(struct ptl_node *node, const char *family);
const char *db_keys(struct ptl_node *node, const char *family);
const char *db_values(struct ptl_node *node, const char *family);

/* Ask for the family until it says this; fails the test when it never does. */
void db_until(struct ptl_node *node, const char *family, const char *text);

/* ---- Copies --------------------------------------------------------------------------------- */

struct db_entry {
    char *key;
    char *value;
};

struct db_copy {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct db_entry *entries; /* by key */
    size_t count, capacity;
    bool copied;
    char wrong[200]; /* the first promise that was broken */
    struct ptl_node *node;
    struct ptl_db_watch watch;
};

/* Begin to watch a family.  Owns: the copy stays until db_copy_drop(), after its node's end. */
void db_copy_watch(struct db_copy *copy, struct ptl_node *node, const char *family);

/* Only be told: for a watch that somebody else sets with on_copy_change(). */
void db_copy_init(struct db_copy *copy);
int on_copy_change(struct ptl_node *node, const struct ptl_db_change *change, void *data);

void db_copy_drop(struct db_copy *copy);

/* Wait until the copy says this; fails the test when it never does or a promise was broken. */
void db_copy_until(struct db_copy *copy, const char *text);

/* The same: until it has so many entries; until it has, or has not, this key. */
void db_copy_until_count(struct db_copy *copy, size_t count);
void db_copy_until_key(struct db_copy *copy, const char *key, bool there);

/* Wait until both have been copied and say the same. */
void db_copy_until_same(struct db_copy *a, struct db_copy *b);

/* The text now.  Owns: the caller, until free(). */
char *db_copy_text(struct db_copy *copy);
