/*
 * The scanner of io/json.h: the grammar of RFC 8259 as a machine that eats bytes.
 *
 *   BETWEEN --value--> ... NEXT --',' or close--> ... until depth 0 --> BETWEEN again
 *
 * A number has no end of its own: it ends at the first byte that cannot belong to it, which is
 * then looked at again.
 */
#include "io/json.h"

enum state {
    BETWEEN,     /* texts; only white space counts for nothing */
    VALUE,       /* must come */
    FIRST_VALUE, /* or ']' */
    FIRST_KEY,   /* or '}' */
    KEY,         /* must come */
    COLON,
    NEXT, /* ',' or the container's end */
    STRING,
    ESCAPE,  /* after '\' */
    HEX,     /* in \uXXXX; `word` tells how many digits are to come */
    WORD,    /* in true, false, null, inf, nan; `word` is the rest */
    AFTER_N, /* null or nan */
    MINUS,
    ZERO,
    WHOLE,
    POINT,
    FRACTION,
    EXPONENT,
    EXPONENT_SIGN,
    EXPONENT_DIGITS,
};

#define ALL_BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * The high bit of each byte that is zero.  One less makes such a byte 0xff; `~word` leaves out
 * those whose high bit was set before.  What a zero byte borrows from the byte above may make that
 * look zero, too: so bits above the first such byte may be wrong.
 */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - ALL_BYTES(0x01)) & ~word & ALL_BYTES(0x80);
}

size_t ptl_json_run(struct ptl_span text)
{
    size_t at = 0;

    for (; text.size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text.bytes + at, sizeof word);
        /* A byte below 0x20 in the same way.  Whether there is one is all that is asked here. */
        uint64_t control = (word - ALL_BYTES(0x20)) & ~word & ALL_BYTES(0x80);
        if ((control | zero_bytes(word ^ ALL_BYTES('"')) | zero_bytes(word ^ ALL_BYTES('\\'))) !=
            0) {
            break;
        }
    }
    while (at < text.size && text.bytes[at] >= 0x20 && text.bytes[at] != '"' &&
           text.bytes[at] != '\\') {
        at++;
    }
    return at;
}

