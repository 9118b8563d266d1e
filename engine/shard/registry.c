/*
 * What the shards of a node share and rarely touch, under one lock: init functions, known
 * addresses, linked nodes, nonces of unfinished handshakes.
 */
#include "engine/shard/registry.h"
#include "engine/link/connection.h"
#include "engine/message/name.h"
#include "engine/node/node.h"
#include "engine/node/options.h"
#include "io/address.h"

static bool same_text(const void *entry, struct ptl_span text)
{
    return ptl_span_equal(ptl_span_text(entry), text);
}

static bool same_function(const void *entry, struct ptl_span name)
{
    return same_text(((const struct ptl_function *)entry)->name, name);
}

static bool same_known(const void *entry, struct ptl_span node_id)
{
    return same_text(((const struct ptl_known *)entry)->node_id, node_id);
}

/* ---- Init functions ------------------------------------------------------------------------ */

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

    pthread_mutex_lock(&node->lock);
    if (ptl_map_find(&node->functions, hash, same_function, name) == NULL) {
        err = ptl_map_reserve(&node->functions);
        if (err == PTL_OK) {
            ptl_map_insert(&node->functions, hash, function);
        }
    }
    pthread_mutex_unlock(&node->lock);
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
    pthread_mutex_lock(&node->lock);
    const struct ptl_function *found =
        ptl_map_find(&node->functions, ptl_name_hash(name), same_function, name);
    if (found != NULL) {
        *function = *found; /* never taken away while the node runs */
    }
    pthread_mutex_unlock(&node->lock);
    return found != NULL;
}

/* ---- Known addresses ----------------------------------------------------------------------- */

static void free_known(struct ptl_node *node, struct ptl_known *known)
{
    ptl_text_free(node->allocator, known->node_id);
    ptl_text_free(node->allocator, known->addresses);
    ptl_free(node->allocator, known, sizeof(*known));
}

static struct ptl_known *make_known(struct ptl_node *node, struct ptl_span node_id,
                                    const char *addresses, bool told)
{
    struct ptl_known *known = ptl_alloc(node->allocator, sizeof(*known));

    if (known == NULL) {
        return NULL;
    }
    known->hash = ptl_name_hash(node_id);
    known->told = told;
    known->node_id = ptl_text_copy(node->allocator, (const char *)node_id.bytes, node_id.size);
    known->addresses = ptl_text_copy(node->allocator, addresses, strlen(addresses));
    if (known->node_id == NULL || known->addresses == NULL) {
        free_known(node, known);
        return NULL;
    }
    return known;
}

/* Under the lock.  Takes `known` over. */
static int put_known(struct ptl_node *node, struct ptl_known *known)
{
    struct ptl_known *old =
        ptl_map_find(&node->known, known->hash, same_known, ptl_span_text(known->node_id));

    if (old != NULL && old->told && !known->told) {
        free_known(node, known);
        return PTL_OK;
    }
    if (old != NULL) {
        ptl_map_remove(&node->known, old->hash, old);
        free_known(node, old);
    }
    int err = ptl_map_reserve(&node->known);
    if (err < 0) {
        free_known(node, known);
        return err;
    }
    ptl_map_insert(&node->known, known->hash, known);
    return PTL_OK;
}

static int add_known(struct ptl_node *node, struct ptl_span node_id, const char *addresses,
                     bool told)
{
    struct ptl_known *known = make_known(node, node_id, addresses, told);

    if (known == NULL) {
        return PTL_ENOMEM;
    }
    pthread_mutex_lock(&node->lock);
    int err = put_known(node, known);
    pthread_mutex_unlock(&node->lock);
    return err;
}

static bool addresses_valid(const char *addresses)
{
    do {
        size_t size = strcspn(addresses, ",");
        char one[PTL_HOST_TEXT_MAX + 8];
        struct ptl_host host;
        if (size >= sizeof(one)) {
            return false;
        }
        memcpy(one, addresses, size);
        one[size] = 0;
        if (ptl_host_parse(one, &host) < 0) {
            return false;
        }
        addresses += size + (addresses[size] == ',');
    } while (*addresses != 0);
    return true;
}

int ptl_node_known(struct ptl_node *node, const char *node_id, const char *addresses)
{
    if (!ptl_node_id_valid(ptl_span_text(node_id))) {
        return PTL_ENAME;
    }
    if (!addresses_valid(addresses)) {
        return PTL_EADDRESS;
    }
    return add_known(node, ptl_span_text(node_id), addresses, true);
}

int ptl_node_learn(struct ptl_node *node, struct ptl_span node_id, const char *addresses)
{
    return add_known(node, node_id, addresses, false);
}

