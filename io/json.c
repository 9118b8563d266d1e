#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- JSON to CBOR ------------------------------------------------------------------------- */

/* What is still to be read, and how many containers may still open. */
struct source {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t depth_left;
};

static int read_value(struct ptl_buffer *out, struct source *from);

/* The next byte that is not white space, without taking it; 0 at the end. */
static uint8_t peek(struct source *from)
{
    while (from->at < from->end && *from->at <= ' ') {
        from->at++;
    }
    return from->at < from->end ? *from->at : 0;
}

static bool take(struct source *from, uint8_t byte)
{
    if (peek(from) != byte || from->at == from->end) {
        return false;
    }
    from->at++;
    return true;
}

/* Of a digit that the scanner has seen; whatever else stands there gives some value below 16. */
static unsigned hex_value(uint8_t digit)
{
    return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* The four digits of \uXXXX; UINT32_MAX when there are none. */
static uint32_t read_unit(const uint8_t *at, const uint8_t *end)
{
    uint32_t unit = 0;

    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return UINT32_MAX;
    }
    for (int i = 2; i < 6; i++) {
        unit = unit << 4 | (hex_value(at[i]) & 15);
    }
    return unit;
}

/* A character written as \uXXXX, or as two of them. */
static uint32_t read_escaped(const uint8_t **at, const uint8_t *end)
{
    uint32_t high = read_unit(*at, end);

    *at = end - *at < 6 ? end : *at + 6;
    if (high < 0xd800 || high > 0xdfff) {
        return high == UINT32_MAX ? 0xfffd : high;
    }
    uint32_t low = read_unit(*at, end);
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
        return 0xfffd; /* a surrogate alone */
    }
    *at += 6;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static uint8_t simple_escape(uint8_t letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

/* Walk over what stands between two quotes; append it to `out` unless that is NULL. */
static size_t unescape(struct ptl_buffer *out, struct ptl_span raw)
{
    const uint8_t *at = raw.bytes;
    const uint8_t *end = at + raw.size;
    size_t size = 0;

    while (at < end) {
        uint8_t character[4];
        struct ptl_span piece = ptl_span(at, ptl_json_run(ptl_span(at, (size_t)(end - at))));
        at += piece.size;
        if (piece.size == 0 && end - at >= 2 && at[1] == 'u') {
            piece = ptl_span(character, ptl_utf8_put(character, read_escaped(&at, end)));
        } else if (piece.size == 0) {
            character[0] = end - at >= 2 ? simple_escape(at[1]) : at[0];
            piece = ptl_span(character, 1);
            at += end - at >= 2 ? 2 : 1;
        }
        if (out != NULL) {
            ptl_buffer_append(out, piece.bytes, piece.size);
        }
        size += piece.size;
    }
    return size;
}

/* Find the closing quote; tells whether there are escapes. */
static bool find_quote(struct source *from, bool *escapes)
{
    *escapes = false;
    for (;;) {
        from->at += ptl_json_run(ptl_span(from->at, (size_t)(from->end - from->at)));
        if (from->at == from->end || *from->at == '"') {
            return from->at < from->end;
        }
        if (from->end - from->at < 2) {
            return false;
        }
        *escapes = true;
        from->at += 2;
    }
}

static int read_string(struct ptl_buffer *out, struct source *from)
{
    bool escapes;

    if (!take(from, '"')) {
        return PTL_ESYNTAX;
    }
    const uint8_t *first = from->at;
    if (!find_quote(from, &escapes)) {
        return PTL_ESYNTAX;
    }
    struct ptl_span raw = ptl_span(first, (size_t)(from->at - first));
    from->at++;
    if (!escapes) {
        return ptl_cbor_put_string(out, PTL_CBOR_TEXT, raw);
    }
    /* The length stands first, so the string is walked twice. */
    size_t size = unescape(NULL, raw);
    ptl_cbor_put_head(out, PTL_CBOR_TEXT, size);
    size_t written = unescape(out, raw);
    ptl_assert(written == size);
    return out->err;
}

/* ---- Numbers ---- */

/* More digits cannot change a double any more, except by being there at all. */
#define DIGITS_MAX 780

/* The significant digits of a number, and the power of ten they are to be multiplied with. */
struct digits {
    char text[DIGITS_MAX + 16];
    size_t size;
    int64_t exponent;
    bool point; /* behind the decimal point */
};

static void add_digit(struct digits *digits, uint8_t digit)
{
    ptl_assert(digits->size <= DIGITS_MAX);
    digits->exponent -= digits->point;
    if (digits->size == 0 && digit == '0') {
        return;
    }
    if (digits->size < DIGITS_MAX) {
        digits->text[digits->size++] = (char)digit;
        return;
    }
    digits->exponent++;
    if (digit != '0') {
        digits->text[DIGITS_MAX - 1] = '1'; /* keeps the value off a tie; never makes one */
    }
}

/* Beyond INT32_MAX it is infinite or nothing, whatever digits follow: these are not read.  Nor is
 * what is no digit, where nobody has checked. */
static int64_t read_exponent(const uint8_t *at, const uint8_t *end)
{
    bool minus = at < end && *at == '-';
    int64_t value = 0;

    at += at < end && (*at == '-' || *at == '+');
    for (; at < end && *at >= '0' && *at <= '9' && value < INT32_MAX; at++) {
        value = 10 * value + (*at - '0');
    }
    return minus ? -value : value;
}

static double exact_product(const struct digits *digits)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t mantissa = 0;

    ptl_assert(digits->size <= 15 && digits->exponent >= -22 && digits->exponent <= 22);

    for (size_t i = 0; i < digits->size; i++) {
        mantissa = 10 * mantissa + (uint64_t)(digits->text[i] - '0');
    }
    return digits->exponent < 0 ? (double)mantissa / tens[-digits->exponent]
                                : (double)mantissa * tens[digits->exponent];
}

