#include "perf/common/micro_tls.h"

#include "io/tls.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX 16384
#define BYTES_MAX ((size_t)1 << 20)

struct sealed_node {
    struct ptl_tls_context *context;
};

struct sealed_ends {
    struct ptl_tls *client, *server;
    struct ptl_buffer from_client, from_server;
};

static void need(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_tls: %s\n", what);
        exit(1);
    }
}

struct sealed_node *sealed_node_make(const char *path, unsigned version)
{
    static char text[FILE_MAX];
    FILE *file = path == NULL ? NULL : fopen(path, "rb");
    struct sealed_node *node = calloc(1, sizeof(*node));

    need(file != NULL && node != NULL, "no file with a certificate and its key");
    struct ptl_tls_options options = {.pair = ptl_span(text, fread(text, 1, sizeof(text), file)),
                                      .version_min = version,
                                      .version_max = version};
    fclose(file);
    need(ptl_tls_context_make(ptl_allocator_libc(), &options, &node->context) == PTL_OK,
         "no usable certificate");
    return node;
}

void sealed_node_free(struct sealed_node *node)
{
    ptl_tls_context_release(node->context);
    free(node);
}

/* Have one end take all that the other has said; it says nothing yet that is not TLS's own. */
static void take(struct ptl_tls *tls, struct ptl_buffer *said, struct ptl_buffer *answers)
{
    struct ptl_span input = ptl_buffer_span(said);
    uint8_t room[PTL_TLS_RECORD];
    int count;

    do {
        count = ptl_tls_open(tls, &input, room, sizeof(room), answers);
        need(count >= 0, "TLS fails");
    } while (count > 0);
    ptl_buffer_clear(said);
}

struct sealed_ends *sealed_ends_make(struct sealed_node *node)
{
    struct sealed_ends *ends = calloc(1, sizeof(*ends));
    struct ptl_span anybody = ptl_span(NULL, 0);

    need(ends != NULL, "no memory");
    ptl_buffer_init(&ends->from_client, ptl_allocator_libc(), BYTES_MAX);
    ptl_buffer_init(&ends->from_server, ptl_allocator_libc(), BYTES_MAX);
    need(ptl_tls_make(ptl_allocator_libc(), node->context, PTL_TLS_CLIENT, PTL_TLS_MUST_PROVE,
                      anybody, &ends->client) == PTL_OK &&
             ptl_tls_make(ptl_allocator_libc(), node->context, PTL_TLS_SERVER, PTL_TLS_MUST_PROVE,
                          anybody, &ends->server) == PTL_OK,
         "no memory");
    do {
        take(ends->client, &ends->from_server, &ends->from_client);
        take(ends->server, &ends->from_client, &ends->from_server);
    } while (ends->from_server.size != 0);
    need(ptl_tls_state(ends->client) == PTL_TLS_UP && ptl_tls_state(ends->server) == PTL_TLS_UP,
         "TLS does not come up");
    return ends;
}

void sealed_ends_free(struct sealed_ends *ends)
{
    ptl_tls_free(ends->client);
    ptl_tls_free(ends->server);
    ptl_buffer_drop(&ends->from_client);
    ptl_buffer_drop(&ends->from_server);
    free(ends);
}

void sealed_carry(struct sealed_ends *ends, size_t size)
{
    static const uint8_t bytes[BYTES_MAX / 2];

    need(size <= sizeof(bytes) &&
             ptl_tls_seal(ends->client, ptl_span(bytes, size), &ends->from_client) == PTL_OK,
         "cannot seal");
    take(ends->server, &ends->from_client, &ends->from_server);
}

const char *sealed_text(struct sealed_ends *ends)
{
    return ptl_tls_text(ends->client);
}
