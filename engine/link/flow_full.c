#include "engine/link/flow_full.h"

#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/outflow.h"
#include "engine/link/peer_full.h"
#include "engine/shard/node.h"

void ptl_connection_flow_full(void *connection, struct ptl_backlog *backlog, bool full)
{
    struct ptl_connection *c = connection;
    const struct ptl_outflow *flow = ptl_outflow_of(backlog);
    struct ptl_span name = ptl_span(flow->name, flow->name_size);

    if (!ptl_link_runs_on(c->link, c)) {
        return;
    }
    if (!full) {
        ptl_peer_full_clear(c->shard, c->link, name, PTL_FULL_HERE);
    } else if (!ptl_peer_full_is_crowded(c->link, name) &&
               c->link->id_size + 1 + name.size <= PTL_PORT_ID_MAX &&
               ptl_peer_full_set(c->shard, c->link, name, PTL_FULL_HERE) < 0) {
        /* Without memory nobody is refused by it but by the link, which it weighs on. */
        ptl_log(c->shard->node, PTL_LOG_ERROR, "for %s: %s", c->link->id, ptl_err_text(PTL_ENOMEM));
    }
}
