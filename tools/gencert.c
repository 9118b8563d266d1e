#include "tools/certificate_maker.h"
#include "tools/command.h"

#include "engine/portolan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PAIR "cert.pem"
#define PAIR_NAME "portolan"
#define KEY_MODE 0600
#define CERTIFICATE_MODE 0644

/* ---- Files --------------------------------------------------------------------------------- */

/* Never one that is there, nor through a link.  The descriptor, or -1 after a complaint. */
static int make_file(const char *path, mode_t mode)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, mode);

    if (file < 0) {
        ptl_complain(PTL_EXIT_OTHER, "cannot make %s: %s%s", path, strerror(errno),
                     errno == EEXIST ? ": it is left as it is" : "");
    }
    return file;
}

/* Whatever the umask took away or left, a key is its owner's alone. */
static bool fill_file(int file, mode_t mode, const char *const texts[])
{
    bool good = mode != KEY_MODE || fchmod(file, mode) == 0;

    for (size_t i = 0; good && texts[i]; i++) {
        size_t size = strlen(texts[i]);
        errno = EIO; /* where it takes a part only */
        good = write(file, texts[i], size) == (ssize_t)size;
    }
    return good && fsync(file) == 0;
}

/* `texts` ends with NULL.  What cannot be written whole is not left behind. */
static int write_file(const char *path, mode_t mode, const char *const texts[])
{
    int file = make_file(path, mode);

    if (file < 0) {
        return PTL_EXIT_OTHER;
    }
    bool good = fill_file(file, mode, texts);
    int err = errno;
    good = close(file) == 0 && good;
    if (!good) {
        unlink(path);
        return ptl_complain(PTL_EXIT_OTHER, "cannot write %s: %s", path, strerror(err));
    }
    return PTL_EXIT_OK;
}

static int name_files(const char *base, char certificate[PATH_MAX], char key[PATH_MAX])
{
    if (snprintf(certificate, PATH_MAX, "%s.pem", base) >= PATH_MAX ||
        snprintf(key, PATH_MAX, "%s.key", base) >= PATH_MAX) {
        return ptl_complain(PTL_EXIT_OTHER, "%s.pem: the name is too long", base);
    }
    return PTL_EXIT_OK;
}

/* BASE.key first: a certificate without its key would be of no use. */
static int write_two(const char *base, const struct ptl_certificate *made, const char *what)
{
    const char *const certificate_text[] = {made->certificate, NULL};
    const char *const key_text[] = {made->key, NULL};
    char certificate[PATH_MAX], key[PATH_MAX];

    int code = name_files(base, certificate, key);
    if (code == PTL_EXIT_OK) {
        code = write_file(key, KEY_MODE, key_text);
    }
    if (code != PTL_EXIT_OK) {
        return code;
    }
    code = write_file(certificate, CERTIFICATE_MODE, certificate_text);
    if (code != PTL_EXIT_OK) {
        unlink(key);
        return code;
    }
    return printf("%s and %s are written: %s\n", certificate, key, what) < 0 || fflush(stdout) != 0
               ? ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno))
               : PTL_EXIT_OK;
}

static int read_text(const char *path, bool has_key, char text[PTL_PEM_MAX])
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t size = file < 0 || fstat(file, &status) != 0 ? -1 : read(file, text, PTL_PEM_MAX - 1);
    int err = errno;

    if (file >= 0) {
        close(file);
    }
    if (size < 0) {
        return ptl_complain(PTL_EXIT_START, "cannot read %s: %s", path, strerror(err));
    }
    text[size] = '\0';
    if (has_key && S_ISREG(status.st_mode) && (status.st_mode & 077) != 0) {
        return ptl_complain(PTL_EXIT_START,
                            "the key in %s can be read or written by others: type 'chmod 600 %s', "
                            "and make another authority if others may have read it",
                            path, path);
    }
    return PTL_EXIT_OK;
}

/* ---- What is made -------------------------------------------------------------------------- */

static unsigned days_of(const struct ptl_options *options)
{
    return options->days != 0 ? options->days : PTL_CERTIFICATE_DAYS;
}

static int complain_make(const char *why)
{
    return ptl_complain(PTL_EXIT_OTHER, "no certificate is made: %s", why);
}

