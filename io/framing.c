#include "io/framing.h"

#include "io/json.h"

#define PACKET_DEPTH_MAX (PTL_CBOR_DEPTH_MAX + 1) /* the packet is an array itself */
#define KEPT_MAX 65536 /* a buffer that grew beyond does not stay for the next packet */

/* What is needed for a packet that cannot be used where it lies. */
struct ptl_decoder_state {
    union {
        struct ptl_cbor_scan cbor;
        struct ptl_json_scan json;
    } scan;
    struct ptl_buffer held;  /* of a packet that was cut */
    struct ptl_buffer plain; /* the packet in plain CBOR */
    struct ptl_buffer name;  /* its name in UTF-8 */
    bool partial;            /* a packet has begun and not ended */
};

/* ---- Names of framings -------------------------------------------------------------------- */

static const char *const framing_names[PTL_FRAMINGS] = {
    [PTL_FRAMING_CBOR] = "cbor",
    [PTL_FRAMING_JSON] = "json",
    [PTL_FRAMING_FRAMES] = "portolan",
};

const char *ptl_framing_name(enum ptl_framing framing)
{
    ptl_assert((unsigned)framing < PTL_FRAMINGS);
    return framing_names[framing];
}

int ptl_framing_find(struct ptl_span word)
{
    for (int i = 0; i < PTL_FRAMINGS; i++) {
        if (ptl_span_equal(word, ptl_span_text(framing_names[i]))) {
            return i;
        }
    }
    return PTL_EFRAMING;
}

/* ---- The decoder's memory ----------------------------------------------------------------- */

void ptl_decoder_init(struct ptl_decoder *decoder, const struct ptl_allocator *allocator,
                      enum ptl_framing framing, size_t message_bytes_max)
{
    ptl_assert(framing < PTL_FRAMINGS_OF_PACKETS);
    *decoder = (struct ptl_decoder){
        .allocator = allocator,
        .message_bytes_max = message_bytes_max,
        .framing = (uint8_t)framing,
    };
}

/*
 * Only a packet that is cut, odd or in JSON needs it: a peer that sends whole plain ones costs
 * none.
 */
static struct ptl_decoder_state *need_state(struct ptl_decoder *decoder)
{
    struct ptl_decoder_state *state = decoder->state;

    if (state != NULL) {
        return state;
    }
    state = ptl_alloc(decoder->allocator, sizeof *state);
    if (state == NULL) {
        return NULL;
    }
    size_t size_max = decoder->message_bytes_max;
    if (decoder->framing == PTL_FRAMING_CBOR) {
        ptl_cbor_scan_init(&state->scan.cbor, decoder->allocator, PACKET_DEPTH_MAX, size_max);
    } else {
        ptl_json_scan_init(&state->scan.json, PACKET_DEPTH_MAX, size_max);
    }
    ptl_buffer_init(&state->held, decoder->allocator, size_max);
    ptl_buffer_init(&state->plain, decoder->allocator, size_max);
    ptl_buffer_init(&state->name, decoder->allocator, size_max);
    decoder->state = state;
    return state;
}

void ptl_decoder_drop(struct ptl_decoder *decoder)
{
    struct ptl_decoder_state *state = decoder->state;

    if (state == NULL) {
        return;
    }
    if (decoder->framing == PTL_FRAMING_CBOR) {
        ptl_cbor_scan_drop(&state->scan.cbor);
    }
    ptl_buffer_drop(&state->held);
    ptl_buffer_drop(&state->plain);
    ptl_buffer_drop(&state->name);
    ptl_free(decoder->allocator, state, sizeof *state);
    decoder->state = NULL;
}

size_t ptl_decoder_held(const struct ptl_decoder *decoder)
{
    const struct ptl_decoder_state *state = decoder->state;

    if (state == NULL) {
        return 0;
    }
    return sizeof *state + state->held.capacity + state->plain.capacity + state->name.capacity;
}

static void forget(struct ptl_buffer *buffer)
{
    ptl_buffer_ease(buffer, KEPT_MAX);
}

/* The caller has seen the last packet: what it lay in is free again. */
static void forget_packet(struct ptl_decoder_state *state)
{
    forget(&state->held);
    forget(&state->plain);
    forget(&state->name);
}

/* ---- Plain packets where they lie --------------------------------------------------------- */

/*
 * The head and the bytes of a name that can be used as it is: a byte string in ASCII, or text in
 * UTF-8; null is the empty name.  Returns the byte after it, or NULL.
 */
static const uint8_t *plain_name(const uint8_t *at, const uint8_t *end, struct ptl_span *name)
{
    struct ptl_cbor_item item;
    size_t head = ptl_cbor_read(at, end, &item);

    if (head == 0) {
        return NULL;
    }
    at += head;
    if (item.major == PTL_CBOR_SIMPLE && item.info == (PTL_CBOR_NULL & 31)) {
        *name = ptl_span(at, 0);
        return at;
    }
    if ((item.major != PTL_CBOR_BYTES && item.major != PTL_CBOR_TEXT) || item.info == 31 ||
        item.argument > (size_t)(end - at)) {
        return NULL;
    }
    *name = ptl_span(at, (size_t)item.argument);
    bool good =
        item.major == PTL_CBOR_BYTES ? ptl_utf8_ascii(*name) == name->size : ptl_utf8_valid(*name);
    return good ? at + name->size : NULL;
}

