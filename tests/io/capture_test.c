/*
 * The streams of real nodes, decoded and written again: every packet must say what the index and
 * the transcripts say it does.
 */
#include "io/framing.h"
#include "io/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#define CAPTURES PTL_TEST_DATA "/aemp-captures/"
#define LIMIT (UINT64_C(1) << 26)

/* ---- Files -------------------------------------------------------------------------------- */

static struct ptl_buffer read_file(const char *folder, const char *name)
{
    struct ptl_buffer content;
    char path[1024];

    snprintf(path, sizeof path, "%s%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    ptl_buffer_init(&content, ptl_allocator_libc(), LIMIT);
    for (size_t got = 1; got > 0;) {
        uint8_t *room = ptl_buffer_reserve(&content, 65536);
        got = fread(room, 1, 65536, file);
        content.size += got;
    }
    fclose(file);
    return content;
}

static json_t *read_index(const char *path)
{
    json_error_t error;
    json_t *index = json_load_file(path, 0, &error);

    assert_non_null(index);
    return index;
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- CBOR in the two notations of the captures -------------------------------------------- */

enum notation {
    DIAGNOSTIC, /* RFC 8949, section 8: 'bytes' "text" 1.5_2 null */
    TRANSCRIPT, /* b"bytes" t"text" f32 1.5 undef */
};

static void print(struct ptl_buffer *out, const char *format, ...)
{
    char text[128];
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ptl_buffer_append(out, text, (size_t)size);
}

static bool printable(struct ptl_span string)
{
    for (size_t i = 0; i < string.size; i++) {
        if (string.bytes[i] < 0x20 || string.bytes[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* One character of UTF-8, its bytes in `size`. */
static uint32_t character_at(const uint8_t *at, size_t *size)
{
    *size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t character = *size == 1 ? at[0] : at[0] & (0x7fU >> *size);
    for (size_t i = 1; i < *size; i++) {
        character = character << 6 | (at[i] & 0x3f);
    }
    return character;
}

/* As JSON with everything beyond ASCII escaped, which is how the transcripts were written. */
static void print_escaped(struct ptl_buffer *out, struct ptl_span text)
{
    print(out, "\"");
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t character = character_at(text.bytes + at, &size);
        if (character == '\n') {
            print(out, "\\n");
        } else if (character < 0x20 || character > 0x7e) {
            print(out, "\\u%04x", character);
        } else {
            print(out, character == '"' || character == '\\' ? "\\%c" : "%c", (char)character);
        }
    }
    print(out, "\"");
}

static void print_quoted(struct ptl_buffer *out, struct ptl_span string, char quote)
{
    print(out, "%c", quote);
    for (size_t i = 0; i < string.size; i++) {
        char byte = (char)string.bytes[i];
        print(out, byte == quote || byte == '\\' ? "\\%c" : "%c", byte);
    }
    print(out, "%c", quote);
}

static void print_string(struct ptl_buffer *out, enum notation notation, struct ptl_span string,
                         bool text)
{
    if (notation == TRANSCRIPT) {
        print(out, text ? "t" : "b");
        print_escaped(out, string);
    } else if (text || printable(string)) {
        print_quoted(out, string, text ? '"' : '\'');
    } else {
        print(out, "h'");
        for (size_t i = 0; i < string.size; i++) {
            print(out, "%02x", string.bytes[i]);
        }
        print(out, "'");
    }
}

static void print_scalar(struct ptl_buffer *out, enum notation notation,
                         const struct ptl_cbor_item *item)
{
    char text[PTL_CBOR_TEXT_MAX + 1];
    bool real = item->major == PTL_CBOR_SIMPLE && item->info >= 26;

    text[ptl_cbor_text(text, item)] = 0;
    if (notation == TRANSCRIPT) {
        print(out, "%s%s", real ? item->info == 26 ? "f32 " : "f64 " : "",
              strcmp(text, "null") == 0 ? "undef" : text);
    } else {
        print(out, real ? "%s_%d" : "%s", text, item->info - 24);
    }
}

/* Print one value; returns the byte after it. */
static const uint8_t *print_value(struct ptl_buffer *out, enum notation notation, const uint8_t *at,
                                  const uint8_t *end)
{
    struct ptl_cbor_item item;
    size_t head = ptl_cbor_read(at, end, &item);
    bool map = item.major == PTL_CBOR_MAP;

    assert_true(head > 0);
    at += head;
    if (item.major == PTL_CBOR_BYTES || item.major == PTL_CBOR_TEXT) {
        print_string(out, notation, ptl_span(at, item.argument), item.major == PTL_CBOR_TEXT);
        return at + item.argument;
    }
    if (!map && item.major != PTL_CBOR_ARRAY) {
        print_scalar(out, notation, &item);
        return at;
    }
    print(out, map ? "{" : "[");
    for (uint64_t i = 0; i < item.argument; i++) {
        print(out, i > 0 ? ", " : "");
        if (map) {
            at = print_value(out, notation, at, end);
            print(out, ": ");
        }
        at = print_value(out, notation, at, end);
    }
    print(out, map ? "}" : "]");
    return at;
}

/* ---- One stream --------------------------------------------------------------------------- */

/* Packets are taken from `rest`, in pieces of at most `piece` bytes. */
struct stream {
    struct ptl_buffer content;
    struct ptl_decoder decoder;
    struct ptl_span rest;
    struct ptl_span input;
    enum ptl_framing framing;
    size_t piece;
    struct ptl_buffer out;
};

static void open_stream(struct stream *stream, const char *folder, const char *name,
                        size_t packets_from, enum ptl_framing framing, size_t piece)
{
    stream->content = read_file(folder, name);
    stream->rest = ptl_span_skip(ptl_buffer_span(&stream->content), packets_from);
    stream->input = ptl_span(NULL, 0);
    stream->framing = framing;
    stream->piece = piece;
    ptl_decoder_init(&stream->decoder, ptl_allocator_libc(), framing, LIMIT);
    ptl_buffer_init(&stream->out, ptl_allocator_libc(), LIMIT);
}

static void close_stream(struct stream *stream)
{
    assert_int_equal(ptl_decoder_held(&stream->decoder), 0);
    ptl_decoder_drop(&stream->decoder);
    ptl_buffer_drop(&stream->out);
    ptl_buffer_drop(&stream->content);
}

/* false: the stream has ended. */
static bool next_packet(struct stream *stream, struct ptl_packet *packet)
{
    for (;;) {
        int got = ptl_decoder_next(&stream->decoder, &stream->input, packet);
        assert_true(got >= 0);
        if (got > 0) {
            assert_int_equal(packet->oddity, 0);
            return true;
        }
        if (stream->rest.size == 0) {
            return false;
        }
        size_t piece = stream->rest.size < stream->piece ? stream->rest.size : stream->piece;
        stream->input = ptl_span(stream->rest.bytes, piece);
        stream->rest = ptl_span_skip(stream->rest, piece);
    }
}

/* The packet in the stream's framing again; returns the text or bytes with a NUL behind. */
static const char *encode_again(struct stream *stream, const struct ptl_packet *packet)
{
    ptl_buffer_clear(&stream->out);
    assert_int_equal(
        ptl_packet_encode(stream->framing, &stream->out, packet->name, packet->body, packet->count),
        0);
    ptl_buffer_byte(&stream->out, 0);
    stream->out.size--;
    return (const char *)stream->out.bytes;
}

static const char *print_again(struct stream *stream, const struct ptl_packet *packet,
                               enum notation notation)
{
    struct ptl_buffer bytes;

    ptl_buffer_init(&bytes, ptl_allocator_libc(), LIMIT);
    assert_int_equal(
        ptl_packet_encode(PTL_FRAMING_CBOR, &bytes, packet->name, packet->body, packet->count), 0);
    ptl_buffer_clear(&stream->out);
    print_value(&stream->out, notation, bytes.bytes, bytes.bytes + bytes.size);
    ptl_buffer_byte(&stream->out, 0);
    ptl_buffer_drop(&bytes);
    return (const char *)stream->out.bytes;
}

static const size_t pieces[] = {SIZE_MAX, 1000, 7, 1};

#define PIECES (sizeof pieces / sizeof pieces[0])

/* ---- The captures with an index of packets ------------------------------------------------ */

static void check_indexed(const json_t *capture, const char *direction, size_t piece)
{
    const json_t *side = json_object_get(capture, direction);
    const json_t *packets = json_object_get(side, "packets");
    int framing = ptl_framing_find(ptl_span_text(text_at(capture, "framing")));
    struct stream stream;
    struct ptl_packet packet;
    char name[256];

    snprintf(name, sizeof name, "%s.%s.bin", text_at(capture, "name"), direction);
    open_stream(&stream, CAPTURES, name,
                (size_t)json_integer_value(json_object_get(side, "handshake_bytes")), framing,
                piece);
    for (size_t i = 0; i < json_array_size(packets); i++) {
        const json_t *expected = json_array_get(packets, i);
        assert_true(next_packet(&stream, &packet));
        const char *again = encode_again(&stream, &packet);
        assert_int_equal(stream.out.size, json_integer_value(json_object_get(expected, "bytes")));
        if (framing == PTL_FRAMING_JSON) {
            assert_string_equal(again, text_at(expected, "text"));
        } else {
            assert_string_equal(print_again(&stream, &packet, DIAGNOSTIC),
                                text_at(expected, "diag"));
        }
    }
    assert_false(next_packet(&stream, &packet));
    close_stream(&stream);
}

static void capture_packets_say_what_the_index_says(void **state)
{
    json_t *index = read_index(CAPTURES "index.json");
    const json_t *captures = json_object_get(index, "captures");

    (void)state;
    assert_int_equal(json_array_size(captures), 4);
    for (size_t i = 0; i < json_array_size(captures); i++) {
        for (size_t j = 0; j < PIECES; j++) {
            check_indexed(json_array_get(captures, i), "c2s", pieces[j]);
            check_indexed(json_array_get(captures, i), "s2c", pieces[j]);
        }
    }
    json_decref(index);
}

/* ---- The captures with transcripts -------------------------------------------------------- */

/* The lines of one direction of a transcript. */
struct transcript {
    struct ptl_buffer content;
    char *at;
    const char *arrow; /* "C->S" */
};

/* "   0.8844 C->S REST": the REST of the next line of this direction; NULL at the end. */
static char *next_line(struct transcript *transcript)
{
    while (transcript->at != NULL) {
        char *line = transcript->at;
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = 0;
        }
        transcript->at = end != NULL ? end + 1 : NULL;
        char *arrow = strstr(line, transcript->arrow);
        if (arrow != NULL && arrow - line < 16 && strstr(line, "end of stream") == NULL) {
            return arrow + strlen(transcript->arrow) + 1;
        }
    }
    return NULL;
}

/* The hex line that follows a CBOR packet. */
static char *next_hex(struct transcript *transcript)
{
    char *line = transcript->at + strspn(transcript->at, " ");
    char *end = strchr(line, '\n');

    if (end != NULL) {
        *end = 0;
    }
    transcript->at = end != NULL ? end + 1 : NULL;
    return line;
}

static bool is_packet(const char *line)
{
    return line[0] == '[';
}

static void check_hex(const struct stream *stream, const char *hex)
{
    assert_int_equal(strlen(hex), 2 * stream->out.size);
    for (size_t i = 0; i < stream->out.size; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        assert_int_equal(stream->out.bytes[i], strtoul(pair, NULL, 16));
    }
}

/* One peer, a script, put white space into its packets. */
static void assert_json_equal(const char *actual, const char *expected)
{
    json_t *a = json_loads(actual, 0, NULL);
    json_t *b = json_loads(expected, 0, NULL);

    assert_non_null(a);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

static void check_transcript(struct stream *stream, struct transcript *transcript)
{
    struct ptl_packet packet;
    char *line;

    while ((line = next_line(transcript)) != NULL) {
        if (!is_packet(line)) {
            continue; /* of the handshake */
        }
        assert_true(next_packet(stream, &packet));
        const char *again = encode_again(stream, &packet);
        if (stream->framing == PTL_FRAMING_JSON) {
            if (strstr(line, "\", \"") != NULL) {
                assert_json_equal(again, line);
            } else {
                assert_string_equal(again, line);
            }
        } else {
            check_hex(stream, next_hex(transcript));
            assert_string_equal(print_again(stream, &packet, TRANSCRIPT), line);
        }
    }
    assert_false(next_packet(stream, &packet));
}

static void check_observed(const json_t *capture, const char *direction, size_t piece)
{
    const json_t *side = json_object_get(json_object_get(capture, "streams"), direction);
    struct transcript transcript = {.arrow = direction[0] == 'c' ? "C->S" : "S->C"};
    struct stream stream;
    char name[256];

    snprintf(name, sizeof name, "%s.transcript.txt", text_at(capture, "name"));
    transcript.content = read_file(CAPTURES "observed/", name);
    ptl_buffer_byte(&transcript.content, 0);
    transcript.at = (char *)transcript.content.bytes;
    open_stream(&stream, CAPTURES "observed/", text_at(side, "file"),
                (size_t)json_integer_value(json_object_get(side, "packets_from")),
                ptl_framing_find(ptl_span_text(text_at(side, "framing"))), piece);
    check_transcript(&stream, &transcript);
    close_stream(&stream);
    ptl_buffer_drop(&transcript.content);
}

static void count_packets(const json_t *capture, const char *direction)
{
    const json_t *side = json_object_get(json_object_get(capture, "streams"), direction);
    struct stream stream;
    struct ptl_packet packet;
    int count = 0;

    open_stream(&stream, CAPTURES "observed/", text_at(side, "file"),
                (size_t)json_integer_value(json_object_get(side, "packets_from")),
                ptl_framing_find(ptl_span_text(text_at(side, "framing"))), SIZE_MAX);
    while (next_packet(&stream, &packet)) {
        count++;
    }
    assert_int_equal(count, json_integer_value(json_object_get(side, "packets")));
    close_stream(&stream);
}

static void capture_packets_say_what_the_transcripts_say(void **state)
{
    json_t *index = read_index(CAPTURES "observed/index.json");
    int checked = 0;

    (void)state;
    for (size_t i = 0; i < json_array_size(index); i++) {
        const json_t *capture = json_array_get(index, i);
        if (json_is_true(json_object_get(capture, "tls"))) {
            continue; /* nothing to be seen without its keys */
        }
        count_packets(capture, "client_to_server");
        count_packets(capture, "server_to_client");
        for (size_t j = 0; j < PIECES; j++) {
            check_observed(capture, "client_to_server", pieces[j]);
            check_observed(capture, "server_to_client", pieces[j]);
        }
        checked++;
    }
    assert_int_equal(checked, 29);
    json_decref(index);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capture_packets_say_what_the_index_says),
        cmocka_unit_test(capture_packets_say_what_the_transcripts_say),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
