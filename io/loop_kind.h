/*
 * io/loop_kind.h - which of the kernel's interfaces moves a node's bytes and time.
 */
#pragma once

enum ptl_loop_kind {
    PTL_LOOP_AUTO,  /* io_uring where it can be had, else epoll, and the log says why */
    PTL_LOOP_URING, /* io_uring (Linux 6.1), or an error: the faster one */
    PTL_LOOP_EPOLL, /* epoll: older kernels, and containers that forbid io_uring */
};
