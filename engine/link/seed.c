#include "engine/link/seed.h"

#include "engine/link/dial.h"
#include "engine/link/link.h"
#include "engine/link/node_links.h"
#include "engine/link/refusals.h"
#include "engine/shard/node.h"
#include "io/address.h"

#define BACKOFF_FIRST_NS UINT64_C(1000000000)
#define BACKOFF_LAST_NS UINT64_C(30000000000)
#define TELL_AGAIN_NS UINT64_C(60000000000)

static unsigned count_of(const struct ptl_node *node)
{
    return atomic_load(&node->links->seed_count);
}

int ptl_seeds_init(struct ptl_node *node, const char *const *seeds)
{
    struct ptl_node_links *links = node->links;

    links->seeds = ptl_alloc(node->allocator, PTL_SEEDS_MAX * sizeof(*links->seeds));
    return links->seeds == NULL ? PTL_ENOMEM : ptl_seeds_set(node, seeds);
}

void ptl_seeds_drop(struct ptl_node *node)
{
    struct ptl_node_links *links = node->links;

    for (unsigned i = 0; i < count_of(node); i++) {
        ptl_text_free(node->allocator, links->seeds[i].host_port);
    }
    ptl_free(node->allocator, links->seeds, PTL_SEEDS_MAX * sizeof(*links->seeds));
}

static bool is_named(const char *const *seeds, const char *host_port)
{
    while (seeds != NULL && *seeds != NULL && strcmp(*seeds, host_port) != 0) {
        seeds++;
    }
    return seeds != NULL && *seeds != NULL;
}

static bool has_place(const struct ptl_node *node, const char *host_port)
{
    unsigned i = 0;

    while (i < count_of(node) && strcmp(node->links->seeds[i].host_port, host_port) != 0) {
        i++;
    }
    return i < count_of(node);
}

/* A place for it behind the others, where nobody looks yet. */
static int add_place(struct ptl_node *node, const char *host_port)
{
    unsigned count = count_of(node);
    struct ptl_host host;

    if (count == PTL_SEEDS_MAX) {
        return PTL_ELIMIT;
    }
    struct ptl_seed *seed = &node->links->seeds[count];
    seed->is_name = ptl_seed_parse(host_port, &host) == PTL_OK && !host.numeric;
    seed->host_port = ptl_text_copy(node->allocator, host_port, strlen(host_port));
    if (seed->host_port == NULL) {
        return PTL_ENOMEM;
    }
    atomic_store(&node->links->seed_count, count + 1);
    return PTL_OK;
}

/* Places that were made in vain are named by nobody. */
static int set(struct ptl_node *node, const char *const *seeds)
{
    int err = PTL_OK;

    for (; err == PTL_OK && seeds != NULL && *seeds != NULL; seeds++) {
        err = has_place(node, *seeds) ? PTL_OK : add_place(node, *seeds);
    }
    return err;
}

int ptl_seeds_set(struct ptl_node *node, const char *const *seeds)
{
    struct ptl_node_links *links = node->links;

    pthread_mutex_lock(&links->lock);
    int err = set(node, seeds);
    for (unsigned i = 0; err == PTL_OK && i < count_of(node); i++) {
        atomic_store(&links->seeds[i].wanted, is_named(seeds, links->seeds[i].host_port));
    }
    pthread_mutex_unlock(&links->lock);
    atomic_store(&links->seed_news, true);
    return err;
}

static struct ptl_seed *seed_of(const struct ptl_node *node, int seed)
{
    ptl_assert(seed >= 0 && (unsigned)seed < count_of(node));
    return &node->links->seeds[seed];
}

/* Shard 0 looks at all seeds soon, whoever has something to say of one. */
static void wake_keeper(struct ptl_node *node, struct ptl_shard *from)
{
    atomic_store(&node->links->seed_news, true);
    ptl_shard_wake(&node->shards[0], from);
}

