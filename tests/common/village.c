#include "tests/common/village.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct house {
    struct sim_host *host;
    struct sim_maker maker;
    struct ptl_node *node;
    struct ptl_allocator allocator;
    size_t bytes;
    bool starves, is_still;
    uint64_t turns;
    uint64_t due[PTL_SHARDS_MAX];
    char address[SIM_NAME_MAX];
};

static struct sim_network *network;
static struct house houses[VILLAGE_NODES_MAX];
static unsigned house_count;

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    struct house *house = user;

    if (house->starves && new_size > old_size) {
        return NULL;
    }
    house->bytes += new_size - old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

void village_begin(void)
{
    network = sim_network_make(1);
    assert_non_null(network);
    *sim_network_weather(network) = (struct sim_weather){0};
    memset(houses, 0, sizeof(houses));
    house_count = 0;
}

void village_end(void)
{
    for (unsigned i = 0; i < house_count; i++) {
        ptl_node_crash(houses[i].node);
    }
    for (unsigned i = 0; i < house_count; i++) {
        sim_maker_drop(&houses[i].maker);
        assert_int_equal(houses[i].bytes, 0);
    }
    sim_network_free(network);
}

const char *village_address(unsigned number)
{
    static char address[VILLAGE_NODES_MAX][SIM_NAME_MAX];

    snprintf(address[number], SIM_NAME_MAX, "10.0.0.%u:4040", number + 1);
    return address[number];
}

struct ptl_node *village_start(const struct ptl_node_options *given)
{
    static const char secret[] = "a secret of enough bytes";
    struct house *house = &houses[house_count];
    struct ptl_node_options options = *given;

    house->host = sim_host_add(network, given->id);
    snprintf(house->address, sizeof(house->address), "%s:4040", sim_host_ip(house->host));
    assert_string_equal(house->address, village_address(house_count));
    const char *binds[] = {house->address, NULL};
    sim_maker_init(&house->maker, house->host);
    house->allocator = (struct ptl_allocator){.resize = resize, .user = house};
    options.binds = binds;
    options.secret = secret;
    options.secret_size = sizeof(secret) - 1;
    options.allocator = &house->allocator;
    options.loops = &house->maker.maker;
    options.log_level = PTL_LOG_DEBUG;
    assert_int_equal(ptl_node_make(&options, &house->node), 0);
    for (unsigned i = 0; i < ptl_node_shards(house->node); i++) {
        assert_int_equal(ptl_node_open_shard(house->node, i), 0);
    }
    house_count++;
    return house->node;
}

const char *village_dark_address(void)
{
    static char address[SIM_NAME_MAX];
    struct sim_host *host = sim_host_add(network, "dark");

    sim_host_power_off(host);
    snprintf(address, sizeof(address), "%s:4040", sim_host_ip(host));
    return address;
}

/* Give each shard with something to do a turn.  Returns when the next one is due, 0: soon. */
static uint64_t turn_all(void)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; i < house_count; i++) {
        struct house *house = &houses[i];
        for (unsigned j = 0; j < ptl_node_shards(house->node) && !house->is_still; j++) {
            if (sim_loop_ready(sim_maker_loop(&house->maker, j)) ||
                house->due[j] <= sim_network_now(network)) {
                ptl_node_turn(house->node, j);
                house->turns++;
                house->due[j] = ptl_node_next(house->node, j);
                sim_network_pass(network, 1000);
                next = 0;
            } else if (house->due[j] < next) {
                next = house->due[j];
            }
        }
    }
    return next;
}

void village_run(uint64_t duration)
{
    uint64_t until = sim_network_now(network) + duration;

    while (sim_network_now(network) < until) {
        uint64_t due = turn_all();
        uint64_t now = sim_network_now(network), event = sim_network_next(network);
        due = due < until ? due : until;
        if (event <= due || event <= now) {
            sim_network_advance(network);
        } else if (due > now) {
            sim_network_pass(network, due - now);
        }
    }
}

void village_starve(unsigned number, bool starve)
{
    houses[number].starves = starve;
}

void village_still(unsigned number, bool still)
{
    houses[number].is_still = still;
}

uint64_t village_turns(unsigned number)
{
    return houses[number].turns;
}

size_t village_bytes(unsigned number)
{
    return houses[number].bytes;
}
