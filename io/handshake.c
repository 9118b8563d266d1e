#include "io/handshake.h"

#include "io/framing.h"
#include "io/proof.h"
#include "io/utf8.h"

#include <inttypes.h>
#include <stdio.h>

/* The words of the protocol that stand in more than one place. */
#define PROTOCOL "aemp"
#define VERSION "1"
#define HMAC "hmac_sha3_512"
#define CLEARTEXT "cleartext"
#define TLS "tls_sha3_512"
#define ANONYMOUS "tls_anon"

enum field { /* of the first line */
             FIELD_PROTOCOL,
             FIELD_VERSION,
             FIELD_NODE_ID,
             FIELD_METHODS,
             FIELD_FRAMINGS,
             FIELD_KEYS, /* the first of any number */
};

/* ---- Taking lines apart ------------------------------------------------------------------- */

/* Cut the part before the next `separator` off; false when nothing was left to cut. */
static bool cut(struct ptl_span *rest, char separator, struct ptl_span *part)
{
    if (rest->bytes == NULL) {
        return false;
    }
    const uint8_t *end = rest->size > 0 ? memchr(rest->bytes, separator, rest->size) : NULL;
    if (end == NULL) {
        *part = *rest;
        *rest = ptl_span(NULL, 0);
    } else {
        *part = ptl_span(rest->bytes, (size_t)(end - rest->bytes));
        *rest = ptl_span_skip(*rest, part->size + 1);
    }
    return true;
}

/* The `index`th field of `line`; false when it has fewer. */
static bool find_field(struct ptl_span line, unsigned index, struct ptl_span *field)
{
    for (unsigned i = 0; i <= index; i++) {
        if (!cut(&line, ';', field)) {
            return false;
        }
    }
    return true;
}

/* Undo %3b and %25; any other '%' is itself, as real nodes escape nothing. */
static struct ptl_span unescape(uint8_t *out, struct ptl_span field)
{
    size_t size = 0;

    for (size_t i = 0; i < field.size; i++) {
        const uint8_t *at = field.bytes + i;
        bool escaped = field.size - i >= 3 && at[0] == '%';

        if (escaped && at[1] == '3' && (at[2] == 'b' || at[2] == 'B')) {
            out[size++] = ';';
            i += 2;
        } else if (escaped && at[1] == '2' && at[2] == '5') {
            out[size++] = '%';
            i += 2;
        } else {
            out[size++] = at[0];
        }
    }
    return ptl_span(out, size);
}

/* Names are shown in logs and travel as text: UTF-8, and nothing that moves a terminal's cursor. */
static bool is_printable(struct ptl_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.bytes[i] < 0x20 || name.bytes[i] == 0x7f) {
            return false;
        }
    }
    return ptl_utf8_valid(name);
}

static bool is_node_id(struct ptl_span id)
{
    return id.size > 0 && id.size <= PTL_HANDSHAKE_NODE_ID_MAX &&
           memchr(id.bytes, '#', id.size) == NULL && is_printable(id);
}

/* A number of at most 64 bits; anything else is refused, a sign too. */
static bool read_number(struct ptl_span text, unsigned base, uint64_t *number)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        unsigned digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *number = value;
    return text.size > 0;
}

/* ---- Our own lines ------------------------------------------------------------------------ */

/* A line being written; too much is remembered, not written. */
struct line {
    size_t size;
    bool over;
    char bytes[2 * PTL_HANDSHAKE_LINE_MAX];
};

static void put(struct line *line, struct ptl_span bytes)
{
    ptl_assert(line->size <= sizeof(line->bytes));
    if (bytes.size > sizeof(line->bytes) - line->size) {
        line->over = true;
    } else if (bytes.size > 0) {
        memcpy(line->bytes + line->size, bytes.bytes, bytes.size);
        line->size += bytes.size;
    }
}

static void put_text(struct line *line, const char *text)
{
    put(line, ptl_span_text(text));
}

/*
 * Only what the reader would undo is escaped: a '%' that stands for itself in both languages goes
 * out bare, so that a real node sees the same node ID as we do.
 */
