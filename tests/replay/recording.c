#include "tests/replay/recording.h"

#include <stdio.h>
#include <stdlib.h>

#define CAPTURES PTL_TEST_DATA "/aemp-captures/"
#define LIMIT (UINT64_C(1) << 26)

/* ---- Packets ------------------------------------------------------------------------------- */

struct packet *packets_add(struct packets *packets, const struct ptl_packet *packet)
{
    if (packets->count == packets->capacity) {
        packets->capacity = packets->capacity == 0 ? 64 : 2 * packets->capacity;
        packets->at = realloc(packets->at, packets->capacity * sizeof(*packets->at));
        assert_non_null(packets->at);
    }
    struct packet *added = &packets->at[packets->count++];
    *added = (struct packet){.name_size = packet->name.size};
    added->name = calloc(1, packet->name.size + 1);
    assert_non_null(added->name);
    if (packet->name.size > 0) {
        memcpy(added->name, packet->name.bytes, packet->name.size);
    }
    assert_int_equal(ptl_msg_from(ptl_allocator_libc(), packet->body, packet->count, &added->msg),
                     0);
    return added;
}

void packets_drop(struct packets *packets)
{
    for (size_t i = 0; i < packets->count; i++) {
        free(packets->at[i].name);
        ptl_msg_free(packets->at[i].msg);
    }
    free(packets->at);
    *packets = (struct packets){0};
}

struct ptl_span packet_string(const struct packet *packet, unsigned index)
{
    struct ptl_cursor cursor = ptl_msg_begin(packet->msg);
    struct ptl_span string = ptl_span("", 0);
    int err = 0;

    while (index-- > 0 && err == 0) {
        err = ptl_skip(&cursor);
    }
    if (err < 0 || ptl_next_string(&cursor, &string) < 0) {
        return ptl_span("", 0);
    }
    return string;
}

bool packet_requests(const struct packet *packet, const char *request)
{
    return packet->name_size == 0 && ptl_msg_is(packet->msg, request);
}

/* ---- One recording ------------------------------------------------------------------------- */

static json_t *load_json(const char *folder, const char *name, size_t flags)
{
    char path[1024];
    json_error_t error;

    snprintf(path, sizeof path, CAPTURES "%s%s", folder, name);
    json_t *json = json_load_file(path, flags, &error);
    assert_non_null(json);
    return json;
}

static struct ptl_buffer read_file(const char *folder, const char *name)
{
    struct ptl_buffer content;
    char path[1024];

    snprintf(path, sizeof path, CAPTURES "%s%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    ptl_buffer_init(&content, ptl_allocator_libc(), LIMIT);
    for (size_t got = 1; got > 0;) {
        uint8_t *room = ptl_buffer_reserve(&content, 65536);
        assert_non_null(room);
        got = fread(room, 1, 65536, file);
        content.size += got;
    }
    fclose(file);
    return content;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    assert_non_null(text);
    return text;
}

/* The fifth of the first line's fields, but for Perl's own serialisation, which is not for us. */
static void find_framings(struct recorded_side *side, const char *first)
{
    for (int field = 0; field < 4; field++) {
        first = strchr(first, ';');
        assert_non_null(first);
        first++;
    }
    snprintf(side->framings, sizeof side->framings, "%.*s", (int)strcspn(first, ";"), first);
    char *storable = strstr(side->framings, ",storable");
    if (storable != NULL) {
        *storable = 0;
    }
}

static void set_opening(struct recorded_side *side, const char *first, const char *nonce,
                        const char *third)
{
    const char *framing = strrchr(third, ';');
    int size = snprintf(side->lines, sizeof side->lines, "%s\n%s\n", first, nonce);

    assert_true(size > 0 && size < (int)sizeof side->lines && framing != NULL);
    find_framings(side, first);
    side->third = third;
    int found = ptl_framing_find(ptl_span_text(framing + 1));
    assert_true(found >= 0);
    side->framing = (enum ptl_framing)found;
}

/* Where one direction stands while the packets of both are put in order. */
struct direction {
    struct recorded_side *side;
    struct ptl_decoder decoder;
    size_t at;    /* bytes that have come */
    size_t taken; /* bytes before the packet that is coming */
};

static void begin_direction(struct direction *direction, struct recorded_side *side)
{
    *direction = (struct direction){.side = side, .taken = side->packets_from};
    ptl_decoder_init(&direction->decoder, ptl_allocator_libc(), side->framing, LIMIT);
}

/* `size` more bytes have come from one end. */
static void advance(struct recording *recording, struct direction *direction, enum recorded_end end,
                    size_t size)
{
    const uint8_t *bytes = direction->side->bytes.bytes;
    size_t from = direction->at < direction->taken ? direction->taken : direction->at;
    struct ptl_packet packet;

    direction->at += size;
    assert_true(direction->at <= direction->side->bytes.size);
    if (direction->at <= from) {
        return; /* of the opening */
    }
    struct ptl_span input = ptl_span(bytes + from, direction->at - from);
    int got;
    while ((got = ptl_decoder_next(&direction->decoder, &input, &packet)) > 0) {
        struct packet *added = packets_add(&recording->packets, &packet);
        size_t end_at = (size_t)(input.bytes - bytes);
        added->from = end;
        added->raw = ptl_span(bytes + direction->taken, end_at - direction->taken);
        direction->taken = end_at;
    }
    assert_int_equal(got, 0);
}

static void end_direction(struct direction *direction)
{
    assert_int_equal(direction->at, direction->side->bytes.size);
    assert_int_equal(direction->taken, direction->side->bytes.size);
    ptl_decoder_drop(&direction->decoder);
}

static void drop_recording(struct recording *recording)
{
    packets_drop(&recording->packets);
    ptl_buffer_drop(&recording->sides[RECORDED_CLIENT].bytes);
    ptl_buffer_drop(&recording->sides[RECORDED_SERVER].bytes);
}

/* ---- Two nodes that join, or mesh: one index with everything ------------------------------- */

static void read_joined_side(struct recording *recording, const json_t *capture,
                             enum recorded_end end)
{
    static const char *const streams[] = {"c2s", "s2c"};
    static const char *const roles[] = {"client", "server"};
    const json_t *stream = json_object_get(capture, streams[end]);
    const json_t *lines = json_object_get(stream, "handshake");
    struct recorded_side *side = &recording->sides[end];
    char file[256];

