#include "engine/node/bind.h"

#include "engine/directory/whereabouts.h"
#include "engine/node/node_own.h"
#include "engine/shard/log.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

bool ptl_bind_resolved(struct ptl_node *node, void *request, int err,
                       const struct ptl_address addresses[])
{
    for (unsigned i = 0; i < node->own->bind_count; i++) {
        if (request == &node->own->binds[i]) {
            node->own->binds[i].resolved = err < 0 ? err : 1;
            if (err == PTL_OK) {
                node->own->binds[i].address = addresses[0];
            }
            return true;
        }
    }
    return false;
}

/* The address that a host's name stands for.  The node is not running yet, so this may wait. */
static int resolve_bind(struct ptl_shard *shard, struct ptl_bind *bind)
{
    if (ptl_address_parse(bind->wish, &bind->address) == PTL_OK) {
        return PTL_OK;
    }
    int err = ptl_loop_resolve(shard->loop, bind->wish, bind);

    while (err == PTL_OK && bind->resolved == 0) {
        ptl_loop_poll(shard->loop, UINT64_MAX);
    }
    return err < 0 ? err : bind->resolved < 0 ? bind->resolved : PTL_OK;
}

static int listen_on(struct ptl_shard *shard, struct ptl_bind *bind)
{
    struct ptl_address wanted = bind->address;
    int err = bind->resolved < 0 ? bind->resolved : PTL_OK;

    if (err == PTL_OK) {
        err = ptl_loop_listen(shard->loop, &wanted, &bind->listener, &bind->address);
    }
    if (err < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "cannot listen on %s: %s", bind->wish,
                ptl_err_text(err));
    }
    return err;
}

/* Addresses are dealt out to the shards in turn: each listens on its own with its own loop. */
int ptl_binds_listen(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;

    /* All names first: nobody may be accepted while the loop is polled for one of them, since no
     * shard runs yet. */
    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        int err = resolve_bind(shard, &node->own->binds[i]);
        node->own->binds[i].resolved = err < 0 ? err : 1;
    }
    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        int err = listen_on(shard, &node->own->binds[i]);
        if (err < 0) {
            return err;
        }
        ptl_whereabouts_listen(node, i, &node->own->binds[i].address);
    }
    return PTL_OK;
}

void ptl_binds_unlisten(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;

    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        ptl_assert(node->own->binds[i].listener != NULL);
        ptl_loop_unlisten(shard->loop, node->own->binds[i].listener);
    }
}

void ptl_binds_forget(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;

    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        node->own->binds[i].listener = NULL;
        node->own->binds[i].resolved = 0;
    }
}
