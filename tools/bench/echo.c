#include "tools/bench/echo.h"

#include <stdlib.h>

#define AGAIN_MS 1000
#define ABSENT_MAX 30 /* how often, and so for how long, its spawner may be out of reach */

struct echo {
    struct ptl_port self;
    struct ptl_port spawner;
    uint64_t row;
    uint64_t due; /* of that row */
    unsigned absent;
    bool is_watching;
};

static int watch(struct ptl_node *node, struct echo *echo);

/* Once more in a moment; but a node that stops has no later, and is not to wait for it. */
static int later(int err)
{
    return err < 0 && err != PTL_ESTOPPED ? PTL_LATER : 0;
}

static int watch_again(struct ptl_node *node, void *data)
{
    struct echo *echo = data;

    return echo->is_watching ? 0 : watch(node, echo);
}

static int lost_spawner(struct ptl_node *node, const struct ptl_port *port,
                        const struct ptl_msg *reason, void *data)
{
    struct echo *echo = data;

    (void)port;
    echo->is_watching = false;
    if (!ptl_msg_is(reason, "transport_error") || ++echo->absent > ABSENT_MAX) {
        return ptl_kill(node, &echo->self, NULL) == PTL_EFULL ? PTL_LATER : 0;
    }
    return later(ptl_after(node, AGAIN_MS, watch_again, echo, NULL));
}

static int watch(struct ptl_node *node, struct echo *echo)
{
    int err = ptl_monitor(node, &echo->spawner, lost_spawner, echo, NULL);

    echo->is_watching = err == 0;
    return later(err);
}

static bool is_intact(uint64_t row, uint64_t number, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != ptl_bench_echo_byte(row, number, i)) {
            return false;
        }
    }
    return true;
}

/* Only a port that is watched tells of holes on the way to it. */
static int be_watching(struct ptl_node *node, struct echo *echo)
{
    echo->absent = 0;
    return echo->is_watching ? 0 : watch(node, echo);
}

static int take(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct echo *echo = data;
    uint64_t row;
    uint64_t number;
    const char *bytes;
    size_t size;

    if (ptl_msg_read(node, msg, "uus.", &row, &number, &bytes, &size) < 0) {
        return ptl_fail(node, "not a message of a verification");
    }
    if (be_watching(node, echo) != 0) {
        return PTL_LATER;
    }
    uint64_t due = row == echo->row ? echo->due : 0;
    int err = ptl_sendf(node, &echo->spawner, "tuuub", "seen", row, number, due,
                        is_intact(row, number, bytes, size));
    if (err == PTL_ESTOPPED) {
        return err; /* it dies of that: of a kill behind, it would seem to have told all before */
    }
    if (err < 0) {
        return PTL_LATER;
    }
    /* An older row that comes late changes nothing: its number says enough. */
    if (row >= echo->row) {
        echo->row = row;
        echo->due = number + 1;
    }
    return 0;
}

static int init(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct echo *echo = calloc(1, sizeof *echo);

    (void)data;
    if (!echo) {
        return PTL_ENOMEM;
    }
    int err = ptl_port_own(node, free, echo);
    if (err < 0) {
        free(echo);
        return err;
    }
    if (!ptl_self(node, &echo->self) || ptl_msg_read(node, msg, "p.", &echo->spawner) < 0) {
        return ptl_fail(node, "spawned with a port");
    }
    err = ptl_port_on(node, &echo->self, NULL, take, echo);
    return err < 0 ? err : watch(node, echo);
}

int ptl_bench_echo_register(struct ptl_node *node)
{
    return ptl_register(node, PTL_BENCH_ECHO, init, NULL);
}
