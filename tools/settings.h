/*
 * tools/settings.h - all values that were given, and which of them count.
 *
 *   default < top of the file < profiles, from the most general to the one that was picked
 *           < environment < command line
 *
 * Each place where values are given is a layer, a number.  Of an option, and of those of which one
 * must choose, only the values of the highest layer count: a list replaces a list.  A file's values
 * of profiles that were not picked are judged and do not count.
 */
#pragma once

#include "tools/options.h"

#include <sys/types.h>

#define PTL_MISTAKES_MAX 50  /* that are told; more are counted */
#define PTL_MISTAKE_MAX 1024 /* bytes of one, its NUL included */
#define PTL_WHERE_MAX 600    /* bytes of where a value was given, its NUL included */

enum {
    PTL_LAYER_NONE, /* judged only */
    PTL_LAYER_DEFAULT,
    PTL_LAYER_FILE, /* its top; profiles are above it, at most PTL_LAYER_ENVIRONMENT - 1 */
    PTL_LAYER_ENVIRONMENT = 1000,
    PTL_LAYER_FLAG,
};

/* One value, as it was given. */
struct ptl_given {
    struct ptl_given *next; /* in the order of the options' givers */
    const struct ptl_option *option;
    unsigned layer;
    unsigned line; /* of the file; 0: of none */
    bool is_wrong; /* its text is no value, and that was told */
    char text[];
};

struct ptl_mistake {
    unsigned line; /* of the file; 0: the file as a whole */
    bool is_of_file;
    char text[PTL_MISTAKE_MAX];
};

struct ptl_settings {
    struct ptl_given *givens;
    struct ptl_given **end;
    unsigned layers[PTL_OPTIONS_MAX]; /* the one that counts, by the table's rows */
    const char *file;                 /* the file that was read, or NULL */
    mode_t file_mode;                 /* its kind, and who may read it */
    uid_t file_owner;
    bool is_again; /* they are read for a second time, by somebody who must not wait */
    bool has_no_memory;
    struct ptl_mistake *mistakes; /* PTL_MISTAKES_MAX of them */
    size_t mistake_count;         /* those that are only counted, too */
};

/* NULL: no memory. */
struct ptl_settings *ptl_settings_new(void);
void ptl_settings_free(struct ptl_settings *settings);

/*
 * Note a value.  `line` is 0 where it is of no file.  Where there is no memory that is noted.
 * Owns: the text is copied.
 */
void ptl_settings_give(struct ptl_settings *settings, const struct ptl_option *option,
                       const char *text, size_t size, unsigned layer, unsigned line);

/* Note the usual value of each option that has one. */
void ptl_settings_give_defaults(struct ptl_settings *settings);

/* Note a mistake of the file, at a line (0: the file as a whole). */
void ptl_settings_mistake(struct ptl_settings *settings, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether mistakes are only counted by now: their text is not worth the making. */
bool ptl_settings_is_full(const struct ptl_settings *settings);

/* The text of the option's value that counts most, or NULL: none is given.  Of a layer at least. */
const char *ptl_settings_text(const struct ptl_settings *settings, const char *name,
                              unsigned layer);

/*
 * Judge all values, find out which count, and take these into `options`; what is wrong is noted.
 * Owns: `options` refers to the settings' texts.
 */
void ptl_settings_take(struct ptl_settings *settings, struct ptl_options *options);

/* The same flags, variables and defaults anew, without the file's.  NULL: no memory. */
struct ptl_settings *ptl_settings_again(const struct ptl_settings *settings);

/* Tell all mistakes, one after the other, as complaints; `code` is what each means. */
typedef void ptl_mistake_fn(void *data, enum ptl_exit code, const char *mistake);
void ptl_settings_tell(const struct ptl_settings *settings, ptl_mistake_fn *tell, void *data);

/*
 * Print all mistakes, a line each.  Returns PTL_EXIT_OK when there are none, PTL_EXIT_START when
 * the file has some, PTL_EXIT_OTHER when there was no memory, PTL_EXIT_USAGE else.
 */
int ptl_settings_complain(const struct ptl_settings *settings);

/* Where a value was given: "portolan.conf:12", "PORTOLAN_SEED", "--seed", "default". */
void ptl_settings_where(const struct ptl_settings *settings, const struct ptl_given *given,
                        char where[PTL_WHERE_MAX]);

/* "portolan.conf:12: " where the option's value comes from the file, else nothing. */
void ptl_settings_line(const struct ptl_settings *settings, const char *name,
                       char where[PTL_WHERE_MAX]);

/* Whether it counts. */
bool ptl_settings_counts(const struct ptl_settings *settings, const struct ptl_given *given);
