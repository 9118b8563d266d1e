/*
 * tools/http/entries.h - entries of one family of the database, a page of them at a time.
 */
#pragma once

#include "engine/portolan.h"

#include <jansson.h>

#define PTL_ENTRIES_SHOWN 100      /* on one page */
#define PTL_ENTRIES_VALUE_MAX 4096 /* bytes of a value; of a larger one only its size is shown */
#define PTL_ENTRIES_BYTES_MAX (8u << 20) /* of a family: a larger one is not looked at */
#define PTL_ENTRIES_QUESTIONS_MAX 4      /* that wait for the database at a time */

/* Which ones.  Texts with NULs in them, so with sizes. */
struct ptl_entries_wish {
    const char *family;
    const char *find; /* the keys that have this in them, whether in upper or in lower case */
    size_t find_size;
    const char *after; /* the keys behind this one; "": from the first on */
    size_t after_size;
};

/*
 * By key: {"family":F,"keys":HOW MANY,"found":OF THESE,"entries":[{"key","value","bytes"}],
 * "more":BOOL}.  `value` is JSON in a text, or null where it is larger than is shown.  `err` and
 * `family` are the database's answer, a map; where there is none that can be shown there is
 * "error" with a line of text.  NULL: no memory.
 */
json_t *ptl_entries_json(const struct ptl_entries_wish *wish, int err,
                         const struct ptl_msg *family);
