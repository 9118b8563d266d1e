/*
 * io/base.h - the few words every file above uses: a span of bytes and an assertion.
 */
#pragma once

#include "io/alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PTL_CACHE_LINE 64

/* What is not needed for most messages is kept out of the way of what is. */
#define PTL_APART __attribute__((noinline))

/* ... and what does is one function with its only caller, whatever its size. */
#define PTL_HOT_INLINE inline __attribute__((always_inline))

/* Between two looks at what another processor may change: leave it some of what both share. */
static inline void ptl_relax(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Bytes that belong to somebody else, and stay theirs. */
struct ptl_span {
    const uint8_t *bytes;
    size_t size;
};

static inline struct ptl_span ptl_span(const void *bytes, size_t size)
{
    return (struct ptl_span){.bytes = bytes, .size = size};
}

/* A copy of what mostly is a few words: one of no known size is a call. */
static inline void ptl_copy(uint8_t *to, const void *bytes, size_t size)
{
    const uint8_t *from = (const uint8_t *)bytes;

    if (size >= 16 && size <= 32) {
        uint64_t words[4];
        memcpy(words, from, 16);
        memcpy(words + 2, from + size - 16, 16);
        memcpy(to, words, 16);
        memcpy(to + size - 16, words + 2, 16);
    } else if (size >= 8 && size < 16) {
        uint64_t words[2];
        memcpy(words, from, 8);
        memcpy(words + 1, from + size - 8, 8);
        memcpy(to, words, 8);
        memcpy(to + size - 8, words + 1, 8);
    } else if (size != 0) {
        memcpy(to, from, size);
    }
}

static inline struct ptl_span ptl_span_text(const char *text)
{
    return ptl_span(text, strlen(text));
}

static inline bool ptl_span_equal(struct ptl_span a, struct ptl_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static inline struct ptl_span ptl_span_skip(struct ptl_span span, size_t size)
{
    return ptl_span(span.bytes + size, span.size - size);
}

/*
 * A programmer's mistake, on in every build: one fact each, and nothing a peer sends may trip one.
 */
#define ptl_assert(fact)                                                                           \
    (__builtin_expect(!!(fact), 1) ? (void)0 : ptl_assert_failed(#fact, __FILE__, __LINE__))

#define ptl_unreachable(why) ptl_assert_failed("unreachable: " why, __FILE__, __LINE__)

/* Says which fact and where on standard error, then aborts. */
_Noreturn void ptl_assert_failed(const char *fact, const char *file, int line);
