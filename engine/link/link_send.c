#include "engine/link/link_send.h"

#include "engine/link/connection.h"
#include "engine/link/dial_addresses.h"
#include "engine/link/link.h"
#include "engine/link/link_weight.h"
#include "engine/link/shard_links.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

void ptl_link_dirty(struct ptl_shard *shard, struct ptl_link *link)
{
    if (!link->dirty) {
        link->dirty = true;
        link->dirty_at = shard->now;
        link->gathered = 0;
        link->dirty_next = shard->links->dirty;
        shard->links->dirty = link;
    }
}

void ptl_link_count_out(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_count(&shard->counts.sent, link->messages_out - link->messages_told);
    link->messages_told = link->messages_out;
}

int ptl_link_let_wait(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    ptl_assert(link->state != PTL_LINK_UP); /* else it would overtake, or be overtaken */
    struct ptl_parcel *parcel = ptl_parcel_make(op, shard->allocator);

    if (parcel == NULL) {
        return PTL_ENOMEM;
    }
    if (link->waiting_last == NULL) {
        link->waiting_first = parcel;
    } else {
        link->waiting_last->next = parcel;
    }
    link->waiting_last = parcel;
    link->weight += ptl_parcel_weight(parcel);
    ptl_link_weigh(shard, link);
    if (link->state == PTL_LINK_DOWN) {
        ptl_link_dial(shard, link);
    }
    return PTL_OK;
}

static int encode(struct ptl_connection *c, struct ptl_span name, struct ptl_span body,
                  uint32_t count, const struct ptl_msg *whole)
{
    enum ptl_framing framing = (enum ptl_framing)ptl_handshake_peer(&c->handshake)->send_framing;

    return c->framed ? ptl_frames_out_packet(&c->frames_out, &c->out, name, body, count, whole)
                     : ptl_outbox_packet(&c->out, framing, name, body, count, whole);
}

static int write_packet(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                        struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
{
    ptl_assert(link->state == PTL_LINK_UP && link->connection != NULL);
    if (body.size > link->peer_bytes_max) {
        return PTL_ESIZE;
    }
    int err = encode(link->connection, name, body, count, whole);

    if (err == PTL_OK) {
        link->messages_out += name.size != 0;
        ptl_link_dirty(shard, link);
        ptl_link_weigh(shard, link);
    }
    return err;
}

int ptl_link_packet(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                    struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
{
    if (link->state == PTL_LINK_UP) {
        return write_packet(shard, link, name, body, count, whole);
    }
    if (body.size > link->peer_bytes_max) {
        return PTL_ESIZE;
    }
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .to = PTL_TO_NODE,
        .name = name,
        .body = body,
        .count = count,
        .whole = whole,
    };
    return ptl_link_let_wait(shard, link, &op);
}

/* False: it is not that simple. */
static bool encode_small(struct ptl_connection *c, struct ptl_span name, struct ptl_span body,
                         uint32_t count)
{
    if (c->framed) {
        return ptl_frames_out_message(&c->frames_out, &c->out, name, body, count);
    }
    return ptl_handshake_peer(&c->handshake)->send_framing == PTL_FRAMING_CBOR &&
           ptl_outbox_small(&c->out, name, body, count);
}

bool ptl_link_send_small(struct ptl_shard *shard, const struct ptl_port *to, uint64_t told,
                         struct ptl_span body, uint32_t count)
{
    struct ptl_link *link = shard->links->last; /* most go where the one before went */
    struct ptl_span name = ptl_port_name(to);

    if (link == NULL || link->state != PTL_LINK_UP || told < link->failed_at ||
        to->node_hash != link->hash || !ptl_span_same(ptl_port_node(to), ptl_link_id(link)) ||
        body.size > link->peer_bytes_max || name.size == 0 ||
        !encode_small(link->connection, name, body, count)) {
        return false;
    }
    link->messages_out++;
    ptl_link_dirty(shard, link);
    return true;
}

/* An empty request to the peer's node port, which both kinds of nodes take for nothing. */
void ptl_link_keepalive(struct ptl_shard *shard, struct ptl_link *link)
{
    static const uint8_t empty_string = 0x40;
    int err = write_packet(shard, link, ptl_span(NULL, 0), ptl_span(&empty_string, 1), 1, NULL);

    (void)err; /* without memory this one is skipped, another follows */
}

void ptl_link_drop_waiting(struct ptl_shard *shard, struct ptl_link *link)
{
    while (link->waiting_first != NULL) {
        struct ptl_parcel *parcel = link->waiting_first;
        link->waiting_first = parcel->next;
        ptl_parcel_free(parcel, shard->allocator);
    }
    link->waiting_last = NULL;
    link->weight = 0;
}

void ptl_link_waits_no_more(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_parcel *parcel = link->waiting_first;

    link->waiting_first = parcel->next;
    if (link->waiting_first == NULL) {
        link->waiting_last = NULL;
    }
    ptl_assert(link->weight >= ptl_parcel_weight(parcel));
    link->weight -= ptl_parcel_weight(parcel);
    ptl_assert(link->waiting_first != NULL || link->weight == 0);
    ptl_parcel_free(parcel, shard->allocator);
    ptl_link_weigh(shard, link);
}

void ptl_link_sent(struct ptl_shard *shard, struct ptl_link *link)
{
    link->sent_at = shard->now;
    ptl_assert(link->state == PTL_LINK_UP && link->connection != NULL);
    /* It takes what it is sent: what was made while it took nothing is forgiven. */
    link->connection->answer_anyway = false;
    link->connection->answered_anyway = 0;
    ptl_link_weigh(shard, link);
    if (ptl_link_unsent(link) != 0) {
        ptl_link_dirty(shard, link);
    }
}

/* ---- Requests to the peer's node port ------------------------------------------------------- */

/* Real nodes have port names as bytes, as long as these are ASCII. */
static void put_name(struct ptl_writer *writer, struct ptl_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.bytes[i] >= 0x80) {
            ptl_put_text(writer, (const char *)name.bytes, name.size);
            return;
        }
    }
    ptl_put_bytes(writer, name.bytes, name.size);
}

