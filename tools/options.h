/*
 * tools/options.h - the table of all options: one row says what an option is called, who takes it,
 * and what it takes.
 *
 *   a row  =  --max-message N  =  PORTOLAN_MAX_MESSAGE=N  =  max-message = N in a file
 *
 * The table is the only place that knows.  What a row of `portolan run` says holds at once for the
 * command line, the environment, configuration files, what `portolan config check` prints and what
 * `portolan init` writes; docs/configuration.md is compared with it by a test.
 */
#pragma once

#include "tools/command.h"

#define PTL_WHY_MAX 512     /* bytes of why a text is no value of an option, its NUL included */
#define PTL_VARIABLE_MAX 48 /* bytes of a variable's name, its NUL included */
#define PTL_OPTION_CODE 256 /* getopt's code of the table's first row */

/* What commands take, a bit each; a command takes the options of one or more of these. */
enum ptl_option_of {
    PTL_OF_RUN = 1,       /* run, and what writes and checks its configuration */
    PTL_OF_CLIENT = 2,    /* all that talk to a node */
    PTL_OF_BENCH = 4,     /* bench, beside its own */
    PTL_OF_NODES = 8,     /* nodes */
    PTL_OF_DB_SET = 16,   /* db set */
    PTL_OF_WATCH = 32,    /* db watch */
    PTL_OF_CHECK = 64,    /* config check */
    PTL_OF_INIT = 128,    /* init */
    PTL_OF_CERT = 256,    /* gencert */
    PTL_OF_STATS = 512,   /* stats */
    PTL_OF_TOP = 1024,    /* top */
    PTL_OF_DOCTOR = 2048, /* doctor */
};

struct ptl_option;

/*
 * Take a text as the option's value into `options`.  False, and nothing is changed, where it is
 * none; `why` goes on behind the option's name then: "takes a whole number from 1 to 64, not '65'".
 * Owns: `options` refers to the text.
 */
typedef bool ptl_take_fn(const struct ptl_option *option, const char *text,
                         struct ptl_options *options, char why[PTL_WHY_MAX]);

struct ptl_option {
    const char *name;      /* "max-message" */
    unsigned of;           /* bits of enum ptl_option_of */
    ptl_take_fn *take;     /* of tools/option_values.h */
    size_t place;          /* of the field in struct ptl_options */
    uint64_t least, most;  /* of a whole number */
    const char *words;     /* those that it takes, a '|' between them; NULL: others */
    const char *usual;     /* its value for `run` where none is given; NULL: see `otherwise` */
    const char *otherwise; /* what holds for `run` where none is given, for people */
    const char *choice;    /* of those with the same one only one may be given; NULL: any */
    bool is_repeated;      /* may be given PTL_LIST_MAX times; a variable has commas between them */
    bool is_secret;        /* shown to nobody */
    bool is_path;          /* in a file: from the folder of that file */
    bool is_file;          /* a path as well, and in no file */
    bool is_yes_no;        /* may be given without a value: yes */
    bool is_not_in_file;   /* no key of a file */
    bool is_for_clients;   /* its variable is also read by all other commands that take it */
};

extern const struct ptl_option ptl_option_table[];
extern const size_t ptl_option_count; /* at most PTL_OPTIONS_MAX */

#define PTL_OPTIONS_MAX 64

/* The row of that name, or NULL.  `size` bytes count. */
const struct ptl_option *ptl_option_find(const char *name, size_t size);

/* Whether a configuration file may have it as a key. */
bool ptl_option_is_key(const struct ptl_option *option);

/* The name of the key that is most like a word, or NULL when none is like it. */
const char *ptl_option_like(const char *word);

/* Its variable: "PORTOLAN_MAX_MESSAGE". */
void ptl_option_variable(const struct ptl_option *option, char variable[PTL_VARIABLE_MAX]);

/* How many single letters two words differ by; `most` where it is more than that. */
size_t ptl_word_distance(const char *one, const char *two, size_t most);

/*
 * What the command takes, as bits of enum ptl_option_of; the command may be of two words, the
 * second of which is `argument` then (NULL: there is none).  False: there is no such command.
 */
bool ptl_options_of(const char *command, const char *argument, unsigned *of);

/* The command at `index`, of one word or two with a blank between them, or NULL past the last. */
const char *ptl_option_command(size_t index);