void ptl_json_scan_init(struct ptl_json_scan *scan, uint32_t depth_max, size_t size_max)
{
    ptl_assert(depth_max <= 8 * sizeof scan->maps);
    *scan = (struct ptl_json_scan){.depth_max = depth_max, .size_max = size_max};
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hex(uint8_t byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool in_map(const struct ptl_json_scan *scan)
{
    ptl_assert(scan->depth > 0);
    uint32_t level = scan->depth - 1;

    return scan->maps[level / 8] >> level % 8 & 1;
}

static int open_level(struct ptl_json_scan *scan, bool map)
{
    if (scan->depth == scan->depth_max) {
        return PTL_EDEPTH;
    }
    uint32_t level = scan->depth++;
    uint8_t bit = (uint8_t)(1U << level % 8);
    scan->maps[level / 8] =
        map ? scan->maps[level / 8] | bit : scan->maps[level / 8] & (uint8_t)~bit;
    scan->state = map ? FIRST_KEY : FIRST_VALUE;
    return 0;
}

/* 1: the text has ended with this value. */
static int end_value(struct ptl_json_scan *scan)
{
    scan->state = scan->depth == 0 ? BETWEEN : NEXT;
    return scan->depth == 0;
}

static int close_level(struct ptl_json_scan *scan, uint8_t byte)
{
    if (scan->depth == 0 || byte != (in_map(scan) ? '}' : ']')) {
        return PTL_ESYNTAX;
    }
    scan->depth--;
    return end_value(scan);
}

static int begin_word(struct ptl_json_scan *scan, const char *rest)
{
    scan->word = rest;
    scan->state = WORD;
    return 0;
}

static int begin_string(struct ptl_json_scan *scan, bool key)
{
    scan->key = key;
    scan->utf8 = (struct ptl_utf8){0};
    scan->state = STRING;
    return 0;
}

static int begin_value(struct ptl_json_scan *scan, uint8_t byte)
{
    switch (byte) {
    case '"':
        return begin_string(scan, false);
    case '[':
        return open_level(scan, false);
    case '{':
        return open_level(scan, true);
    case 't':
        return begin_word(scan, "rue");
    case 'f':
        return begin_word(scan, "alse");
    case 'i':
        return begin_word(scan, "nf");
    case 'n':
        scan->state = AFTER_N;
        return 0;
    case '-':
        scan->state = MINUS;
        return 0;
    case '0':
        scan->state = ZERO;
        return 0;
    default:
        scan->state = WHOLE;
        return is_digit(byte) ? 0 : PTL_ESYNTAX;
    }
}

static int take_structure(struct ptl_json_scan *scan, uint8_t byte)
{
    if (is_space(byte)) {
        return 0;
    }
    switch (scan->state) {
    case FIRST_VALUE:
        return byte == ']' ? close_level(scan, byte) : begin_value(scan, byte);
    case FIRST_KEY:
        if (byte == '}') {
            return close_level(scan, byte);
        }
        return byte == '"' ? begin_string(scan, true) : PTL_ESYNTAX;
    case KEY:
        return byte == '"' ? begin_string(scan, true) : PTL_ESYNTAX;
    case COLON:
        scan->state = VALUE;
        return byte == ':' ? 0 : PTL_ESYNTAX;
    case NEXT:
        if (byte == ',') {
            scan->state = in_map(scan) ? KEY : VALUE;
            return 0;
        }
        return close_level(scan, byte);
    default: /* BETWEEN, VALUE */
        return begin_value(scan, byte);
    }
}

/* One byte of a string after the run of ordinary ones. */
static int take_string_byte(struct ptl_json_scan *scan, uint8_t byte)
{
    if (byte < 0x20 || !ptl_utf8_whole(&scan->utf8)) {
        return PTL_ESYNTAX;
    }
    if (byte == '\\') {
        scan->state = ESCAPE;
        return 0;
    }
    if (scan->key) {
        scan->state = COLON;
        return 0;
    }
    return end_value(scan);
}

static int take_escape(struct ptl_json_scan *scan, uint8_t byte)
{
    if (byte == 'u') {
        scan->word = "XXXX";
        scan->state = HEX;
        return 0;
    }
    scan->state = STRING;
    return byte != 0 && strchr("\"\\/bfnrt", byte) != NULL ? 0 : PTL_ESYNTAX;
}

static int take_hex(struct ptl_json_scan *scan, uint8_t byte)
{
    ptl_assert(*scan->word != 0);
    scan->word++;
    scan->state = *scan->word == 0 ? STRING : HEX;
    return is_hex(byte) ? 0 : PTL_ESYNTAX;
}

static int take_word(struct ptl_json_scan *scan, uint8_t byte)
{
    ptl_assert(*scan->word != 0);
    if (byte != (uint8_t)*scan->word) {
        return PTL_ESYNTAX;
    }
    scan->word++;
    return *scan->word == 0 ? end_value(scan) : 0;
}

static int take_after_n(struct ptl_json_scan *scan, uint8_t byte)
{
    if (byte != 'u' && byte != 'a') {
        return PTL_ESYNTAX;
    }
    return begin_word(scan, byte == 'u' ? "ll" : "n");
}

static int take_minus(struct ptl_json_scan *scan, uint8_t byte)
{
    if (byte == 'i' || byte == 'n') {
        return begin_word(scan, byte == 'i' ? "nf" : "an");
    }
    scan->state = byte == '0' ? ZERO : WHOLE;
    return is_digit(byte) ? 0 : PTL_ESYNTAX;
}

/* The state after `byte` in a number; BETWEEN when the number has ended before it. */
static enum state next_of_number(enum state state, uint8_t byte)
{
    bool exponent = byte == 'e' || byte == 'E';

    switch (state) {
    case WHOLE:
    case ZERO:
        if (is_digit(byte) && state == WHOLE) {
            return WHOLE;
        }
        return byte == '.' ? POINT : exponent ? EXPONENT : BETWEEN;
    case FRACTION:
        return is_digit(byte) ? FRACTION : exponent ? EXPONENT : BETWEEN;
    default:
        return is_digit(byte) ? EXPONENT_DIGITS : BETWEEN;
    }
}

/* A part of a number that must go on.  */
static int take_number_part(struct ptl_json_scan *scan, uint8_t byte)
{
    if (scan->state == EXPONENT && (byte == '+' || byte == '-')) {
        scan->state = EXPONENT_SIGN;
        return 0;
    }
    scan->state = scan->state == POINT ? FRACTION : EXPONENT_DIGITS;
    return is_digit(byte) ? 0 : PTL_ESYNTAX;
}

static bool number_may_end(enum state state)
{
    return state == ZERO || state == WHOLE || state == FRACTION || state == EXPONENT_DIGITS;
}

static int take_byte(struct ptl_json_scan *scan, uint8_t byte)
{
    switch (scan->state) {
    case STRING:
        return take_string_byte(scan, byte);
    case ESCAPE:
        return take_escape(scan, byte);
    case HEX:
        return take_hex(scan, byte);
    case WORD:
        return take_word(scan, byte);
    case AFTER_N:
        return take_after_n(scan, byte);
    case MINUS:
        return take_minus(scan, byte);
    case POINT:
    case EXPONENT:
    case EXPONENT_SIGN:
        return take_number_part(scan, byte);
    default:
        return take_structure(scan, byte);
    }
}

/* Step over what may come in any amount.  false: not UTF-8. */
static bool take_run(struct ptl_json_scan *scan, struct ptl_span *input)
{
    size_t size = 0;

    if (scan->state == STRING) {
        size = ptl_json_run(*input);
        if (!ptl_utf8_feed(&scan->utf8, ptl_span(input->bytes, size))) {
            return false;
        }
    }
    *input = ptl_span_skip(*input, size);
    return true;
}

/* The machine itself: up to the end of a text, of the input, or an error. */
static int run(struct ptl_json_scan *scan, struct ptl_span *input)
{
    while (input->size > 0) {
        if (!take_run(scan, input)) {
            return PTL_ESYNTAX;
        }
        if (input->size == 0) {
            break;
        }
        uint8_t byte = input->bytes[0];
        int got;
        if (number_may_end(scan->state)) {
            enum state next = next_of_number(scan->state, byte);
            if (next == BETWEEN) {
                got = end_value(scan);
                if (got != 0) {
                    return got;
                }
                continue; /* the byte is looked at again */
            }
            scan->state = (uint8_t)next;
            got = 0;
        } else {
            got = take_byte(scan, byte);
        }
        *input = ptl_span_skip(*input, 1);
        if (got != 0) {
            return got;
        }
    }
    return 0;
}

int ptl_json_scan_feed(struct ptl_json_scan *scan, struct ptl_span *input)
{
    if (scan->state == BETWEEN) {
        scan->size = 0;
        while (input->size > 0 && is_space(input->bytes[0])) {
            *input = ptl_span_skip(*input, 1);
        }
    }
    size_t before = input->size;
    int got = run(scan, input);
    scan->size += before - input->size;
    return got >= 0 && scan->size > scan->size_max ? PTL_ESIZE : got;
}

int ptl_json_scan_end(struct ptl_json_scan *scan)
{
    if (scan->state == BETWEEN) {
        return 0;
    }
    if (scan->depth == 0 && number_may_end(scan->state)) {
        return end_value(scan);
    }
    return PTL_ESYNTAX;
}

int ptl_json_check(struct ptl_span text, uint32_t depth_max)
{
    struct ptl_json_scan scan;

    ptl_json_scan_init(&scan, depth_max, SIZE_MAX);
    int got = ptl_json_scan_feed(&scan, &text);
    if (got == 0) {
        got = ptl_json_scan_end(&scan);
    }
    if (got <= 0) {
        return got < 0 ? got : PTL_ESYNTAX;
    }
    got = ptl_json_scan_feed(&scan, &text);
    /* One value, and nothing but white space behind it. */
    return got == 0 && scan.size == 0 ? 0 : PTL_ESYNTAX;
}
