#include "engine/link/outbox.h"

#include "engine/message/message.h"
#include "io/cbor.h"

/* A scratch that one large packet has made larger does not stay for the next one. */
#define SCRATCH_KEPT_MAX PTL_OUTBOX_CHUNK

/* Bodies from this size on are sent from where they are. */
#define BODY_HELD_MIN ((size_t)16384)

/* Behind such a body stands a chunk of this size only, which the head of the next one may be all
 * of: what an outbox takes is little more than what it has to send. */
#define CHUNK_BEHIND_BODY ((size_t)1024)

/* With the name before them, so many values make an array whose head is one byte. */
#define SMALL_COUNT_MAX 22

struct ptl_segment {
    struct ptl_segment *next;
    struct ptl_msg *held; /* not NULL: `body`, which is in it, is behind `bytes` */
    struct ptl_span body;
    size_t size;       /* of all */
    size_t capacity;   /* of `bytes`; of one that is held: the head */
    uint32_t messages; /* for ports, that end here */
    uint8_t bytes[];
};

void ptl_outbox_init(struct ptl_outbox *outbox, const struct ptl_allocator *allocator,
                     struct ptl_spare_chunks *spares)
{
    *outbox = (struct ptl_outbox){.allocator = allocator, .spares = spares};
    ptl_buffer_init(&outbox->scratch, allocator, SIZE_MAX);
}

void ptl_outbox_limit(struct ptl_outbox *outbox, size_t packet_bytes_max)
{
    outbox->scratch.size_max = packet_bytes_max;
}

static size_t segment_block(const struct ptl_segment *segment)
{
    return sizeof(*segment) + segment->capacity;
}

static void free_segment(struct ptl_outbox *outbox, struct ptl_segment *segment)
{
    struct ptl_spare_chunks *spares = outbox->spares;
    size_t block = segment_block(segment);

    if (segment->held == NULL && segment->capacity == PTL_OUTBOX_CHUNK && spares != NULL &&
        spares->count < PTL_SPARE_CHUNKS_MAX) {
        segment->size = segment->messages = 0;
        segment->next = spares->first;
        spares->first = segment;
        spares->count++;
        return;
    }
    ptl_msg_free(segment->held);
    ptl_free(outbox->allocator, segment, block);
}

static struct ptl_segment *take_spare(struct ptl_spare_chunks *spares)
{
    struct ptl_segment *segment = spares == NULL ? NULL : spares->first;

    if (segment != NULL) {
        ptl_assert(spares->count != 0 && segment->size == 0 && segment->held == NULL);
        spares->first = segment->next;
        segment->next = NULL;
        spares->count--;
    }
    return segment;
}

void ptl_spare_chunks_drop(struct ptl_spare_chunks *spares, const struct ptl_allocator *allocator)
{
    struct ptl_segment *segment;

    while ((segment = take_spare(spares)) != NULL) {
        ptl_free(allocator, segment, segment_block(segment));
    }
}

static void append(struct ptl_outbox *outbox, struct ptl_segment *segment)
{
    segment->next = NULL;
    if (outbox->last == NULL) {
        outbox->first = segment;
    } else {
        outbox->last->next = segment;
    }
    outbox->last = segment;
}

static struct ptl_segment *new_chunk(struct ptl_outbox *outbox, size_t capacity)
{
    struct ptl_segment *segment = capacity == PTL_OUTBOX_CHUNK ? take_spare(outbox->spares) : NULL;

    if (segment != NULL) {
        return segment;
    }
    segment = ptl_alloc_raw(outbox->allocator, sizeof(*segment) + capacity);
    if (segment != NULL) {
        *segment = (struct ptl_segment){.capacity = capacity};
    }
    return segment;
}

static size_t room_in(const struct ptl_segment *segment)
{
    return segment == NULL || segment->held != NULL ? 0 : segment->capacity - segment->size;
}

static bool is_behind_body(const struct ptl_outbox *outbox)
{
    return outbox->last != NULL && outbox->last->held != NULL;
}

static void put(struct ptl_outbox *outbox, struct ptl_segment *chunk, struct ptl_span bytes)
{
    ptl_assert(bytes.size <= chunk->capacity - chunk->size);
    if (bytes.size != 0) {
        ptl_copy(chunk->bytes + chunk->size, bytes.bytes, bytes.size);
        chunk->size += bytes.size;
        outbox->size += bytes.size;
    }
}