static void put_escaped(struct line *line, struct ptl_span field)
{
    for (size_t i = 0; i < field.size; i++) {
        uint8_t scratch[3];
        struct ptl_span here = ptl_span(field.bytes + i, field.size - i < 3 ? field.size - i : 3);

        if (here.bytes[0] == ';') {
            put_text(line, "%3b");
        } else if (here.bytes[0] == '%' && unescape(scratch, here).size < here.size) {
            put_text(line, "%25");
        } else {
            put(line, ptl_span(here.bytes, 1));
        }
    }
}

static void put_base64(struct line *line, struct ptl_span bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    ptl_assert(bytes.size % 3 == 0);
    for (; bytes.size > 0; bytes = ptl_span_skip(bytes, 3)) {
        uint32_t bits =
            (uint32_t)bytes.bytes[0] << 16 | (uint32_t)bytes.bytes[1] << 8 | bytes.bytes[2];
        for (int shift = 18; shift >= 0; shift -= 6) {
            put(line, ptl_span(&digits[bits >> shift & 63], 1));
        }
    }
}

/* The words of `list` that we know, in its order. */
static void put_framings(struct line *line, struct ptl_span list)
{
    const char *separator = ";";
    struct ptl_span word;

    while (cut(&list, ',', &word)) {
        if (ptl_framing_find(word) >= 0) {
            put_text(line, separator);
            put(line, word);
            separator = ",";
        }
    }
}

static void put_keys(struct line *line, const struct ptl_handshake_options *options,
                     struct ptl_span peer_address)
{
    char portolan[96];

    put_text(line, ";provider=");
    put_escaped(line, options->provider);
    put_text(line, ";peeraddr=");
    put_escaped(line, peer_address);
    snprintf(portolan, sizeof(portolan), ";mproto=1;gproto=1;portolan=%" PRIx64 ".%" PRIx64,
             options->incarnation, options->features);
    put_text(line, portolan);
    if (options->message_bytes_max != 0) {
        snprintf(portolan, sizeof(portolan), ".%" PRIx64, options->message_bytes_max);
        put_text(line, portolan);
    }
    if (options->tls) {
        put_text(line, ";tls=1.0");
    }
}

/*
 * What we take.  Cleartext is for scripts; hmac_sha3_512 must stand here even so, or real nodes
 * hang up.  Without TLS both stand here also where there is no secret: then it is the other side's
 * greeting that is refused, for want of a method of ours.
 */
static void put_methods(struct line *line, const struct ptl_handshake_options *options)
{
    bool secret = !options->tls || (options->secret.size != 0 && !options->tls_required);

    put_text(line, ";");
    put_text(line, options->tls ? TLS : "");
    put_text(line, options->tls && secret ? "," : "");
    put_text(line, secret ? HMAC : "");
    put_text(line, options->tls && options->anonymous.size != 0 ? "," ANONYMOUS : "");
    put_text(line, secret ? "," CLEARTEXT : "");
}

/* The numbers of frames=, in their order. */
#define FRAMES_NUMBERS (sizeof(struct ptl_handshake_frames) / sizeof(uint64_t))

static void put_frames(struct line *line, const struct ptl_handshake_frames *frames)
{
    uint64_t numbers[FRAMES_NUMBERS];
    const char *before = ";frames=";
    char text[24];

    memcpy(numbers, frames, sizeof(numbers));
    for (size_t i = 0; i < FRAMES_NUMBERS; i++) {
        snprintf(text, sizeof(text), "%" PRIx64, numbers[i]);
        put_text(line, before);
        put_text(line, text);
        before = ".";
    }
}

/* Frames are spoken by those who name them first: so both sides do, or neither. */
static bool begins_with_frames(struct ptl_span list)
{
    struct ptl_span word;

    return cut(&list, ',', &word) && ptl_framing_find(word) == PTL_FRAMING_FRAMES;
}

/* The framings that `list` names and we know, as bits. */
static uint32_t framing_bits(struct ptl_span list)
{
    bool has_frames = begins_with_frames(list);
    struct ptl_span word;
    uint32_t bits = 0;

    while (cut(&list, ',', &word)) {
        int framing = ptl_framing_find(word);
        if (framing >= 0 && (framing != PTL_FRAMING_FRAMES || has_frames)) {
            bits |= UINT32_C(1) << framing;
        }
    }
    return bits;
}