/*
 * The number's value.  Up to 15 digits and small powers are exact in doubles, so that one rounding
 * is the right one.  The rest goes to strtod() without a decimal point, whose look is the locale's.
 */
static double real_value(struct digits *digits)
{
    if (digits->size <= 15 && digits->exponent >= -22 && digits->exponent <= 22) {
        return exact_product(digits);
    }
    if (digits->exponent > 400 || digits->exponent < -2000) {
        return digits->exponent > 0 && digits->size > 0 ? INFINITY : 0.0;
    }
    snprintf(digits->text + digits->size, sizeof digits->text - digits->size, "e%d",
             (int)digits->exponent);
    return strtod(digits->text, NULL);
}

static double read_real(struct ptl_span text)
{
    struct digits digits = {.size = 0};
    const uint8_t *at = text.bytes;
    const uint8_t *end = at + text.size;
    bool minus = at < end && *at == '-';

    for (at += minus; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            digits.point = true;
        } else {
            add_digit(&digits, *at);
        }
    }
    if (at < end) {
        digits.exponent += read_exponent(at + 1, end);
    }
    double value = real_value(&digits);
    return minus ? -value : value;
}

/* Append an integer; false when it is none that CBOR has. */
static bool put_integer(struct ptl_buffer *out, struct ptl_span digits, bool minus)
{
    static const char lowest[] = "18446744073709551616";
    uint64_t value = 0;

    for (size_t i = 0; i < digits.size; i++) {
        uint8_t digit = digits.bytes[i];
        if (digit < '0' || digit > '9') {
            return false;
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit - '0', &value)) {
            if (!minus || !ptl_span_equal(digits, ptl_span_text(lowest))) {
                return false;
            }
            value = 0; /* one less is UINT64_MAX, which is what is written */
        }
    }
    if (minus && (value > 0 || digits.size == sizeof lowest - 1)) {
        ptl_cbor_put_head(out, PTL_CBOR_NEGATIVE, value - 1);
    } else {
        ptl_cbor_put_head(out, PTL_CBOR_UINT, value);
    }
    return true;
}

