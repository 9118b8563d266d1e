/*
 * Any bytes as the packets of a link, in each framing: the same packets come out, and the same
 * error, however the bytes are cut; what comes out is plain, and comes back when it is sent on.
 *
 *   [ framing | which allocation fails | how bytes are cut | bytes ]
 */
#include "engine/link/frames_in.h"
#include "io/framing.h"
#include "tests/common/memory.h"
#include "tests/fuzz/input.h"

#define MESSAGE_MAX 65536
#define INCARNATION UINT64_C(0xfedcba9876543210)

/* Either of the two that make packets of bytes. */
struct reader {
    enum ptl_framing framing;
    struct ptl_decoder decoder;
    struct ptl_frames_in frames;
};

static void open_reader(struct reader *reader, enum ptl_framing framing,
                        const struct ptl_allocator *allocator)
{
    reader->framing = framing;
    if (framing == PTL_FRAMING_FRAMES) {
        ptl_frames_in_init(&reader->frames, allocator, INCARNATION, INCARNATION + 1, MESSAGE_MAX);
    } else {
        ptl_decoder_init(&reader->decoder, allocator, framing, MESSAGE_MAX);
    }
}

static int next_packet(struct reader *reader, struct ptl_span *input, struct ptl_packet *packet)
{
    return reader->framing == PTL_FRAMING_FRAMES
               ? ptl_frames_in_next(&reader->frames, input, packet)
               : ptl_decoder_next(&reader->decoder, input, packet);
}

static size_t held(const struct reader *reader)
{
    return reader->framing == PTL_FRAMING_FRAMES ? ptl_frames_in_held(&reader->frames)
                                                 : ptl_decoder_held(&reader->decoder);
}

static void close_reader(struct reader *reader)
{
    if (reader->framing == PTL_FRAMING_FRAMES) {
        ptl_frames_in_drop(&reader->frames);
    } else {
        ptl_decoder_drop(&reader->decoder);
    }
}

/* What was read in all: a sum over all packets, in their order. */
struct read {
    uint64_t sum;
    uint64_t packets;
    int err;
};

static void add(struct read *read, struct ptl_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        read->sum = (read->sum ^ bytes.bytes[i]) * UINT64_C(0x100000001b3);
    }
    read->sum = (read->sum ^ bytes.size) * UINT64_C(0x100000001b3);
}

/* What has come is sent on as it is, and read again. */
static void check_sent_on(const struct ptl_packet *packet, const struct ptl_allocator *allocator,
                          enum ptl_framing framing)
{
    struct ptl_buffer out;
    struct ptl_decoder decoder;
    struct ptl_packet again;

    ptl_buffer_init(&out, allocator, SIZE_MAX);
    ptl_decoder_init(&decoder, allocator, framing, SIZE_MAX);
    if (ptl_packet_encode(framing, &out, packet->name, packet->body, packet->count) == 0) {
        struct ptl_span input = ptl_buffer_span(&out);
        int got = ptl_decoder_next(&decoder, &input, &again);
        ptl_assert(got == 1 || got == PTL_ENOMEM);
        if (got == 1 && again.oddity == 0) {
            ptl_assert(ptl_span_equal(again.name, packet->name));
            ptl_assert(again.count == packet->count);
            ptl_assert(framing == PTL_FRAMING_JSON || ptl_span_equal(again.body, packet->body));
        }
        ptl_assert(got != 1 || input.size == 0);
    }
    ptl_decoder_drop(&decoder);
    ptl_buffer_drop(&out);
}

static void take(struct read *read, const struct ptl_packet *packet, struct test_memory *memory)
{
    const uint8_t *end = packet->body.bytes + packet->body.size;

    read->packets++;
    add(read, packet->name);
    add(read, packet->body);
    read->sum += packet->count + (uint64_t)packet->oddity + packet->empty;
    if (packet->oddity != 0 || packet->empty) {
        ptl_assert(packet->name.size == 0 && packet->body.size == 0);
        return;
    }
    ptl_assert(ptl_utf8_valid(packet->name));
    ptl_assert(packet->count == 0 || ptl_cbor_plain_end(packet->body.bytes, end, packet->count,
                                                        PTL_CBOR_DEPTH_MAX) == end);
    ptl_assert(packet->count != 0 || packet->body.size == 0);
    check_sent_on(packet, &memory->allocator, PTL_FRAMING_CBOR);
    check_sent_on(packet, &memory->allocator, PTL_FRAMING_JSON);
}

static struct read read_all(struct test_memory *memory, enum ptl_framing framing,
                            struct ptl_span bytes, unsigned cut_seed)
{
    struct fuzz_cuts cuts = fuzz_cuts(cut_seed);
    struct read read = {.sum = 0};
    struct reader reader;

    open_reader(&reader, framing, &memory->allocator);
    while (bytes.size > 0 && read.err == 0) {
        struct ptl_packet packet;
        size_t size = fuzz_cut(&cuts, bytes.size);
        uint8_t *piece = ptl_alloc_raw(ptl_allocator_libc(), size); /* its end is guarded */
        struct ptl_span input = ptl_span(memcpy(piece, bytes.bytes, size), size);
        while ((read.err = next_packet(&reader, &input, &packet)) == 1) {
            take(&read, &packet, memory);
        }
        ptl_assert(read.err != 0 || input.size == 0);
        ptl_assert(held(&reader) <= 4 * MESSAGE_MAX);
        ptl_free(ptl_allocator_libc(), piece, size);
        bytes = ptl_span_skip(bytes, size);
    }
    close_reader(&reader);
    return read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    enum ptl_framing framing = fuzz_byte(&input) % PTL_FRAMINGS;
    struct test_memory memory;

    test_memory_init(&memory);
    test_memory_fail(&memory, fuzz_byte(&input));
    unsigned cut_seed = fuzz_byte(&input);
    struct ptl_span bytes = fuzz_rest(&input);
    struct read whole = read_all(&memory, framing, bytes, 0);
    struct read pieces = read_all(&memory, framing, bytes, cut_seed);
    if (memory.fail_from == 0) {
        ptl_assert(whole.err == pieces.err);
        ptl_assert(whole.packets == pieces.packets);
        ptl_assert(whole.sum == pieces.sum);
    }
    ptl_assert(memory.out_bytes == 0);
    return 0;
}