int ptl_handshake_init(struct ptl_handshake *handshake, const struct ptl_allocator *allocator,
                       const struct ptl_handshake_options *options, struct ptl_span nonce,
                       struct ptl_span peer_address)
{
    struct line line = {.size = 0};

    ptl_assert(nonce.size == PTL_HANDSHAKE_NONCE_BYTES);
    put_text(&line, PROTOCOL ";" VERSION ";");
    put_escaped(&line, options->node_id);
    put_methods(&line, options);
    put_framings(&line, options->framings);
    put_keys(&line, options, peer_address);
    if (begins_with_frames(options->framings)) {
        put_frames(&line, &options->frames);
    }
    put_text(&line, "\n");
    if (line.over || line.size > PTL_HANDSHAKE_LINE_MAX) {
        *handshake = (struct ptl_handshake){.state = PTL_HANDSHAKE_FAILED};
        return PTL_EINVAL;
    }
    put_base64(&line, nonce);
    put_text(&line, "\n");
    return ptl_handshake_init_lines(handshake, allocator, options, ptl_span(line.bytes, line.size));
}

int ptl_handshake_init_lines(struct ptl_handshake *handshake, const struct ptl_allocator *allocator,
                             const struct ptl_handshake_options *options, struct ptl_span lines)
{
    *handshake = (struct ptl_handshake){
        .allocator = allocator,
        .secret = options->secret,
        .other = options->other,
        .node_id = options->node_id,
        .own_size = (uint32_t)lines.size,
        .framings = framing_bits(options->framings),
        .anonymous = options->anonymous,
        .tls = options->tls,
        .tls_required = options->tls_required,
        .state = PTL_HANDSHAKE_FAILED,
    };
    if (!is_node_id(options->node_id) || handshake->framings == 0 || lines.size == 0) {
        return PTL_EINVAL;
    }
    handshake->own = ptl_alloc_raw(allocator, lines.size);
    if (handshake->own == NULL) {
        return PTL_ENOMEM;
    }
    memcpy(handshake->own, lines.bytes, lines.size);
    handshake->state = PTL_HANDSHAKE_GREETING;
    return PTL_OK;
}

struct ptl_span ptl_handshake_greeting(const struct ptl_handshake *handshake)
{
    return ptl_span(handshake->own, handshake->own_size);
}

struct ptl_span ptl_handshake_nonce(const struct ptl_handshake *handshake)
{
    struct ptl_span lines = ptl_handshake_greeting(handshake);
    struct ptl_span nonce = ptl_span(NULL, 0);

    cut(&lines, '\n', &nonce);
    cut(&lines, '\n', &nonce);
    return nonce;
}

/* ---- The peer's first line ---------------------------------------------------------------- */

/* portolan=INCARNATION.FEATURES.MAX, all in hex; more parts may follow one day. */
static void take_portolan(struct ptl_handshake_peer *peer, struct ptl_span value)
{
    struct ptl_span incarnation, features, most;
    uint64_t numbers[2];

    if (cut(&value, '.', &incarnation) && read_number(incarnation, 16, &numbers[0]) &&
        cut(&value, '.', &features) && read_number(features, 16, &numbers[1])) {
        peer->is_portolan = true;
        peer->incarnation = numbers[0];
        peer->features = numbers[1];
        peer->message_bytes_max = 0;
        if (cut(&value, '.', &most)) {
            (void)read_number(most, 16, &peer->message_bytes_max);
        }
    }
}

/* frames=VERSION.FEATURES.LANES.FLOWS.FLOWROOM.LANEROOM.SILENCE, all in hex; more may follow. */
static void take_frames(struct ptl_handshake_peer *peer, struct ptl_span value)
{
    /* What is said must be at least so much, or nothing was. */
    static const struct ptl_handshake_frames least = {
        .version = 1,
        .lanes = 1,
        .flows = 64,
        .flow_room = 32768,
        .lane_room = 65536,
        .silence_ms = 300,
    };
    uint64_t numbers[FRAMES_NUMBERS], at_least[FRAMES_NUMBERS];
    struct ptl_span number;

    memcpy(at_least, &least, sizeof(at_least));
    for (size_t i = 0; i < FRAMES_NUMBERS; i++) {
        if (!cut(&value, '.', &number) || !read_number(number, 16, &numbers[i]) ||
            numbers[i] < at_least[i]) {
            return;
        }
    }
    memcpy(&peer->frames, numbers, sizeof(numbers));
}

