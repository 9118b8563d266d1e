/*
 * The scanner of io/cbor.h: finds the end of an item in a stream.
 *
 * Heads are read whole (a cut one waits in `head`), strings are skipped, and a stack tells what
 * each open container still wants.  Whether the item is plain is found out on the way.
 */
#include "io/cbor.h"

#define LEVELS_FIRST 16

enum level_kind {
    LEVEL_MAP = 1,      /* items are keys and values in turn */
    LEVEL_TO_BREAK = 2, /* `items` counts what came; else what is still to come */
    LEVEL_CHUNKS = 4,   /* of a string; its items are definite strings of the same major */
};

struct ptl_cbor_level {
    uint64_t items;
    uint8_t kind;
    uint8_t major;
};

void ptl_cbor_scan_init(struct ptl_cbor_scan *scan, const struct ptl_allocator *allocator,
                        uint32_t depth_max, size_t size_max)
{
    *scan = (struct ptl_cbor_scan){
        .allocator = allocator,
        .depth_max = depth_max,
        .size_max = size_max,
        .plain = true,
    };
}

void ptl_cbor_scan_drop(struct ptl_cbor_scan *scan)
{
    ptl_free(scan->allocator, scan->levels, scan->level_capacity * sizeof *scan->levels);
    scan->levels = NULL;
    scan->level_capacity = 0;
    scan->depth = 0;
}

static bool between_items(const struct ptl_cbor_scan *scan)
{
    return scan->depth == 0 && scan->skip == 0 && scan->head_size == 0 && !scan->tagged;
}

static size_t size_left(const struct ptl_cbor_scan *scan)
{
    return scan->size_max - scan->size;
}

static int grow_levels(struct ptl_cbor_scan *scan)
{
    uint32_t capacity = scan->level_capacity == 0 ? LEVELS_FIRST : 2 * scan->level_capacity;
    void *levels =
        ptl_grow(scan->allocator, scan->levels, scan->level_capacity * sizeof *scan->levels,
                 capacity * sizeof *scan->levels);

    if (levels == NULL) {
        return PTL_ENOMEM;
    }
    scan->levels = levels;
    scan->level_capacity = capacity;
    return 0;
}

static int open_level(struct ptl_cbor_scan *scan, uint64_t items, unsigned kind, uint8_t major)
{
    /* The chunks of a string are no nesting of values: they get one level more. */
    if (scan->depth >= scan->depth_max + ((kind & LEVEL_CHUNKS) != 0)) {
        return PTL_EDEPTH;
    }
    if (scan->depth == scan->level_capacity) {
        int err = grow_levels(scan);
        if (err < 0) {
            return err;
        }
    }
    ptl_assert(scan->depth < scan->level_capacity);
    scan->levels[scan->depth++] = (struct ptl_cbor_level){items, (uint8_t)kind, major};
    return 0;
}

/* An item has ended, and with it perhaps the containers around it.  1: all of them. */
static int end_item(struct ptl_cbor_scan *scan)
{
    while (scan->depth > 0) {
        struct ptl_cbor_level *level = &scan->levels[scan->depth - 1];
        if (level->kind & LEVEL_TO_BREAK) {
            level->items++;
            return 0;
        }
        if (--level->items > 0) {
            return 0;
        }
        scan->depth--;
    }
    return 1;
}

static int take_break(struct ptl_cbor_scan *scan)
{
    if (scan->depth == 0) {
        return PTL_ESYNTAX;
    }
    const struct ptl_cbor_level *level = &scan->levels[scan->depth - 1];
    bool half_a_pair = level->kind & LEVEL_MAP && level->items % 2 != 0;
    if (!(level->kind & LEVEL_TO_BREAK) || half_a_pair || scan->tagged) {
        return PTL_ESYNTAX;
    }
    scan->depth--;
    return end_item(scan);
}

static int take_string(struct ptl_cbor_scan *scan, const struct ptl_cbor_item *item)
{
    if (item->info == 31) {
        scan->plain = false;
        return open_level(scan, 0, LEVEL_TO_BREAK | LEVEL_CHUNKS, item->major);
    }
    if (item->argument > size_left(scan)) {
        return PTL_ESIZE;
    }
    scan->skip = item->argument;
    scan->text = item->major == PTL_CBOR_TEXT;
    scan->utf8 = (struct ptl_utf8){0};
    return scan->skip == 0 ? end_item(scan) : 0;
}

static int take_container(struct ptl_cbor_scan *scan, const struct ptl_cbor_item *item)
{
    unsigned kind = item->major == PTL_CBOR_MAP ? LEVEL_MAP : 0;

    if (item->info == 31) {
        scan->plain = false;
        return open_level(scan, 0, kind | LEVEL_TO_BREAK, item->major);
    }
    /* Every element takes a byte at least, so what cannot fit is known now. */
    uint64_t room = kind == LEVEL_MAP ? size_left(scan) / 2 : size_left(scan);
    if (item->argument > room || item->argument > UINT32_MAX) {
        return PTL_ESIZE;
    }
    int err = open_level(scan, kind == LEVEL_MAP ? 2 * item->argument : item->argument, kind,
                         item->major);
    if (err < 0 || item->argument > 0) {
        return err;
    }
    /* Empty: it has ended with its head. */
    scan->depth--;
    return end_item(scan);
}

