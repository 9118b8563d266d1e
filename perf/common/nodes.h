/*
 * perf/common/nodes.h - nodes as the benchmarks start and wait for them, in C++, through the public
 * interface only.
 *
 * A failure ends the program with a line on standard error: a benchmark has nobody to tell.
 */
#pragma once

#include <engine/portolan.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

inline void must(int err, const char *what)
{
    if (err < 0) {
        std::fprintf(stderr, "%s: %s\n", what, ptl_err_text(err));
        std::exit(1);
    }
}

/* `bind` and `seed` are addresses, or NULL for none; `framings` NULL is the default. */
inline ptl_node *start(const char *id, unsigned shards, const char *bind,
                       const char *seed = nullptr, const ptl_allocator *allocator = nullptr,
                       const char *framings = nullptr)
{
    const char *binds[] = {bind, nullptr};
    const char *seeds[] = {seed, nullptr};
    ptl_node_options options = {};
    ptl_node *node = nullptr;

    options.size = sizeof options;
    options.id = id;
    options.shards = shards;
    options.secret = "perf perf perf perf";
    options.secret_size = std::strlen("perf perf perf perf");
    options.framings = framings;
    options.binds = bind ? binds : nullptr;
    options.seeds = seed ? seeds : nullptr;
    options.allocator = allocator;
    must(ptl_node_start(&options, &node), "starting a node");
    return node;
}

inline void stop(ptl_node *node)
{
    must(ptl_node_stop(node, 5000), "stopping a node");
}

/* Two nodes that know each other's address. */
struct two_nodes {
    ptl_node *near;
    ptl_node *far;

    explicit two_nodes(const char *framings = nullptr)
        : near(start("near", 1, "127.0.0.1:0", nullptr, nullptr, framings)),
          far(start("far", 1, "127.0.0.1:0", nullptr, nullptr, framings))
    {
        must(ptl_node_known(near, "far", ptl_node_address(far, 0)), "an address");
        must(ptl_node_known(far, "near", ptl_node_address(near, 0)), "an address");
    }
};

inline ptl_port port_on_shard(ptl_node *node, unsigned shard, ptl_handler_fn *handler, void *data)
{
    ptl_port_options options = {};
    ptl_port port;

    options.size = sizeof options;
    options.handler = handler;
    options.data = data;
    options.shard_plus_one = shard + 1;
    must(ptl_port_new(node, &options, &port), "making a port");
    return port;
}

inline ptl_port port_of_name(ptl_node *node, const char *name, ptl_handler_fn *handler, void *data)
{
    ptl_port_options options = {};
    ptl_port port;

    options.size = sizeof options;
    options.name = name;
    options.handler = handler;
    options.data = data;
    must(ptl_port_new(node, &options, &port), "making a port");
    return port;
}

/* A port of whichever node, as `node` sees it. */
inline ptl_port seen_by(ptl_node *node, const ptl_port &port)
{
    ptl_port seen;

    must(ptl_port_parse(node, ptl_port_id(&port), std::strlen(ptl_port_id(&port)), &seen),
         "parsing a port");
    return seen;
}

/* Told once by a handler.  Who waits sleeps: a thread that looks now and then would keep the
 * processors from sleeping too, and so speed up what is measured. */
class signal_once {
  public:
    void tell()
    {
        const std::lock_guard<std::mutex> lock(mutex);
        told = true;
        condition.notify_one();
    }

    void wait()
    {
        std::unique_lock<std::mutex> lock(mutex);
        if (!condition.wait_for(lock, std::chrono::seconds(60), [&] { return told; })) {
            std::fprintf(stderr, "stuck: nothing arrives\n");
            std::exit(1);
        }
        told = false;
    }

  private:
    std::mutex mutex;
    std::condition_variable condition;
    bool told = false;
};

/* What the nodes of count_bytes() hold. */
inline std::atomic<int64_t> allocated;

/* The `resize` of an allocator that counts. */
inline void *count_bytes(void *, void *block, size_t old_size, size_t new_size)
{
    if (new_size == 0) {
        allocated -= static_cast<int64_t>(old_size);
        std::free(block);
        return nullptr;
    }
    void *moved = std::realloc(block, new_size);
    if (moved) {
        allocated += static_cast<int64_t>(new_size) - static_cast<int64_t>(old_size);
    }
    return moved;
}
