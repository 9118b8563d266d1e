#include "tools/bench/watcher.h"

#include "tools/bench/words.h"

#include <string.h>

static int ignore(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    (void)change;
    (void)data;
    return 0;
}

/* The spawned port itself runs this. */
static int init(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    char family[PTL_BENCH_RUN_NAME_MAX + sizeof PTL_BENCH_FAMILY];
    struct ptl_port anchor;
    struct ptl_port self;
    const char *text;
    size_t size;

    (void)data;
    if (ptl_msg_read(node, msg, "ps.", &anchor, &text, &size) < 0 || size >= sizeof family ||
        !ptl_self(node, &self)) {
        return ptl_fail(node, "%s takes the port that it ends with and a family",
                        PTL_BENCH_WATCHER);
    }
    memcpy(family, text, size);
    family[size] = '\0';
    int err = ptl_monitor_kill(node, &anchor, &self, NULL);
    return err < 0 ? err : ptl_db_watch(node, family, ignore, NULL, NULL);
}

int ptl_bench_watchers_register(struct ptl_node *node)
{
    return ptl_register(node, PTL_BENCH_WATCHER, init, NULL);
}
