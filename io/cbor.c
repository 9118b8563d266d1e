#include "io/cbor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Writing ------------------------------------------------------------------------------ */

/*
 * The shorter form wherever it says the same: most numbers that programs send are small or round.
 */
size_t ptl_cbor_float(uint8_t out[PTL_CBOR_HEAD_MAX], double value)
{
    float single = (float)value;

    if (isnan(value)) {
        single = NAN; /* payloads are not worth eight bytes */
    }
    if ((double)single == value || isnan(value)) {
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        out[0] = PTL_CBOR_SINGLE;
        ptl_cbor_store(out + 1, bits, sizeof bits);
        return 1 + sizeof bits;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    out[0] = PTL_CBOR_DOUBLE;
    ptl_cbor_store(out + 1, bits, sizeof bits);
    return 1 + sizeof bits;
}

int ptl_cbor_put_head(struct ptl_buffer *out, unsigned major, uint64_t argument)
{
    uint8_t *room = ptl_buffer_reserve(out, ptl_cbor_head_size(argument));

    if (room != NULL) {
        out->size += ptl_cbor_head(room, major, argument);
    }
    return out->err;
}

int ptl_cbor_put_string(struct ptl_buffer *out, unsigned major, struct ptl_span string)
{
    ptl_cbor_put_head(out, major, string.size);
    return ptl_buffer_append(out, string.bytes, string.size);
}

#define OPEN_SIZE 5         /* a head with four bytes of count */
#define OPEN_MOVED_MAX 4096 /* moving so much costs no more than having scanned it */

size_t ptl_cbor_open(struct ptl_buffer *out)
{
    static const uint8_t later[OPEN_SIZE];
    size_t place = out->size;

    ptl_buffer_append(out, later, sizeof later);
    return place;
}

int ptl_cbor_close(struct ptl_buffer *out, size_t place, unsigned major, uint32_t count)
{
    if (out->err != 0) {
        return out->err;
    }
    uint8_t *at = out->bytes + place;
    ptl_assert(out->size >= place + OPEN_SIZE);
    size_t content = out->size - place - OPEN_SIZE;
    if (content > OPEN_MOVED_MAX) {
        /* A longer head than it takes is still plain CBOR: better than moving all that follows. */
        at[0] = (uint8_t)(major << 5 | 26);
        ptl_cbor_store(at + 1, count, 4);
        return 0;
    }
    size_t head = ptl_cbor_head(at, major, count);
    memmove(at + head, at + OPEN_SIZE, content);
    out->size -= OPEN_SIZE - head;
    return 0;
}

/* ---- Numbers as text ---------------------------------------------------------------------- */

#define DIGITS_MAX 17
#define EXPONENT_SIZE 8 /* "e-308" and a NUL */

/*
 * A float's digits and its decimal exponent: d[0].d[1]d[2]... * 10^exponent.  The decimal point is
 * the locale's business, so it is never looked at, neither here nor in reading back.
 */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int count;
    int exponent;
};

static void take_decimal(struct decimal *decimal, double value, int digits)
{
    char text[64];

    ptl_assert(isfinite(value) && digits >= 1 && digits <= DIGITS_MAX);

    snprintf(text, sizeof text, "%.*e", digits - 1, value);
    decimal->count = 0;
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            decimal->digits[decimal->count++] = *at;
        }
    }
    decimal->digits[decimal->count] = 0;
    decimal->exponent = atoi(at + 1);
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0') {
        decimal->digits[--decimal->count] = 0;
    }
}

static bool reads_back(const struct decimal *decimal, double value)
{
    char text[64];

    snprintf(text, sizeof text, "%se%d", decimal->digits, decimal->exponent - decimal->count + 1);
    return strtod(text, NULL) == value;
}

static size_t write_scientific(char *out, const struct decimal *decimal)
{
    size_t size = 0;

    out[size++] = decimal->digits[0];
    if (decimal->count > 1) {
        out[size++] = '.';
        memcpy(out + size, decimal->digits + 1, (size_t)decimal->count - 1);
        size += (size_t)decimal->count - 1;
    }
    return size + (size_t)snprintf(out + size, EXPONENT_SIZE, "e%+03d", decimal->exponent);
}

