#include "tests/common/stream_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t pattern(size_t position)
{
    return (uint8_t)((position * 2654435761u) >> 13);
}

uint8_t *make_pattern(size_t size)
{
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(i);
    }
    return bytes;
}

void init_end(struct end *end, struct ptl_loop *loop)
{
    *end = (struct end){
        .loop = loop, .connected = UNTOLD, .ended = UNTOLD, .sent = UNTOLD, .handle = -1};
}

static void on_connected(void *owner, int err)
{
    struct end *end = owner;

    assert_int_equal(end->connected, UNTOLD);
    end->connected = err;
}

static void on_received(void *owner, struct ptl_span bytes)
{
    struct end *end = owner;

    assert_int_equal(end->ended, UNTOLD);
    assert_true(bytes.size > 0);
    for (size_t i = 0; i < bytes.size; i++) {
        end->wrong = end->wrong || bytes.bytes[i] != pattern(end->received + i);
    }
    size_t before = end->received;
    end->received += bytes.size;
    if (before < end->close_at && end->received >= end->close_at) {
        ptl_stream_close(end->loop, end->stream);
    }
    if (before < end->detach_at && end->received >= end->detach_at) {
        ptl_stream_detach(end->loop, end->stream);
    }
}

static void on_ended(void *owner, int err)
{
    struct end *end = owner;

    assert_int_equal(end->ended, UNTOLD);
    end->ended = err;
}

static void on_sent(void *owner, int result)
{
    struct end *end = owner;

    assert_int_equal(end->sent, UNTOLD);
    end->sent = result;
}

static void on_detached(void *owner, int handle)
{
    struct end *end = owner;

    end->stream = NULL;
    end->handle = handle;
}

static void on_closed(void *owner)
{
    struct end *end = owner;

    assert_false(end->closed);
    end->stream = NULL;
    end->closed = true;
}

const struct ptl_stream_hooks end_hooks = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .detached = on_detached,
    .closed = on_closed,
};
