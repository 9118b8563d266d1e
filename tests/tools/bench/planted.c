/*
 * tests/tools/bench/planted.c - a portolan whose links do wrong now and then, to see that
 * `portolan bench --verify` finds it.
 *
 * The linker puts the functions called __wrap_ before the engine's own, one for each way in which a
 * link sends a packet: as frames, or in AEMP's framings.  The environment says what is wrong:
 *   PTL_PLANT=drop      a message for a port is not sent
 *   PTL_PLANT=swap      two messages in a row for the same port change places
 *   PTL_PLANT=silence   the death of a port is not told to whoever monitors it
 * For a node of one shard: what it remembers has no lock.
 */
#include "engine/link/frames_out.h"
#include "engine/link/outbox.h"

#include <stdlib.h>
#include <string.h>

#define EVERY 300 /* messages */
#define EVERY_DEATH 3
#define HELD_MAX 4096

int __real_ptl_outbox_packet(struct ptl_outbox *outbox, enum ptl_framing framing,
                             struct ptl_span name, struct ptl_span body, uint32_t count,
                             const struct ptl_msg *whole);
int __wrap_ptl_outbox_packet(struct ptl_outbox *outbox, enum ptl_framing framing,
                             struct ptl_span name, struct ptl_span body, uint32_t count,
                             const struct ptl_msg *whole);
int __real_ptl_frames_out_packet(struct ptl_frames_out *frames, struct ptl_outbox *outbox,
                                 struct ptl_span name, struct ptl_span body, uint32_t count,
                                 const struct ptl_msg *whole);
int __wrap_ptl_frames_out_packet(struct ptl_frames_out *frames, struct ptl_outbox *outbox,
                                 struct ptl_span name, struct ptl_span body, uint32_t count,
                                 const struct ptl_msg *whole);
int __real_ptl_frames_out_down(struct ptl_frames_out *frames, struct ptl_outbox *outbox,
                               uint64_t tag, struct ptl_span watcher, struct ptl_span reason,
                               uint32_t count);
int __wrap_ptl_frames_out_down(struct ptl_frames_out *frames, struct ptl_outbox *outbox,
                               uint64_t tag, struct ptl_span watcher, struct ptl_span reason,
                               uint32_t count);

/* How a connection sends. */
struct way {
    struct ptl_frames_out *frames; /* NULL: in this framing */
    enum ptl_framing framing;
    struct ptl_outbox *outbox;
};

/* A message that waits for the next one to overtake it. */
static struct {
    struct ptl_outbox *outbox; /* NULL: none waits */
    uint8_t name[PTL_PORT_ID_MAX];
    uint8_t body[HELD_MAX];
    struct ptl_span name_span, body_span;
    uint32_t count;
} held;

static bool is_planted(const char *what)
{
    const char *plant = getenv("PTL_PLANT");

    return plant != NULL && strcmp(plant, what) == 0;
}

/* Every so many deaths one is not told. */
static bool is_silent(void)
{
    static unsigned deaths;

    return is_planted("silence") && ++deaths % EVERY_DEATH == 0;
}

static bool is_death(struct ptl_span name, struct ptl_span body)
{
    static const char word[] = "\x44kil0";

    return name.size == 0 && body.size > strlen(word) &&
           memcmp(body.bytes, word, strlen(word)) == 0;
}

static bool hold(struct ptl_outbox *outbox, struct ptl_span name, struct ptl_span body,
                 uint32_t count)
{
    if (name.size > sizeof held.name || body.size > sizeof held.body) {
        return false;
    }
    memcpy(held.name, name.bytes, name.size);
    memcpy(held.body, body.bytes, body.size);
    held.name_span = ptl_span(held.name, name.size);
    held.body_span = ptl_span(held.body, body.size);
    held.count = count;
    held.outbox = outbox;
    return true;
}

static int send_right(const struct way *way, struct ptl_span name, struct ptl_span body,
                      uint32_t count, const struct ptl_msg *whole)
{
    return way->frames != NULL
               ? __real_ptl_frames_out_packet(way->frames, way->outbox, name, body, count, whole)
               : __real_ptl_outbox_packet(way->outbox, way->framing, name, body, count, whole);
}

static int send_wrong(const struct way *way, struct ptl_span name, struct ptl_span body,
                      uint32_t count, const struct ptl_msg *whole)
{
    static unsigned messages;

    if (name.size > 0) {
        messages++;
    }
    if (is_death(name, body) && is_silent()) {
        return PTL_OK;
    }
    if (is_planted("drop") && name.size > 0 && messages % EVERY == 0) {
        return PTL_OK;
    }
    if (is_planted("swap") && name.size > 0 && messages % EVERY == 0 && held.outbox == NULL &&
        hold(way->outbox, name, body, count)) {
        return PTL_OK;
    }
    int err = send_right(way, name, body, count, whole);
    if (err == PTL_OK && held.outbox == way->outbox && ptl_span_equal(name, held.name_span)) {
        held.outbox = NULL;
        err = send_right(way, held.name_span, held.body_span, held.count, NULL);
    }
    return err;
}

int __wrap_ptl_outbox_packet(struct ptl_outbox *outbox, enum ptl_framing framing,
                             struct ptl_span name, struct ptl_span body, uint32_t count,
                             const struct ptl_msg *whole)
{
    struct way way = {.framing = framing, .outbox = outbox};

    return send_wrong(&way, name, body, count, whole);
}

int __wrap_ptl_frames_out_packet(struct ptl_frames_out *frames, struct ptl_outbox *outbox,
                                 struct ptl_span name, struct ptl_span body, uint32_t count,
                                 const struct ptl_msg *whole)
{
    struct way way = {.frames = frames, .outbox = outbox};

    return send_wrong(&way, name, body, count, whole);
}

int __wrap_ptl_frames_out_down(struct ptl_frames_out *frames, struct ptl_outbox *outbox,
                               uint64_t tag, struct ptl_span watcher, struct ptl_span reason,
                               uint32_t count)
{
    return is_silent() ? PTL_OK
                       : __real_ptl_frames_out_down(frames, outbox, tag, watcher, reason, count);
}
