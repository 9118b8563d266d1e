/* What the machine is, and how it goes: kernel, process 1, clock, log. */
#include "tools/doctor/examination.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DISK_LEAST (64ull << 20) /* bytes that a disk should have left for the log */

void ptl_examine_kernel(struct ptl_examination *examination)
{
    struct utsname name;

    if (uname(&name) == 0) {
        ptl_report_ok(examination->report, "kernel", "%s %s, %s", name.sysname, name.release,
                      name.machine);
    }
}

/* Of a container it may be the node itself, which then takes its signals and has no children. */
void ptl_examine_process_1(struct ptl_examination *examination)
{
    char name[64] = "";
    FILE *file = fopen("/proc/1/comm", "re");
    bool is_read = file && fgets(name, sizeof name, file);

    if (file) {
        fclose(file);
    }
    if (!is_read) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "process 1",
                       "mount /proc: without it much of what follows is not known either",
                       "it is not known: there is no /proc");
        return;
    }
    name[strcspn(name, "\n")] = '\0';
    ptl_report_ok(examination->report, "process 1", "%s%s", name,
                  getpid() == 1 ? ", this one: a node takes its signals as process 1, too" : "");
}

/* ---- The clock ----------------------------------------------------------------------------- */

/* A node's own time comes from elsewhere; but whoever compares logs, and TLS, need this one. */
void ptl_examine_clock(struct ptl_examination *examination)
{
    struct timex state = {.modes = 0};
    int result = adjtimex(&state);

    if (result < 0) {
        ptl_report_ok(examination->report, "clock",
                      "whether it is kept right is not told to this process: %s", strerror(errno));
    } else if (result == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "clock",
                       "have chrony or systemd-timesyncd keep it; in a container or virtual "
                       "machine its host may do so unseen",
                       "nobody keeps it right, as far as the kernel knows");
    } else {
        ptl_report_ok(examination->report, "clock", "kept right, to %ld ms", state.maxerror / 1000);
    }
}

/* ---- The log ------------------------------------------------------------------------------- */

static const char *kind_of(mode_t mode)
{
    return S_ISREG(mode)    ? "a file"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISCHR(mode)  ? "a terminal or device"
                            : "no file";
}

/* NULL: it can be written. */
static const char *what_is_wrong(const struct stat *status)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    struct statvfs disk;
    int flags = fcntl(STDERR_FILENO, F_GETFL);

    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
        return "standard error is closed or not open for writing: all lines will be lost";
    }
    if (poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR) != 0) {
        return "nobody reads standard error any more: all lines will be lost";
    }
    if (S_ISREG(status->st_mode) && fstatvfs(STDERR_FILENO, &disk) == 0 &&
        disk.f_bavail * disk.f_frsize < DISK_LEAST) {
        return "the disk of the log is nearly full: lines that have no room are lost";
    }
    return NULL;
}

void ptl_examine_log(struct ptl_examination *examination)
{
    static const char *const formats[] = {"text", "json", "journal"};
    struct stat status = {.st_mode = 0};

    fstat(STDERR_FILENO, &status);
    const char *wrong = what_is_wrong(&status);
    if (wrong) {
        ptl_report_add(examination->report, PTL_VERDICT_WARNING, "log",
                       "let standard error lead to where there is room, and somebody who reads",
                       "%s", wrong);
        return;
    }
    ptl_report_ok(examination->report, "log", "to standard error, here %s, as %s",
                  kind_of(status.st_mode),
                  formats[ptl_journal_format(examination->options->log_format)]);
}
