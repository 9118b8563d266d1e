#include "io/utf8.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

static uint64_t load_word(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

size_t ptl_utf8_ascii(struct ptl_span text)
{
    size_t at = 0;

    while (text.size - at >= sizeof(uint64_t) && (load_word(text.bytes + at) & HIGH_BITS) == 0) {
        at += sizeof(uint64_t);
    }
    while (at < text.size && text.bytes[at] < 0x80) {
        at++;
    }
    return at;
}

/*
 * The first byte of a longer character.  What the second may be depends on it: that alone keeps
 * out overlong forms (E0, F0), surrogates (ED) and what is above U+10FFFF (F4).
 */
static bool begin_character(struct ptl_utf8 *check, uint8_t first)
{
    ptl_assert(first >= 0x80);
    if (first < 0xc2 || first > 0xf4) {
        return false;
    }
    check->wanted = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    check->low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    check->high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return true;
}

bool ptl_utf8_feed(struct ptl_utf8 *check, struct ptl_span piece)
{
    const uint8_t *at = piece.bytes;
    const uint8_t *end = at + piece.size;

    while (at < end) {
        if (check->wanted > 0) {
            if (*at < check->low || *at > check->high) {
                return false;
            }
            /* Only the second byte has bounds of its own. */
            check->wanted--;
            check->low = 0x80;
            check->high = 0xbf;
            at++;
        } else if (*at < 0x80) {
            at += ptl_utf8_ascii(ptl_span(at, (size_t)(end - at)));
        } else if (!begin_character(check, *at++)) {
            return false;
        }
    }
    return true;
}

bool ptl_utf8_valid(struct ptl_span text)
{
    struct ptl_utf8 check = {0};

    return ptl_utf8_feed(&check, text) && ptl_utf8_whole(&check);
}

size_t ptl_utf8_put(uint8_t out[4], uint32_t character)
{
    ptl_assert(character <= 0x10ffff);
    if (character < 0x80) {
        out[0] = (uint8_t)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (uint8_t)(0xc0 | character >> 6);
        out[1] = 0x80 | (character & 0x3f);
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (uint8_t)(0xe0 | character >> 12);
        out[1] = 0x80 | (character >> 6 & 0x3f);
        out[2] = 0x80 | (character & 0x3f);
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | character >> 18);
    out[1] = 0x80 | (character >> 12 & 0x3f);
    out[2] = 0x80 | (character >> 6 & 0x3f);
    out[3] = 0x80 | (character & 0x3f);
    return 4;
}

/*
 * Latin-1 numbers its characters as Unicode does: each byte is one character, of one byte or two.
 */
struct ptl_span ptl_utf8_widen(struct ptl_span bytes, uint8_t *room)
{
    size_t size = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t character[4];
        size_t more = ptl_utf8_put(character, bytes.bytes[i]);
        memcpy(room + size, character, more);
        size += more;
    }
    return ptl_span(room, size);
}

int ptl_utf8_from_latin1(struct ptl_buffer *out, struct ptl_span bytes)
{
    while (bytes.size > 0) {
        size_t plain = ptl_utf8_ascii(bytes);
        ptl_buffer_append(out, bytes.bytes, plain);
        bytes = ptl_span_skip(bytes, plain);
        if (bytes.size > 0) {
            uint8_t character[4];
            ptl_buffer_append(out, character, ptl_utf8_put(character, bytes.bytes[0]));
            bytes = ptl_span_skip(bytes, 1);
        }
    }
    return out->err;
}
