#include "tools/top/cluster.h"

#include "tools/stats/ask.h"
#include "tools/stats/service.h"
#include "tools/stats/sight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define OPENED_LINKS 100 /* of the one node that is looked at closely */
#define OPENED_FAMILIES 100

struct node {
    struct ptl_cluster *cluster;
    struct ptl_cluster_node known;
    struct node *next; /* of those that are to be asked in this round */
    struct ptl_port port;
    bool is_listed;     /* in 'l */
    bool is_named;      /* in 'g */
    bool is_waited_for; /* it is asked, or is to be */
    uint64_t listed_ms; /* when it was last in 'l */
};

struct ptl_cluster {
    struct ptl_client *client;
    unsigned every_ms;
    bool is_paced;
    int event;
    unsigned copies; /* of the two families, that are whole */
    struct node *first, **last;
    unsigned asked, waited_for;
    uint64_t begun_ms; /* the round */

    pthread_mutex_t lock; /* guards what follows; only the shard changes it, but for `opened` */
    struct node **nodes;
    size_t count, capacity;
    uint64_t rounds;
    bool is_over;
    char opened[PTL_NODE_ID_MAX + 1];
};

static void tell(struct ptl_cluster *cluster)
{
    uint64_t one = 1;

    while (write(cluster->event, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

/* ---- The nodes ------------------------------------------------------------------------------ */

static struct node *find(const struct ptl_cluster *cluster, const char *id)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (strcmp(cluster->nodes[i]->known.id, id) == 0) {
            return cluster->nodes[i];
        }
    }
    return NULL;
}

/* NULL: no memory, or not its ID. */
static struct node *make(struct ptl_cluster *cluster, const char *id)
{
    struct node *node = calloc(1, sizeof *node);
    char port[PTL_PORT_ID_MAX + 1];

    int size = snprintf(port, sizeof port, "%s#" PTL_STATS_SERVICE, id);
    if (!node || (size_t)size >= sizeof port ||
        ptl_port_parse(cluster->client->node, port, (size_t)size, &node->port) < 0) {
        free(node);
        return NULL;
    }
    node->cluster = cluster;
    snprintf(node->known.id, sizeof node->known.id, "%s", id);
    return node;
}

static bool has_room(struct ptl_cluster *cluster)
{
    if (cluster->count == cluster->capacity) {
        size_t capacity = cluster->capacity == 0 ? 64 : 2 * cluster->capacity;
        struct node **nodes = realloc(cluster->nodes, capacity * sizeof nodes[0]);
        if (!nodes) {
            return false;
        }
        cluster->nodes = nodes;
        cluster->capacity = capacity;
    }
    return true;
}

/* The node of that ID, which is new perhaps; NULL: it is not to be shown, or there is no room. */
static struct node *take_node(struct ptl_cluster *cluster, const char *id)
{
    struct node *node = find(cluster, id);

    if (node || strcmp(id, ptl_node_id(cluster->client->node)) == 0 || ptl_client_is_id(id) ||
        cluster->count == PTL_CLUSTER_NODES_MAX || !has_room(cluster)) {
        return node;
    }
    node = make(cluster, id);
    if (node) {
        cluster->nodes[cluster->count++] = node;
    }
    return node;
}

static void free_node(struct node *node)
{
    json_decref(node->known.answer);
    json_decref(node->known.before);
    free(node);
}

static bool is_forgotten(const struct node *node, uint64_t now)
{
    return !node->is_listed && !node->is_named && !node->is_waited_for &&
           node->known.state != PTL_NODE_ANSWERS && now - node->listed_ms > PTL_CLUSTER_KEPT_MS;
}

static void forget(struct ptl_cluster *cluster, uint64_t now)
{
    size_t kept = 0;

    pthread_mutex_lock(&cluster->lock);
    for (size_t i = 0; i < cluster->count; i++) {
        if (is_forgotten(cluster->nodes[i], now)) {
            free_node(cluster->nodes[i]);
        } else {
            cluster->nodes[kept++] = cluster->nodes[i];
        }
    }
    cluster->count = kept;
    pthread_mutex_unlock(&cluster->lock);
}

/* ---- Asking --------------------------------------------------------------------------------- */

static int begin_round(struct ptl_node *node, void *data);
static void ask_more(struct ptl_cluster *cluster);

static void begin_round_after(struct ptl_cluster *cluster, unsigned delay_ms)
{
    if (ptl_after(cluster->client->node, delay_ms, begin_round, cluster, NULL) < 0) {
        pthread_mutex_lock(&cluster->lock);
        cluster->is_over = true;
        pthread_mutex_unlock(&cluster->lock);
        tell(cluster);
    }
}

static void end_round(struct ptl_cluster *cluster)
{
    uint64_t passed = ptl_sight_now_ms() - cluster->begun_ms;

    pthread_mutex_lock(&cluster->lock);
    cluster->rounds++;
    pthread_mutex_unlock(&cluster->lock);
    tell(cluster);
    if (cluster->is_paced) {
        begin_round_after(cluster,
                          passed < cluster->every_ms ? cluster->every_ms - (unsigned)passed : 0);
    }
}

static enum ptl_cluster_state state_of(int code)
{
    return code == PTL_EXIT_DENIED || code == PTL_EXIT_OTHER ? PTL_NODE_REFUSES
           : code == PTL_EXIT_GONE                           ? PTL_NODE_STRANGE
                                                             : PTL_NODE_SILENT;
}

/* NULL: none has come, and `state` says why. */
static void note(struct node *node, json_t *answer, enum ptl_cluster_state state)
{
    struct ptl_cluster_node *known = &node->known;

    pthread_mutex_lock(&node->cluster->lock);
    known->state = answer ? PTL_NODE_ANSWERS : state;
    if (answer) {
        json_decref(known->before);
        known->before = known->answer;
        known->answer = answer;
        known->seen_ms = ptl_sight_now_ms();
        known->is_global = json_is_true(json_object_get(json_object_get(answer, "node"), "global"));
    }
    pthread_mutex_unlock(&node->cluster->lock);
}

static void told(struct node *node)
{
    struct ptl_cluster *cluster = node->cluster;

    node->is_waited_for = false;
    cluster->waited_for--;
    tell(cluster);
    if (cluster->waited_for == 0) {
        end_round(cluster);
    }
}

static void take_answer(struct ptl_node *own, int err, const struct ptl_msg *reply, void *data)
{
    struct node *node = data;
    struct ptl_cluster *cluster = node->cluster;
    char *why;
    int code;

    (void)own;
    json_t *answer = ptl_stats_answer(err, reply, &code, &why);
    free(why);
    note(node, answer, state_of(code));
    cluster->asked--;
    ask_more(cluster);
    told(node);
}

static int ask(struct ptl_cluster *cluster, struct node *node)
{
    struct ptl_node *own = cluster->client->node;
    struct ptl_msg *msg;

    pthread_mutex_lock(&cluster->lock);
    bool is_opened = strcmp(cluster->opened, node->known.id) == 0;
    pthread_mutex_unlock(&cluster->lock);
    int err = is_opened ? ptl_stats_question(own, OPENED_LINKS, PTL_CLUSTER_PORTS_MAX,
                                             OPENED_FAMILIES, &msg)
                        : ptl_stats_question(own, 0, PTL_CLUSTER_PORTS, 0, &msg);
    if (err == 0) {
        err = ptl_call(own, &node->port, msg, cluster->client->options->probe_ms, true, take_answer,
                       node);
        ptl_msg_free(msg);
    }
    return err;
}

/* A node to which there is no room takes nothing, and so does not answer either. */
static void ask_more(struct ptl_cluster *cluster)
{
    while (cluster->first && cluster->asked < PTL_CLUSTER_ASKED_MAX) {
        struct node *node = cluster->first;
        cluster->first = node->next;
        if (!cluster->first) {
            cluster->last = &cluster->first;
        }
        if (ask(cluster, node) == 0) {
            cluster->asked++;
        } else {
            note(node, NULL, PTL_NODE_SILENT);
            node->is_waited_for = false;
            cluster->waited_for--;
        }
    }
}

static void add(struct ptl_cluster *cluster, struct node *node)
{
    node->is_waited_for = true;
    node->next = NULL;
    *cluster->last = node;
    cluster->last = &node->next;
    cluster->waited_for++;
}

/* All but those that have not answered the last question yet. */
static int begin_round(struct ptl_node *own, void *data)
{
    struct ptl_cluster *cluster = data;

    (void)own;
    if (!cluster->is_paced) {
        begin_round_after(cluster, cluster->every_ms);
    }
    cluster->begun_ms = ptl_sight_now_ms();
    forget(cluster, cluster->begun_ms);
    unsigned before = cluster->waited_for;
    for (size_t i = 0; i < cluster->count; i++) {
        if (!cluster->nodes[i]->is_waited_for) {
            add(cluster, cluster->nodes[i]);
        }
    }
    ask_more(cluster);
    if (cluster->waited_for == 0 && before == 0) {
        end_round(cluster); /* there was nobody who could be asked */
    }
    return 0;
}

/* ---- Who there is --------------------------------------------------------------------------- */

static bool has_values(const struct ptl_msg *value)
{
    struct ptl_cursor cursor;
    struct ptl_value array;

    if (!value) {
        return false;
    }
    cursor = ptl_msg_begin(value);
    return ptl_next(&cursor, &array) == 0 && array.type == PTL_ARRAY && array.count > 0;
}

static void list(struct node *node, const struct ptl_db_change *change)
{
    node->is_listed = change->event != PTL_DB_DELETED;
    node->listed_ms = ptl_sight_now_ms();
    node->known.has_address = node->is_listed && has_values(change->value);
}

static void name(struct node *node, const struct ptl_db_change *change)
{
    node->is_named = change->event != PTL_DB_DELETED;
    if (node->known.state != PTL_NODE_ANSWERS) {
        node->known.is_global |= node->is_named;
    }
}

static void forget_lists(struct ptl_cluster *cluster, bool is_listing)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (is_listing) {
            cluster->nodes[i]->is_listed = false;
        } else {
            cluster->nodes[i]->is_named = false;
        }
    }
}

