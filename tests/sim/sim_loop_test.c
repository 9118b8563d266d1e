/*
 * The simulated network and its loop are tests themselves, so they have tests of their own: what
 * they promise of TCP, and that they are as mean as they say.
 */
#include "tests/common/stream_end.h"
#include "tests/sim/sim_loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES_MAX (1u << 20)

struct world {
    struct sim_network *network;
    struct sim_host *hosts[2];
    struct sim_maker makers[2];
    struct ptl_loop *loops[3]; /* two of host 0, one of host 1 */
    struct end client, server;
    struct ptl_address address;
    unsigned resolved;
    int resolve_err;
    bool refuse; /* close what is accepted */
};

static void on_accepted(void *user, struct ptl_listener *listener, struct ptl_stream *stream,
                        const struct ptl_address *peer)
{
    struct world *world = user;
    (void)listener;
    (void)peer;
    if (world->refuse) {
        ptl_stream_close(world->server.loop, stream);
        return;
    }
    world->server.stream = stream;
    ptl_stream_adopt(world->server.loop, stream, &end_hooks, &world->server);
}

static void on_resolved(void *user, void *request, int err, const struct ptl_address addresses[],
                        unsigned count)
{
    struct world *world = user;
    assert_ptr_equal(request, world);
    world->resolved++;
    world->resolve_err = err;
    if (count > 0) {
        world->address = addresses[0];
    }
}

static const struct ptl_loop_hooks loop_hooks = {.accepted = on_accepted, .resolved = on_resolved};

static struct ptl_loop *open_loop(struct world *world, unsigned host, unsigned shard)
{
    struct ptl_loop *loop;
    const struct ptl_loop_maker *maker = &world->makers[host].maker;
    assert_int_equal(
        maker->open(maker->maker, shard, ptl_allocator_libc(), &loop_hooks, world, &loop), 0);
    return loop;
}

static struct world *make_world(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    struct ptl_listener *listener;
    world->network = sim_network_make(seed);
    for (unsigned i = 0; i < 2; i++) {
        world->hosts[i] = sim_host_add(world->network, i == 0 ? "alpha" : "beta");
        sim_maker_init(&world->makers[i], world->hosts[i]);
    }
    world->loops[0] = open_loop(world, 0, 0);
    world->loops[1] = open_loop(world, 0, 1);
    world->loops[2] = open_loop(world, 1, 0);
    init_end(&world->client, world->loops[0]);
    init_end(&world->server, world->loops[2]);
    struct ptl_address address = {"10.0.0.2:0"};
    assert_int_equal(ptl_loop_listen(world->loops[2], &address, &listener, &world->address), 0);
    return world;
}

static void free_world(struct world *world)
{
    for (unsigned i = 0; i < 3; i++) {
        ptl_loop_free(world->loops[i]);
    }
    sim_maker_drop(&world->makers[0]);
    sim_maker_drop(&world->makers[1]);
    assert_int_equal(sim_network_open_ends(world->network), 0);
    sim_network_free(world->network);
    free(world);
}

static int set_up(void **state)
{
    *state = make_world(1);
    return 0;
}

static int tear_down(void **state)
{
    free_world(*state);
    return 0;
}

static bool poll_ready(struct world *world)
{
    bool any = false;
    for (unsigned i = 0; i < 3; i++) {
        if (world->loops[i] != NULL && sim_loop_ready(world->loops[i])) {
            ptl_loop_poll(world->loops[i], 0);
            any = true;
        }
    }
    return any;
}

/* Run until nothing happens any more, or for `duration`. */
static void run(struct world *world, uint64_t duration)
{
    uint64_t until = sim_network_now(world->network) + duration;
    for (;;) {
        if (poll_ready(world)) {
            continue;
        }
        if (sim_network_next(world->network) > until) {
            return;
        }
        sim_network_advance(world->network);
    }
}

static void join(struct world *world)
{
    struct end *client = &world->client;
    assert_int_equal(
        ptl_loop_connect(client->loop, &world->address, &end_hooks, client, &client->stream), 0);
    run(world, 10 * SIM_SECOND);
    assert_int_equal(client->connected, 0);
    assert_non_null(world->server.stream);
}

/* Send `size` bytes from one side in as many sends as it takes. */
static int send_all(struct world *world, struct end *side, const uint8_t *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        struct ptl_span spans[2] = {
            ptl_span(bytes + done, (size - done) / 2),
            ptl_span(bytes + done + (size - done) / 2, size - done - (size - done) / 2)};
        side->sent = UNTOLD;
        assert_int_equal(ptl_stream_send(side->loop, side->stream, spans, 2), 0);
        for (int i = 0; side->sent == UNTOLD && i < 1000; i++) {
            run(world, 10 * SIM_MILLISECOND);
        }
        if (side->sent < 0 || side->sent == UNTOLD) {
            return side->sent;
        }
        done += (size_t)side->sent;
    }
    return 0;
}