static size_t write_fraction(char *out, const struct decimal *decimal)
{
    size_t size = 0;

    out[size++] = '0';
    out[size++] = '.';
    for (int i = decimal->exponent + 1; i < 0; i++) {
        out[size++] = '0';
    }
    memcpy(out + size, decimal->digits, (size_t)decimal->count);
    return size + (size_t)decimal->count;
}

static size_t write_positional(char *out, const struct decimal *decimal)
{
    size_t size = 0;

    if (decimal->exponent < 0) {
        return write_fraction(out, decimal);
    }
    for (int i = 0; i < decimal->count || i <= decimal->exponent; i++) {
        if (i == decimal->exponent + 1) {
            out[size++] = '.';
        }
        out[size++] = i < decimal->count ? decimal->digits[i] : '0';
    }
    return size;
}

static size_t write_real(char *out, double value)
{
    struct decimal decimal;
    size_t sign = 0;

    if (!isfinite(value)) {
        memcpy(out, "null", 4);
        return 4;
    }
    if (signbit(value)) {
        out[sign++] = '-';
        value = -value;
    }
    /* Fifteen digits are enough for most that people write, seventeen for every double: the
     * first that reads back is the shortest of the three. */
    for (int digits = 15; digits <= DIGITS_MAX; digits++) {
        take_decimal(&decimal, value, digits);
        if (reads_back(&decimal, value)) {
            break;
        }
    }
    if (decimal.exponent < -4 || decimal.exponent >= DIGITS_MAX) {
        return sign + write_scientific(out + sign, &decimal);
    }
    return sign + write_positional(out + sign, &decimal);
}

