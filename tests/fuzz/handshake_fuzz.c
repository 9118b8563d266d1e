/*
 * The opening of a connection.  Whatever a stranger says, in whatever pieces, ends the same way and
 * lets nobody in who has not proved that he knows the secret; and of two nodes of ours whose lines
 * somebody edits on the way neither lets the other in.
 *
 *   [ which of our nodes we are | which allocation fails | how bytes are cut | bytes ]
 *
 * A third line that begins with '!' has the right proof put in its place: "!;cbor".  Between two
 * nodes the bytes are edits: which line, where, what it is changed by.
 */
#include "io/handshake.h"
#include "io/proof.h"
#include "tests/common/memory.h"
#include "tests/fuzz/input.h"

#include <stdio.h>
#include <stdlib.h>

#define SECRET "a secret of enough bytes"
#define LINES 3

enum { IS_MIDDLE = 1, HAS_TLS = 2, NEEDS_TLS = 4, TRUSTS_TLS = 8, HAS_NO_SECRET = 16 };

/* ---- One node ------------------------------------------------------------------------------ */

static struct ptl_handshake_options options_of(unsigned kind, const char *node_id)
{
    static const char *const framings[] = {"portolan,cbor,json", "cbor", "json,cbor", "json"};

    return (struct ptl_handshake_options){
        .node_id = ptl_span_text(node_id),
        .secret = ptl_span_text((kind & HAS_NO_SECRET) != 0 ? "" : SECRET),
        .framings = ptl_span_text(framings[kind >> 6]),
        .provider = ptl_span_text("portolan-0.1.0"),
        .incarnation = UINT64_C(0xfedcba9876543210),
        .features = 3,
        .message_bytes_max = 1 << 20,
        .frames = {.version = 1,
                   .lanes = 1,
                   .flows = 4096,
                   .flow_room = 65536,
                   .lane_room = 1048576,
                   .silence_ms = 2000},
        .tls = (kind & (HAS_TLS | NEEDS_TLS)) != 0,
        .tls_required = (kind & NEEDS_TLS) != 0,
    };
}

static int begin(struct ptl_handshake *handshake, const struct ptl_allocator *allocator,
                 unsigned kind, const char *node_id)
{
    struct ptl_handshake_options options = options_of(kind, node_id);
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];

    memset(nonce, node_id[0], sizeof nonce);
    return ptl_handshake_init(handshake, allocator, &options, ptl_span(nonce, sizeof nonce),
                              ptl_span_text("127.0.0.1:4040"));
}

/* ---- A stranger ---------------------------------------------------------------------------- */

/* The lines that a stranger has said, without their ends. */
struct said {
    struct ptl_span lines[LINES];
    unsigned count;
};

static void put_proof(char hex[PTL_PROOF_HEX], const struct ptl_handshake *handshake,
                      const struct said *said)
{
    const struct ptl_span end = ptl_span_text("\n");
    const struct ptl_span parts[] = {said->lines[0], end, said->lines[1], end,
                                     ptl_handshake_greeting(handshake)};
    uint8_t proof[PTL_PROOF_BYTES];

    ptl_assert(ptl_proof_hmac(proof, ptl_span_text(SECRET), parts, 5) == 0);
    ptl_proof_hex(hex, ptl_span(proof, sizeof proof));
}

static bool begins_with(struct ptl_span line, const char *text, size_t size)
{
    return line.size >= size && memcmp(line.bytes, text, size) == 0;
}

/* Whether the third line shows the secret. */
static bool is_proof(const struct ptl_handshake *handshake, const struct said *said)
{
    char right[32 + PTL_PROOF_HEX];
    char hex[PTL_PROOF_HEX];

    put_proof(hex, handshake, said);
    int size = snprintf(right, sizeof right, "hmac_sha3_512;%.*s;", PTL_PROOF_HEX, hex);
    if (begins_with(said->lines[2], right, (size_t)size)) {
        return true;
    }
    ptl_proof_hex(hex, ptl_span_text(SECRET));
    size = snprintf(right, sizeof right, "cleartext;%.*s;", 2 * (int)strlen(SECRET), hex);
    return begins_with(said->lines[2], right, (size_t)size);
}

/* What is known of the peer can be looked at, and is what a log may show. */
static void check_peer(const struct ptl_handshake *handshake)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(handshake);

    ptl_assert(peer->node_id.size <= PTL_HANDSHAKE_NODE_ID_MAX);
    ptl_assert(peer->provider.size <= PTL_HANDSHAKE_PROVIDER_MAX);
    for (size_t i = 0; i < peer->node_id.size; i++) {
        ptl_assert(peer->node_id.bytes[i] >= 0x20 && peer->node_id.bytes[i] != '#');
    }
    for (size_t i = 0; i < peer->provider.size; i++) {
        ptl_assert(peer->provider.bytes[i] >= 0x20);
    }
}