static int take_change(struct ptl_cluster *cluster, const struct ptl_db_change *change,
                       void (*apply)(struct node *, const struct ptl_db_change *))
{
    if (change->event == PTL_DB_COPIED) {
        if (++cluster->copies == 2) {
            begin_round_after(cluster, 0);
        }
        return 0;
    }
    pthread_mutex_lock(&cluster->lock);
    if (change->event == PTL_DB_RESET) {
        forget_lists(cluster, apply == list);
    } else {
        struct node *node = change->event == PTL_DB_DELETED ? find(cluster, change->key)
                                                            : take_node(cluster, change->key);
        if (node) {
            apply(node, change);
        }
    }
    pthread_mutex_unlock(&cluster->lock);
    return 0;
}

static int take_listing(struct ptl_node *own, const struct ptl_db_change *change, void *data)
{
    (void)own;
    return take_change(data, change, list);
}

static int take_global(struct ptl_node *own, const struct ptl_db_change *change, void *data)
{
    (void)own;
    return take_change(data, change, name);
}

/* ---- Looking -------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct ptl_cluster_node *)a)->id,
                  ((const struct ptl_cluster_node *)b)->id);
}

bool ptl_cluster_look(struct ptl_cluster *cluster, struct ptl_cluster_view *view)
{
    uint64_t count;
    ssize_t got = read(cluster->event, &count, sizeof count);

    (void)got; /* what matters is that it is empty now */
    *view = (struct ptl_cluster_view){.now_ms = ptl_sight_now_ms()};
    pthread_mutex_lock(&cluster->lock);
    view->rounds = cluster->rounds;
    view->is_over = cluster->is_over;
    view->nodes = malloc((cluster->count + 1) * sizeof view->nodes[0]);
    for (size_t i = 0; view->nodes && i < cluster->count; i++) {
        struct ptl_cluster_node *node = &view->nodes[view->count++];
        *node = cluster->nodes[i]->known;
        json_incref(node->answer);
        json_incref(node->before);
    }
    pthread_mutex_unlock(&cluster->lock);
    if (view->nodes) {
        qsort(view->nodes, view->count, sizeof view->nodes[0], by_id);
    }
    return view->nodes != NULL;
}

