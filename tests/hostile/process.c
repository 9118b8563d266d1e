#include "tests/hostile/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit limits = {.rlim_cur = soft, .rlim_max = hard};

    if (soft != 0 && setrlimit(resource, &limits) < 0) {
        perror("hostile: setrlimit");
    }
}

static _Noreturn void run_child(char *const arguments[], const struct process_options *options,
                                int out, int error)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(error, STDERR_FILENO);
    limit(RLIMIT_NOFILE, options->files_soft, options->files_hard);
    limit(RLIMIT_AS, options->address_space, options->address_space);
    if (options->nice != 0 && nice(options->nice) == -1 && errno != 0) {
        perror("hostile: nice");
    }
    unsetenv("PORTOLAN_SEED");
    unsetenv("PORTOLAN_SECRET");
    execv(arguments[0], arguments);
    perror(arguments[0]);
    _exit(127);
}

void process_start(struct process *process, char *const arguments[],
                   const struct process_options *options, process_line_fn *tell, void *data)
{
    int out[2], error[2];

    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0) {
        perror("hostile: pipe");
        exit(2);
    }
    *process = (struct process){
        .out.fd = out[0],
        .error.fd = error[0],
        .tell = tell,
        .data = data,
    };
    process->pid = fork();
    if (process->pid == 0) {
        errno = 0;
        run_child(arguments, options, out[1], error[1]);
    }
    if (process->pid < 0) {
        perror("hostile: fork");
        exit(2);
    }
    close(out[1]);
    close(error[1]);
}

static void take(struct process *process, struct stream *stream, char byte)
{
    if (byte != '\n') {
        if (stream->size + 1 < sizeof(stream->line)) {
            stream->line[stream->size++] = byte;
        }
        return;
    }
    stream->line[stream->size] = 0;
    stream->size = 0;
    process->tell(process, stream == &process->error, stream->line, process->data);
}

void process_read(struct process *process, struct stream *stream)
{
    char bytes[16384];
    ssize_t size = read(stream->fd, bytes, sizeof(bytes));

    if (size <= 0) {
        close(stream->fd);
        stream->fd = -1;
        return;
    }
    for (ssize_t i = 0; i < size; i++) {
        take(process, stream, bytes[i]);
    }
}

bool process_ended(struct process *process)
{
    if (!process->ended && process->pid > 0 &&
        waitpid(process->pid, &process->status, WNOHANG) == process->pid) {
        process->ended = true;
    }
    return process->ended;
}

uint64_t process_memory(const struct process *process, const char *name)
{
    char path[64], line[256];
    unsigned long long found = 0;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)process->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            (void)sscanf(line + strlen(name) + 1, "%llu", &found);
        }
    }
    fclose(file);
    return found;
}

void process_drop(struct process *process)
{
    if (process->pid > 0 && !process_ended(process)) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, &process->status, 0);
        process->ended = true;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct stream *stream = i == 0 ? &process->out : &process->error;
        if (stream->fd >= 0) {
            close(stream->fd);
        }
        stream->fd = -1;
    }
}
