#include "tools/secret.h"

#include "tools/option_values.h"
#include "tools/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

bool ptl_secret_generate(char text[PTL_SECRET_TEXT_SIZE])
{
    unsigned char random[(PTL_SECRET_TEXT_SIZE - 1) / 2];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return false;
    }
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    }
    return true;
}

/* Read to the end; a secret that does not fit is none. */
static int read_all(int file, const char *path, const char *where, struct ptl_secret_text *secret)
{
    char buffer[PTL_SECRET_MAX + 3]; /* room for a line end and for one byte too many */
    size_t size = 0;
    ssize_t count;

    while (size < sizeof buffer) {
        count = read(file, buffer + size, sizeof buffer - size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return ptl_complain(PTL_EXIT_START, "%scannot read the secret in %s: %s", where, path,
                                strerror(errno));
        }
        if (count == 0) {
            break;
        }
        size += (size_t)count;
    }
    if (size > 0 && buffer[size - 1] == '\n') {
        size--;
        if (size > 0 && buffer[size - 1] == '\r') {
            size--;
        }
    }
    if (size == 0 || size > PTL_SECRET_MAX) {
        return ptl_complain(PTL_EXIT_START,
                            "%sthe secret in %s has no or more than %d bytes: write one with "
                            "'portolan gensecret >%s'",
                            where, path, PTL_SECRET_MAX, path);
    }
    memcpy(secret->bytes, buffer, size);
    secret->size = size;
    return PTL_EXIT_OK;
}

static int read_open_file(int file, const char *path, const char *where,
                          struct ptl_secret_text *secret)
{
    struct stat status;

    if (fstat(file, &status) != 0 || S_ISDIR(status.st_mode)) {
        return ptl_complain(PTL_EXIT_START, "%s%s is not a file: name one that holds the secret",
                            where, path);
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & 077) != 0) {
        return ptl_complain(PTL_EXIT_START,
                            "%sthe secret in %s can be read or written by others (mode %04o): type "
                            "'chmod 600 %s', and change the secret if others may have read it",
                            where, path, (unsigned)status.st_mode & 07777, path);
    }
    return read_all(file, path, where, secret);
}

int ptl_secret_read(const char *path, const char *where, struct ptl_secret_text *secret)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (file < 0) {
        return ptl_complain(PTL_EXIT_START, "%scannot open the secret in %s: %s", where, path,
                            strerror(errno));
    }
    int err = read_open_file(file, path, where, secret);
    close(file);
    return err;
}

/* "~/.config" or what stands for it; false when it does not fit or is unknown. */
static bool config_folder(char folder[PATH_MAX])
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int size;

    if (config && config[0] == '/') {
        size = snprintf(folder, PATH_MAX, "%s", config);
        return size < PATH_MAX;
    }
    if (!home || home[0] != '/') {
        const struct passwd *user = getpwuid(getuid());
        home = user ? user->pw_dir : NULL;
    }
    size = home ? snprintf(folder, PATH_MAX, "%s/.config", home) : PATH_MAX;
    return size < PATH_MAX;
}

/* Make the folder of `path` and those above it, for the user alone.  0 or -errno. */
static int make_folders(const char *path)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
            return -errno;
        }
        *slash = '/';
    }
    return 0;
}

static int write_secret(int file)
{
    char text[PTL_SECRET_TEXT_SIZE];

    if (!ptl_secret_generate(text)) {
        return -errno;
    }
    text[sizeof text - 1] = '\n';
    if (fchmod(file, 0600) != 0) { /* whatever the umask took away */
        return -errno;
    }
    ssize_t count = write(file, text, sizeof text);
    return count == (ssize_t)sizeof text ? 0 : count < 0 ? -errno : -EIO;
}

/*
 * Write a fresh secret beside `path` and link it there, so that of two processes that do this at
 * once both find the same whole file afterwards.  0 or -errno.
 */
static int make_file(const char *path)
{
    char fresh[PATH_MAX];

    int err = make_folders(path);
    if (err < 0) {
        return err;
    }
    if (snprintf(fresh, sizeof fresh, "%s.XXXXXX", path) >= (int)sizeof fresh) {
        return -ENAMETOOLONG;
    }
    int file = mkostemp(fresh, O_CLOEXEC);
    if (file < 0) {
        return -errno;
    }
    err = write_secret(file);
    close(file);
    if (err == 0 && link(fresh, path) != 0 && errno != EEXIST) {
        err = -errno;
    }
    unlink(fresh);
    return err;
}

bool ptl_secret_own(char path[PATH_MAX])
{
    char folder[PATH_MAX];

    return config_folder(folder) &&
           snprintf(path, PATH_MAX, "%s/portolan/secret", folder) < PATH_MAX;
}

