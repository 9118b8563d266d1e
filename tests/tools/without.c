/*
 * Runs a command under a seccomp filter in which some system calls fail, as a container's profile
 * does:
 *
 *   without EPERM io_uring_setup,epoll_pwait2 -- COMMAND [ARGUMENT...]
 *
 * All that the command starts has it too.  So ctest itself can be the command: every test then runs
 * where there is no io_uring.  Exit code 77: this machine lets nobody have such a filter.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS_MAX 8
#define NO_FILTER 77

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    {"io_uring_setup", SYS_io_uring_setup},
    {"io_uring_enter", SYS_io_uring_enter},
    {"io_uring_register", SYS_io_uring_register},
    {"epoll_pwait2", SYS_epoll_pwait2},
};

static const struct {
    const char *name;
    unsigned number;
} errors[] = {{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM}};

static int complain(const char *what, const char *word)
{
    fprintf(stderr, "without: %s %s\n", what, word);
    return 2;
}

static unsigned error_of(const char *word)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(errors[i].name, word) == 0) {
            return errors[i].number;
        }
    }
    exit(complain("no error is called", word));
}

static unsigned call_of(const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strlen(calls[i].name) == size && memcmp(calls[i].name, word, size) == 0) {
            return calls[i].number;
        }
    }
    exit(complain("no call is known as", word));
}

/* Load the number; for each of the calls, if it is that one return the error; else allow it. */
static int forbid(const char *list, unsigned error)
{
    struct sock_filter filter[2 + 2 * CALLS_MAX] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short count = 1;

    for (const char *word = list; *word != '\0' && count < 2 * CALLS_MAX;) {
        size_t size = strcspn(word, ",");
        filter[count++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call_of(word, size), 0, 1);
        filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
        word += size + (word[size] == ',');
    }
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

    const struct sock_fprog program = {.len = count, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("without: no filter");
        return NO_FILTER;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5 || strcmp(argv[3], "--") != 0) {
        return complain("the form is:", "without ERROR CALL[,CALL...] -- COMMAND [ARGUMENT...]");
    }
    int code = forbid(argv[2], error_of(argv[1]));
    if (code != 0) {
        return code;
    }
    execvp(argv[4], argv + 4);
    return complain("cannot run", argv[4]);
}