static int take_simple(struct ptl_cbor_scan *scan, const struct ptl_cbor_item *item)
{
    if (item->info == 31) {
        return take_break(scan);
    }
    if (item->info == 24 && item->argument < 32) {
        return PTL_ESYNTAX; /* not well-formed, RFC 8949, section 3.3 */
    }
    bool known = item->info >= (PTL_CBOR_FALSE & 31) && item->info <= (PTL_CBOR_NULL & 31);
    if (!known && item->info != 26 && item->info != 27) {
        scan->plain = false;
    }
    return end_item(scan);
}

/* What must hold for any item inside the innermost container. */
static int check_place(struct ptl_cbor_scan *scan, const struct ptl_cbor_item *item)
{
    if (scan->depth == 0 || (item->major == PTL_CBOR_SIMPLE && item->info == 31)) {
        return 0;
    }
    const struct ptl_cbor_level *level = &scan->levels[scan->depth - 1];
    bool string = item->major == PTL_CBOR_BYTES || item->major == PTL_CBOR_TEXT;
    if (level->kind & LEVEL_CHUNKS && (item->major != level->major || item->info == 31)) {
        return PTL_ESYNTAX;
    }
    if (level->kind & LEVEL_MAP && level->items % 2 == 0 && !string) {
        scan->plain = false;
    }
    return 0;
}

/* 1: the whole item ended with this head. */
static int take_head(struct ptl_cbor_scan *scan, const struct ptl_cbor_item *item)
{
    int err = check_place(scan, item);

    if (err < 0) {
        return err;
    }
    if (item->info == 31 && (item->major <= PTL_CBOR_NEGATIVE || item->major == PTL_CBOR_TAG)) {
        return PTL_ESYNTAX;
    }
    if (item->major == PTL_CBOR_TAG) {
        scan->plain = false;
        scan->tagged = true;
        return 0;
    }
    if (item->major == PTL_CBOR_SIMPLE) {
        err = take_simple(scan, item);
        scan->tagged = false;
        return err;
    }
    scan->tagged = false;
    switch (item->major) {
    case PTL_CBOR_BYTES:
    case PTL_CBOR_TEXT:
        return take_string(scan, item);
    case PTL_CBOR_ARRAY:
    case PTL_CBOR_MAP:
        return take_container(scan, item);
    default:
        return end_item(scan);
    }
}

/* Skip what the input has of the string.  1: the whole item ended with it. */
static int take_skip(struct ptl_cbor_scan *scan, struct ptl_span *input)
{
    size_t size = scan->skip < input->size ? (size_t)scan->skip : input->size;

    ptl_assert(scan->skip > 0);

    if (scan->text && scan->plain) {
        scan->plain = ptl_utf8_feed(&scan->utf8, ptl_span(input->bytes, size)) &&
                      (size < scan->skip || ptl_utf8_whole(&scan->utf8));
    }
    *input = ptl_span_skip(*input, size);
    scan->size += size;
    scan->skip -= size;
    return scan->skip == 0 ? end_item(scan) : 0;
}

/* Complete a head that was cut.  1: `item` is it; 0: it goes on. */
static int join_head(struct ptl_cbor_scan *scan, struct ptl_span *input, struct ptl_cbor_item *item)
{
    while (input->size > 0) {
        ptl_assert(scan->head_size < sizeof(scan->head)); /* none is longer: read_head() has seen */
        scan->head[scan->head_size++] = input->bytes[0];
        *input = ptl_span_skip(*input, 1);
        scan->size++;
        if (ptl_cbor_read(scan->head, scan->head + scan->head_size, item) > 0) {
            scan->head_size = 0;
            return 1;
        }
    }
    return 0;
}

/* Read a head, in place if it is whole.  1: `item` is it; 0: it goes on. */
static int read_head(struct ptl_cbor_scan *scan, struct ptl_span *input, struct ptl_cbor_item *item)
{
    unsigned info = (scan->head_size > 0 ? scan->head[0] : input->bytes[0]) & 31;

    if (info >= 28 && info <= 30) {
        return PTL_ESYNTAX;
    }
    if (scan->head_size > 0) {
        return join_head(scan, input, item);
    }
    size_t size = ptl_cbor_read(input->bytes, input->bytes + input->size, item);
    if (size == 0) {
        return join_head(scan, input, item);
    }
    *input = ptl_span_skip(*input, size);
    scan->size += size;
    return 1;
}

int ptl_cbor_scan_feed(struct ptl_cbor_scan *scan, struct ptl_span *input)
{
    if (between_items(scan)) {
        scan->plain = true;
        scan->size = 0;
    }
    while (input->size > 0) {
        int got;
        if (scan->skip > 0) {
            got = take_skip(scan, input);
        } else {
            struct ptl_cbor_item item;
            got = read_head(scan, input, &item);
            if (scan->size > scan->size_max) {
                got = PTL_ESIZE;
            }
            /* Size first: what take_head() looks at next assumes that it is within its bound. */
            if (got > 0) {
                got = take_head(scan, &item);
            }
        }
        if (got != 0) {
            return got;
        }
    }
    return 0;
}