static int make_pair(const struct ptl_options *options)
{
    const char *path = options->output ? options->output : DEFAULT_PAIR;
    struct ptl_certificate made;

    const char *why =
        ptl_certificate_make(PTL_CERTIFICATE_PAIR, PAIR_NAME, days_of(options), NULL, &made);
    if (why) {
        return complain_make(why);
    }
    const char *const texts[] = {made.key, made.certificate, NULL};
    int code = write_file(path, KEY_MODE, texts);
    explicit_bzero(&made, sizeof made);
    if (code == PTL_EXIT_OK &&
        (printf("%s is written: bring it to every node, which takes it by --cert\n", path) < 0 ||
         fflush(stdout) != 0)) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
    }
    return code;
}

static int make_authority(const struct ptl_options *options)
{
    const char *slash = strrchr(options->ca, '/');
    const char *name = slash ? slash + 1 : options->ca;
    struct ptl_certificate made;

    if (!ptl_certificate_takes(name)) {
        return ptl_complain(PTL_EXIT_USAGE, "--ca takes a name of 1 to 63 bytes, not '%s'", name);
    }
    const char *why =
        ptl_certificate_make(PTL_CERTIFICATE_AUTHORITY, name, days_of(options), NULL, &made);
    int code = why ? complain_make(why)
                   : write_two(options->ca, &made,
                               "an authority; its certificate goes to every node (--tls-ca), its "
                               "key to none");
    explicit_bzero(&made, sizeof made);
    return code;
}

static int make_node(const struct ptl_options *options, const char *node,
                     const struct ptl_certificate *authority)
{
    struct ptl_certificate made;

    const char *why =
        ptl_certificate_make(PTL_CERTIFICATE_NODE, node, days_of(options), authority, &made);
    int code = why ? complain_make(why)
                   : write_two(options->output ? options->output : node, &made,
                               "for that node alone (--tls-cert, --tls-key)");
    explicit_bzero(&made, sizeof made);
    return code;
}

/* Before anything is made. */
static int check_nodes(const struct ptl_options *options)
{
    if (options->output && options->argument_count > 1) {
        return ptl_complain(PTL_EXIT_USAGE,
                            "--output is the name of one node's files: there are "
                            "%d nodes",
                            options->argument_count);
    }
    for (int i = 0; i < options->argument_count; i++) {
        const char *node = options->arguments[i];
        if (!ptl_certificate_takes(node) || strlen(node) > PTL_NODE_ID_MAX ||
            strchr(node, '#') != NULL) {
            return ptl_complain(PTL_EXIT_USAGE,
                                "'%s' cannot stand in a certificate: a node's ID has no '#', and "
                                "at most 63 bytes where it is not ASCII",
                                node);
        }
        if (!options->output && (strchr(node, '/') != NULL || node[0] == '.')) {
            return ptl_complain(PTL_EXIT_USAGE,
                                "'%s' is no name for a file: name its files with --output", node);
        }
    }
    return PTL_EXIT_OK;
}

static int make_nodes(const struct ptl_options *options)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    struct ptl_certificate authority;

    int code = check_nodes(options);
    if (code == PTL_EXIT_OK) {
        code = name_files(options->ca, certificate, key);
    }
    if (code == PTL_EXIT_OK) {
        code = read_text(certificate, false, authority.certificate);
    }
    if (code == PTL_EXIT_OK) {
        code = read_text(key, true, authority.key);
    }
    for (int i = 0; code == PTL_EXIT_OK && i < options->argument_count; i++) {
        code = make_node(options, options->arguments[i], &authority);
    }
    explicit_bzero(&authority, sizeof authority);
    return code;
}

int ptl_command_gencert(const struct ptl_options *options)
{
    if (!options->ca && options->argument_count > 0) {
        return ptl_complain(PTL_EXIT_USAGE, "a certificate for a node needs an authority: the form "
                                            "is gencert --ca NAME [NODE...], or gencert alone");
    }
    if (!options->ca) {
        return make_pair(options);
    }
    if (options->argument_count > 0) {
        return make_nodes(options);
    }
    return options->output ? ptl_complain(PTL_EXIT_USAGE, "--ca says how an authority's files are "
                                                          "named: leave --output away")
                           : make_authority(options);
}