static bool starts_with_1(struct ptl_span version)
{
    return version.size > 0 && version.bytes[0] == '1' &&
           (version.size == 1 || version.bytes[1] == '.');
}

/* One KEY=VALUE.  `room` takes an unescaped value. */
static void take_key(struct ptl_handshake_peer *peer, struct ptl_span field, uint8_t *room)
{
    struct ptl_span key = ptl_span(NULL, 0);
    struct ptl_span value = field;

    cut(&value, '=', &key);
    if (ptl_span_equal(key, ptl_span_text("mproto"))) {
        peer->node_protocol = starts_with_1(value);
    } else if (ptl_span_equal(key, ptl_span_text("gproto"))) {
        peer->global_protocol = starts_with_1(value);
    } else if (ptl_span_equal(key, ptl_span_text("tls"))) {
        peer->wants_tls = starts_with_1(value);
    } else if (ptl_span_equal(key, ptl_span_text("portolan"))) {
        take_portolan(peer, value);
    } else if (ptl_span_equal(key, ptl_span_text("frames"))) {
        take_frames(peer, value);
    } else if (ptl_span_equal(key, ptl_span_text("provider")) && peer->provider.size == 0 &&
               value.size <= PTL_HANDSHAKE_PROVIDER_MAX) {
        struct ptl_span provider = unescape(room, value);
        peer->provider = is_printable(provider) ? provider : ptl_span(NULL, 0);
    }
}

/* Keep `line`, with room for the names in it: unescaped, they take no more than the line itself. */
static int keep_first(struct ptl_handshake *handshake, struct ptl_span line)
{
    ptl_assert(handshake->first == NULL && line.size > 0);
    handshake->first = ptl_alloc_raw(handshake->allocator, 2 * line.size);
    if (handshake->first == NULL) {
        return PTL_ENOMEM;
    }
    memcpy(handshake->first, line.bytes, line.size);
    handshake->first_size = (uint32_t)line.size;
    return PTL_OK;
}

static int check_first(struct ptl_span line)
{
    struct ptl_span field;

    if (!find_field(line, FIELD_PROTOCOL, &field) ||
        !ptl_span_equal(field, ptl_span_text(PROTOCOL))) {
        return PTL_EGREETING;
    }
    if (!find_field(line, FIELD_VERSION, &field)) {
        return PTL_EGREETING;
    }
    if (!ptl_span_equal(field, ptl_span_text(VERSION))) {
        return PTL_EVERSION;
    }
    return find_field(line, FIELD_FRAMINGS, &field) ? PTL_OK : PTL_EGREETING;
}

static int take_greeting(struct ptl_handshake *handshake, struct ptl_span line)
{
    struct ptl_handshake_peer *peer = &handshake->peer;
    struct ptl_span field;

    int err = check_first(line);
    if (err == PTL_OK) {
        err = keep_first(handshake, line);
    }
    if (err < 0) {
        return err;
    }
    uint8_t *room = handshake->first + line.size;
    bool found = find_field(line, FIELD_NODE_ID, &field);
    ptl_assert(found); /* check_first() has seen one behind it */
    peer->node_id = unescape(room, field);
    if (!is_node_id(peer->node_id)) {
        peer->node_id = ptl_span(NULL, 0);
        return PTL_EGREETING;
    }
    peer->own_id = ptl_span_equal(peer->node_id, handshake->node_id);
    room += peer->node_id.size;
    /* Behind the fields that every node sends, in any order; what we do not know we do not mind. */
    for (unsigned i = 0; cut(&line, ';', &field); i++) {
        if (i >= FIELD_KEYS) {
            take_key(peer, field, room);
        }
    }
    return PTL_OK;
}

/* ---- The peer's second line --------------------------------------------------------------- */

static struct ptl_span first_line(const struct ptl_handshake *handshake)
{
    return ptl_span(handshake->first, handshake->first_size);
}