/* ---- The tests ------------------------------------------------------------------------------- */

static void random_numbers_repeat_for_a_seed_and_stay_in_bounds(void **state)
{
    struct sim_random a, b;
    (void)state;
    sim_random_seed(&a, 7);
    sim_random_seed(&b, 7);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(sim_random_next(&a), sim_random_next(&b));
        uint64_t value = sim_random_between(&a, 3, 9);
        assert_in_range(value, 3, 9);
        assert_int_equal(value, sim_random_between(&b, 3, 9));
        assert_in_range(sim_random_scale(&a, 1, 1000), 1, 1000);
        sim_random_scale(&b, 1, 1000);
    }
}

struct stamp {
    struct world *world;
    uint64_t due;
    unsigned *order;
};

static void check_stamp(void *data)
{
    struct stamp *stamp = data;
    assert_int_equal(sim_network_now(stamp->world->network), stamp->due);
    (*stamp->order)++;
}

static void network_runs_every_event_at_its_time(void **state)
{
    struct world *world = *state;
    struct stamp stamps[50];
    unsigned order = 0;
    for (unsigned i = 0; i < 50; i++) {
        uint64_t due = sim_network_now(world->network) + (i * 37 % 50 + 1) * 1000u;
        stamps[i] = (struct stamp){world, due, &order};
        sim_network_at(world->network, due, check_stamp, &stamps[i]);
    }
    run(world, SIM_SECOND);
    assert_int_equal(order, 50);
}

static void stream_carries_bytes_in_order_whatever_the_portions(void **state)
{
    struct world *world = *state;
    uint8_t *bytes = make_pattern(BYTES_MAX);
    sim_network_weather(world->network)->short_io = 500;
    sim_network_weather(world->network)->deferred = 300;
    join(world);
    assert_int_equal(send_all(world, &world->client, bytes, 300000), 0);
    run(world, SIM_SECOND);
    assert_int_equal(world->server.received, 300000);
    assert_false(world->server.wrong);
    free(bytes);
}

static void stream_tells_the_end_after_all_bytes(void **state)
{
    struct world *world = *state;
    uint8_t *bytes = make_pattern(50000);
    join(world);
    assert_int_equal(send_all(world, &world->client, bytes, 50000), 0);
    ptl_stream_close(world->client.loop, world->client.stream);
    run(world, SIM_SECOND);
    assert_true(world->client.closed);
    assert_int_equal(world->server.received, 50000);
    assert_int_equal(world->server.ended, 0);
    free(bytes);
}

static void stream_closed_with_unread_bytes_resets_its_peer(void **state)
{
    struct world *world = *state;
    uint8_t bytes[100] = {0};
    join(world);
    ptl_stream_read(world->server.loop, world->server.stream, false);
    run(world, SIM_SECOND);
    world->server.received = 0;
    assert_int_equal(send_all(world, &world->client, bytes, 100), 0);
    assert_int_equal(send_all(world, &world->client, bytes, 100), 0);
    run(world, SIM_SECOND);
    ptl_stream_close(world->server.loop, world->server.stream);
    run(world, SIM_SECOND);
    assert_int_equal(world->client.ended, -ECONNRESET);
}

static void stream_stops_sending_when_nobody_reads(void **state)
{
    struct world *world = *state;
    uint8_t *bytes = make_pattern(BYTES_MAX);
    size_t done = 0;
    join(world);
    ptl_stream_read(world->server.loop, world->server.stream, false);
    run(world, SIM_SECOND);
    do {
        struct ptl_span span = ptl_span(bytes, BYTES_MAX);
        world->client.sent = UNTOLD;
        assert_int_equal(ptl_stream_send(world->client.loop, world->client.stream, &span, 1), 0);
        run(world, SIM_SECOND);
        done += world->client.sent == UNTOLD ? 0 : (size_t)world->client.sent;
    } while (world->client.sent != UNTOLD);
    assert_in_range(done, 4096, 2 << 18);
    ptl_stream_read(world->server.loop, world->server.stream, true);
    run(world, SIM_SECOND);
    assert_in_range(world->client.sent, 1, BYTES_MAX);
    free(bytes);
}

static void connecting_fails_where_nobody_listens(void **state)
{
    struct world *world = *state;
    struct end *client = &world->client;
    struct ptl_address address = {"10.0.0.2:9"};
    assert_int_equal(ptl_loop_connect(client->loop, &address, &end_hooks, client, &client->stream),
                     0);
    run(world, SIM_SECOND);
    assert_int_equal(client->connected, -ECONNREFUSED);
    ptl_stream_close(client->loop, client->stream);
    run(world, SIM_SECOND);
    assert_true(client->closed);
}

