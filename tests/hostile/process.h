/*
 * tests/hostile/process.h - a child of the driver: a node, or an attacker; what it says, line by
 * line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process;
typedef void process_line_fn(struct process *process, bool error, const char *line, void *data);

struct process_options {
    uint64_t address_space; /* bytes; 0: no limit */
    unsigned files_soft;    /* descriptors; 0: as they are */
    unsigned files_hard;
    int nice; /* added */
};

struct stream {
    int fd; /* -1: it has ended */
    size_t size;
    char line[1024];
};

struct process {
    pid_t pid;
    struct stream out, error;
    bool ended;
    int status; /* of waitpid(), once ended */
    process_line_fn *tell;
    void *data;
};

/* Start; exits when that is not possible. */
void process_start(struct process *process, char *const arguments[],
                   const struct process_options *options, process_line_fn *tell, void *data);

/* Read what there is of one stream: to be called when it polls readable. */
void process_read(struct process *process, struct stream *stream);

/* Whether it has ended. */
bool process_ended(struct process *process);

/* Its memory in KiB by that name of /proc/PID/status ("VmRSS", "VmHWM", "VmPeak"), or 0. */
uint64_t process_memory(const struct process *process, const char *name);

/* Kill it if it is there, and close its streams. */
void process_drop(struct process *process);
