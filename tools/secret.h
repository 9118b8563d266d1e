/*
 * tools/secret.h - where the secret comes from that proves who belongs to the network.
 *
 *   secret, secret-file (as flag, variable or in a configuration), or the user's own file, made on
 *   first use:
 *   $XDG_CONFIG_HOME/portolan/secret, else ~/.config/portolan/secret
 *
 * accept-secret-file is a file with another one that others may prove with, too, while a network
 * changes its secret.
 * A file that others than its owner may read is refused.  What proves the same by TLS is read along
 * with it: tools/certificates.h.
 */
#pragma once

#include "tools/certificates.h"
#include "tools/command.h"

#include <limits.h>
#include <stddef.h>

#define PTL_SECRET_MAX 4096     /* bytes of a secret; the line end of a file's is not one of them */
#define PTL_SECRET_OPEN_MIN 16  /* bytes of a secret where an address is not loopback */
#define PTL_SECRET_TEXT_SIZE 65 /* a generated secret, its NUL included */

struct ptl_secret_text {
    char bytes[PTL_SECRET_MAX];
    size_t size; /* 0: none */
};

struct ptl_secret {
    struct ptl_secret_text own;   /* what we prove with */
    struct ptl_secret_text other; /* what others may prove with, too: accept-secret-file */
    struct ptl_certificates certificates;
};

/*
 * Find the secret and the certificates.  Where peers are proved by certificates alone (`tls =
 * require`) and no secret is given, there is none, of size 0.
 * Owns: the caller, until ptl_secret_drop().  Returns PTL_EXIT_OK, or PTL_EXIT_START after one line
 * on standard error.
 */
int ptl_secret_find(const struct ptl_options *options, struct ptl_secret *secret);

/*
 * The same of a node that runs, without the certificates, waiting for nobody and making no file;
 * what is no file, a pipe for one, cannot be read again and is as it was `before`.
 */
int ptl_secret_find_again(const struct ptl_options *options, const struct ptl_secret *before,
                          struct ptl_secret *secret);

/*
 * Read what is in a file that only its owner may read, without its line end.  `where` it was named
 * stands in front of a complaint, or is empty.  Returns as ptl_secret_find().
 */
int ptl_secret_read(const char *path, const char *where, struct ptl_secret_text *secret);

/* Whether a node of these options takes its user's own: none is given, and one is needed. */
bool ptl_secret_is_own(const struct ptl_options *options);

/* Complain of a secret of that size where an address is open to other machines.  Returns
 * PTL_EXIT_OK where it will do. */
int ptl_secret_judge_size(const struct ptl_options *options, size_t size);

/* The path of the user's own, whether or not it is there.  False when there is no home for it. */
bool ptl_secret_own(char path[PATH_MAX]);

/* Wipe it all; dropping twice is no error. */
void ptl_secret_drop(struct ptl_secret *secret);

/* 32 random bytes as 64 hexadecimal digits.  False when the system has none. */
bool ptl_secret_generate(char text[PTL_SECRET_TEXT_SIZE]);