static int read_number(struct ptl_buffer *out, struct source *from)
{
    const uint8_t *first = from->at;
    uint8_t real[PTL_CBOR_HEAD_MAX];

    while (from->at < from->end && memchr("+-.0123456789Ee", *from->at, 15) != NULL) {
        from->at++;
    }
    struct ptl_span text = ptl_span(first, (size_t)(from->at - first));
    bool minus = text.size > 0 && text.bytes[0] == '-';
    if (text.size == minus) {
        return PTL_ESYNTAX;
    }
    if (put_integer(out, ptl_span_skip(text, minus), minus)) {
        return out->err;
    }
    return ptl_buffer_append(out, real, ptl_cbor_float(real, read_real(text)));
}

/* ---- Words and containers ---- */

static int read_word(struct ptl_buffer *out, struct source *from)
{
    static const struct {
        const char *word;
        double real;
        uint8_t simple;
    } words[] = {
        {"null", 0, PTL_CBOR_NULL}, {"true", 0, PTL_CBOR_TRUE}, {"false", 0, PTL_CBOR_FALSE},
        {"inf", INFINITY, 0},       {"-inf", -INFINITY, 0},     {"nan", NAN, 0},
        {"-nan", NAN, 0},
    };
    uint8_t real[PTL_CBOR_HEAD_MAX];

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i].word);
        if ((size_t)(from->end - from->at) < size || memcmp(from->at, words[i].word, size) != 0) {
            continue;
        }
        from->at += size;
        if (words[i].simple != 0) {
            return ptl_buffer_byte(out, words[i].simple);
        }
        return ptl_buffer_append(out, real, ptl_cbor_float(real, words[i].real));
    }
    return PTL_ESYNTAX;
}

static int read_element(struct ptl_buffer *out, struct source *from, bool map)
{
    if (map) {
        int err = read_string(out, from);
        if (err < 0) {
            return err;
        }
        if (!take(from, ':')) {
            return PTL_ESYNTAX;
        }
    }
    return read_value(out, from);
}

/* The elements up to the closing bracket.  Returns PTL_ESYNTAX, another error, or 0. */
static int read_elements(struct ptl_buffer *out, struct source *from, bool map, uint64_t *count)
{
    uint8_t close = map ? '}' : ']';

    *count = 0;
    if (take(from, close)) {
        return 0;
    }
    for (;;) {
        int err = read_element(out, from, map);
        if (err < 0) {
            return err;
        }
        ++*count;
        if (take(from, close)) {
            return 0;
        }
        if (!take(from, ',')) {
            return PTL_ESYNTAX;
        }
    }
}

static int read_container(struct ptl_buffer *out, struct source *from, bool map)
{
    uint64_t count;

    if (from->depth_left == 0) {
        return PTL_EDEPTH;
    }
    from->depth_left--;
    from->at++;
    /* How many elements there are is known at the end only: room for the head is kept until
     * then. */
    size_t place = ptl_cbor_open(out);
    int err = read_elements(out, from, map, &count);
    from->depth_left++;
    if (err == 0 && count > UINT32_MAX) {
        err = PTL_ESIZE;
    }
    if (err < 0) {
        return err;
    }
    return ptl_cbor_close(out, place, map ? PTL_CBOR_MAP : PTL_CBOR_ARRAY, (uint32_t)count);
}

/*
 * What comes is told by its first byte; the scanner has seen the rest, or else it is PTL_ESYNTAX.
 */
static int read_value(struct ptl_buffer *out, struct source *from)
{
    uint8_t byte = peek(from);

    if (byte == '"') {
        return read_string(out, from);
    }
    if (byte == '[' || byte == '{') {
        return read_container(out, from, byte == '{');
    }
    if (byte >= '0' && byte <= '9') {
        return read_number(out, from);
    }
    if (byte == '-' && from->end - from->at >= 2 && from->at[1] <= '9') {
        return read_number(out, from);
    }
    return read_word(out, from);
}