static size_t write_natural(char *out, uint64_t value)
{
    char digits[20];
    size_t size = 0;

    do {
        digits[size++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    /* They came last digit first. */
    for (size_t i = 0; i < size; i++) {
        out[i] = digits[size - 1 - i];
    }
    return size;
}

static size_t write_negative(char *out, uint64_t argument)
{
    if (argument == UINT64_MAX) { /* one more does not fit 64 bits */
        memcpy(out, "-18446744073709551616", 21);
        return 21;
    }
    out[0] = '-';
    return 1 + write_natural(out + 1, argument + 1);
}

size_t ptl_cbor_text(char out[PTL_CBOR_TEXT_MAX], const struct ptl_cbor_item *item)
{
    if (item->major == PTL_CBOR_UINT) {
        return write_natural(out, item->argument);
    }
    if (item->major == PTL_CBOR_NEGATIVE) {
        return write_negative(out, item->argument);
    }
    if (item->major == PTL_CBOR_SIMPLE && item->info >= 25 && item->info <= 27) {
        return write_real(out, ptl_cbor_real(item));
    }
    const char *word = "null";
    if (item->major == PTL_CBOR_SIMPLE && item->info == (PTL_CBOR_FALSE & 31)) {
        word = "false";
    } else if (item->major == PTL_CBOR_SIMPLE && item->info == (PTL_CBOR_TRUE & 31)) {
        word = "true";
    }
    memcpy(out, word, strlen(word));
    return strlen(word);
}

/* ---- Reading ------------------------------------------------------------------------------ */

/*
 * One head, and not what belongs to it: lengths and counts are the peer's word, not yet compared
 * with anything.
 */
size_t ptl_cbor_read(const uint8_t *at, const uint8_t *end, struct ptl_cbor_item *item)
{
    if (at >= end) {
        return 0;
    }
    item->major = at[0] >> 5;
    item->info = at[0] & 31;
    if (item->info < 24 || item->info == 31) {
        item->argument = item->info;
        return 1;
    }
    if (item->info > 27) {
        return 0;
    }
    size_t size = (size_t)1 << (item->info - 24);
    if ((size_t)(end - at) <= size) {
        return 0;
    }
    item->argument = ptl_cbor_load(at + 1, size);
    return 1 + size;
}

static double half_value(unsigned bits)
{
    int exponent = bits >> 10 & 31;
    double mantissa = bits & 1023;
    double value = exponent == 0    ? ldexp(mantissa, -24)
                   : exponent != 31 ? ldexp(mantissa + 1024, exponent - 25)
                   : mantissa == 0  ? INFINITY
                                    : NAN;

    return bits & 0x8000 ? -value : value;
}

double ptl_cbor_real(const struct ptl_cbor_item *item)
{
    ptl_assert(item->major == PTL_CBOR_SIMPLE && item->info >= 25 && item->info <= 27);
    if (item->info == 25) {
        return half_value((unsigned)item->argument);
    }
    if (item->info == 26) {
        uint32_t bits = (uint32_t)item->argument;
        float value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    double value;
    memcpy(&value, &item->argument, sizeof value);
    return value;
}

/* As ptl_cbor_plain_end() for pairs; they differ in what may stand first. */
static const uint8_t *plain_pairs_end(const uint8_t *at, const uint8_t *end, uint64_t count,
                                      unsigned depth)
{
    for (; count > 0 && at != NULL; count--) {
        if (at >= end || (at[0] >> 5 != PTL_CBOR_BYTES && at[0] >> 5 != PTL_CBOR_TEXT)) {
            return NULL;
        }
        at = ptl_cbor_plain_end(at, end, 2, depth);
    }
    return at;
}

const uint8_t *ptl_cbor_plain_end(const uint8_t *at, const uint8_t *end, uint64_t count,
                                  unsigned depth)
{
    for (; count > 0; count--) {
        if (at >= end) {
            return NULL;
        }
        uint8_t first = *at++;
        uint64_t argument = first & 31;
        if (argument >= 24) {
            size_t size = (size_t)1 << (argument - 24);
            if (argument > 27 || (size_t)(end - at) < size) {
                return NULL;
            }
            argument = ptl_cbor_load(at, size);
            at += size;
        }
        switch (first >> 5) {
        case PTL_CBOR_UINT:
        case PTL_CBOR_NEGATIVE:
            break;
        case PTL_CBOR_TEXT:
            if (argument > (size_t)(end - at) || !ptl_utf8_valid(ptl_span(at, argument))) {
                return NULL;
            }
            at += argument;
            break;
        case PTL_CBOR_BYTES:
            if (argument > (size_t)(end - at)) {
                return NULL;
            }
            at += argument;
            break;
        case PTL_CBOR_ARRAY:
        case PTL_CBOR_MAP:
            if (depth == 0 || argument > UINT32_MAX) {
                return NULL;
            }
            /* The recursion is as deep as the values nest, and `depth` bounds that. Counts need
             * no bound: each element takes a byte at least. */
            at = first >> 5 == PTL_CBOR_ARRAY ? ptl_cbor_plain_end(at, end, argument, depth - 1)
                                              : plain_pairs_end(at, end, argument, depth - 1);
            if (at == NULL) {
                return NULL;
            }
            break;
        default: /* a tag, a simple value, a float */
            if ((first < PTL_CBOR_FALSE || first > PTL_CBOR_NULL) && first != PTL_CBOR_SINGLE &&
                first != PTL_CBOR_DOUBLE) {
                return NULL;
            }
            break;
        }
    }
    return at;
}

const uint8_t *ptl_cbor_skip(const uint8_t *at, const uint8_t *end, uint64_t count)
{
    while (count > 0) {
        struct ptl_cbor_item item;
        size_t head = ptl_cbor_read(at, end, &item);
        if (head == 0 || item.info == 31 || item.major == PTL_CBOR_TAG) {
            return NULL;
        }
        at += head;
        count--;
        /* No item is shorter than a byte: what announces more than is left is caught here. */
        if (item.major >= PTL_CBOR_BYTES && item.major <= PTL_CBOR_MAP &&
            item.argument > (size_t)(end - at)) {
            return NULL;
        }
        /* What is nested is only counted, so no depth costs stack; twice what is left cannot
         * overflow. */
        if (item.major == PTL_CBOR_BYTES || item.major == PTL_CBOR_TEXT) {
            at += item.argument;
        } else if (item.major == PTL_CBOR_ARRAY) {
            count += item.argument;
        } else if (item.major == PTL_CBOR_MAP) {
            count += 2 * item.argument;
        }
        if (count > (size_t)(end - at)) {
            return NULL;
        }
    }
    return at;
}

/* ---- Making it plain ---------------------------------------------------------------------- */

/* What is still to be read, and how many containers may still open. */
struct source {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t depth_left;
};

static int normalise_value(struct ptl_buffer *out, struct source *from);
static int normalise_container(struct ptl_buffer *out, struct source *from,
                               const struct ptl_cbor_item *item);

/* The next head that is not a tag's. */
static int read_untagged(struct source *from, struct ptl_cbor_item *item)
{
    do {
        size_t head = ptl_cbor_read(from->at, from->end, item);
        if (head == 0) {
            return PTL_ESYNTAX;
        }
        from->at += head;
        if (item->major == PTL_CBOR_TAG && item->info == 31) {
            return PTL_ESYNTAX;
        }
    } while (item->major == PTL_CBOR_TAG);
    return 0;
}

static bool at_break(const struct source *from)
{
    return from->at < from->end && *from->at == PTL_CBOR_BREAK;
}

/* One chunk, or the whole of a definite string. */
static int take_chunk(struct source *from, const struct ptl_cbor_item *item,
                      struct ptl_span *string)
{
    if (item->info == 31 || item->argument > (size_t)(from->end - from->at)) {
        return PTL_ESYNTAX;
    }
    *string = ptl_span(from->at, (size_t)item->argument);
    from->at += string->size;
    return 0;
}

/* Walk over the chunks up to the break; append each to `out` unless that is NULL. */
static int walk_chunks(struct ptl_buffer *out, struct source *from, unsigned major, size_t *size)
{
    *size = 0;
    while (!at_break(from)) {
        struct ptl_cbor_item item;
        struct ptl_span chunk;
        size_t head = ptl_cbor_read(from->at, from->end, &item);
        if (head == 0 || item.major != major) {
            return PTL_ESYNTAX;
        }
        from->at += head;
        int err = take_chunk(from, &item, &chunk);
        if (err == 0 && out != NULL) {
            err = ptl_buffer_append(out, chunk.bytes, chunk.size);
        }
        if (err < 0) {
            return err;
        }
        *size += chunk.size;
    }
    from->at++;
    return 0;
}

/* The length stands first, so the chunks are walked twice: to add up, and to copy. */
static int join_chunks(struct ptl_buffer *out, struct source *from, unsigned major)
{
    struct source ahead = *from;
    size_t size;
    int err = walk_chunks(NULL, &ahead, major, &size);

    if (err < 0) {
        return err;
    }
    size_t place = out->size;
    ptl_cbor_put_head(out, major, size);
    size_t content = out->size;
    err = walk_chunks(out, from, major, &size);
    if (err == 0) {
        err = out->err;
    }
    if (err == 0 && major == PTL_CBOR_TEXT &&
        !ptl_utf8_valid(ptl_span(out->bytes + content, size))) {
        /* Text that is not UTF-8 goes on as the bytes it is: of the same length, so only the
         * kind changes. */
        out->bytes[place] ^= (PTL_CBOR_TEXT ^ PTL_CBOR_BYTES) << 5;
    }
    return err;
}

static int normalise_string(struct ptl_buffer *out, struct source *from,
                            const struct ptl_cbor_item *item)
{
    struct ptl_span string;

    if (item->info == 31) {
        return join_chunks(out, from, item->major);
    }
    int err = take_chunk(from, item, &string);
    if (err < 0) {
        return err;
    }
    bool text = item->major == PTL_CBOR_TEXT && ptl_utf8_valid(string);
    return ptl_cbor_put_string(out, text ? PTL_CBOR_TEXT : PTL_CBOR_BYTES, string);
}

/* Keys of plain CBOR are strings: all else becomes the text that JSON would have for it. */
static int normalise_key(struct ptl_buffer *out, struct source *from)
{
    struct ptl_cbor_item item;
    char text[PTL_CBOR_TEXT_MAX];
    int err = read_untagged(from, &item);

    if (err < 0 || item.major == PTL_CBOR_BYTES || item.major == PTL_CBOR_TEXT) {
        return err < 0 ? err : normalise_string(out, from, &item);
    }
    if (item.major != PTL_CBOR_ARRAY && item.major != PTL_CBOR_MAP) {
        if (item.major == PTL_CBOR_SIMPLE && item.info == 31) {
            return PTL_ESYNTAX;
        }
        size_t size = ptl_cbor_text(text, &item);
        return ptl_cbor_put_string(out, PTL_CBOR_TEXT, ptl_span(text, size));
    }
    /* Nobody can mean anything by it, and nested ones would double with every quoting. */
    size_t before = out->size;
    err = normalise_container(out, from, &item);
    if (err < 0) {
        return err;
    }
    out->size = before;
    return ptl_cbor_put_string(out, PTL_CBOR_TEXT,
                               ptl_span_text(item.major == PTL_CBOR_ARRAY ? "array" : "map"));
}

static int normalise_element(struct ptl_buffer *out, struct source *from, unsigned major)
{
    int err = major == PTL_CBOR_MAP ? normalise_key(out, from) : 0;

    return err < 0 ? err : normalise_value(out, from);
}

static int normalise_to_break(struct ptl_buffer *out, struct source *from, unsigned major)
{
    size_t place = ptl_cbor_open(out);
    uint64_t count = 0;

    for (; !at_break(from); count++) {
        int err = normalise_element(out, from, major);
        if (err < 0) {
            return err;
        }
    }
    from->at++;
    return count > UINT32_MAX ? PTL_ESIZE : ptl_cbor_close(out, place, major, (uint32_t)count);
}

static int normalise_container(struct ptl_buffer *out, struct source *from,
                               const struct ptl_cbor_item *item)
{
    int err = 0;

    if (from->depth_left == 0) {
        return PTL_EDEPTH;
    }
    from->depth_left--;
    if (item->info == 31) {
        err = normalise_to_break(out, from, item->major);
    } else if (item->argument > UINT32_MAX) {
        err = PTL_ESIZE;
    } else {
        err = ptl_cbor_put_head(out, item->major, item->argument);
        for (uint64_t i = 0; i < item->argument && err == 0; i++) {
            err = normalise_element(out, from, item->major);
        }
    }
    from->depth_left++;
    return err;
}

/* What CBOR has and we have not (undefined, unassigned simple values) is null. */
static int normalise_simple(struct ptl_buffer *out, const struct ptl_cbor_item *item)
{
    uint8_t bytes[PTL_CBOR_HEAD_MAX] = {PTL_CBOR_NULL};
    size_t size = 1;

    switch (item->info) {
    case PTL_CBOR_FALSE & 31:
    case PTL_CBOR_TRUE & 31:
        bytes[0] = (uint8_t)(PTL_CBOR_SIMPLE << 5 | item->info);
        break;
    case 25:
        size = ptl_cbor_float(bytes, ptl_cbor_real(item));
        break;
    case 26:
    case 27: /* the very bits, so that what was plain stays as it was */
        size = (size_t)1 + (item->info == 26 ? 4 : 8);
        bytes[0] = (uint8_t)(PTL_CBOR_SIMPLE << 5 | item->info);
        ptl_cbor_store(bytes + 1, item->argument, size - 1);
        break;
    case 31:
        return PTL_ESYNTAX;
    default:
        break;
    }
    return ptl_buffer_append(out, bytes, size);
}

static int normalise_value(struct ptl_buffer *out, struct source *from)
{
    struct ptl_cbor_item item;
    int err = read_untagged(from, &item);

    if (err < 0) {
        return err;
    }
    switch (item.major) {
    case PTL_CBOR_UINT:
    case PTL_CBOR_NEGATIVE:
        return item.info == 31 ? PTL_ESYNTAX : ptl_cbor_put_head(out, item.major, item.argument);
    case PTL_CBOR_BYTES:
    case PTL_CBOR_TEXT:
        return normalise_string(out, from, &item);
    case PTL_CBOR_ARRAY:
    case PTL_CBOR_MAP:
        return normalise_container(out, from, &item);
    default:
        return normalise_simple(out, &item);
    }
}

int ptl_cbor_normalise(struct ptl_buffer *out, struct ptl_span item, uint32_t depth_max)
{
    struct source from = {item.bytes, item.bytes + item.size, depth_max};
    int err = normalise_value(out, &from);

    if (err == 0 && from.at != from.end) {
        err = PTL_ESYNTAX;
    }
    return err == 0 ? out->err : err;
}
