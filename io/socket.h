/*
 * io/socket.h - TCP sockets as the loops of a real system use them: made, listening, and what is
 * asked of one beside moving bytes.
 *
 * Errors are -errno.  Thread: any, for all of it.
 */
#pragma once

#include "io/address.h"

/*
 * A socket of the address's family, and the address in the kernel's form; `flags` are socket(2)'s
 * own beside SOCK_CLOEXEC.  Returns the descriptor, PTL_EADDRESS or -errno.
 */
PTL_MUST_CHECK int ptl_socket_open(const struct ptl_address *address, int flags,
                                   union ptl_sockaddr *sockaddr, socklen_t *size);

/*
 * One that listens.  Blocks for up to three seconds while another listens there.  `bound` (may be
 * NULL) tells where it is.  Returns and `flags`: as above.
 */
PTL_MUST_CHECK int ptl_socket_listen(const struct ptl_address *address, int flags,
                                     struct ptl_address *bound);

/* As ptl_stream_finish(), of a connection. */
void ptl_socket_finish(int fd);

/* Every stream of a loop of a real system begins with this, so what is only asked of the kernel is
 * the same for all of them. */
struct ptl_socket {
    int fd;
};

/* As ptl_stream_user_timeout(), _keep_short() and _unconfirmed(), in the form of struct
 * ptl_loop_ops. */
void ptl_socket_user_timeout(struct ptl_loop *loop, struct ptl_stream *stream,
                             uint32_t milliseconds);
void ptl_socket_keep_short(struct ptl_loop *loop, struct ptl_stream *stream);
size_t ptl_socket_unconfirmed(struct ptl_loop *loop, struct ptl_stream *stream);

/* As ptl_loop_discard(), in the form of struct ptl_loop_ops. */
void ptl_socket_discard(struct ptl_loop *loop, int handle);
