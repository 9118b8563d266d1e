#include "engine/port/function.h"

#include "engine/message/name.h"
#include "engine/port/node_ports.h"
#include "engine/shard/node.h"

static bool same_function(const void *entry, struct ptl_span name)
{
    return ptl_span_equal(ptl_span_text(((const struct ptl_function *)entry)->name), name);
}

static void free_function(struct ptl_node *node, struct ptl_function *function)
{
    ptl_text_free(node->allocator, function->name);
    ptl_free(node->allocator, function, sizeof(*function));
}

static int add_function(struct ptl_node *node, struct ptl_function *function)
{
    struct ptl_span name = ptl_span_text(function->name);
    uint64_t hash = ptl_name_hash(name);
    int err = PTL_EEXIST;

    /* Registered from any thread, at any time; found by the shards. */
    pthread_mutex_lock(&node->ports->lock);
    if (ptl_map_find(&node->ports->functions, hash, same_function, name) == NULL) {
        err = ptl_map_reserve(&node->ports->functions);
        if (err == PTL_OK) {
            ptl_map_insert(&node->ports->functions, hash, function);
        }
    }
    pthread_mutex_unlock(&node->ports->lock);
    return err;
}

int ptl_register(struct ptl_node *node, const char *name, ptl_handler_fn *init, void *data)
{
    if (name[0] == 0 || strlen(name) > UINT8_MAX) {
        return PTL_ENAME;
    }
    struct ptl_function *function = ptl_alloc(node->allocator, sizeof(*function));
    if (function == NULL) {
        return PTL_ENOMEM;
    }
    function->init = init;
    function->data = data;
    function->name = ptl_text_copy(node->allocator, name, strlen(name));
    int err = function->name == NULL ? PTL_ENOMEM : add_function(node, function);
    if (err < 0) {
        free_function(node, function);
    }
    return err;
}

bool ptl_node_function(struct ptl_node *node, struct ptl_span name, struct ptl_function *function)
{
    pthread_mutex_lock(&node->ports->lock);
    const struct ptl_function *found =
        ptl_map_find(&node->ports->functions, ptl_name_hash(name), same_function, name);
    if (found != NULL) {
        *function = *found; /* never taken away while the node runs */
    }
    pthread_mutex_unlock(&node->ports->lock);
    return found != NULL;
}

void ptl_functions_drop(struct ptl_node *node)
{
    struct ptl_function *function;
    uint32_t at = 0;

    while ((function = ptl_map_next(&node->ports->functions, &at)) != NULL) {
        free_function(node, function);
    }
    ptl_map_drop(&node->ports->functions);
}