/* Where it leads is stored before that it is linked: who reads the one finds the other. */
void ptl_seed_linked(struct ptl_shard *from, int seed, uint64_t hash)
{
    struct ptl_node *node = from->node;
    struct ptl_seed *its = seed_of(node, seed);

    atomic_store(&its->led_to, hash);
    atomic_store(&its->is_own, false);
    atomic_store(&its->settled, true);
    if (atomic_exchange(&its->state, PTL_SEED_LINKED) != PTL_SEED_LINKED) {
        atomic_store(&its->linked_at, from->now);
        wake_keeper(node, from);
    }
}

static void lose(struct ptl_node *node, struct ptl_seed *seed, int err, struct ptl_shard *from)
{
    bool is_self = err == PTL_ESELF && !seed->is_name;

    atomic_store(&seed->lost_err, err);
    atomic_store(&seed->is_own, err == PTL_ESELF);
    /* Whoever says so may be another shard: shard 0 finds the state and sets the time. */
    atomic_store(&seed->state, is_self ? PTL_SEED_SELF : PTL_SEED_LOST);
    atomic_store(&seed->settled, true);
    if (is_self) {
        ptl_log(node, PTL_LOG_INFO, "the seed %s is this node", seed->host_port);
    }
    wake_keeper(node, from);
}

/* Of the addresses of a name another comes first next time: this one answers, and is of no use. */
void ptl_seed_lost(struct ptl_node *node, int seed, int err, struct ptl_shard *from)
{
    struct ptl_seed *its = seed_of(node, seed);

    if (err == PTL_OK) {
        atomic_store(&its->turn, 0);
    } else {
        atomic_fetch_add(&its->turn, 1);
    }
    lose(node, its, err, from);
}

bool ptl_seed_has_led_to(const struct ptl_node *node, int seed, uint64_t hash)
{
    return atomic_load(&seed_of(node, seed)->led_to) == hash;
}

bool ptl_seeds_unsettled(const struct ptl_node *node)
{
    for (unsigned i = 0; i < count_of(node); i++) {
        const struct ptl_seed *seed = &node->links->seeds[i];
        if (atomic_load(&seed->wanted) && !atomic_load(&seed->settled)) {
            return true;
        }
    }
    return false;
}

/* Between 0.6 and 1.2 times the back-off, so that nodes that lost one seed do not come at once. */
static uint64_t jittered(struct ptl_shard *shard, uint64_t backoff)
{
    uint32_t random;

    ptl_loop_random(shard->loop, &random, sizeof(random));
    return backoff * 6 / 10 + backoff * 6 / 10 * random / UINT32_MAX;
}

/* All of its addresses were tried. */
static void attempt_failed(struct ptl_shard *shard, struct ptl_link *link, int seed, int err)
{
    (void)link;
    lose(shard->node, seed_of(shard->node, seed), err, shard);
}

static void start(struct ptl_shard *shard, struct ptl_seed *seed, int index)
{
    ptl_assert(seed->dial == NULL);
    atomic_store(&seed->state, PTL_SEED_TRYING);
    struct ptl_dial_owner owner = {NULL, index, atomic_load(&seed->turn), &seed->dial,
                                   attempt_failed};
    int err = ptl_dial_start(shard, seed->host_port, strlen(seed->host_port), &owner);
    if (err < 0) {
        lose(shard->node, seed, err, shard);
    }
}

/* A link that fails as soon as it is made would be made again and again: only one that has lasted
 * begins the waiting anew. */
static void look_back(struct ptl_seed *seed, uint64_t now)
{
    uint64_t linked_at = atomic_exchange(&seed->linked_at, 0);

    if (linked_at != 0 && now > linked_at && now - linked_at >= PTL_LINK_LASTED_NS) {
        seed->backoff_ns = BACKOFF_FIRST_NS;
    }
}

/* ---- What the operator is told ------------------------------------------------------------- */

/* All have been tried, and none is linked. */
static bool is_alone(const struct ptl_node *node)
{
    for (unsigned i = 0; i < count_of(node); i++) {
        if (atomic_load(&node->links->seeds[i].state) == PTL_SEED_LINKED) {
            return false;
        }
    }
    return !ptl_seeds_unsettled(node);
}

