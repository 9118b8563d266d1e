/*
 * io/uring_features.h - what the loop on io_uring asks of the kernel.
 *
 * Linux 6.1 has all of it.  What is required and missing makes ptl_loop_uring()'s open fail with
 * PTL_EFEATURE, and ptl_loop_uring_missing() says which; what is optional has a substitute.
 */
#pragma once

enum ptl_uring_feature {
    PTL_URING_AT_ALL = 1 << 0,      /* compiled in, and not forbidden to this process */
    PTL_URING_DEFERRED = 1 << 1,    /* single issuer with deferred task work: Linux 6.1 */
    PTL_URING_WAIT = 1 << 2,        /* a time limit as an argument of the wait: Linux 5.11 */
    PTL_URING_NO_DROP = 1 << 3,     /* completions are never dropped: Linux 5.5 */
    PTL_URING_FAST_POLL = 1 << 4,   /* sockets are polled, not given to threads: Linux 5.7 */
    PTL_URING_VERBS = 1 << 5,       /* accept, connect, send, receive, cancel, close, read */
    PTL_URING_BUFFER_RING = 1 << 6, /* provided buffers as a ring: Linux 5.19 */
    PTL_URING_REQUIRED = (1 << 7) - 1,

    PTL_URING_MSG_RING = 1 << 7,  /* optional: a wake from ring to ring; else an eventfd */
    PTL_URING_NO_IOWAIT = 1 << 8, /* optional: waits count as idle, not as I/O wait: Linux 6.15 */
};

/*
 * What of the required this kernel lacks, as an operator's line, or NULL when nothing is missing.
 * It looks anew at each call.  Owns: the text is constant.  Thread: any.
 */
const char *ptl_loop_uring_missing(void);

/*
 * What a kernel with these features lacks that an operator may wonder about, or NULL: that an idle
 * node shows as I/O wait.  Owns and thread: as above.
 */
const char *ptl_loop_uring_remark(unsigned features);

/*
 * For tests: from now on every loop opened believes that the kernel lacks these features (a set of
 * enum ptl_uring_feature; 0: none).  Thread: any.
 */
void ptl_loop_uring_pretend(unsigned lacking);