/*
 * The packet at the beginning of `input`, if all of it is there and plain.  false: look closer.
 */
static bool take_plain(struct ptl_span *input, struct ptl_packet *packet)
{
    const uint8_t *at = input->bytes;
    const uint8_t *end = at + input->size;
    struct ptl_cbor_item array;
    size_t head = ptl_cbor_read(at, end, &array);

    if (head == 0 || array.major != PTL_CBOR_ARRAY || array.info == 31 ||
        array.argument > UINT32_MAX) {
        return false;
    }
    at += head;
    *packet = (struct ptl_packet){.name = ptl_span(at, 0), .body = ptl_span(at, 0)};
    if (array.argument == 0) {
        packet->empty = true;
    } else {
        at = plain_name(at, end, &packet->name);
        if (at == NULL) {
            return false;
        }
        const uint8_t *body = at;
        packet->count = (uint32_t)array.argument - 1;
        at = ptl_cbor_plain_end(body, end, packet->count, PTL_CBOR_DEPTH_MAX);
        if (at == NULL) {
            return false;
        }
        packet->body = ptl_span(body, (size_t)(at - body));
    }
    *input = ptl_span(at, (size_t)(end - at));
    return true;
}

/* ---- All other packets -------------------------------------------------------------------- */

static void set_oddity(struct ptl_packet *packet)
{
    *packet = (struct ptl_packet){.name = ptl_span("", 0), .body = ptl_span("", 0)};
    packet->oddity = PTL_EPACKET;
}

/* A name that takes some work: Latin-1, or a number.  1: done; 0: no name at all. */
static int make_name(struct ptl_decoder_state *state, struct ptl_span *plain, struct ptl_span *name)
{
    struct ptl_cbor_item item;
    char text[PTL_CBOR_TEXT_MAX];
    size_t head = ptl_cbor_read(plain->bytes, plain->bytes + plain->size, &item);

    ptl_assert(head > 0); /* the packet is well-formed, and has a first element */

    *plain = ptl_span_skip(*plain, head);
    if (item.major == PTL_CBOR_BYTES) {
        ptl_utf8_from_latin1(&state->name, ptl_span(plain->bytes, (size_t)item.argument));
        *plain = ptl_span_skip(*plain, (size_t)item.argument);
    } else if (item.major == PTL_CBOR_UINT || item.major == PTL_CBOR_NEGATIVE) {
        ptl_buffer_append(&state->name, text, ptl_cbor_text(text, &item));
    } else {
        return 0;
    }
    *name = ptl_buffer_span(&state->name);
    return state->name.err < 0 ? state->name.err : 1;
}

/* Take a packet's plain CBOR apart.  1, or an error. */
static int present_plain(struct ptl_decoder_state *state, struct ptl_span plain,
                         struct ptl_packet *packet)
{
    struct ptl_span rest = plain;

    if (take_plain(&rest, packet)) {
        return 1;
    }
    set_oddity(packet);
    struct ptl_cbor_item array;
    struct ptl_span name;
    size_t head = ptl_cbor_read(plain.bytes, plain.bytes + plain.size, &array);
    if (head == 0 || array.major != PTL_CBOR_ARRAY) {
        return 1;
    }
    struct ptl_span body = ptl_span_skip(plain, head);
    int got = make_name(state, &body, &name);
    if (got > 0) {
        *packet =
            (struct ptl_packet){.name = name, .body = body, .count = (uint32_t)array.argument - 1};
    }
    return got < 0 ? got : 1;
}

static int scan_feed(struct ptl_decoder *decoder, struct ptl_span *input)
{
    ptl_assert(decoder->state != NULL);
    return decoder->framing == PTL_FRAMING_CBOR
               ? ptl_cbor_scan_feed(&decoder->state->scan.cbor, input)
               : ptl_json_scan_feed(&decoder->state->scan.json, input);
}

static bool has_begun(const struct ptl_decoder *decoder)
{
    return decoder->framing == PTL_FRAMING_CBOR || decoder->state->scan.json.size > 0;
}

/* `whole` is one packet: well-formed as the scanner says.  1, or an error. */
static int present(struct ptl_decoder *decoder, struct ptl_span whole, struct ptl_packet *packet)
{
    struct ptl_decoder_state *state = decoder->state;

    if (decoder->framing == PTL_FRAMING_CBOR && state->scan.cbor.plain) {
        return present_plain(state, whole, packet);
    }
    int err = decoder->framing == PTL_FRAMING_CBOR
                  ? ptl_cbor_normalise(&state->plain, whole, PACKET_DEPTH_MAX)
                  : ptl_json_to_cbor(&state->plain, whole, PACKET_DEPTH_MAX);
    if (err < 0) {
        return err;
    }
    return present_plain(state, ptl_buffer_span(&state->plain), packet);
}