static void check_own_proof(const struct ptl_handshake *handshake, bool memory_fails)
{
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX], again[PTL_HANDSHAKE_PROOF_LINE_MAX];
    int size = ptl_handshake_prove(handshake, 7, line);

    ptl_assert(size > 0 || memory_fails);
    ptl_assert(size < 0 ||
               (line[size - 1] == '\n' && ptl_handshake_prove(handshake, 7, again) == size));
    ptl_assert(size < 0 || memcmp(line, again, (size_t)size) == 0);
}

static struct ptl_span without_end(struct ptl_span line)
{
    line.size--;
    line.size -= line.size > 0 && line.bytes[line.size - 1] == '\r';
    return line;
}

/* One line was taken. */
static void take(struct ptl_handshake *handshake, unsigned kind, struct said *said,
                 struct ptl_span line)
{
    ptl_assert(said->count < LINES);
    said->lines[said->count++] = without_end(line);
    check_peer(handshake);
    if (ptl_handshake_state(handshake) == PTL_HANDSHAKE_PROOF) {
        const struct ptl_handshake_peer *peer = ptl_handshake_peer(handshake);
        ptl_assert(!peer->tls || (kind & (HAS_TLS | NEEDS_TLS)) != 0);
        ptl_assert(peer->tls || (kind & NEEDS_TLS) == 0);
        check_own_proof(handshake, false);
        if (peer->tls && (kind & TRUSTS_TLS) != 0) {
            ptl_handshake_take_tls(handshake, true);
        }
    }
}

/* Nobody is up but by the secret, or by a certificate where that was believed. */
static void check_up(const struct ptl_handshake *handshake, unsigned kind, const struct said *said)
{
    bool by_tls = (kind & TRUSTS_TLS) != 0 && ptl_handshake_peer(handshake)->tls &&
                  begins_with(said->lines[2], "tls_sha3_512;", 13);

    ptl_assert(said->count == LINES);
    if (!by_tls) {
        ptl_assert((kind & (NEEDS_TLS | HAS_NO_SECRET)) == 0);
        ptl_assert(is_proof(handshake, said));
    }
}

/* The bytes with the right proof where the third line asks for it; to be freed. */
static uint8_t *with_proof(const struct ptl_handshake *handshake, struct ptl_span bytes,
                           size_t *size)
{
    struct said said = {.count = 0};
    struct ptl_span rest = bytes;
    char hex[PTL_PROOF_HEX];
    uint8_t *made = malloc(bytes.size + 32 + PTL_PROOF_HEX);

    ptl_assert(made != NULL);
    memcpy(made, bytes.bytes, bytes.size);
    *size = bytes.size;
    while (said.count < 2 && rest.size > 0 && memchr(rest.bytes, '\n', rest.size) != NULL) {
        const uint8_t *end = memchr(rest.bytes, '\n', rest.size);
        struct ptl_span line = ptl_span(rest.bytes, (size_t)(end - rest.bytes) + 1);
        said.lines[said.count++] = without_end(line);
        rest = ptl_span_skip(rest, line.size);
    }
    if (said.count == 2 && rest.size > 0 && rest.bytes[0] == '!') {
        put_proof(hex, handshake, &said);
        int put = snprintf((char *)made + (rest.bytes - bytes.bytes), 32 + PTL_PROOF_HEX,
                           "hmac_sha3_512;%.*s", PTL_PROOF_HEX, hex);
        memcpy(made + (rest.bytes - bytes.bytes) + put, rest.bytes + 1, rest.size - 1);
        *size = bytes.size + (size_t)put - 1;
    }
    return made;
}

/* How a stranger was dealt with: the last answer, and how many of his bytes were used. */
struct verdict {
    int result;
    size_t used;
};

static struct verdict hear(struct ptl_handshake *handshake, unsigned kind, struct ptl_span bytes,
                           unsigned cut_seed)
{
    struct fuzz_cuts cuts = fuzz_cuts(cut_seed);
    struct verdict verdict = {.result = 0};
    struct said said = {.count = 0};
    size_t come = 0;

    while (ptl_handshake_state(handshake) < PTL_HANDSHAKE_UP) {
        struct ptl_span input = ptl_span(bytes.bytes + verdict.used, come - verdict.used);
        verdict.result = ptl_handshake_feed(handshake, input);
        if (verdict.result > 0) {
            ptl_assert((size_t)verdict.result <= input.size);
            take(handshake, kind, &said, ptl_span(input.bytes, (size_t)verdict.result));
            verdict.used += (size_t)verdict.result;
        } else if (verdict.result == 0 && come < bytes.size) {
            come += fuzz_cut(&cuts, bytes.size - come);
        } else {
            break;
        }
    }
    ptl_assert((verdict.result < 0) == (ptl_handshake_state(handshake) == PTL_HANDSHAKE_FAILED));
    if (ptl_handshake_state(handshake) == PTL_HANDSHAKE_UP) {
        check_up(handshake, kind, &said);
    }
    return verdict;
}

