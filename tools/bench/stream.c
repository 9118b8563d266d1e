#include "tools/bench/stream.h"

#include <stdlib.h>

#define CAPACITY_MAX ((uint32_t)1 << 30)

static bool grow(struct ptl_bench_stream *stream)
{
    uint32_t capacity = stream->capacity > 0 ? stream->capacity * 2 : 1;
    struct ptl_bench_pending *ring =
        capacity <= CAPACITY_MAX ? malloc(capacity * sizeof *ring) : NULL;

    if (!ring) {
        return false;
    }
    for (uint32_t at = stream->first; at != stream->end; at++) {
        ring[at & (capacity - 1)] = stream->pending[at & (stream->capacity - 1)];
    }
    free(stream->pending);
    stream->pending = ring;
    stream->capacity = capacity;
    return true;
}

bool ptl_bench_stream_push(struct ptl_bench_stream *stream, const struct ptl_bench_pending *pending)
{
    if (stream->end - stream->first == stream->capacity && !grow(stream)) {
        return false;
    }
    stream->pending[stream->end++ & (stream->capacity - 1)] = *pending;
    return true;
}

const struct ptl_bench_pending *ptl_bench_stream_oldest(const struct ptl_bench_stream *stream)
{
    return stream->first == stream->end ? NULL
                                        : &stream->pending[stream->first & (stream->capacity - 1)];
}

void ptl_bench_stream_pop(struct ptl_bench_stream *stream)
{
    stream->first++;
}

void ptl_bench_stream_free(struct ptl_bench_stream *stream)
{
    ptl_msg_free(stream->same);
    stream->same = NULL;
    free(stream->pending);
    stream->pending = NULL;
}