static void connecting_to_a_machine_that_is_off_times_out(void **state)
{
    struct world *world = *state;
    struct end *client = &world->client;
    sim_host_power_off(world->hosts[1]);
    assert_int_equal(
        ptl_loop_connect(client->loop, &world->address, &end_hooks, client, &client->stream), 0);
    run(world, 60 * SIM_SECOND);
    assert_int_equal(client->connected, UNTOLD);
    run(world, 200 * SIM_SECOND);
    assert_int_equal(client->connected, -ETIMEDOUT);
}

static void connecting_may_be_refused_or_hang_by_the_weather(void **state)
{
    struct world *world = *state;
    struct end *client = &world->client;
    sim_network_weather(world->network)->refused = 1000;
    assert_int_equal(
        ptl_loop_connect(client->loop, &world->address, &end_hooks, client, &client->stream), 0);
    run(world, SIM_SECOND);
    assert_int_equal(client->connected, -ECONNREFUSED);
    assert_int_equal(sim_network_faults(world->network, SIM_FAULT_REFUSED), 1);
}

static void accepted_stream_may_be_closed_at_once(void **state)
{
    struct world *world = *state;
    struct end *client = &world->client;
    world->refuse = true;
    assert_int_equal(
        ptl_loop_connect(client->loop, &world->address, &end_hooks, client, &client->stream), 0);
    run(world, SIM_SECOND);
    assert_int_equal(client->connected, 0);
    assert_int_equal(client->ended, 0);
}

static void cut_lets_exactly_so_many_bytes_through(void **state)
{
    (void)state;
    for (unsigned how = SIM_CUT_SILENT; how <= SIM_CUT_RESET_BOTH; how++) {
        struct world *world = make_world(how + 1);
        uint8_t *bytes = make_pattern(20000);
        join(world);
        assert_int_equal(sim_network_streams(world->network), 1);
        sim_network_cut(world->network, 0, 0, 1234, how);
        send_all(world, &world->client, bytes, 3000);
        run(world, SIM_SECOND);
        assert_true(world->server.received <= 1234);
        assert_int_equal(world->server.received == 1234 || how >= SIM_CUT_RESET_TO, true);
        assert_false(world->server.wrong);
        bool server_told = how == SIM_CUT_RESET_TO || how == SIM_CUT_RESET_BOTH;
        bool client_told = how == SIM_CUT_RESET_FROM || how == SIM_CUT_RESET_BOTH;
        assert_int_equal(world->server.ended, server_told ? -ECONNRESET : UNTOLD);
        assert_int_equal(world->client.ended, client_told ? -ECONNRESET : UNTOLD);
        free(bytes);
        free_world(world);
    }
}

static void user_timeout_fails_a_stream_that_is_not_acknowledged(void **state)
{
    struct world *world = *state;
    uint8_t bytes[10] = {0};
    join(world);
    ptl_stream_user_timeout(world->client.loop, world->client.stream, 10000);
    sim_hosts_part(world->hosts[0], world->hosts[1]);
    assert_int_equal(send_all(world, &world->client, bytes, 10), 0);
    run(world, 9 * SIM_SECOND);
    assert_int_equal(world->client.ended, UNTOLD);
    run(world, 2 * SIM_SECOND);
    assert_int_equal(world->client.ended, -ETIMEDOUT);
    assert_int_equal(world->server.ended, UNTOLD);
}

static void partition_that_heals_loses_nothing(void **state)
{
    struct world *world = *state;
    uint8_t *bytes = make_pattern(4000);
    join(world);
    sim_hosts_part(world->hosts[0], world->hosts[1]);
    assert_int_equal(send_all(world, &world->client, bytes, 4000), 0);
    run(world, 3 * SIM_SECOND);
    assert_int_equal(world->server.received, 0);
    sim_hosts_heal(world->hosts[0], world->hosts[1]);
    run(world, 10 * SIM_SECOND);
    assert_int_equal(world->server.received, 4000);
    assert_false(world->server.wrong);
    free(bytes);
}

static void power_loss_is_silent_until_the_machine_is_back(void **state)
{
    struct world *world = *state;
    uint8_t bytes[10] = {0};
    join(world);
    sim_host_power_off(world->hosts[1]);
    ptl_loop_free(world->loops[2]);
    world->loops[2] = NULL;
    run(world, 5 * SIM_SECOND);
    assert_int_equal(world->client.ended, UNTOLD);
    assert_int_equal(send_all(world, &world->client, bytes, 10), 0);
    run(world, 5 * SIM_SECOND);
    assert_int_equal(world->client.ended, UNTOLD);
    sim_host_power_on(world->hosts[1]);
    world->loops[2] = open_loop(world, 1, 0);
    run(world, 10 * SIM_SECOND);
    assert_int_equal(world->client.ended, -ECONNRESET);
}

