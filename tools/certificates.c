#include "tools/certificates.h"

#include "tools/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20) /* bytes of a file; more than any node takes */

static bool is_open_to_others(int file)
{
    struct stat status;

    return fstat(file, &status) != 0 || (S_ISREG(status.st_mode) && (status.st_mode & 077) != 0);
}

/* The whole of it and a NUL; NULL, and errno says why. */
static char *read_text(int file)
{
    char *text = calloc(1, FILE_MAX + 1);
    size_t size = 0;
    ssize_t count = text ? 1 : -1;

    while (count > 0 && size < FILE_MAX) {
        count = read(file, text + size, FILE_MAX - size);
        size += count > 0 ? (size_t)count : 0;
        count = count < 0 && errno == EINTR ? 1 : count;
    }
    if (text && (count != 0 || size == 0)) {
        int err = count < 0 ? errno : size == 0 ? ENODATA : EFBIG;
        free(text);
        text = NULL;
        errno = err;
    }
    return text;
}

static bool is_regular(int file)
{
    struct stat status;

    return fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

/* `again`: while the node runs, which waits for nobody. */
static int read_file(const char *option, const char *path, bool has_key, bool again, char **text)
{
    int wait = again ? O_NONBLOCK : 0; /* for the writer of a pipe */
    int file = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | wait) : -1;
    int code = PTL_EXIT_OK;

    if (!path) {
        return PTL_EXIT_OK;
    }
    if (file < 0) {
        return ptl_complain(PTL_EXIT_START, "%s: cannot open %s: %s", option, path,
                            strerror(errno));
    }
    if (again && !is_regular(file)) {
        code =
            ptl_complain(PTL_EXIT_START, "%s: %s is no file but a pipe or device: it is read once",
                         option, path);
    } else if (has_key && is_open_to_others(file)) {
        code = ptl_complain(PTL_EXIT_START,
                            "%s: the key in %s can be read or written by others: type 'chmod "
                            "600 %s', and make another key if others may have read it",
                            option, path, path);
    } else {
        *text = read_text(file);
        if (!*text) {
            code = ptl_complain(PTL_EXIT_START, "%s: cannot read %s: %s", option, path,
                                strerror(errno));
        }
    }
    close(file);
    return code;
}

/* An option as a complaint names it: "portolan.conf:12: tls-key", or "--tls-key". */
static void name_option(const struct ptl_options *options, const char *option,
                        char name[PTL_WHERE_MAX + 32])
{
    char where[PTL_WHERE_MAX];

    ptl_settings_line(options->settings, option, where);
    snprintf(name, PTL_WHERE_MAX + 32, "%s%s%s", where, where[0] != '\0' ? "" : "--", option);
}

/* What cannot be meant. */
static int check(const struct ptl_options *options)
{
    bool any = options->tls_cert || options->tls_key || options->tls_ca || options->tls_crl;
    bool whole = options->tls_cert && options->tls_key && options->tls_ca;
    bool wanted = options->tls_verify_node || (options->tls && strcmp(options->tls, "off") != 0);

    if (options->cert && any) {
        return ptl_complain(
            PTL_EXIT_START,
            "cert is the only certificate there is: leave tls-cert, tls-key, tls-ca "
            "and tls-crl away, or cert");
    }
    if (any && !whole) {
        return ptl_complain(PTL_EXIT_START,
                            "tls-cert, tls-key and tls-ca are given together or not at all");
    }
    if (wanted && !options->cert && !whole) {
        return ptl_complain(PTL_EXIT_START, "TLS needs a certificate: give cert, or tls-cert, "
                                            "tls-key and tls-ca");
    }
    return PTL_EXIT_OK;
}

int ptl_certificates_read(const struct ptl_options *options, struct ptl_certificates *certificates)
{
    const struct {
        const char *option;
        const char *path;
        bool has_key;
        char **text;
    } files[] = {
        {"cert", options->cert, true, &certificates->pair},
        {"tls-cert", options->tls_cert, false, &certificates->cert},
        {"tls-key", options->tls_key, true, &certificates->key},
        {"tls-ca", options->tls_ca, false, &certificates->ca},
        {"tls-crl", options->tls_crl, false, &certificates->crl},
    };
    int code = check(options);

    *certificates = (struct ptl_certificates){.pair = NULL};
    for (size_t i = 0; code == PTL_EXIT_OK && i < sizeof files / sizeof files[0]; i++) {
        char name[PTL_WHERE_MAX + 32];
        name_option(options, files[i].option, name);
        code = read_file(name, files[i].path, files[i].has_key, options->settings->is_again,
                         files[i].text);
    }
    if (code != PTL_EXIT_OK) {
        ptl_certificates_drop(certificates);
    }
    return code;
}

static void wipe(char **text)
{
    if (*text) {
        explicit_bzero(*text, FILE_MAX);
        free(*text);
        *text = NULL;
    }
}

void ptl_certificates_drop(struct ptl_certificates *certificates)
{
    wipe(&certificates->pair);
    wipe(&certificates->cert);
    wipe(&certificates->key);
    wipe(&certificates->ca);
    wipe(&certificates->crl);
}
