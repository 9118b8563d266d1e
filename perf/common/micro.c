#include "perf/common/micro.h"

#include "engine/shard/ring.h"
#include "io/framing.h"
#include "io/json.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define RING_BYTES ((uint64_t)256 << 10)
#define RECORD_BYTES 32
#define CHUNK_BYTES 65536
#define MESSAGE_BYTES_MAX ((size_t)1 << 20)

static void must(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", what, ptl_err_text(err));
        exit(1);
    }
}

static void must_start(int err)
{
    must(err == 0 ? 0 : PTL_ELIMIT, "a thread");
}

/* ---- The ring ------------------------------------------------------------------------------ */

struct record {
    uint16_t size; /* the ring's */
    uint16_t unused[3];
    uint64_t number;
    uint64_t words[2];
};

_Static_assert(sizeof(struct record) == RECORD_BYTES, "as the yardstick's entries");

struct transfer {
    struct ptl_ring ring;
    uint64_t count;
};

/* On a busy machine the other side may need our processor. */
static void wait_a_little(unsigned *tries)
{
    if (++*tries % 1000 == 0) {
        sched_yield();
    }
}

/* As the yardstick does; the `which`th processor that this thread may use. */
static void keep_to_processor(int which)
{
    cpu_set_t all, one;

    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof(all), &all) < 0) {
        return;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all) && which-- == 0) {
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
        }
    }
}

static void *produce(void *argument)
{
    struct transfer *transfer = argument;
    unsigned tries = 0;

    keep_to_processor(1);

    for (uint64_t i = 0; i < transfer->count;) {
        struct record *record = ptl_ring_reserve(&transfer->ring, RECORD_BYTES, 0, false);
        if (record == NULL) {
            ptl_ring_publish(&transfer->ring);
            wait_a_little(&tries);
            continue;
        }
        record->number = i;
        record->words[0] = i;
        record->words[1] = 0;
        ptl_ring_commit(&transfer->ring, RECORD_BYTES, 0); /* publishes every 256 records */
        i++;
    }
    ptl_ring_publish(&transfer->ring);
    return NULL;
}

static void *consume(void *argument)
{
    struct transfer *transfer = argument;
    uint64_t expected = 0;
    unsigned tries = 0;

    keep_to_processor(0);

    while (expected < transfer->count) {
        uint64_t tail = ptl_ring_tail(&transfer->ring);
        uint64_t before = expected;
        const struct record *record;
        while ((record = ptl_ring_take(&transfer->ring, tail)) != NULL) {
            if (record->number != expected++) {
                must(PTL_EPACKET, "the order of the ring");
            }
        }
        if (expected == before) {
            wait_a_little(&tries);
        } else {
            ptl_ring_release(&transfer->ring);
        }
    }
    return NULL;
}

void micro_ring_transfer(uint64_t count)
{
    struct transfer *transfer = aligned_alloc(PTL_CACHE_LINE, sizeof(*transfer));
    pthread_t producer, consumer;

    must(transfer != NULL ? 0 : PTL_ENOMEM, "a ring");
    must(ptl_ring_init(&transfer->ring, ptl_allocator_libc(), RING_BYTES), "a ring");
    transfer->count = count;
    must_start(pthread_create(&producer, NULL, produce, transfer));
    must_start(pthread_create(&consumer, NULL, consume, transfer));
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    ptl_ring_drop(&transfer->ring);
    free(transfer);
}

/* ---- The codecs ---------------------------------------------------------------------------- */

struct micro_codec {
    enum ptl_framing framing;
    struct ptl_buffer body; /* plain CBOR */
    struct ptl_buffer out;
    size_t packet_size;
    uint64_t packets;
};

static const char port_name[] = "4kGq0vX81Zs2Aa0000004x";

static const char record_json[] =
    "{\"id\":123456789,\"name\":\"a sensor in the north-east corner\",\"unit\":\"millibar\","
    "\"value\":1013.25,\"valid\":true,\"previous\":null,\"tags\":[\"rain\",\"snow\",\"wind\"],"
    "\"location\":{\"latitude\":47.3769,\"longitude\":8.5417},\"sequence\":4711,"
    "\"comment\":\"calibrated, see the book of 1507\"}";

struct micro_codec *micro_codec_open(int json, enum micro_message message)
{
    struct micro_codec *codec = calloc(1, sizeof(*codec));

    must(codec != NULL ? 0 : PTL_ENOMEM, "a codec");
    codec->framing = json ? PTL_FRAMING_JSON : PTL_FRAMING_CBOR;
    ptl_buffer_init(&codec->body, ptl_allocator_libc(), MESSAGE_BYTES_MAX);
    ptl_buffer_init(&codec->out, ptl_allocator_libc(), MESSAGE_BYTES_MAX);
    if (message == MICRO_SMALL) {
        must(ptl_cbor_put_string(&codec->body, PTL_CBOR_BYTES, ptl_span_text("0123456789abcdef")),
             "a message");
    } else {
        must(ptl_json_to_cbor(&codec->body, ptl_span_text(record_json), PTL_CBOR_DEPTH_MAX),
             "a message");
    }
    micro_encode(codec);
    return codec;
}

void micro_codec_close(struct micro_codec *codec)
{
    ptl_buffer_drop(&codec->body);
    ptl_buffer_drop(&codec->out);
    free(codec);
}

uint64_t micro_encode(struct micro_codec *codec)
{
    const struct ptl_span name = ptl_span_text(port_name);
    const struct ptl_span body = ptl_span(codec->body.bytes, codec->body.size);

    ptl_buffer_clear(&codec->out);
    codec->packets = 0;
    while (codec->out.size + codec->packet_size <= CHUNK_BYTES) {
        must(ptl_packet_encode(codec->framing, &codec->out, name, body, 1), "encoding");
        codec->packets++;
        codec->packet_size = codec->out.size / codec->packets;
    }
    return codec->packets;
}

uint64_t micro_decode(struct micro_codec *codec)
{
    struct ptl_span input = ptl_span(codec->out.bytes, codec->out.size);
    struct ptl_decoder decoder;
    struct ptl_packet packet;
    uint64_t packets = 0;
    int more;

    ptl_decoder_init(&decoder, ptl_allocator_libc(), codec->framing, MESSAGE_BYTES_MAX);
    while ((more = ptl_decoder_next(&decoder, &input, &packet)) > 0) {
        if (packet.count != 1 || packet.name.size != sizeof(port_name) - 1) {
            must(PTL_EPACKET, "decoding");
        }
        packets++;
    }
    must(more, "decoding");
    ptl_decoder_drop(&decoder);
    return packets;
}

size_t micro_packet_size(const struct micro_codec *codec)
{
    return codec->packet_size;
}