static void stream_moves_to_another_loop_of_its_host_with_all_bytes(void **state)
{
    struct world *world = *state;
    uint8_t *bytes = make_pattern(9000);
    join(world);
    assert_int_equal(send_all(world, &world->server, bytes, 4000), 0);
    ptl_stream_detach(world->client.loop, world->client.stream);
    assert_int_equal(send_all(world, &world->server, bytes + 4000, 5000), 0);
    run(world, SIM_SECOND);
    assert_true(world->client.handle >= 0);
    world->client.loop = world->loops[1];
    assert_int_equal(ptl_loop_attach(world->loops[1], world->client.handle, &end_hooks,
                                     &world->client, &world->client.stream),
                     0);
    run(world, SIM_SECOND);
    assert_int_equal(world->client.received, 9000);
    assert_false(world->client.wrong);
    assert_int_equal(sim_loop_open(world->loops[0]), 0);
    free(bytes);
}

static void resolving_answers_once_with_the_address_of_the_host(void **state)
{
    struct world *world = *state;
    assert_int_equal(ptl_loop_resolve(world->loops[0], "beta:4040", world), 0);
    assert_int_equal(world->resolved, 0);
    run(world, 2 * SIM_SECOND);
    assert_int_equal(world->resolved, 1);
    assert_int_equal(world->resolve_err, 0);
    assert_string_equal(world->address.text, "10.0.0.2:4040");
    assert_int_equal(ptl_loop_resolve(world->loops[0], "nobody:4040", world), 0);
    run(world, 2 * SIM_SECOND);
    assert_int_equal(world->resolve_err, PTL_ERESOLVE);
    assert_int_equal(ptl_loop_resolve(world->loops[0], "nonsense", world), PTL_EADDRESS);
}

static void loop_that_is_freed_answers_no_resolution(void **state)
{
    struct world *world = *state;
    assert_int_equal(ptl_loop_resolve(world->loops[1], "beta:4040", world), 0);
    ptl_loop_free(world->loops[1]);
    world->loops[1] = NULL;
    run(world, 2 * SIM_SECOND);
    assert_int_equal(world->resolved, 0);
    world->loops[1] = open_loop(world, 0, 1);
}

static void wake_makes_a_loop_ready_once(void **state)
{
    struct world *world = *state;
    assert_false(sim_loop_ready(world->loops[0]));
    ptl_loop_wake(world->loops[0], world->loops[1]);
    ptl_loop_wake(world->loops[0], NULL);
    assert_true(sim_loop_ready(world->loops[0]));
    ptl_loop_poll(world->loops[0], UINT64_MAX);
    assert_false(sim_loop_ready(world->loops[0]));
}

static uint64_t trace_of(uint64_t seed)
{
    struct world *world = make_world(seed);
    uint8_t *bytes = make_pattern(30000);
    sim_network_weather(world->network)->short_io = 500;
    join(world);
    send_all(world, &world->client, bytes, 30000);
    run(world, SIM_SECOND);
    uint64_t hash = sim_network_hash(world->network);
    free(bytes);
    free_world(world);
    return hash;
}

static void run_is_a_function_of_its_seed(void **state)
{
    (void)state;
    assert_int_equal(trace_of(42), trace_of(42));
    assert_int_not_equal(trace_of(42), trace_of(43));
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_numbers_repeat_for_a_seed_and_stay_in_bounds),
        WORLD_TEST(network_runs_every_event_at_its_time),
        WORLD_TEST(stream_carries_bytes_in_order_whatever_the_portions),
        WORLD_TEST(stream_tells_the_end_after_all_bytes),
        WORLD_TEST(stream_closed_with_unread_bytes_resets_its_peer),
        WORLD_TEST(stream_stops_sending_when_nobody_reads),
        WORLD_TEST(connecting_fails_where_nobody_listens),
        WORLD_TEST(connecting_to_a_machine_that_is_off_times_out),
        WORLD_TEST(connecting_may_be_refused_or_hang_by_the_weather),
        WORLD_TEST(accepted_stream_may_be_closed_at_once),
        cmocka_unit_test(cut_lets_exactly_so_many_bytes_through),
        WORLD_TEST(user_timeout_fails_a_stream_that_is_not_acknowledged),
        WORLD_TEST(partition_that_heals_loses_nothing),
        WORLD_TEST(power_loss_is_silent_until_the_machine_is_back),
        WORLD_TEST(stream_moves_to_another_loop_of_its_host_with_all_bytes),
        WORLD_TEST(resolving_answers_once_with_the_address_of_the_host),
        WORLD_TEST(loop_that_is_freed_answers_no_resolution),
        WORLD_TEST(wake_makes_a_loop_ready_once),
        cmocka_unit_test(run_is_a_function_of_its_seed),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