/* Go on with the packet that has begun.  1: here it is; 0: it goes on; or an error. */
static int take_scanned(struct ptl_decoder *decoder, struct ptl_span *input,
                        struct ptl_packet *packet)
{
    struct ptl_decoder_state *state = need_state(decoder);

    if (state == NULL) {
        return PTL_ENOMEM;
    }
    if (!state->partial) {
        forget_packet(state);
    }
    struct ptl_span taken = *input;
    int got = scan_feed(decoder, input);
    if (got < 0) {
        return got;
    }
    taken.size -= input->size;
    if (!state->partial && decoder->framing == PTL_FRAMING_JSON) {
        /* White space before a packet is none of it. */
        ptl_assert(state->scan.json.size <= taken.size);
        taken = ptl_span_skip(taken, taken.size - state->scan.json.size);
    }
    state->partial = got == 0 && has_begun(decoder);
    /* Whole in this piece of input, it is looked at where it lies; else its pieces are put
     * together. */
    if (state->partial || state->held.size > 0) {
        int err = ptl_buffer_append(&state->held, taken.bytes, taken.size);
        if (err < 0) {
            return err;
        }
        taken = ptl_buffer_span(&state->held);
    }
    return got == 0 ? 0 : present(decoder, taken, packet);
}

static int next_packet(struct ptl_decoder *decoder, struct ptl_span *input,
                       struct ptl_packet *packet)
{
    bool partial = decoder->state != NULL && decoder->state->partial;

    if (!partial && decoder->framing == PTL_FRAMING_CBOR) {
        const uint8_t *first = input->bytes;
        if (take_plain(input, packet)) {
            return (size_t)(input->bytes - first) > decoder->message_bytes_max ? PTL_ESIZE : 1;
        }
    }
    return take_scanned(decoder, input, packet);
}

int ptl_decoder_next(struct ptl_decoder *decoder, struct ptl_span *input, struct ptl_packet *packet)
{
    if (decoder->err != 0) {
        return decoder->err;
    }
    int got = input->size == 0 ? 0 : next_packet(decoder, input, packet);
    if (got > 0) {
        return got;
    }
    if (got < 0) {
        decoder->err = got;
    }
    /* Between packets an idle connection costs nothing. */
    if (decoder->state != NULL && (got < 0 || !decoder->state->partial)) {
        ptl_decoder_drop(decoder);
    }
    return got;
}

/* ---- Writing ------------------------------------------------------------------------------ */

/* Bytes, as real nodes send it, unless the name has characters of its own: then they need text. */
static unsigned name_major(struct ptl_span name)
{
    bool text = ptl_utf8_ascii(name) < name.size && ptl_utf8_valid(name);

    return text ? PTL_CBOR_TEXT : PTL_CBOR_BYTES;
}

size_t ptl_packet_head(enum ptl_framing framing, uint8_t *out, size_t room, struct ptl_span name,
                       uint32_t count)
{
    if (framing != PTL_FRAMING_CBOR || room < name.size ||
        room - name.size <
            ptl_cbor_head_size((uint64_t)count + 1) + ptl_cbor_head_size(name.size)) {
        return 0;
    }
    size_t size = ptl_cbor_head(out, PTL_CBOR_ARRAY, (uint64_t)count + 1);
    size += ptl_cbor_head(out + size, name_major(name), name.size);
    if (name.size > 0) {
        memcpy(out + size, name.bytes, name.size);
    }
    return size + name.size;
}

static void encode_cbor(struct ptl_buffer *out, struct ptl_span name, struct ptl_span body,
                        uint32_t count)
{
    size_t room_size = name.size + PTL_PACKET_HEAD_MAX;
    uint8_t *room = ptl_buffer_reserve(out, room_size + body.size);

    if (room == NULL) {
        return;
    }
    size_t size = ptl_packet_head(PTL_FRAMING_CBOR, room, room_size, name, count);
    ptl_assert(size > 0 && size <= room_size);
    if (body.size > 0) {
        memcpy(room + size, body.bytes, body.size);
    }
    out->size += size + body.size;
}

static void encode_json(struct ptl_buffer *out, struct ptl_span name, struct ptl_span body)
{
    ptl_buffer_byte(out, '[');
    ptl_json_string(out, name, name_major(name) == PTL_CBOR_TEXT);
    if (body.size > 0) {
        ptl_buffer_byte(out, ',');
        int err = ptl_json_from_cbor(out, body);
        if (err < 0 && out->err == 0) {
            out->err = err;
        }
    }
    ptl_buffer_byte(out, ']');
}

/* All or nothing: what a packet has left behind before it failed is taken back. */
int ptl_packet_encode(enum ptl_framing framing, struct ptl_buffer *out, struct ptl_span name,
                      struct ptl_span body, uint32_t count)
{
    size_t before = out->size;

    if (framing == PTL_FRAMING_CBOR) {
        encode_cbor(out, name, body, count);
    } else {
        encode_json(out, name, body);
    }
    if (out->err != 0) {
        out->size = before;
    }
    return out->err;
}
