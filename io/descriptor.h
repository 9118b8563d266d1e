/*
 * io/descriptor.h - what ThreadSanitizer cannot see by itself: descriptors that io_uring closes.
 *
 * It sees descriptors come and go in calls of the C library, and takes one that comes twice for the
 * same thing, used by two threads that do not know of each other.  The kernel closes ours without
 * such a call, so whoever asks for that says so.
 */
#pragma once

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer's own, for programs that enter the kernel by themselves. */
void __sanitizer_syscall_pre_impl_close(long descriptor);
#endif

/* The kernel is about to be asked to close it, and nobody uses it any more. */
static inline void ptl_descriptor_closes(int descriptor)
{
#ifdef __SANITIZE_THREAD__
    __sanitizer_syscall_pre_impl_close(descriptor);
#else
    (void)descriptor;
#endif
}