/* The first framing that the peer takes and we make. */
static int choose_framing(struct ptl_handshake *handshake)
{
    struct ptl_span words, word;
    uint32_t framings = handshake->framings;

    (void)find_field(first_line(handshake), FIELD_FRAMINGS, &words);
    if (!begins_with_frames(words) || !handshake->peer.is_portolan ||
        handshake->peer.frames.version == 0) {
        framings &= ~(UINT32_C(1) << PTL_FRAMING_FRAMES);
    }
    while (cut(&words, ',', &word)) {
        int framing = ptl_framing_find(word);
        if (framing >= 0 && (framings & UINT32_C(1) << framing) != 0) {
            handshake->peer.send_framing = framing;
            return PTL_OK;
        }
    }
    return PTL_EFRAMING;
}

/* Of us: we never say the secret aloud. */
static bool takes_secret(const struct ptl_handshake *handshake)
{
    return handshake->secret.size != 0 && !handshake->tls_required;
}

/* The first method that the peer takes and we are willing to send. */
static int choose_method(struct ptl_handshake *handshake)
{
    struct ptl_span words, word;
    bool only_tls = !handshake->tls;

    (void)find_field(first_line(handshake), FIELD_METHODS, &words);
    while (cut(&words, ',', &word)) {
        handshake->sends_tls = handshake->peer.tls && ptl_span_equal(word, ptl_span_text(TLS));
        if (handshake->sends_tls ||
            (takes_secret(handshake) && ptl_span_equal(word, ptl_span_text(HMAC)))) {
            return PTL_OK;
        }
        only_tls = only_tls && ptl_span_equal(word, ptl_span_text(TLS));
    }
    return only_tls && handshake->peer.wants_tls ? PTL_EONLYTLS : PTL_EMETHOD;
}

static int choose(struct ptl_handshake *handshake)
{
    handshake->peer.tls = handshake->tls && handshake->peer.wants_tls;
    if (handshake->tls_required && !handshake->peer.tls) {
        return PTL_ENOTLS;
    }
    int err = choose_method(handshake);
    return err == PTL_OK ? choose_framing(handshake) : err;
}

static int take_nonce(struct ptl_handshake *handshake, struct ptl_span line)
{
    ptl_assert(handshake->first != NULL && handshake->second == NULL);

    handshake->second = ptl_alloc_raw(handshake->allocator, line.size + 1);
    if (handshake->second == NULL) {
        return PTL_ENOMEM;
    }
    if (line.size > 0) {
        memcpy(handshake->second, line.bytes, line.size);
    }
    handshake->second_size = (uint32_t)line.size;
    handshake->peer.nonce = ptl_span(handshake->second, line.size);
    /* Sixty-six random bytes do not come back by chance, whoever the first line says it is. */
    if (ptl_span_equal(handshake->peer.nonce, ptl_handshake_nonce(handshake))) {
        return PTL_EECHO;
    }
    return choose(handshake);
}

bool ptl_handshake_is_tls_client(const struct ptl_handshake *handshake)
{
    struct ptl_span ours = ptl_handshake_nonce(handshake);
    struct ptl_span theirs = handshake->peer.nonce;
    size_t size = ours.size < theirs.size ? ours.size : theirs.size;

    ptl_assert(handshake->peer.tls && handshake->second != NULL);
    int order = size == 0 ? 0 : memcmp(ours.bytes, theirs.bytes, size);
    return order != 0 ? order < 0 : ours.size < theirs.size; /* they differ: take_nonce() */
}

bool ptl_handshake_may_be_anonymous(const struct ptl_handshake *handshake)
{
    struct ptl_span prefix = handshake->anonymous;
    struct ptl_span id = handshake->peer.node_id;

    return prefix.size != 0 && id.size >= prefix.size &&
           memcmp(id.bytes, prefix.bytes, prefix.size) == 0;
}

void ptl_handshake_take_tls(struct ptl_handshake *handshake, bool is_verified)
{
    ptl_assert(handshake->state == PTL_HANDSHAKE_PROOF && handshake->peer.tls);
    handshake->tls_up = true;
    handshake->tls_verified = is_verified;
}

/* ---- The third lines ---------------------------------------------------------------------- */

/*
 * What a third line proves: both openings, those of its sender first; under the secret, or as they
 * are, inside TLS, where nobody in between can say that he has read something else.
 */