/* Which of the two nodes refuses the other first, and for what, may be another thing each time. */
static bool is_same_cause(int one, int other)
{
    return one == other || (ptl_refusal_is(one) && ptl_refusal_is(other));
}

/* Once: the first node of a network has nobody else to join. */
static void tell_own(struct ptl_shard *shard, struct ptl_seed *seed)
{
    if (seed->told_err != PTL_ESELF) {
        seed->told_err = PTL_ESELF;
        ptl_log_about(shard, PTL_LOG_INFO, ptl_span_text(seed->host_port),
                      "the seed %s leads to this node alone so far", seed->host_port);
    }
}

/* Once for each cause, and then once in a while.  It is an error where nothing else is left. */
static void tell_lost(struct ptl_shard *shard, struct ptl_seed *seed, uint64_t now)
{
    int err = atomic_load(&seed->lost_err);
    bool alone = is_alone(shard->node);

    if (err == PTL_ESELF) {
        tell_own(shard, seed);
        return;
    }
    if (err == PTL_OK || (is_same_cause(err, seed->told_err) && (seed->told_alone || !alone) &&
                          now - seed->told_at < TELL_AGAIN_NS)) {
        return;
    }
    seed->told_err = err;
    seed->told_alone = alone;
    seed->told_at = now;
    ptl_log_about(shard, alone ? PTL_LOG_ERROR : PTL_LOG_WARN, ptl_span_text(seed->host_port),
                  "cannot join at %s: %s", seed->host_port, ptl_err_text(err));
}

static void tell_joined(struct ptl_shard *shard, struct ptl_seed *seed)
{
    if (seed->told_err != PTL_OK) {
        seed->told_err = PTL_OK;
        ptl_log_about(shard, PTL_LOG_INFO, ptl_span_text(seed->host_port), "joined at %s",
                      seed->host_port);
    }
}

/* One that is named anew is tried at once. */
static bool is_wanted(struct ptl_seed *seed, uint64_t now)
{
    bool wanted = atomic_load(&seed->wanted);

    if (wanted && !seed->was_wanted) {
        seed->backoff_ns = BACKOFF_FIRST_NS;
        seed->next_at = now;
        seed->told_err = PTL_OK;
    }
    seed->was_wanted = wanted;
    return wanted;
}

/* ---- Time ---------------------------------------------------------------------------------- */

static void tick(struct ptl_shard *shard, struct ptl_seed *seed, int index, uint64_t now)
{
    bool wanted = is_wanted(seed, now);

    switch (atomic_load(&seed->state)) {
    case PTL_SEED_LOST:
        atomic_store(&seed->state, PTL_SEED_WAITING);
        if (wanted) {
            tell_lost(shard, seed, now);
        }
        look_back(seed, now);
        seed->next_at = now + jittered(shard, seed->backoff_ns);
        seed->backoff_ns =
            seed->backoff_ns * 2 < BACKOFF_LAST_NS ? seed->backoff_ns * 2 : BACKOFF_LAST_NS;
        break;
    case PTL_SEED_WAITING:
        if (wanted && now >= seed->next_at) {
            start(shard, seed, index);
        }
        break;
    case PTL_SEED_LINKED:
        tell_joined(shard, seed);
        break;
    default:
        break;
    }
}

uint64_t ptl_seeds_tick(struct ptl_shard *shard, uint64_t now)
{
    struct ptl_node *node = shard->node;
    uint64_t next = UINT64_MAX;

    /* Before looking: what happens from now on is news once more. */
    ptl_assert(shard->index == 0);
    atomic_store(&node->links->seed_news, false);
    for (unsigned i = 0; i < count_of(node); i++) {
        struct ptl_seed *seed = &node->links->seeds[i];
        tick(shard, seed, (int)i, now);
        if (seed->was_wanted && atomic_load(&seed->state) == PTL_SEED_WAITING &&
            seed->next_at < next) {
            next = seed->next_at;
        }
    }
    return next;
}
