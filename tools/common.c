#include "tools/common.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ptl_journal *complaints; /* of a node that runs; standard error may wait */
static enum ptl_log_format complaint_format;
static const char *complaint_node;

void ptl_complain_to(struct ptl_journal *journal)
{
    complaints = journal;
}

void ptl_complain_as(enum ptl_log_format format, const char *node_id)
{
    complaint_format = format;
    complaint_node = node_id;
}

static void print_complaint(const char *text)
{
    char line[PTL_LOG_LINE_MAX];

    if (complaint_format == PTL_LOG_TEXT) {
        fprintf(stderr, "portolan: %s\n", text);
        return;
    }
    ptl_log_line(complaint_format, complaint_node, PTL_LOG_ERROR, text, line);
    fputs(line, stderr);
}

int ptl_complain(enum ptl_exit code, const char *format, ...)
{
    char line[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\r') {
            *at = ' '; /* whatever was typed, a complaint is one line */
        }
    }
    if (complaints) {
        ptl_journal_log(complaints, PTL_LOG_ERROR, line);
    } else {
        print_complaint(line);
    }
    return (int)code;
}

void ptl_host_name(char name[PTL_NODE_ID_MAX])
{
    if (gethostname(name, PTL_NODE_ID_MAX) != 0 || name[0] == '\0') {
        snprintf(name, PTL_NODE_ID_MAX, "localhost");
    }
    name[PTL_NODE_ID_MAX - 1] = '\0';
}

static enum ptl_tls_use tls_use(const char *word)
{
    if (!word) {
        return PTL_TLS_IF_GIVEN;
    }
    return strcmp(word, "off") == 0     ? PTL_TLS_OFF
           : strcmp(word, "allow") == 0 ? PTL_TLS_ALLOW
                                        : PTL_TLS_REQUIRE;
}

/* Words that the options' table has let pass. */
static enum ptl_loop_kind loop_kind(const char *word)
{
    return word && strcmp(word, "uring") == 0   ? PTL_LOOP_URING
           : word && strcmp(word, "epoll") == 0 ? PTL_LOOP_EPOLL
                                                : PTL_LOOP_AUTO;
}

struct ptl_node_options ptl_common_options(const struct ptl_options *options, const char *id,
                                           const struct ptl_secret *secret,
                                           struct ptl_journal *journal)
{
    return (struct ptl_node_options){
        .size = sizeof(struct ptl_node_options),
        .id = id,
        .secret = secret->own.bytes,
        .secret_size = secret->own.size,
        .other_secret = secret->other.bytes,
        .other_secret_size = secret->other.size,
        .framings = options->framings,
        .shards = options->shards,
        .log_level = journal->level,
        .log = ptl_journal_log,
        .log_data = journal,
        .message_bytes_max = options->message_bytes_max,
        .spawned_max = options->spawned_max,
        .monitors_max = options->monitors_max,
        .spawn_rate = options->spawn_rate,
        .poll_us = options->poll_us,
        .loop = loop_kind(options->loop),
        .silence_ms = options->silence_ms,
        .tls = tls_use(options->tls),
        .tls_pair = secret->certificates.pair,
        .tls_cert = secret->certificates.cert,
        .tls_key = secret->certificates.key,
        .tls_ca = secret->certificates.ca,
        .tls_crl = secret->certificates.crl,
        .tls_verify_node = options->tls_verify_node,
        .tls_anonymous = options->tls_anonymous,
    };
}

void ptl_signals_hold(sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    if (getpid() == 1) { /* to which they are nothing unless they are taken */
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
    }
    sigprocmask(SIG_BLOCK, &set, before);
}

void ptl_signals_let_go(const sigset_t *before)
{
    sigprocmask(SIG_SETMASK, before, NULL);
}

/* A process 1 is left the children of others: where it does not care for their ends they are gone
 * at once, but for those that came before. */
static void let_orphans_go(void)
{
    if (getpid() == 1) {
        signal(SIGCHLD, SIG_IGN);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
}

int ptl_signals_open(bool all)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    let_orphans_go();
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (all) {
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGUSR2);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -errno;
    }
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

/* What to do about an address, where the kernel's own text does not say it. */
static const char *advice(int err)
{
    switch (err) {
    case -EADDRINUSE:
        return ": something listens there already, choose another address with --bind";
    case -EADDRNOTAVAIL:
        return ": no interface of this host has that address";
    case -EACCES:
        return ": ports below 1024 need privileges, choose another with --bind";
    }
    return "";
}

int ptl_complain_start(struct ptl_journal *journal, int err)
{
    char line[PTL_JOURNAL_LINE_MAX];

    ptl_journal_held(journal, "", line);
    if (line[0] != '\0') {
        return ptl_complain(PTL_EXIT_START, "%s%s", line, advice(err));
    }
    return ptl_complain(PTL_EXIT_START, "cannot start: %s%s", ptl_err_text(err), advice(err));
}

int ptl_complain_form(const char *form)
{
    return ptl_complain(PTL_EXIT_USAGE, "the form is: portolan %s", form);
}

int ptl_complain_refused(const char *what, int err)
{
    return ptl_complain(PTL_EXIT_OTHER, "cannot %s: %s", what, ptl_err_text(err));
}

bool ptl_client_is_id(const char *id)
{
    const char *mark = strstr(id, "/cli/");

    return mark && strlen(mark + 5) == 16 && strspn(mark + 5, "0123456789abcdef") == 16;
}

bool ptl_is_text(const char *text, size_t size)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    bool good = ptl_put_text(&writer, text, size) == 0;
    ptl_writer_drop(&writer);
    return good;
}

void ptl_put_string(struct ptl_writer *writer, const char *text, size_t size)
{
    if (ptl_is_text(text, size)) {
        ptl_put_text(writer, text, size);
    } else {
        ptl_put_bytes(writer, text, size);
    }
}