static int make_proof(const struct ptl_handshake *handshake, bool from_us, bool of_tls,
                      struct ptl_span secret, uint8_t proof[static PTL_PROOF_BYTES])
{
    const struct ptl_span end = ptl_span("\n", 1);
    const struct ptl_span ours = ptl_handshake_greeting(handshake);
    const struct ptl_span first = first_line(handshake);
    const struct ptl_span nonce = handshake->peer.nonce;
    const struct ptl_span mine[] = {ours, first, end, nonce, end};
    const struct ptl_span theirs[] = {first, end, nonce, end, ours};

    ptl_assert(handshake->first != NULL && handshake->second != NULL);

    return of_tls ? ptl_proof_hash(proof, from_us ? mine : theirs, 5)
                  : ptl_proof_hmac(proof, secret, from_us ? mine : theirs, 5);
}

static int check_hash(const struct ptl_handshake *handshake, bool of_tls, struct ptl_span secret,
                      struct ptl_span data)
{
    uint8_t proof[PTL_PROOF_BYTES];

    int err = make_proof(handshake, false, of_tls, secret, proof);
    if (err == PTL_OK && !ptl_proof_is_hex(data, ptl_span(proof, sizeof(proof)))) {
        err = of_tls ? PTL_ECHANGED : PTL_EAUTH;
    }
    ptl_wipe(proof, sizeof(proof));
    return err;
}

static int check_secret(const struct ptl_handshake *handshake, struct ptl_span method,
                        struct ptl_span secret, struct ptl_span data)
{
    if (ptl_span_equal(method, ptl_span_text(HMAC))) {
        return check_hash(handshake, false, secret, data);
    }
    if (ptl_span_equal(method, ptl_span_text(CLEARTEXT))) {
        return ptl_proof_is_hex(data, secret) ? PTL_OK : PTL_EAUTH;
    }
    return PTL_EMETHOD;
}

static int check_proof(struct ptl_handshake *handshake, struct ptl_span method,
                       struct ptl_span data)
{
    if (ptl_span_equal(method, ptl_span_text(TLS))) {
        handshake->peer.proved_by = PTL_PROVED_BY_CERTIFICATE;
        return handshake->tls_verified ? check_hash(handshake, true, handshake->secret, data)
                                       : PTL_EMETHOD;
    }
    if (ptl_span_equal(method, ptl_span_text(ANONYMOUS))) {
        return handshake->tls_up && data.size == 0 && ptl_handshake_may_be_anonymous(handshake)
                   ? PTL_OK
                   : PTL_EMETHOD;
    }
    if (!takes_secret(handshake)) {
        return PTL_EMETHOD;
    }
    handshake->peer.proved_by = PTL_PROVED_BY_SECRET;
    int err = check_secret(handshake, method, handshake->secret, data);
    if (err == PTL_EAUTH && handshake->other.size != 0) {
        err = check_secret(handshake, method, handshake->other, data);
        handshake->knows_other = err == PTL_OK;
    }
    return err;
}

/* The peer's session, where it tells one among further fields. */
static void take_session(struct ptl_handshake_peer *peer, struct ptl_span rest)
{
    struct ptl_span field, key;

    while (peer->is_portolan && cut(&rest, ';', &field)) {
        struct ptl_span value = field;
        if (cut(&value, '=', &key) && ptl_span_equal(key, ptl_span_text("session"))) {
            (void)read_number(value, 10, &peer->session);
        }
    }
}

static int take_proof(struct ptl_handshake *handshake, struct ptl_span line)
{
    struct ptl_span rest = line;
    struct ptl_span method, data, word;

    if (!cut(&rest, ';', &method) || !cut(&rest, ';', &data) || !cut(&rest, ';', &word)) {
        return PTL_EAUTH;
    }
    int err = check_proof(handshake, method, data);
    if (err < 0) {
        handshake->peer.proved_by = PTL_PROVED_BY_NOTHING;
        return err;
    }
    int framing = ptl_framing_find(word);
    bool frames = handshake->peer.send_framing == PTL_FRAMING_FRAMES;
    if (framing < 0 || (framing == PTL_FRAMING_FRAMES) != frames) {
        return PTL_EFRAMING;
    }
    handshake->peer.receive_framing = framing;
    take_session(&handshake->peer, rest);
    return PTL_OK;
}