static int own_secret(struct ptl_secret_text *secret)
{
    char path[PATH_MAX];

    if (!ptl_secret_own(path)) {
        return ptl_complain(PTL_EXIT_START, "there is no home directory to keep a secret in: give "
                                            "--secret-file or set PORTOLAN_SECRET");
    }
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        int err = make_file(path);
        if (err < 0) {
            return ptl_complain(PTL_EXIT_START,
                                "cannot make a secret in %s: %s: give --secret-file or set "
                                "PORTOLAN_SECRET",
                                path, strerror(-err));
        }
    }
    return ptl_secret_read(path, "", secret);
}

/* The one in the file that the option `key` names. */
static int named_secret(const struct ptl_options *options, const char *key, const char *path,
                        struct ptl_secret_text *secret)
{
    char where[PTL_WHERE_MAX];

    ptl_settings_line(options->settings, key, where);
    return ptl_secret_read(path, where, secret);
}

bool ptl_secret_is_own(const struct ptl_options *options)
{
    bool is_proved_by_tls = options->tls && strcmp(options->tls, "require") == 0;

    return !options->secret && !options->secret_file && !is_proved_by_tls;
}

static int find_own(const struct ptl_options *options, struct ptl_secret_text *secret)
{
    if (options->secret) { /* whose size was judged when it was taken */
        secret->size = strlen(options->secret);
        memcpy(secret->bytes, options->secret, secret->size);
        return PTL_EXIT_OK;
    }
    if (options->secret_file) {
        return named_secret(options, "secret-file", options->secret_file, secret);
    }
    return ptl_secret_is_own(options) ? own_secret(secret) : PTL_EXIT_OK;
}

static int find(const struct ptl_options *options, struct ptl_secret *secret)
{
    secret->own.size = secret->other.size = 0;
    int code = find_own(options, &secret->own);
    if (code == PTL_EXIT_OK && options->accept_secret_file && secret->own.size > 0) {
        code = named_secret(options, "accept-secret-file", options->accept_secret_file,
                            &secret->other);
    }
    return code;
}

/* ---- Of a node that runs ------------------------------------------------------------------- */

static bool is_no_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* `path` NULL: there is none, or it stands in the options. */
static int find_text_again(const struct ptl_options *options, const char *key, const char *path,
                           const struct ptl_secret_text *before, struct ptl_secret_text *secret)
{
    if (path && is_no_file(path)) {
        *secret = *before;
        return PTL_EXIT_OK;
    }
    return path ? named_secret(options, key, path, secret) : PTL_EXIT_OK;
}

int ptl_secret_find_again(const struct ptl_options *options, const struct ptl_secret *before,
                          struct ptl_secret *secret)
{
    char own[PATH_MAX] = "";
    const char *path = options->secret_file;
    int code = PTL_EXIT_OK;

    secret->own.size = secret->other.size = 0;
    if (options->secret) {
        code = find_own(options, &secret->own);
    } else {
        /* One that was the user's own is read, and not made anew where it is gone. */
        path = !path && ptl_secret_is_own(options) && ptl_secret_own(own) ? own : path;
        code = find_text_again(options, "secret-file", path, &before->own, &secret->own);
    }
    return code != PTL_EXIT_OK || secret->own.size == 0
               ? code
               : find_text_again(options, "accept-secret-file", options->accept_secret_file,
                                 &before->other, &secret->other);
}

/* -------------------------------------------------------------------------------------------- */

int ptl_secret_judge_size(const struct ptl_options *options, size_t size)
{
    const char *key;
    const char *address = ptl_open_address(options, &key);

    if (!address || size >= PTL_SECRET_OPEN_MIN || size == 0) {
        return PTL_EXIT_OK;
    }
    return ptl_complain(PTL_EXIT_START,
                        "the secret has %zu bytes, and %s = %s is open to other machines: "
                        "give it %d, say with 'portolan gensecret'",
                        size, key, address, PTL_SECRET_OPEN_MIN);
}

int ptl_secret_find(const struct ptl_options *options, struct ptl_secret *secret)
{
    int code = find(options, secret);

    return code == PTL_EXIT_OK ? ptl_certificates_read(options, &secret->certificates) : code;
}

void ptl_secret_drop(struct ptl_secret *secret)
{
    ptl_certificates_drop(&secret->certificates);
    explicit_bzero(&secret->own, sizeof secret->own);
    explicit_bzero(&secret->other, sizeof secret->other);
}

int ptl_command_gensecret(const struct ptl_options *options)
{
    char text[PTL_SECRET_TEXT_SIZE];

    if (options->argument_count > 0) {
        return ptl_complain(PTL_EXIT_USAGE, "gensecret takes no arguments");
    }
    if (!ptl_secret_generate(text)) {
        return ptl_complain(PTL_EXIT_OTHER, "the system has no random bytes: %s", strerror(errno));
    }
    return printf("%s\n", text) < 0 || fflush(stdout) != 0
               ? ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno))
               : PTL_EXIT_OK;
}
