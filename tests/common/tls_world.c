#include "tests/common/tls_world.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/memory.h>

#define FILES_MAX 64
#define OUT_MAX ((size_t)1 << 22)

/* ---- Certificates -------------------------------------------------------------------------- */

static struct {
    const char *name;
    uint8_t *bytes;
    size_t size;
} files[FILES_MAX];

static void load(const char *name, uint8_t **bytes, size_t *size)
{
    char path[1024];

    snprintf(path, sizeof(path), PTL_TEST_DATA "/tls/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *bytes = malloc(1 << 16);
    assert_non_null(*bytes);
    *size = fread(*bytes, 1, (1 << 16) - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_true(*size > 0);
    (*bytes)[*size] = 0;
}

struct ptl_span tls_file(const char *name)
{
    size_t i = 0;

    while (files[i].name != NULL && strcmp(files[i].name, name) != 0) {
        i++;
        assert_true(i < FILES_MAX);
    }
    if (files[i].name == NULL) {
        load(name, &files[i].bytes, &files[i].size);
        files[i].name = strdup(name);
        assert_non_null(files[i].name);
    }
    return ptl_span(files[i].bytes, files[i].size);
}

static struct ptl_span join(uint8_t *room, size_t size, const char *one, const char *other)
{
    struct ptl_span a = tls_file(one), b = tls_file(other);

    assert_true(a.size + b.size <= size);
    memcpy(room, a.bytes, a.size);
    memcpy(room + a.size, b.bytes, b.size);
    return ptl_span(room, a.size + b.size);
}

struct ptl_tls_context *tls_node(const char *name, const char *const revoked[], unsigned version)
{
    char file[64];
    uint8_t lists[1 << 14], authorities[1 << 12];
    size_t size = 0;
    struct ptl_tls_context *context = NULL;
    struct ptl_tls_options options = {
        .authorities = tls_file("harbour.pem"),
        .version_min = version,
        .version_max = version,
    };

    snprintf(file, sizeof(file), "%s.pem", name);
    options.chain = tls_file(file);
    snprintf(file, sizeof(file), "%s.key", name);
    options.key = tls_file(file);
    for (size_t i = 0; revoked != NULL && revoked[i] != NULL; i++) {
        struct ptl_span list = tls_file(revoked[i]);
        assert_true(list.size <= sizeof(lists) - size);
        memcpy(lists + size, list.bytes, list.size);
        size += list.size;
    }
    options.revoked = ptl_span(lists, size);
    if (revoked != NULL) { /* a list is believed when its authority is known */
        options.authorities = join(authorities, sizeof(authorities), "harbour.pem", "quay.pem");
    }
    assert_int_equal(ptl_tls_context_make(ptl_allocator_libc(), &options, &context), 0);
    return context;
}

struct ptl_tls_context *tls_pair(const char *file, unsigned version)
{
    struct ptl_tls_context *context = NULL;
    struct ptl_tls_options options = {
        .pair = tls_file(file),
        .version_min = version,
        .version_max = version,
    };

    assert_int_equal(ptl_tls_context_make(ptl_allocator_libc(), &options, &context), 0);
    return context;
}

/* ---- Ends ---------------------------------------------------------------------------------- */

static void make_end(struct tls_end *end, struct ptl_tls_context *context, enum ptl_tls_role role,
                     const char *wants)
{
    struct ptl_span id = wants != NULL ? ptl_span_text(wants) : ptl_span(NULL, 0);

    *end = (struct tls_end){.tls = NULL};
    ptl_buffer_init(&end->out, ptl_allocator_libc(), OUT_MAX);
    ptl_buffer_init(&end->heard, ptl_allocator_libc(), OUT_MAX);
    assert_int_equal(
        ptl_tls_make(ptl_allocator_libc(), context, role, PTL_TLS_MUST_PROVE, id, &end->tls), 0);
}

/* Let it have `input`, all of it unless there is an error. */
static void feed(struct tls_end *end, struct ptl_span input)
{
    int count = 0;

    do {
        uint8_t *room = ptl_buffer_reserve(&end->heard, PTL_TLS_RECORD);
        assert_non_null(room);
        count = ptl_tls_open(end->tls, &input, room, PTL_TLS_RECORD, &end->out);
        end->heard.size += count > 0 ? (size_t)count : 0;
    } while (count > 0);
    if (count < 0) {
        end->err = count;
    }
}

void tls_ends_make(struct tls_ends *ends, struct ptl_tls_context *client,
                   struct ptl_tls_context *server, const char *client_wants,
                   const char *server_wants)
{
    make_end(&ends->ends[0], client, PTL_TLS_CLIENT, client_wants);
    make_end(&ends->ends[1], server, PTL_TLS_SERVER, server_wants);
    feed(&ends->ends[0], ptl_span("", 0));
}

void tls_ends_free(struct tls_ends *ends)
{
    for (unsigned i = 0; i < 2; i++) {
        ptl_tls_free(ends->ends[i].tls);
        ptl_buffer_drop(&ends->ends[i].out);
        ptl_buffer_drop(&ends->ends[i].heard);
    }
}

bool tls_move(struct tls_ends *ends, unsigned from, size_t size)
{
    struct ptl_buffer *out = &ends->ends[from].out;
    struct tls_end *to = &ends->ends[1 - from];

    if (out->size == 0 || to->err != 0) {
        return false;
    }
    size = size < out->size ? size : out->size;
    feed(to, ptl_span(out->bytes, size));
    memmove(out->bytes, out->bytes + size, out->size - size);
    out->size -= size;
    return true;
}

void tls_run(struct tls_ends *ends, size_t size)
{
    bool moved;

    do {
        moved = tls_move(ends, 0, size);
        moved = tls_move(ends, 1, size) || moved;
    } while (moved);
}

/* ---- Memory -------------------------------------------------------------------------------- */

static _Atomic size_t held, most;

static void count(size_t before, size_t after)
{
    size_t now = atomic_fetch_add(&held, after - before) + after - before;
    size_t seen = atomic_load(&most);

    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
    }
}

static void *count_malloc(size_t size)
{
    void *block = malloc(size);

    count(0, malloc_usable_size(block));
    return block;
}

static void count_free(void *block)
{
    count(malloc_usable_size(block), 0);
    free(block);
}

static void *count_realloc(void *block, size_t size)
{
    size_t before = malloc_usable_size(block);
    void *moved = realloc(block, size);

    if (moved != NULL) {
        count(before, malloc_usable_size(moved));
    }
    return moved;
}

void tls_count_memory(void)
{
    assert_int_equal(wolfSSL_SetAllocators(count_malloc, count_free, count_realloc), 0);
}

size_t tls_memory(void)
{
    return atomic_load(&held);
}

size_t tls_memory_most(void)
{
    return atomic_load(&most);
}

void tls_memory_most_anew(void)
{
    atomic_store(&most, atomic_load(&held));
}
