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

/* The same, of what mostly is a name of a few words: to compare any number of bytes is a call. */
static inline bool ptl_span_same(struct ptl_span a, struct ptl_span b)
{
    uint64_t x[4], y[4];

    if (a.size == b.size && a.size >= 16 && a.size <= 32) {
        memcpy(x, a.bytes, 16);
        memcpy(x + 2, a.bytes + a.size - 16, 16);
        memcpy(y, b.bytes, 16);
        memcpy(y + 2, b.bytes + b.size - 16, 16);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
    }
    if (a.size == b.size && a.size >= 8 && a.size < 16) {
        memcpy(x, a.bytes, 8);
        memcpy(x + 1, a.bytes + a.size - 8, 8);
        memcpy(y, b.bytes, 8);
        memcpy(y + 1, b.bytes + b.size - 8, 8);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
    }
    return ptl_span_equal(a, b);
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