static struct verdict meet(struct test_memory *memory, unsigned kind, struct ptl_span bytes,
                           unsigned cut_seed)
{
    struct verdict verdict = {.result = PTL_ENOMEM};
    struct ptl_handshake handshake;
    size_t size;

    if (begin(&handshake, &memory->allocator, kind, "rain") < 0) {
        return verdict;
    }
    uint8_t *made = with_proof(&handshake, bytes, &size);
    verdict = hear(&handshake, kind, ptl_span(made, size), cut_seed);
    free(made);
    ptl_handshake_drop(&handshake);
    return verdict;
}

static void meet_stranger(struct test_memory *memory, unsigned kind, struct ptl_span bytes,
                          unsigned cut_seed)
{
    struct verdict whole = meet(memory, kind, bytes, 0);
    struct verdict pieces = meet(memory, kind, bytes, cut_seed);

    if (memory->fail_from == 0) {
        ptl_assert(whole.result == pieces.result);
        ptl_assert(whole.used == pieces.used);
    }
}

/* ---- Somebody in the middle ---------------------------------------------------------------- */

#define TEXT_MAX (3 * PTL_HANDSHAKE_LINE_MAX)

/* What one of two nodes says, as the other one reads it. */
struct road {
    char text[TEXT_MAX];
    size_t size;
};

static void append(struct road *road, const void *bytes, size_t size)
{
    ptl_assert(road->size + size <= sizeof road->text);
    memcpy(road->text + road->size, bytes, size);
    road->size += size;
}

/* Whether anything is different in the end. */
static bool edit(struct road roads[2], struct fuzz_input *input)
{
    static struct road before[2];

    memcpy(before, roads, sizeof before);
    while (!fuzz_is_empty(input)) {
        unsigned road = fuzz_byte(input) & 1;
        size_t at = fuzz_two_bytes(input) % roads[road].size;
        roads[road].text[at] ^= (char)fuzz_byte(input);
    }
    return memcmp(before[0].text, roads[0].text, roads[0].size) != 0 ||
           memcmp(before[1].text, roads[1].text, roads[1].size) != 0;
}

/* Feed all that has come.  The last answer. */
static int hear_road(struct ptl_handshake *handshake, struct road *road)
{
    size_t used = 0;
    int result = 1;

    while (ptl_handshake_state(handshake) < PTL_HANDSHAKE_UP && result > 0) {
        result = ptl_handshake_feed(handshake, ptl_span(road->text + used, road->size - used));
        used += result > 0 ? (size_t)result : 0;
    }
    road->size = 0;
    return result;
}

static void meet_each_other(struct test_memory *memory, unsigned kind, struct fuzz_input *input)
{
    static const char *const ids[] = {"rain", "snow"};
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];
    struct ptl_handshake ends[2] = {{0}};
    struct road roads[2] = {{.size = 0}}; /* from each end */

    kind &= ~(unsigned)(HAS_TLS | NEEDS_TLS | HAS_NO_SECRET);
    for (unsigned i = 0; i < 2; i++) {
        ptl_assert(begin(&ends[i], &memory->allocator, kind, ids[i]) == 0);
        struct ptl_span greeting = ptl_handshake_greeting(&ends[i]);
        append(&roads[i], greeting.bytes, greeting.size);
    }
    bool edited = edit(roads, input);
    for (unsigned i = 0; i < 2; i++) {
        (void)hear_road(&ends[i], &roads[1 - i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (ptl_handshake_state(&ends[i]) == PTL_HANDSHAKE_PROOF) {
            append(&roads[i], line, (size_t)ptl_handshake_prove(&ends[i], 1, line));
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (ptl_handshake_state(&ends[i]) == PTL_HANDSHAKE_PROOF) {
            (void)hear_road(&ends[i], &roads[1 - i]);
        }
        bool is_up = ptl_handshake_state(&ends[i]) == PTL_HANDSHAKE_UP;
        ptl_assert(is_up == !edited);
    }
    ptl_handshake_drop(&ends[0]);
    ptl_handshake_drop(&ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    unsigned kind = fuzz_byte(&input);
    unsigned fail_from = fuzz_byte(&input);
    unsigned cut_seed = fuzz_byte(&input);
    struct test_memory memory;

    test_memory_init(&memory);
    if ((kind & IS_MIDDLE) != 0) {
        meet_each_other(&memory, kind, &input);
    } else {
        test_memory_fail(&memory, fail_from);
        meet_stranger(&memory, kind, fuzz_rest(&input), cut_seed);
    }
    ptl_assert(memory.out_bytes == 0);
    return 0;
}
