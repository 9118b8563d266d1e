/*
 * tests/fuzz/input.h - a fuzzer's bytes, read as choices from the front; past the end all are zero.
 *
 * A target is one function, LLVMFuzzerTestOneInput().  What it does hangs on its input alone: no
 * clock, no chance, and nothing is kept from one input to the next.  ptl_assert() says what must
 * hold, and ends the run where it does not.
 */
#pragma once

#include "io/base.h"

/* Of libFuzzer: called once for each input, and once before the first. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct fuzz_input fuzz_input(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){.at = data, .end = data + size};
}

static inline bool fuzz_is_empty(const struct fuzz_input *input)
{
    return input->at == input->end;
}

static inline unsigned fuzz_byte(struct fuzz_input *input)
{
    return fuzz_is_empty(input) ? 0 : *input->at++;
}

/* The lower byte first. */
static inline unsigned fuzz_two_bytes(struct fuzz_input *input)
{
    unsigned low = fuzz_byte(input);

    return low | fuzz_byte(input) << 8;
}

/* The next `size` bytes, or as many as are left. */
static inline struct ptl_span fuzz_take(struct fuzz_input *input, size_t size)
{
    size_t left = (size_t)(input->end - input->at);
    struct ptl_span taken = ptl_span(input->at, size < left ? size : left);

    input->at += taken.size;
    return taken;
}

static inline struct ptl_span fuzz_rest(struct fuzz_input *input)
{
    return fuzz_take(input, (size_t)(input->end - input->at));
}

/*
 * Into which pieces bytes are cut: 0 leaves them whole, other seeds have pieces of up to as many
 * bytes, from the seed's own sequence.
 */
struct fuzz_cuts {
    uint32_t state;
    uint32_t size_max;
};

static inline struct fuzz_cuts fuzz_cuts(unsigned seed)
{
    return (struct fuzz_cuts){.state = seed * UINT32_C(2654435761) + 1, .size_max = seed};
}

/* The size of the next piece of what has `left` bytes, 1 at least unless there are none. */
static inline size_t fuzz_cut(struct fuzz_cuts *cuts, size_t left)
{
    if (cuts->size_max == 0 || left == 0) {
        return left;
    }
    cuts->state = cuts->state * UINT32_C(1664525) + UINT32_C(1013904223);
    size_t size = 1 + (cuts->state >> 16) % cuts->size_max;
    return size < left ? size : left;
}