    side->node_id = text_at(capture, roles[end]);
    set_opening(side, json_string_value(json_array_get(lines, 0)),
                json_string_value(json_array_get(lines, 1)),
                json_string_value(json_array_get(lines, 2)));
    side->packets_from = (size_t)json_integer_value(json_object_get(stream, "handshake_bytes"));
    snprintf(file, sizeof file, "%s.%s.bin", recording->name, streams[end]);
    side->bytes = read_file("", file);
}

static void read_joined(struct recording *recording, const json_t *capture)
{
    struct direction directions[RECORDED_ENDS];
    const json_t *entry;
    size_t i;

    recording->name = text_at(capture, "name");
    recording->secret = text_at(recording->index, "secret");
    for (enum recorded_end end = 0; end < RECORDED_ENDS; end++) {
        read_joined_side(recording, capture, end);
        begin_direction(&directions[end], &recording->sides[end]);
    }
    json_array_foreach(json_object_get(capture, "timeline"), i, entry)
    {
        const char *arrow = json_string_value(json_array_get(entry, 0));
        enum recorded_end end = arrow[0] == '>' ? RECORDED_CLIENT : RECORDED_SERVER;
        advance(recording, &directions[end], end,
                (size_t)json_integer_value(json_array_get(entry, 1)));
    }
    end_direction(&directions[RECORDED_CLIENT]);
    end_direction(&directions[RECORDED_SERVER]);
}

/* ---- Two nodes observed: an index, and a file for the order --------------------------------- */

static void read_observed_side(struct recording *recording, const json_t *capture,
                               enum recorded_end end)
{
    static const char *const names[] = {"client_to_server", "server_to_client"};
    const json_t *stream = json_object_get(json_object_get(capture, "streams"), names[end]);
    struct recorded_side *side = &recording->sides[end];

    side->node_id = text_at(stream, "node");
    set_opening(side, text_at(stream, "greeting1"), text_at(stream, "nonce"),
                text_at(stream, "auth_line"));
    side->packets_from = (size_t)json_integer_value(json_object_get(stream, "packets_from"));
    side->bytes = read_file("observed/", text_at(stream, "file"));
}

/* One line of the order: [time, "c2s" or "s2c", position, size or "eof"]. */
static void take_order_line(struct recording *recording, struct direction *directions,
                            const char *line)
{
    json_t *entry = json_loads(line, 0, NULL);
    const json_t *size = json_array_get(entry, 3);
    const char *way = json_string_value(json_array_get(entry, 1));

    assert_non_null(way);
    enum recorded_end end = way[0] == 'c' ? RECORDED_CLIENT : RECORDED_SERVER;
    if (json_is_integer(size)) {
        advance(recording, &directions[end], end, (size_t)json_integer_value(size));
    }
    json_decref(entry);
}

static void read_observed(struct recording *recording, const json_t *capture)
{
    struct direction directions[RECORDED_ENDS];

    recording->name = text_at(capture, "name");
    recording->secret = text_at(capture, "secret");
    for (enum recorded_end end = 0; end < RECORDED_ENDS; end++) {
        read_observed_side(recording, capture, end);
        begin_direction(&directions[end], &recording->sides[end]);
    }
    struct ptl_buffer order = read_file("observed/", text_at(capture, "order_file"));
    ptl_buffer_byte(&order, 0);
    char *rest = (char *)order.bytes;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] != 0) {
            take_order_line(recording, directions, line);
        }
    }
    ptl_buffer_drop(&order);
    end_direction(&directions[RECORDED_CLIENT]);
    end_direction(&directions[RECORDED_SERVER]);
}

/* ---- All of them ---------------------------------------------------------------------------- */

static unsigned each_of(json_t *index, const json_t *captures,
                        void (*read)(struct recording *, const json_t *),
                        void (*play)(const struct recording *, void *), void *data)
{
    const json_t *capture;
    unsigned count = 0;
    size_t i;

    json_array_foreach(captures, i, capture)
    {
        if (json_is_true(json_object_get(capture, "tls"))) {
            continue;
        }
        struct recording recording = {.index = index};
        read(&recording, capture);
        play(&recording, data);
        drop_recording(&recording);
        count++;
    }
    json_decref(index);
    return count;
}

unsigned recordings_each(void (*play)(const struct recording *recording, void *data), void *data)
{
    json_t *joined = load_json("", "index.json", 0);
    json_t *observed = load_json("observed/", "index.json", 0);

    return each_of(joined, json_object_get(joined, "captures"), read_joined, play, data) +
           each_of(observed, observed, read_observed, play, data);
}

unsigned recordings_play(void (*play)(const struct recording *recording, void *data),
                         struct manner manner, uint64_t seed)
{
    struct sim_random random;

    if (seed != 0) {
        sim_random_seed(&random, seed);
        manner.cuts = &random;
    }
    return recordings_each(play, &manner);
}
