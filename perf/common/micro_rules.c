#include "perf/common/micro_rules.h"

#include "engine/link/link.h"
#include "engine/link/node_links.h"
#include "engine/link/permission.h"
#include "engine/link/shard_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

#include <stdio.h>
#include <stdlib.h>

#define PORTS 16
#define LINE_MAX 64

struct micro_rules {
    struct ptl_node node;
    struct ptl_node_links node_links;
    struct ptl_shard shard;
    struct ptl_shard_links links;
    struct ptl_link link;
    struct ptl_port ports[PORTS];
};

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "micro_rules: %s\n", what);
        exit(1);
    }
}

static void give_rules(struct micro_rules *micro, unsigned count)
{
    char *text = malloc((size_t)count * LINE_MAX);
    struct ptl_rules *rules;
    size_t size = 0;

    must(text != NULL, "no memory");
    for (unsigned i = 0; i + 1 < count; i++) {
        size += (size_t)snprintf(text + size, LINE_MAX, "deny * send closed.%u.*\n", i);
    }
    size += (size_t)snprintf(text + size, LINE_MAX, "allow * send open.*\n");
    must(ptl_rules_read(text, size, NULL, NULL, &rules) == PTL_OK, "rules");
    ptl_node_set_rules(&micro->node, rules);
    ptl_rules_free(rules);
    free(text);
}

static void make_ports(struct micro_rules *micro)
{
    struct ptl_identity *self = &micro->node.self;

    must(ptl_identity_init(self, "rain", 1, 1, ptl_allocator_libc()) == PTL_OK, "identity");
    for (unsigned i = 0; i < PORTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "open.%u", i);
        must(ptl_port_at(self, ptl_span_text("rain"), ptl_span_text(name), &micro->ports[i]) ==
                 PTL_OK,
             "port");
    }
}

struct micro_rules *micro_rules_open(unsigned rules)
{
    struct micro_rules *micro = calloc(1, sizeof(*micro));

    must(micro != NULL, "no memory");
    micro->node.links = &micro->node_links;
    pthread_mutex_init(&micro->node_links.lock, NULL);
    micro->shard.node = &micro->node;
    micro->shard.links = &micro->links;
    micro->shard.allocator = ptl_allocator_libc();
    memcpy(micro->link.id, "snow", 5);
    micro->link.id_size = 4;
    make_ports(micro);
    give_rules(micro, rules);
    ptl_permission_begin(&micro->shard, &micro->link, PTL_PROOF_SECRET);
    return micro;
}

void micro_rules_close(struct micro_rules *micro)
{
    ptl_permission_drop(&micro->shard, &micro->link);
    ptl_rules_unsee(&micro->shard);
    ptl_rules_in_force_drop(&micro->node);
    pthread_mutex_destroy(&micro->node_links.lock);
    free(micro);
}

uint64_t micro_rules_judge(struct micro_rules *micro, uint64_t count, int anew)
{
    uint64_t passed = 0;

    for (uint64_t i = 0; i < count; i++) {
        const struct ptl_port *port = &micro->ports[i % PORTS];
        passed += anew ? ptl_link_may_to_port(&micro->shard, &micro->link, PTL_MAY_SEND, port)
                       : ptl_link_may_send(&micro->shard, &micro->link, port);
    }
    return passed;
}