/* Write both behind all others, or nothing: chunks are made first, then filled. */
static int put_all(struct ptl_outbox *outbox, struct ptl_span head, struct ptl_span body)
{
    size_t room = room_in(outbox->last);
    size_t want = head.size + body.size;
    size_t capacity = is_behind_body(outbox) ? CHUNK_BEHIND_BODY : PTL_OUTBOX_CHUNK;
    struct ptl_segment *fresh = NULL, **end = &fresh;

    for (size_t have = room; have < want; have += capacity, capacity = PTL_OUTBOX_CHUNK) {
        *end = new_chunk(outbox, capacity);
        if (*end == NULL) {
            while (fresh != NULL) {
                struct ptl_segment *next = fresh->next;
                free_segment(outbox, fresh);
                fresh = next;
            }
            return PTL_ENOMEM;
        }
        end = &(*end)->next;
    }
    /* From here on nothing fails: a packet is never written by half. */
    struct ptl_span parts[2] = {head, body};
    for (unsigned i = 0; i < 2; i++) {
        while (parts[i].size != 0) {
            if (room_in(outbox->last) == 0) {
                struct ptl_segment *next = fresh->next;
                append(outbox, fresh);
                fresh = next;
            }
            size_t fit = room_in(outbox->last);
            fit = fit < parts[i].size ? fit : parts[i].size;
            put(outbox, outbox->last, ptl_span(parts[i].bytes, fit));
            parts[i] = ptl_span_skip(parts[i], fit);
        }
    }
    return PTL_OK;
}

static int put_held(struct ptl_outbox *outbox, struct ptl_span head, struct ptl_span body,
                    const struct ptl_msg *whole)
{
    struct ptl_segment *segment = ptl_alloc_raw(outbox->allocator, sizeof(*segment) + head.size);
    struct ptl_msg *held = segment == NULL ? NULL : ptl_msg_keep(whole);

    if (held == NULL) {
        ptl_free(outbox->allocator, segment, sizeof(*segment) + head.size);
        return PTL_ENOMEM;
    }
    *segment = (struct ptl_segment){
        .held = held,
        .body = body,
        .size = head.size + body.size,
        .capacity = head.size,
    };
    if (head.size != 0) {
        memcpy(segment->bytes, head.bytes, head.size);
    }
    append(outbox, segment);
    outbox->size += segment->size;
    return PTL_OK;
}

/* Whether the message has the body, and can be held. */
static bool has_body(const struct ptl_msg *whole, struct ptl_span body)
{
    return whole != NULL && whole->holds != 0 && body.bytes >= whole->body &&
           body.bytes + body.size <= whole->body + whole->size;
}

/* A head and its body, which is held where that saves copying it. */
static int put_body(struct ptl_outbox *outbox, struct ptl_span head, struct ptl_span body,
                    const struct ptl_msg *whole)
{
    return body.size >= BODY_HELD_MIN && has_body(whole, body) ? put_held(outbox, head, body, whole)
                                                               : put_all(outbox, head, body);
}

