#include "engine/node/options.h"

#include "engine/link/seed.h"
#include "engine/node/node_own.h"
#include "engine/shard/node.h"
#include "io/address.h"
#include "io/framing.h"

#include <limits.h>

#define STDERR 2
#define LOG_PATIENCE_MS 200 /* for the last lines, when nobody reads them */
#define SECRET_SIZE_MIN 16  /* bytes; for addresses that others can reach */
#define SILENCE_MS_MIN 300  /* as in docs/wire.md, "Agreeing" */

static void set_default(size_t *option, size_t value)
{
    if (*option == 0) {
        *option = value;
    }
}

static void set_default_unsigned(unsigned *option, unsigned value)
{
    if (*option == 0) {
        *option = value;
    }
}

/* Zero stands for the default: what the program does not set, or does not know of yet. */
static void fill_in(struct ptl_node_options *options)
{
    options->framings = options->framings != NULL ? options->framings : "portolan,cbor,json";
    set_default(&options->message_bytes_max, (size_t)64 << 20);
    set_default(&options->port_room, (size_t)1 << 20);
    set_default(&options->link_room, (size_t)8 << 20);
    set_default(&options->links_room, 16 * options->link_room);
    set_default(&options->making_room, 4 * options->message_bytes_max);
    set_default(&options->inbox_room, (size_t)4 << 20);
    set_default(&options->kept_room, (size_t)16 << 20);
    set_default(&options->ring_bytes, (size_t)256 << 10);
    set_default_unsigned(&options->half_open_max, 1024);
    set_default_unsigned(&options->half_open_per_address, options->half_open_max);
    set_default_unsigned(&options->spawned_all_max, 400000);
    set_default_unsigned(&options->handshake_ms, 10000);
    set_default_unsigned(&options->silence_ms, 2000);
    set_default(&options->db_value_bytes_max, (size_t)1 << 20);
    if (options->db_value_bytes_max > options->message_bytes_max / 2) {
        options->db_value_bytes_max = options->message_bytes_max / 2; /* it goes in a message */
    }
    set_default_unsigned(&options->db_entries_max, 4000000);
    set_default_unsigned(&options->db_owners_max, 65536);
    set_default_unsigned(&options->db_brought_max, options->db_entries_max < UINT_MAX / 16
                                                       ? 16 * options->db_entries_max
                                                       : UINT_MAX);
    set_default(&options->db_bytes_max, (size_t)1 << 30);
    set_default(&options->db_brought_bytes_max,
                options->db_bytes_max < SIZE_MAX / 4 ? 4 * options->db_bytes_max : SIZE_MAX);
    set_default_unsigned(&options->globals_max, 1024);
    set_default_unsigned(&options->db_watches_max, 10000);
}

/* Where its loops come from; what is chosen only when they are opened is the node's own. */
static int choose_loops(struct ptl_node *node)
{
    struct ptl_node_options *options = &node->options;
    int err = PTL_OK;

    if (options->loops != NULL) {
        return PTL_OK;
    }
    switch (options->loop) {
    case PTL_LOOP_URING:
        options->loops = ptl_loop_uring();
        break;
    case PTL_LOOP_EPOLL:
        options->loops = ptl_loop_epoll();
        break;
    case PTL_LOOP_AUTO:
        err = ptl_loop_choice_open(node->allocator, &node->own->loop_choice);
        options->loops = err < 0 ? NULL : ptl_loop_choice_maker(node->own->loop_choice);
        break;
    }
    return err;
}

/* Our own framing is spoken by those who name it first, or not at all. */
static bool framings_valid(const char *framings)
{
    const char *at = framings;

    do {
        size_t size = strcspn(at, ",");
        int framing = ptl_framing_find(ptl_span(at, size));
        if (framing < 0 || (framing == PTL_FRAMING_FRAMES && at != framings)) {
            return false;
        }
        at += size + (at[size] == ',');
    } while (*at != 0);
    return true;
}

static unsigned count_texts(const char *const *texts)
{
    unsigned count = 0;

    while (texts != NULL && texts[count] != NULL) {
        count++;
    }
    return count;
}

int ptl_options_check_secrets(struct ptl_span secret, struct ptl_span other, bool is_open)
{
    bool none = secret.bytes == NULL && secret.size != 0;
    bool no_other = other.size != 0 && (other.bytes == NULL || secret.size == 0);
    bool is_short = (secret.size != 0 && secret.size < SECRET_SIZE_MIN) ||
                    (other.size != 0 && other.size < SECRET_SIZE_MIN);

    if (none || no_other) {
        return PTL_EINVAL;
    }
    /* A short secret can be tried by whoever reaches us: loopback only, for tests. */
    return is_short && is_open ? PTL_ESECRET : PTL_OK;
}

static int check_texts(const char *const *texts, int (*parse)(const char *, struct ptl_host *),
                       bool *is_open)
{
    for (unsigned i = 0; i < count_texts(texts); i++) {
        struct ptl_host host;
        if (parse(texts[i], &host) < 0) {
            return PTL_EADDRESS;
        }
        *is_open = *is_open || !ptl_address_is_loopback(texts[i]);
    }
    return PTL_OK;
}