char *ptl_node_known_addresses(struct ptl_node *node, struct ptl_span node_id, uint32_t *size)
{
    char *copy = NULL;

    pthread_mutex_lock(&node->lock);
    const struct ptl_known *known =
        ptl_map_find(&node->known, ptl_name_hash(node_id), same_known, node_id);
    if (known != NULL) {
        copy = ptl_text_copy(node->allocator, known->addresses, strlen(known->addresses));
        *size = (uint32_t)strlen(known->addresses) + 1;
    }
    pthread_mutex_unlock(&node->lock);
    return copy;
}

/* ---- Linked nodes -------------------------------------------------------------------------- */

void ptl_node_linked(struct ptl_node *node, struct ptl_span node_id, bool up)
{
    uint64_t hash = ptl_name_hash(node_id);

    pthread_mutex_lock(&node->lock);
    char *text = ptl_map_find(&node->linked, hash, same_text, node_id);
    if (!up && text != NULL) {
        ptl_map_remove(&node->linked, hash, text);
        ptl_text_free(node->allocator, text);
    } else if (up && text == NULL && ptl_map_reserve(&node->linked) == PTL_OK) {
        text = ptl_text_copy(node->allocator, (const char *)node_id.bytes, node_id.size);
        if (text != NULL) {
            ptl_map_insert(&node->linked, hash, text);
        }
    }
    pthread_mutex_unlock(&node->lock);
}

bool ptl_node_is_linked(struct ptl_node *node, struct ptl_span node_id)
{
    pthread_mutex_lock(&node->lock);
    bool linked = ptl_map_find(&node->linked, ptl_name_hash(node_id), same_text, node_id) != NULL;
    pthread_mutex_unlock(&node->lock);
    return linked;
}

void ptl_links(struct ptl_node *node, void (*each)(const char *node_id, void *data), void *data)
{
    const char *text;
    uint32_t at = 0;

    pthread_mutex_lock(&node->lock);
    while ((text = ptl_map_next(&node->linked, &at)) != NULL) {
        each(text, data);
    }
    pthread_mutex_unlock(&node->lock);
}

/* ---- Nonces -------------------------------------------------------------------------------- */

void ptl_node_nonce(struct ptl_node *node, struct ptl_connection *connection, bool used)
{
    if (used == connection->nonce_listed) {
        return;
    }
    uint64_t hash = ptl_name_hash(ptl_handshake_nonce(&connection->handshake));
    pthread_mutex_lock(&node->lock);
    if (used && ptl_map_reserve(&node->nonces) == PTL_OK) {
        ptl_map_insert(&node->nonces, hash, connection);
        connection->nonce_listed = true;
    } else if (!used) {
        ptl_map_remove(&node->nonces, hash, connection);
        connection->nonce_listed = false;
    }
    pthread_mutex_unlock(&node->lock);
}

bool ptl_node_nonce_is_ours(struct ptl_node *node, struct ptl_span nonce)
{
    /* 66 random bytes: their hash is enough to tell ours from all others. */
    pthread_mutex_lock(&node->lock);
    bool ours = ptl_map_find(&node->nonces, ptl_name_hash(nonce), NULL, ptl_span(NULL, 0)) != NULL;
    pthread_mutex_unlock(&node->lock);
    return ours;
}

/* ---- Life ---------------------------------------------------------------------------------- */

void ptl_registry_init(struct ptl_node *node)
{
    pthread_mutex_init(&node->lock, NULL);
    pthread_cond_init(&node->changed, NULL);
    ptl_map_init(&node->functions, node->allocator);
    ptl_map_init(&node->known, node->allocator);
    ptl_map_init(&node->linked, node->allocator);
    ptl_map_init(&node->nonces, node->allocator);
    ptl_peer_limits_init(node);
}

void ptl_registry_drop(struct ptl_node *node)
{
    struct ptl_function *function;
    struct ptl_known *known;
    char *text;
    uint32_t at = 0;

    while ((function = ptl_map_next(&node->functions, &at)) != NULL) {
        free_function(node, function);
    }
    for (at = 0; (known = ptl_map_next(&node->known, &at)) != NULL;) {
        free_known(node, known);
    }
    for (at = 0; (text = ptl_map_next(&node->linked, &at)) != NULL;) {
        ptl_text_free(node->allocator, text);
    }
    ptl_map_drop(&node->functions);
    ptl_map_drop(&node->known);
    ptl_map_drop(&node->linked);
    ptl_map_drop(&node->nonces);
    ptl_peer_limits_drop(node);
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->lock);
}