/* The shard has the same values, and they count who has them without a lock of their own. */
void ptl_cluster_view_drop(struct ptl_cluster *cluster, struct ptl_cluster_view *view)
{
    pthread_mutex_lock(&cluster->lock);
    for (size_t i = 0; i < view->count; i++) {
        json_decref(view->nodes[i].answer);
        json_decref(view->nodes[i].before);
    }
    pthread_mutex_unlock(&cluster->lock);
    free(view->nodes);
    *view = (struct ptl_cluster_view){.count = 0};
}

void ptl_cluster_open(struct ptl_cluster *cluster, const char *node_id)
{
    pthread_mutex_lock(&cluster->lock);
    snprintf(cluster->opened, sizeof cluster->opened, "%s", node_id);
    pthread_mutex_unlock(&cluster->lock);
}

/* ---- Life ----------------------------------------------------------------------------------- */

int ptl_cluster_begin(struct ptl_client *client, unsigned every_ms, bool is_paced,
                      struct ptl_cluster **made)
{
    struct ptl_cluster *cluster = calloc(1, sizeof *cluster);

    *made = cluster;
    if (!cluster) {
        return PTL_ENOMEM;
    }
    cluster->client = client;
    cluster->every_ms = every_ms;
    cluster->is_paced = is_paced;
    cluster->last = &cluster->first;
    pthread_mutex_init(&cluster->lock, NULL);
    cluster->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cluster->event < 0) {
        return -errno;
    }
    int err = ptl_db_watch(client->node, "'l", take_listing, cluster, NULL);
    return err < 0 ? err : ptl_db_watch(client->node, "'g", take_global, cluster, NULL);
}

void ptl_cluster_free(struct ptl_cluster *cluster)
{
    if (!cluster) {
        return;
    }
    for (size_t i = 0; i < cluster->count; i++) {
        free_node(cluster->nodes[i]);
    }
    free(cluster->nodes);
    if (cluster->event >= 0) {
        close(cluster->event);
    }
    pthread_mutex_destroy(&cluster->lock);
    free(cluster);
}

int ptl_cluster_event(const struct ptl_cluster *cluster)
{
    return cluster->event;
}
