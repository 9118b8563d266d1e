/*
 * tests/common/stream_end.h - ends of connections that write down what they are told, on whichever
 * loop: a real one (loop_world.h) or the simulated one.
 */
#pragma once

#include "io/address.h"
#include "io/loop.h"

#define UNTOLD 12345 /* a result that no hook has told yet */

/* One end of a connection and all that was told of it. */
struct end {
    struct ptl_loop *loop;
    struct ptl_stream *stream;
    int connected;
    int ended;
    int sent;
    int handle;
    bool closed;
    size_t received;  /* bytes */
    bool wrong;       /* a byte was not pattern(position) */
    size_t close_at;  /* close inside `received` once so many have come; 0: never */
    size_t detach_at; /* likewise */
    struct ptl_address peer;
};

extern const struct ptl_stream_hooks end_hooks;

/* `size` bytes as an end expects them from the start of a stream; to be freed. */
uint8_t *make_pattern(size_t size);

/* One that was told nothing yet. */
void init_end(struct end *end, struct ptl_loop *loop);
