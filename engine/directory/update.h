/*
 * engine/directory/update.h - one update of a family, as peers bring it, into the store.
 *
 *   family, {key: value, ...}, [key, ...]
 *
 *   OVER --> NAME --> COMPARE --> DELETE --> SET
 *             '-- not of those --'
 *               that are trusted
 *
 * An update that sets and deletes one key is taken by nobody: which of the two was meant, nobody
 * knows.  It may have millions of keys, so it is taken in pieces, and the family changes key by
 * key.
 * Thread: the shard's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/message/message.h"
#include "engine/shard/map.h"
#include "engine/shard/slice.h"
#include "store/store.h"

struct ptl_shard;
struct ptl_named;

/*
 * What is longer is taken slice by slice, and its link is not read meanwhile.  What we send
 * ourselves is shorter, unless a value is long.
 */
#define PTL_UPDATE_AT_ONCE (8 * (size_t)PTL_SLICE) /* bytes */

static inline bool ptl_update_is_long(struct ptl_span body)
{
    return body.size > PTL_UPDATE_AT_ONCE;
}

/* What it does with the keys, in this order. */
enum ptl_update_step {
    PTL_UPDATE_OVER, /* those that are set are stepped over: what is deleted stands behind them */
    PTL_UPDATE_NAME, /* ... and named, for the next step */
    PTL_UPDATE_COMPARE, /* is one deleted that is set? */
    PTL_UPDATE_DELETE,
    PTL_UPDATE_SET,
    PTL_UPDATE_DONE
};

/* Others read only `family`, `trouble` and `result`. */
struct ptl_update {
    struct ptl_span family;
    const char *trouble;  /* why something was left out, or NULL */
    int result;           /* an error, or PTL_STORE_OLD, which ended it; or PTL_OK */
    bool trusted;         /* its bringer has compared and measured it */
    bool skips_echoes;    /* a real global node's: what it had from us is not its own */
    uint8_t step;         /* enum ptl_update_step */
    uint32_t left;        /* keys that this step has still to do ... */
    struct ptl_cursor at; /* ... the next of them */
    struct ptl_cursor ahead;
    uint32_t set_count, del_count;
    struct ptl_cursor sets, dels; /* the first ones */
    struct ptl_named *named;      /* set_count of them, while it compares, in a map */
    struct ptl_map by_name;
};

/*
 * Begin with what stands behind the family's name; it may be absent, or null.
 * Owns: what `family` and `cursor` point to stays the caller's, until the end.
 */
void ptl_update_begin(struct ptl_shard *shard, struct ptl_update *update, struct ptl_span family,
                      struct ptl_cursor cursor);

/* Do up to *units keys, which is less by these then.  Returns whether some are left. */
bool ptl_update_work(struct ptl_shard *shard, struct ptl_update *update,
                     const struct ptl_source *source, uint32_t *units);

/* Free what it holds; at any time behind its beginning. */
void ptl_update_end(struct ptl_shard *shard, struct ptl_update *update);