static int put_packet(struct ptl_outbox *outbox, enum ptl_framing framing, struct ptl_span name,
                      struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
{
    uint8_t head[9 + 9 + 2 * UINT8_MAX];
    size_t head_size = ptl_packet_head(framing, head, sizeof(head), name, count);

    if (head_size == 0) {
        int err = ptl_packet_encode(framing, &outbox->scratch, name, body, count);
        if (err == PTL_OK) {
            err = put_all(outbox, ptl_buffer_span(&outbox->scratch), ptl_span(NULL, 0));
        }
        ptl_buffer_ease(&outbox->scratch, SCRATCH_KEPT_MAX);
        return err;
    }
    return put_body(outbox, ptl_span(head, head_size), body, whole);
}

int ptl_outbox_packet(struct ptl_outbox *outbox, enum ptl_framing framing, struct ptl_span name,
                      struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
{
    int err = put_packet(outbox, framing, name, body, count, whole);

    if (err == PTL_OK && name.size != 0) {
        outbox->last->messages++;
    }
    return err;
}

/* Have the head of packets to this name at hand.  False: it is too long. */
static bool find_head(struct ptl_outbox *outbox, struct ptl_span name)
{
    size_t lead = outbox->head_lead;

    if (lead != 0 && ptl_span_same(ptl_span(outbox->head + lead, outbox->head_size - lead), name)) {
        return true;
    }
    size_t size = ptl_packet_head(PTL_FRAMING_CBOR, outbox->head, sizeof(outbox->head), name, 0);
    outbox->head_size = (uint8_t)size;
    outbox->head_lead = (uint8_t)(size == 0 ? 0 : size - name.size);
    return size != 0;
}

bool ptl_outbox_small(struct ptl_outbox *outbox, struct ptl_span name, struct ptl_span body,
                      uint32_t count)
{
    struct ptl_segment *last = outbox->last;

    if (count > SMALL_COUNT_MAX || !find_head(outbox, name) ||
        outbox->head_size + body.size > room_in(last)) {
        return false;
    }
    ptl_cbor_head(outbox->head, PTL_CBOR_ARRAY, count + 1);
    put(outbox, last, ptl_span(outbox->head, outbox->head_size));
    put(outbox, last, body);
    last->messages++;
    return true;
}

int ptl_outbox_frame(struct ptl_outbox *outbox, struct ptl_span head, struct ptl_span body,
                     const struct ptl_msg *whole)
{
    return put_body(outbox, head, body, whole);
}

bool ptl_outbox_message(struct ptl_outbox *outbox, struct ptl_span head, struct ptl_span body)
{
    struct ptl_segment *last = outbox->last;

    if (room_in(last) < head.size + body.size) {
        return false;
    }
    put(outbox, last, head);
    put(outbox, last, body);
    last->messages++;
    return true;
}

void ptl_outbox_add_messages(struct ptl_outbox *outbox, uint32_t count)
{
    outbox->last->messages += count;
}

/* ---- Sending ------------------------------------------------------------------------------- */

/* Part of one span, all but `skip` of it; returns what of `skip` is left. */
static size_t add_span(struct ptl_span span, size_t skip, struct ptl_span spans[], unsigned *count)
{
    if (skip >= span.size) {
        return skip - span.size;
    }
    spans[(*count)++] = ptl_span_skip(span, skip);
    return 0;
}

uint64_t ptl_outbox_messages(const struct ptl_outbox *outbox)
{
    uint64_t count = 0;

    for (const struct ptl_segment *s = outbox->first; s != NULL; s = s->next) {
        count += s->messages;
    }
    return count;
}

unsigned ptl_outbox_spans(const struct ptl_outbox *outbox, struct ptl_span spans[], unsigned max)
{
    unsigned count = 0;
    size_t skip = outbox->sent;

    /* A segment has two at most. */
    for (const struct ptl_segment *s = outbox->first; s != NULL && count + 2 <= max; s = s->next) {
        size_t bytes = s->held != NULL ? s->capacity : s->size;
        skip = add_span(ptl_span(s->bytes, bytes), skip, spans, &count);
        if (s->held != NULL) {
            skip = add_span(s->body, skip, spans, &count);
        }
        ptl_assert(skip == 0);
    }
    return count;
}

void ptl_outbox_sent(struct ptl_outbox *outbox, size_t size)
{
    ptl_assert(size <= outbox->size);
    outbox->size -= size;
    outbox->sent += size;
    while (outbox->first != NULL && outbox->sent >= outbox->first->size) {
        struct ptl_segment *first = outbox->first;
        outbox->sent -= first->size;
        outbox->first = first->next;
        if (outbox->first == NULL) {
            outbox->last = NULL;
        }
        free_segment(outbox, first);
    }
}

/* Its shard may be another one by now, or be ending: nothing is kept. */
void ptl_outbox_drop(struct ptl_outbox *outbox)
{
    outbox->spares = NULL;
    while (outbox->first != NULL) {
        struct ptl_segment *first = outbox->first;
        outbox->first = first->next;
        free_segment(outbox, first);
    }
    ptl_buffer_drop(&outbox->scratch);
    ptl_outbox_init(outbox, outbox->allocator, NULL);
}