/* A reason that the peer does not take is told in other words: that something ended must be. */
static int put_reason(struct ptl_writer *writer, const struct ptl_link *link,
                      const struct ptl_msg *reason)
{
    if (reason->size + PTL_REQUEST_EXTRA <= link->peer_bytes_max) {
        return ptl_put_values(writer, reason);
    }
    const char *text = ptl_err_text(PTL_ESIZE);
    ptl_put_text(writer, "die", 3);
    ptl_put_text(writer, text, strlen(text));
    return writer->err;
}

int ptl_link_request_values(struct ptl_shard *shard, struct ptl_link *link, const char *request,
                            struct ptl_span name, struct ptl_span values, uint32_t count)
{
    struct ptl_writer writer;
    struct ptl_msg rest = ptl_msg_borrow(values, count);

    ptl_writer_init(&writer, shard->node);
    ptl_put_bytes(&writer, request, strlen(request));
    put_name(&writer, name);
    int err = put_reason(&writer, link, &rest);
    if (err == PTL_OK) {
        err = ptl_link_packet(shard, link, ptl_span(NULL, 0), ptl_writer_body(&writer),
                              writer.count, NULL);
    }
    ptl_writer_drop(&writer);
    return err;
}

int ptl_link_request(struct ptl_shard *shard, struct ptl_link *link, const char *request,
                     struct ptl_span name)
{
    return ptl_link_request_values(shard, link, request, name, ptl_span(NULL, 0), 0);
}

/* ---- Monitors over our own framing ----------------------------------------------------------- */

bool ptl_link_speaks_frames(const struct ptl_link *link)
{
    return link->connection != NULL && link->connection->framed;
}

/* A frame was appended, or was not. */
static int appended(struct ptl_shard *shard, struct ptl_link *link, int err)
{
    ptl_assert(link->state == PTL_LINK_UP && ptl_link_speaks_frames(link));
    if (err == PTL_OK) {
        ptl_link_dirty(shard, link);
        ptl_link_weigh(shard, link);
    }
    return err;
}

int ptl_link_monitor(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                     uint64_t tag, struct ptl_span watcher)
{
    struct ptl_connection *c = link->connection;

    return appended(shard, link,
                    ptl_frames_out_monitor(&c->frames_out, &c->out, name, tag, watcher));
}

int ptl_link_unmonitor(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                       uint64_t tag)
{
    struct ptl_connection *c = link->connection;

    return appended(shard, link, ptl_frames_out_unmonitor(&c->frames_out, &c->out, name, tag));
}

int ptl_link_answer_monitor(struct ptl_shard *shard, struct ptl_link *link, uint64_t tag,
                            struct ptl_span watcher, const struct ptl_msg *reason)
{
    struct ptl_connection *c = link->connection;
    struct ptl_writer writer;

    ptl_writer_init(&writer, shard->node);
    int err = put_reason(&writer, link, reason);
    if (err == PTL_OK) {
        err = ptl_frames_out_down(&c->frames_out, &c->out, tag, watcher, ptl_writer_body(&writer),
                                  writer.count);
    }
    ptl_writer_drop(&writer);
    return appended(shard, link, err);
}
