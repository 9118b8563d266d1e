#include "tests/common/raw_peer.h"

#include "io/framing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 60000

int raw_connect_from(struct ptl_node *node, const char *from)
{
    const char *address = ptl_node_address(node, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    int socket_to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_int_equal(inet_pton(AF_INET, from, &own.sin_addr), 1);
    assert_int_equal(bind(socket_to, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(socket_to, (struct sockaddr *)&to, sizeof(to)), 0);
    return socket_to;
}

int raw_connect(struct ptl_node *node)
{
    return raw_connect_from(node, "127.0.0.1");
}

static void await_readable(int socket)
{
    struct pollfd waits = {.fd = socket, .events = POLLIN};

    if (poll(&waits, 1, PATIENCE_MS) != 1) {
        witness_show();
        fail_msg("nothing comes");
    }
}

int raw_accept(int listener)
{
    await_readable(listener);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    return accepted;
}

void raw_say(int socket, const char *text)
{
    /* Who has been closed already says it to nobody. */
    ssize_t said = send(socket, text, strlen(text), MSG_NOSIGNAL);
    (void)said;
}

int raw_stranger(struct ptl_node *node, const char *from, const char *text)
{
    int socket_to = raw_connect_from(node, from);

    raw_say(socket_to, text);
    return socket_to;
}

size_t raw_read_lines(int socket, char *bytes, size_t room, unsigned lines)
{
    size_t size = 0;

    while (lines > 0 && size < room) {
        await_readable(socket);
        ssize_t count = read(socket, bytes + size, room - size);
        if (count <= 0) {
            break;
        }
        for (ssize_t i = 0; i < count; i++) {
            lines -= bytes[size + (size_t)i] == '\n' && lines > 0;
        }
        size += (size_t)count;
    }
    return size;
}

void raw_read_until(int socket, const char *wanted)
{
    char bytes[4096];
    size_t size = 0;

    while (memmem(bytes, size, wanted, strlen(wanted)) == NULL) {
        await_readable(socket);
        ssize_t count = read(socket, bytes + size, sizeof(bytes) - size);
        assert_true(count > 0);
        size += (size_t)count;
    }
}

bool raw_is_closed(int socket)
{
    char bytes[4096];
    ssize_t count;

    do {
        count = recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    } while (count > 0);
    return count == 0 || (errno != EAGAIN && errno != EINTR);
}

void raw_await_close(int socket)
{
    while (!raw_is_closed(socket)) {
        await_readable(socket);
    }
}

static void greet(struct raw_peer *peer, int socket, const char *id, const char *framings,
                  const char *more)
{
    struct ptl_node_options common = witness_options(id);
    struct ptl_handshake_options options = {
        .node_id = ptl_span_text(id),
        .secret = ptl_span(common.secret, common.secret_size),
        .framings = ptl_span_text(framings),
    };
    char lines[512], bytes[PTL_HANDSHAKE_LINE_MAX], proof[PTL_HANDSHAKE_PROOF_LINE_MAX];

    snprintf(lines, sizeof(lines), "aemp;1;%s;hmac_sha3_512;%s%s\nnonce of %s\n", id, framings,
             more, id);
    assert_int_equal(ptl_handshake_init_lines(&peer->handshake, ptl_allocator_libc(), &options,
                                              ptl_span_text(lines)),
                     0);
    ptl_buffer_init(&peer->out, ptl_allocator_libc(), SIZE_MAX);
    peer->socket = socket;
    size_t size = raw_read_lines(socket, bytes, sizeof(bytes), 2), used = 0;
    while (used < size) {
        int count = ptl_handshake_feed(&peer->handshake, ptl_span(bytes + used, size - used));
        assert_true(count > 0);
        used += (size_t)count;
    }
    int count = ptl_handshake_prove(&peer->handshake, 0, proof);
    assert_true(count > 0);
    assert_int_equal(ptl_buffer_append(&peer->out, lines, strlen(lines)), 0);
    assert_int_equal(ptl_buffer_append(&peer->out, proof, (size_t)count), 0);
}

void raw_greet(struct raw_peer *peer, int socket, const char *id, const char *more)
{
    greet(peer, socket, id, "cbor", more);
}

void raw_greet_with_frames(struct raw_peer *peer, int socket, const char *id)
{
    greet(peer, socket, id, "portolan,cbor",
          ";portolan=abc.0.4000000;frames=1.0.1.1000.10000.100000.ea60");
}

void raw_open(struct raw_peer *peer, struct ptl_node *node, const char *id)
{
    raw_greet(peer, raw_connect(node), id, "");
}

void raw_gather(struct raw_peer *peer, const char *name, const char *values)
{
    struct ptl_msg *msg = witness_values(values);
    struct ptl_buffer *out = &peer->out;
    struct ptl_writer writer;
    struct ptl_msg *packet;

    /* A packet is an array: the port's name, then the message. */
    ptl_writer_init(&writer, NULL);
    ptl_put_array(&writer, 1 + ptl_msg_count(msg));
    ptl_put_bytes(&writer, name, strlen(name));
    ptl_put_values(&writer, msg);
    assert_int_equal(ptl_writer_finish(&writer, &packet), 0);
    struct ptl_cursor cursor = ptl_msg_begin(packet);
    assert_int_equal(ptl_buffer_append(out, cursor.at, (size_t)(cursor.end - cursor.at)), 0);
    ptl_msg_free(packet);
    ptl_msg_free(msg);
}

void raw_send(struct raw_peer *peer)
{
    ssize_t count = write(peer->socket, peer->out.bytes, peer->out.size);

    assert_int_equal(count, peer->out.size);
    ptl_buffer_clear(&peer->out);
}

void raw_send_greeting(struct raw_peer *peer)
{
    struct ptl_span greeting = ptl_handshake_greeting(&peer->handshake);
    struct ptl_buffer proof;

    ptl_buffer_init(&proof, ptl_allocator_libc(), SIZE_MAX);
    assert_int_equal(
        ptl_buffer_append(&proof, peer->out.bytes + greeting.size, peer->out.size - greeting.size),
        0);
    assert_int_equal(write(peer->socket, greeting.bytes, greeting.size), greeting.size);
    ptl_buffer_drop(&peer->out);
    peer->out = proof;
}

void raw_close(struct raw_peer *peer)
{
    close(peer->socket);
    ptl_handshake_drop(&peer->handshake);
    ptl_buffer_drop(&peer->out);
}