int ptl_options_check_addresses(const char *const *addresses, bool *is_open)
{
    return check_texts(addresses, ptl_host_parse, is_open);
}

int ptl_options_check_seeds(const char *const *seeds, bool *is_open)
{
    return check_texts(seeds, ptl_seed_parse, is_open);
}

static int check(const struct ptl_node_options *options, bool *is_open)
{
    bool announces_open = false; /* what others are told opens nothing */

    if (!framings_valid(options->framings) || count_texts(options->seeds) > PTL_SEEDS_MAX ||
        (options->ring_bytes & (options->ring_bytes - 1)) != 0 ||
        options->ring_bytes < 8 * (size_t)PTL_RECORD_MAX || options->silence_ms < SILENCE_MS_MIN ||
        options->tls > PTL_TLS_REQUIRE || (unsigned)options->loop > PTL_LOOP_EPOLL) {
        return PTL_EINVAL;
    }
    int err = ptl_options_check_addresses(options->binds, is_open);
    if (err == PTL_OK) {
        err = ptl_options_check_seeds(options->seeds, is_open);
    }
    if (err == PTL_OK) {
        err = ptl_options_check_addresses(options->announces, &announces_open);
    }
    return err < 0 ? err
                   : ptl_options_check_secrets(
                         ptl_span(options->secret, options->secret_size),
                         ptl_span(options->other_secret, options->other_secret_size), *is_open);
}

void ptl_options_set_limits(struct ptl_node *node, struct ptl_node_limits limits)
{
    set_default_unsigned(&limits.spawned_max, 100000);
    set_default_unsigned(&limits.monitors_max, 1000000);
    set_default_unsigned(&limits.spawn_rate, 100000);
    atomic_store(&node->limits.spawned_max, limits.spawned_max);
    atomic_store(&node->limits.monitors_max, limits.monitors_max);
    atomic_store(&node->limits.spawn_rate, limits.spawn_rate);
    atomic_store(&node->limits.poll_us, limits.poll_us);
}

static int copy_binds(struct ptl_node *node, const char *const *from)
{
    struct ptl_node_own *own = node->own;
    unsigned count = count_texts(from);

    own->binds = ptl_alloc(node->allocator, (count + 1) * sizeof(*own->binds));
    if (own->binds == NULL) {
        return PTL_ENOMEM;
    }
    own->bind_count = count;
    for (unsigned i = 0; i < count; i++) {
        own->binds[i].wish = ptl_text_copy(node->allocator, from[i], strlen(from[i]));
        if (own->binds[i].wish == NULL) {
            return PTL_ENOMEM;
        }
    }
    return PTL_OK;
}

/* Who gives no log of their own gets one that never blocks either. */
static int open_log(struct ptl_node *node)
{
    if (node->options.log != NULL) {
        return PTL_OK;
    }
    int err = ptl_log_writer_open(node->allocator, STDERR, &node->own->log_writer);
    node->options.log = ptl_log_write;
    node->options.log_data = node->own->log_writer;
    return err;
}

int ptl_options_take(struct ptl_node *node, const struct ptl_node_options *from)
{
    struct ptl_node_options filled = *from;

    fill_in(&filled);
    bool is_open = false;
    int err = check(&filled, &is_open);
    if (err < 0) {
        return err;
    }
    atomic_store(&node->own->is_open, is_open);
    node->options = filled;
    ptl_options_set_limits(node, (struct ptl_node_limits){.spawned_max = filled.spawned_max,
                                                          .monitors_max = filled.monitors_max,
                                                          .spawn_rate = filled.spawn_rate,
                                                          .poll_us = filled.poll_us});
    ptl_log_set_level(node, filled.log_level);
    node->options.id = NULL;
    node->options.binds = NULL;
    node->options.seeds = NULL;
    node->options.announces = NULL;
    node->options.secret = node->options.other_secret = NULL;
    node->options.tls_pair = node->options.tls_cert = node->options.tls_key = NULL;
    node->options.tls_ca = node->options.tls_crl = node->options.tls_anonymous = NULL;
    node->options.framings =
        ptl_text_copy(node->allocator, filled.framings, strlen(filled.framings));
    if (node->options.framings == NULL) {
        return PTL_ENOMEM;
    }
    err = choose_loops(node);
    if (err == PTL_OK) {
        err = copy_binds(node, from->binds);
    }
    return err < 0 ? err : open_log(node);
}

void ptl_options_drop(struct ptl_node *node)
{
    const struct ptl_allocator *allocator = node->allocator;

    if (node->own == NULL) {
        return;
    }
    ptl_loop_choice_free(node->own->loop_choice);
    ptl_log_writer_close(node->own->log_writer, LOG_PATIENCE_MS);
    for (unsigned i = 0; i < node->own->bind_count; i++) {
        ptl_text_free(allocator, node->own->binds[i].wish);
    }
    ptl_free(allocator, node->own->binds, (node->own->bind_count + 1) * sizeof(*node->own->binds));
    ptl_text_free(allocator, (char *)node->options.framings);
}
