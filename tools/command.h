/*
 * tools/command.h - what the commands of `portolan` have in common: exit codes and options.
 *
 *   main --argv--> ptl_options_parse() --options--> ptl_command_run(), ptl_command_snd(), ...
 *
 * The command is an embedder like any other: below this folder it sees engine/portolan.h only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PTL_LIST_MAX 64 /* times that --bind, --seed, --announce or --service may be given */

/* What a script can tell apart; --help says the same. */
enum ptl_exit {
    PTL_EXIT_OK = 0,
    PTL_EXIT_USAGE = 1,  /* the command line is wrong, or a variable PORTOLAN_... */
    PTL_EXIT_START = 2,  /* the node cannot start: configuration, address, secret, kernel */
    PTL_EXIT_REACH = 3,  /* nobody there, or no answer in time */
    PTL_EXIT_GONE = 4,   /* the port or key is gone, or there never was one */
    PTL_EXIT_OTHER = 5,  /* anything else */
    PTL_EXIT_LOST = 6,   /* run: it ended before all that it had accepted was delivered */
    PTL_EXIT_UNMET = 7,  /* bench: it was less than was expected */
    PTL_EXIT_DENIED = 8, /* acl check, mon, stats: rules do not allow it */
};

/* A list of strings with NULL at its end. */
struct ptl_list {
    const char *items[PTL_LIST_MAX + 1];
    size_t count;
};

struct ptl_settings;

/* What was given, taken apart.  Strings live as long as `settings`. */
struct ptl_options {
    const char *command; /* "run" */
    const char *node;    /* NULL: the default */
    struct ptl_list binds;
    struct ptl_list seeds;
    struct ptl_list announces;
    struct ptl_list services;
    const char *secret;
    const char *secret_file;
    const char *accept_secret_file; /* run: another one that others may prove with, or NULL */
    const char *tls; /* off, allow or require; NULL: allow where there is a certificate */
    const char *cert;
    const char *tls_cert, *tls_key, *tls_ca, *tls_crl;
    bool tls_verify_node;
    const char *tls_anonymous; /* NULL: nobody */
    const char *rules;         /* a file: what other nodes may do; NULL: all */
    const char *config;        /* the configuration file, or NULL */
    const char *profile;       /* the one of it that counts, or NULL */
    const char *output;        /* init, gencert: the file to write, or NULL */
    const char *ca;            /* gencert: what an authority's files are called, or NULL */
    unsigned days;             /* gencert: that it is good for; 0: not given */
    const char *framings;
    const char *log;        /* NULL: the command's own default */
    const char *log_format; /* run: "text", "json" or "journal"; NULL: as standard error is */
    const char *loop;       /* "auto", "uring" or "epoll"; NULL: auto */
    unsigned shards;        /* 0: one a processor */
    size_t message_bytes_max;
    unsigned silence_ms;
    unsigned spawned_max;
    unsigned monitors_max;
    unsigned spawn_rate;
    unsigned poll_us;
    unsigned timeout_ms; /* as given, or 10,000; only meant where the command waits for answers */
    unsigned drain_ms;   /* run: to deliver what was accepted, at the end */
    unsigned probe_ms;   /* as given, or 2,000: for each of many nodes that are asked */
    const char *prefix;  /* NULL: none */
    const char *http;    /* PORT or HOST:PORT; NULL: not served */
    const char *http_token, *http_token_file;
    uint64_t count;                  /* 0: no limit */
    unsigned every_ms;               /* stats, top: from one look to the next; 0: not given */
    unsigned links, ports, families; /* stats: so many of each at most */
    bool once;                       /* top: one table, and no more */
    bool strict;                     /* config check: warnings are mistakes */
    bool ordinary;
    bool hold;
    bool all;
    bool json;
    bool help;
    bool version;
    char **arguments; /* what is neither command nor option */
    int argument_count;
    struct ptl_settings *settings; /* where each value comes from */
};

/*
 * Take the command line apart, and below it the environment and the configuration file, as far as
 * the command takes these: see tools/settings.h.  Returns PTL_EXIT_OK, or another code after a line
 * on standard error for each mistake.  Options may stand before and behind arguments; "--" ends
 * them, and what looks like a negative number is an argument.
 * Owns: ptl_options_free() frees what `options` refers to, whatever this returned.
 */
int ptl_options_parse(int argc, char **argv, struct ptl_options *options);
void ptl_options_free(struct ptl_options *options);

/* Print one line, "portolan: ...", on standard error; returns `code`. */
int ptl_complain(enum ptl_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The commands; each returns an exit code. */
int ptl_command_run(const struct ptl_options *options);
int ptl_command_snd(const struct ptl_options *options);
int ptl_command_cal(const struct ptl_options *options);
int ptl_command_mon(const struct ptl_options *options);
int ptl_command_spawn(const struct ptl_options *options);
int ptl_command_db(const struct ptl_options *options);
int ptl_command_nodes(const struct ptl_options *options);
int ptl_command_trace(const struct ptl_options *options);
int ptl_command_top(const struct ptl_options *options);
int ptl_command_stats(const struct ptl_options *options);
int ptl_command_drain(const struct ptl_options *options);
int ptl_command_gensecret(const struct ptl_options *options);
int ptl_command_gencert(const struct ptl_options *options);
int ptl_command_config(const struct ptl_options *options);
int ptl_command_acl(const struct ptl_options *options);
int ptl_command_completion(const struct ptl_options *options);
int ptl_command_init(const struct ptl_options *options);