int ptl_json_to_cbor(struct ptl_buffer *out, struct ptl_span text, uint32_t depth_max)
{
    struct source from = {text.bytes, text.bytes + text.size, depth_max};
    int err = read_value(out, &from);

    if (err == 0) {
        peek(&from);
        err = from.at == from.end ? out->err : PTL_ESYNTAX;
    }
    return err;
}

/* ---- CBOR to JSON ------------------------------------------------------------------------- */

static void write_escape(struct ptl_buffer *out, uint8_t byte)
{
    static const char letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    char text[8];

    for (size_t i = 0; i + 1 < sizeof letters; i += 2) {
        if ((uint8_t)letters[i] == byte) {
            ptl_buffer_append(out, "\\", 1);
            ptl_buffer_byte(out, (uint8_t)letters[i + 1]);
            return;
        }
    }
    snprintf(text, sizeof text, "\\u%04x", byte);
    ptl_buffer_append(out, text, 6);
}

int ptl_json_string(struct ptl_buffer *out, struct ptl_span string, bool text)
{
    ptl_buffer_byte(out, '"');
    while (string.size > 0) {
        struct ptl_span run = ptl_span(string.bytes, ptl_json_run(string));
        if (text) {
            ptl_buffer_append(out, run.bytes, run.size);
        } else {
            ptl_utf8_from_latin1(out, run);
        }
        string = ptl_span_skip(string, run.size);
        if (string.size > 0) {
            write_escape(out, string.bytes[0]);
            string = ptl_span_skip(string, 1);
        }
    }
    return ptl_buffer_byte(out, '"');
}

static int write_value(struct ptl_buffer *out, struct source *from, bool key);

static int write_container(struct ptl_buffer *out, struct source *from,
                           const struct ptl_cbor_item *item)
{
    bool map = item->major == PTL_CBOR_MAP;

    if (from->depth_left == 0) {
        return PTL_EDEPTH;
    }
    from->depth_left--;
    ptl_buffer_byte(out, map ? '{' : '[');
    for (uint64_t i = 0; i < item->argument; i++) {
        if (i > 0) {
            ptl_buffer_byte(out, ',');
        }
        int err = map ? write_value(out, from, true) : 0;
        if (err == 0 && map) {
            err = ptl_buffer_byte(out, ':');
        }
        if (err == 0) {
            err = write_value(out, from, false);
        }
        if (err < 0) {
            return err;
        }
    }
    from->depth_left++;
    return ptl_buffer_byte(out, map ? '}' : ']');
}

static int write_value(struct ptl_buffer *out, struct source *from, bool key)
{
    struct ptl_cbor_item item = {0};
    char text[PTL_CBOR_TEXT_MAX];
    size_t head = ptl_cbor_read(from->at, from->end, &item);
    bool string = item.major == PTL_CBOR_BYTES || item.major == PTL_CBOR_TEXT;

    if (head == 0 || item.info == 31 || item.major == PTL_CBOR_TAG || (key && !string)) {
        return PTL_ESYNTAX;
    }
    from->at += head;
    if (string) {
        if (item.argument > (size_t)(from->end - from->at)) {
            return PTL_ESYNTAX;
        }
        struct ptl_span bytes = ptl_span(from->at, (size_t)item.argument);
        from->at += bytes.size;
        return ptl_json_string(out, bytes, item.major == PTL_CBOR_TEXT);
    }
    if (item.major == PTL_CBOR_ARRAY || item.major == PTL_CBOR_MAP) {
        return write_container(out, from, &item);
    }
    return ptl_buffer_append(out, text, ptl_cbor_text(text, &item));
}

int ptl_json_from_cbor(struct ptl_buffer *out, struct ptl_span values)
{
    struct source from = {values.bytes, values.bytes + values.size, PTL_CBOR_DEPTH_MAX};

    for (bool first = true; from.at < from.end; first = false) {
        if (!first) {
            ptl_buffer_byte(out, ',');
        }
        int err = write_value(out, &from, false);
        if (err < 0) {
            return err;
        }
    }
    return out->err;
}
