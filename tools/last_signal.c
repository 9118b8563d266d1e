#include "tools/last_signal.h"

#include "tools/command.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* Nothing but what POSIX lets a handler call. */
static void end_now(int number)
{
    static const char line[] = "portolan: a second signal: ended at once, what was not delivered "
                               "yet is lost\n";
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};

    (void)number;
    if (poll(&output, 1, 0) == 1 && (output.revents & POLLOUT)) {
        ssize_t count = write(STDERR_FILENO, line, sizeof line - 1);
        (void)count; /* there is nobody left to tell */
    }
    _exit(PTL_EXIT_LOST);
}

void ptl_last_signal(void)
{
    struct sigaction action = {.sa_handler = end_now};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
