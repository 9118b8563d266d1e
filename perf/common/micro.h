/*
 * perf/common/micro.h - the inside of the library as the micro benchmarks drive it, in C: the
 * headers of io/ and engine/ are not made for C++.
 *
 * A failure ends the program with a line on standard error: a benchmark has nobody to tell.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Move `count` records of 32 bytes through engine/shard/ring.h, from one thread to another. */
void micro_ring_transfer(uint64_t count);

/* Messages that the codecs are measured with. */
enum micro_message {
    MICRO_SMALL,  /* one value of 16 bytes */
    MICRO_RECORD, /* a map of ten fields: strings, numbers, an array; about 240 bytes */
};

struct micro_codec;

/* `json`: that framing, else CBOR. */
struct micro_codec *micro_codec_open(int json, enum micro_message message);
void micro_codec_close(struct micro_codec *codec);

/* Encode packets until 64 KiB are full; returns how many they are. */
uint64_t micro_encode(struct micro_codec *codec);

/* Decode what micro_encode() made last; returns how many packets came out. */
uint64_t micro_decode(struct micro_codec *codec);

/* How many bytes one packet has. */
size_t micro_packet_size(const struct micro_codec *codec);

#ifdef __cplusplus
}
#endif