int ptl_handshake_prove(const struct ptl_handshake *handshake, uint64_t session,
                        char line[static PTL_HANDSHAKE_PROOF_LINE_MAX])
{
    uint8_t proof[PTL_PROOF_BYTES];
    char hex[PTL_PROOF_HEX];
    char extra[32] = "";

    ptl_assert(handshake->state == PTL_HANDSHAKE_PROOF || handshake->state == PTL_HANDSHAKE_UP);
    int err = make_proof(handshake, true, handshake->sends_tls,
                         handshake->knows_other ? handshake->other : handshake->secret, proof);
    if (err < 0) {
        return err;
    }
    ptl_proof_hex(hex, ptl_span(proof, sizeof(proof)));
    if (handshake->peer.is_portolan && session != 0) {
        snprintf(extra, sizeof(extra), ";session=%" PRIu64, session);
    }
    int size = snprintf(line, PTL_HANDSHAKE_PROOF_LINE_MAX, "%s;%.*s;%s%s\n",
                        handshake->sends_tls ? TLS : HMAC, PTL_PROOF_HEX, hex,
                        ptl_framing_name((enum ptl_framing)handshake->peer.send_framing), extra);
    ptl_assert(size > 0 && size < PTL_HANDSHAKE_PROOF_LINE_MAX);
    return size;
}

/* ---- The machine -------------------------------------------------------------------------- */

static int fail(struct ptl_handshake *handshake, int err)
{
    handshake->state = PTL_HANDSHAKE_FAILED;
    return err;
}

int ptl_handshake_feed(struct ptl_handshake *handshake, struct ptl_span input)
{
    size_t room = input.size < PTL_HANDSHAKE_LINE_MAX ? input.size : PTL_HANDSHAKE_LINE_MAX;
    const uint8_t *end = room > 0 ? memchr(input.bytes, '\n', room) : NULL;
    enum ptl_handshake_state next;
    int err;

    if (end == NULL) {
        return room < PTL_HANDSHAKE_LINE_MAX ? 0 : fail(handshake, PTL_ELINE);
    }
    size_t size = (size_t)(end - input.bytes);
    bool carriage_return = size > 0 && end[-1] == '\r';
    struct ptl_span line = ptl_span(input.bytes, size - carriage_return);

    /* The steps return a verdict and leave the state alone: it changes in one place, at the end. */
    switch (handshake->state) {
    case PTL_HANDSHAKE_GREETING:
        err = take_greeting(handshake, line);
        next = PTL_HANDSHAKE_NONCE;
        break;
    case PTL_HANDSHAKE_NONCE:
        err = take_nonce(handshake, line);
        next = PTL_HANDSHAKE_PROOF;
        break;
    case PTL_HANDSHAKE_PROOF:
        err = take_proof(handshake, line);
        next = PTL_HANDSHAKE_UP;
        break;
    case PTL_HANDSHAKE_UP:
    case PTL_HANDSHAKE_FAILED:
    default:
        ptl_unreachable("fed after the end");
    }
    if (err < 0) {
        return fail(handshake, err);
    }
    handshake->state = next;
    return (int)size + 1;
}

enum ptl_handshake_state ptl_handshake_state(const struct ptl_handshake *handshake)
{
    return handshake->state;
}

const struct ptl_handshake_peer *ptl_handshake_peer(const struct ptl_handshake *handshake)
{
    return &handshake->peer;
}

/* What was said may have been said in cleartext, and what was proved can be tried on guesses. */
static void wipe_and_free(const struct ptl_allocator *allocator, void *block, size_t size)
{
    if (block != NULL) {
        ptl_wipe(block, size);
        ptl_free(allocator, block, size);
    }
}

void ptl_handshake_drop(struct ptl_handshake *handshake)
{
    wipe_and_free(handshake->allocator, handshake->own, handshake->own_size);
    wipe_and_free(handshake->allocator, handshake->first, 2 * (size_t)handshake->first_size);
    wipe_and_free(handshake->allocator, handshake->second, (size_t)handshake->second_size + 1);
    ptl_wipe(handshake, sizeof(*handshake));
}
