/*
 * engine/link/inflow.h - the flows that the peer has opened on a connection: which number is which
 * port, and what has come of a message in pieces.
 *
 * Thread: that of its connection.  Spec: docs/wire.md, "Flows" and "Pieces and turns".
 */
#pragma once

#include "io/base.h"
#include "io/buffer.h"

/* How many the peer may have open, the node port's among them; told in the greeting. */
#define PTL_INFLOWS_MAX 4096

/* What comes in pieces. */
struct ptl_whole {
    struct ptl_buffer bytes;
    uint64_t size; /* that it will have */
    uint32_t count;
    uint8_t kind;
};

struct ptl_inflow {
    struct ptl_whole *whole; /* NULL: it has no message in pieces */
    struct ptl_span name;    /* of its port, which lies behind this; empty: the node port's */
    /* Where that is, once it was looked for: kept by receive.c. */
    uint8_t kind;              /* enum ptl_port_kind; PTL_PORT_NONE: it was not */
    uint32_t shard;            /* that the port belongs to */
    uint32_t slot, generation; /* there; of a chosen name, who had it last */
    uint32_t allowed_by; /* number of the rules that let the peer send there; 0: none so far */
};

/* Only inflow.c touches the fields. */
struct ptl_inflows {
    const struct ptl_allocator *allocator;
    struct ptl_inflow **by_number; /* `capacity` */
    uint32_t capacity;
    uint32_t count;
};

void ptl_inflows_init(struct ptl_inflows *flows, const struct ptl_allocator *allocator);

/* NULL: it is not open. */
static inline struct ptl_inflow *ptl_inflow_find(const struct ptl_inflows *flows, uint32_t number)
{
    return number < flows->capacity ? flows->by_number[number] : NULL;
}

/*
 * Open one for the port of that name; `number` is below PTL_INFLOWS_MAX and not open.
 * Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_inflow_open(struct ptl_inflows *flows, uint32_t number,
                                   struct ptl_span name);

/* It is closed; it has nothing in pieces. */
void ptl_inflow_close(struct ptl_inflows *flows, uint32_t number);

/* It begins to have something in pieces, at most `size` bytes of it.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_inflow_begin_whole(struct ptl_inflows *flows, struct ptl_inflow *flow,
                                          uint64_t size);

/* It has no more. */
void ptl_whole_free(struct ptl_inflows *flows, struct ptl_whole *whole);

/* Forget all. */
void ptl_inflows_drop(struct ptl_inflows *flows);
