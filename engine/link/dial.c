#include "engine/link/dial.h"

#include "engine/link/connection.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"
#include "io/address.h"

static void list(struct ptl_dial *dial)
{
    struct ptl_shard_links *links = dial->shard->links;

    dial->next = links->dials;
    dial->link_ = &links->dials;
    if (links->dials != NULL) {
        links->dials->link_ = &dial->next;
    }
    links->dials = dial;
    links->dial_count++;
}

static void free_dial(struct ptl_dial *dial)
{
    ptl_assert(dial->shard->links->dial_count > 0);
    dial->shard->links->dial_count--;
    *dial->link_ = dial->next;
    if (dial->next != NULL) {
        dial->next->link_ = dial->link_;
    }
    ptl_free(dial->shard->allocator, dial, sizeof(*dial));
}

/* What peers say is never looked for in DNS but as the name of a host. */
static bool may_resolve(const struct ptl_dial *dial)
{
    struct ptl_host host;

    return ptl_seed_parse(dial->host_port, &host) == PTL_OK &&
           (!host.service || dial->owner.seed >= 0);
}

int ptl_dial_start(struct ptl_shard *shard, const char *host_port, size_t size,
                   const struct ptl_dial_owner *owner)
{
    struct ptl_dial *dial = ptl_alloc(shard->allocator, sizeof(*dial));

    if (dial == NULL) {
        return PTL_ENOMEM;
    }
    if (size >= sizeof(dial->host_port)) {
        ptl_free(shard->allocator, dial, sizeof(*dial));
        return PTL_EADDRESS;
    }
    memcpy(dial->host_port, host_port, size);
    dial->shard = shard;
    dial->owner = *owner;
    dial->step_at = UINT64_MAX;
    list(dial);
    int err =
        may_resolve(dial) ? ptl_loop_resolve(shard->loop, dial->host_port, dial) : PTL_EADDRESS;
    if (err < 0) {
        free_dial(dial);
        return err;
    }
    dial->resolving = true;
    *owner->at = dial;
    return PTL_OK;
}

/* It is over: by a connection, or else whoever wanted it is told that it has led nowhere. */
static void end(struct ptl_dial *dial, int err)
{
    struct ptl_shard *shard = dial->shard;
    struct ptl_dial_owner owner = dial->owner;

    ptl_assert(!dial->resolving && dial->connection == NULL);
    *owner.at = NULL;
    if (err < 0 && owner.seed < 0) { /* of seeds the operator is told elsewhere, and less often */
        ptl_log_about(shard, PTL_LOG_INFO, ptl_span_text(dial->host_port), "cannot reach %s: %s",
                      dial->host_port, ptl_err_text(err));
    }
    free_dial(dial);
    if (err < 0) {
        owner.failed(shard, owner.link, owner.seed, err);
    }
}

static void note(struct ptl_dial *dial, int err)
{
    if (err != PTL_ESELF || dial->err == PTL_OK) {
        dial->err = err;
    }
}

static void step(struct ptl_dial *dial)
{
    ptl_assert(dial->connection == NULL); /* one address at a time */
    while (dial->tried < dial->count) {
        int err = ptl_connection_open(dial->shard, &dial->addresses[dial->tried++], dial->host_port,
                                      dial->owner.seed, dial, &dial->connection);
        if (err == PTL_OK) {
            dial->step_at =
                dial->tried < dial->count ? dial->shard->now + PTL_DIAL_STEP_NS : UINT64_MAX;
            ptl_links_tick_at(dial->shard->links, dial->step_at);
            return;
        }
        note(dial, err);
    }
    end(dial, dial->err);
}

void ptl_dial_resolved(struct ptl_dial *dial, int err, const struct ptl_address addresses[],
                       unsigned count)
{
    ptl_assert(dial->resolving);
    dial->resolving = false;
    if (dial->abandoned) {
        free_dial(dial);
        return;
    }
    if (err < 0 || count == 0) {
        end(dial, err < 0 ? err : PTL_ERESOLVE);
        return;
    }
    dial->count = count < PTL_RESOLVE_MAX ? count : PTL_RESOLVE_MAX;
    for (unsigned i = 0; i < dial->count; i++) {
        dial->addresses[i] = addresses[(i + dial->owner.turn) % dial->count];
    }
    step(dial);
}

void ptl_dial_failed(struct ptl_dial *dial, int err)
{
    dial->connection = NULL;
    note(dial, err);
    step(dial);
}

void ptl_dial_reached(struct ptl_dial *dial)
{
    end(dial, PTL_OK);
}

void ptl_dial_abandon(struct ptl_dial *dial)
{
    struct ptl_connection *connection = dial->connection;

    *dial->owner.at = NULL;
    dial->owner.link = NULL;
    /* Cut loose first: closing it tells whoever it belongs to, and that is nobody any more. */
    if (connection != NULL) {
        connection->dial = NULL;
        connection->seed = -1;
        dial->connection = NULL;
        ptl_connection_close(connection, PTL_ETIMEOUT, PTL_LOG_INFO);
    }
    if (dial->resolving) {
        /* The loop still has its address, and will answer to it. */
        dial->abandoned = true;
    } else {
        free_dial(dial);
    }
}

uint64_t ptl_dials_tick(struct ptl_shard *shard, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    struct ptl_dial *dial = shard->links->dials;

    while (dial != NULL) {
        struct ptl_dial *after = dial->next;
        if (dial->step_at <= now && dial->connection != NULL) {
            /* Slow to answer: the next address; closing this one steps on. */
            ptl_connection_close(dial->connection, PTL_ETIMEOUT, PTL_LOG_INFO);
            after = shard->links->dials; /* the list may have changed */
        } else if (dial->step_at < next) {
            next = dial->step_at;
        }
        dial = after;
    }
    return next;
}

void ptl_dials_drop(struct ptl_shard *shard)
{
    while (shard->links->dials != NULL) {
        free_dial(shard->links->dials);
    }
}
