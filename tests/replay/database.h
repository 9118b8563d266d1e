/*
 * tests/replay/database.h - what the global protocol comes to: everything that one side has said,
 * folded into what the other side knows by it.
 *
 *   g_slave DB, g_set, g_upd --> GIVEN        g_mon1, g_mon0 --> WATCHING     g_find --> SOUGHT
 *   g_chg1, g_chg2 -----------> TOLD          g_db_* ----------> ASKED       g_found --> FOUND
 *                                             g_reply ---------> ANSWERED
 *
 * Two sides have said the same when all of this is the same, in whatever packets they said it.
 */
#pragma once

#include "tests/replay/recording.h"

/* family -> key -> value */
struct entry {
    char *family;
    char *key;
    struct ptl_msg *value;
};

struct entries {
    struct entry *at;
    size_t count;
    size_t capacity;
};

/* Owns: a hold on `value` is taken.  NULL is the value null. */
void entries_set(struct entries *entries, const char *family, const char *key,
                 const struct ptl_msg *value);
void entries_del(struct entries *entries, const char *family, const char *key);
void entries_del_family(struct entries *entries, const char *family);
const struct entry *entries_find(const struct entries *entries, const char *family,
                                 const char *key);
void entries_add_family(struct entries *to, const struct entries *from, const char *family);
void entries_copy(struct entries *to, const struct entries *from);
void entries_drop(struct entries *entries);

/* Whether both have the same keys with the same values; values of arrays may differ in order. */
bool entries_same(const struct entries *a, const struct entries *b);

/* The same, of the entries only whose families and keys are in `keys`. */
bool entries_same_at(const struct entries *a, const struct entries *b, const struct entries *keys);

void entries_show(const char *title, const struct entries *entries);

enum said_kind {
    SAID_GIVEN,
    SAID_TOLD,
    SAID_COPIED,   /* the families of g_chg1: "" -> null */
    SAID_WATCHING, /* families: "" -> null */
    SAID_ASKED,    /* request -> family -> the question's ID */
    SAID_ANSWERED, /* "" -> ID -> result */
    SAID_SOUGHT,   /* "" -> node -> null */
    SAID_FOUND,    /* "" -> node -> addresses */
    SAID_KINDS,
};

struct said {
    bool global;   /* g_global */
    bool slave;    /* g_slave without a database */
    bool attached; /* g_slave with one */
    struct entries of[SAID_KINDS];
};

/* Fold one packet in; what is not of the global protocol means nothing. */
void said_take(struct said *said, const struct packet *packet);

void said_drop(struct said *said);

/* What a packet says of one entry: it has this value now, or is gone (NULL). */
typedef void entry_fn(const char *family, const char *key, const struct ptl_msg *value, void *data);

/* Call `each` for all that a packet says of entries, in g_slave, g_set, g_upd, g_chg1 or g_chg2. */
void packet_entries(const struct packet *packet, entry_fn *each, void *data);

/* The string that is the `index`th value, as text.  Owns: the caller, until free(). */
char *packet_text(const struct packet *packet, unsigned index);

/* The values from the `index`th on.  Owns: the caller. */
struct ptl_msg *packet_rest(const struct packet *packet, uint32_t index);
