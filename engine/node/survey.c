#include "engine/node/survey.h"

#include "engine/node/node_own.h"
#include "engine/node/survey_part.h"
#include "engine/port/callback.h"
#include "engine/shard/node.h"

#include <stdlib.h>

#define SURVEYS_MAX 16u /* at a time: each may show thousands of everything */

#define LINKS_DEFAULT 1024u
#define PORTS_DEFAULT 32u
#define FAMILIES_DEFAULT 256u

struct ptl_survey_whole {
    struct ptl_node *node;
    struct ptl_survey_options options;
    ptl_survey_fn *tell;
    void *data;
    _Atomic unsigned left; /* parts that have not ended */
    _Atomic int err;       /* of one that shows nothing */
    struct ptl_survey_part parts[];
};

static size_t size_of(const struct ptl_node *node)
{
    return sizeof(struct ptl_survey_whole) + node->shard_count * sizeof(struct ptl_survey_part);
}

/* ---- Putting the parts together ------------------------------------------------------------- */

/* What stands in all parts, one behind the other; the caller's.  NULL: no memory, or nothing. */
struct gathered {
    void *array;
    size_t size; /* of the block */
    unsigned count;
};

static bool gather(const struct ptl_survey_whole *whole, size_t size,
                   const void *(*array)(const struct ptl_survey *found, unsigned *count),
                   struct gathered *all)
{
    unsigned count;

    *all = (struct gathered){.size = size};
    for (unsigned i = 0; i < whole->node->shard_count; i++) {
        (void)array(&whole->parts[i].found, &count);
        all->size += count * size;
    }
    all->array = ptl_alloc(whole->node->allocator, all->size);
    if (all->array == NULL) {
        return false;
    }
    for (unsigned i = 0; i < whole->node->shard_count; i++) {
        const void *from = array(&whole->parts[i].found, &count);
        ptl_copy((uint8_t *)all->array + all->count * size, from, count * size);
        all->count += count;
    }
    return true;
}

static const void *links_of(const struct ptl_survey *found, unsigned *count)
{
    *count = found->link_count;
    return found->links;
}

static const void *ports_of(const struct ptl_survey *found, unsigned *count)
{
    *count = found->port_count;
    return found->ports;
}

static const void *slowest_of(const struct ptl_survey *found, unsigned *count)
{
    *count = found->slowest_count;
    return found->slowest;
}

static const void *families_of(const struct ptl_survey *found, unsigned *count)
{
    *count = found->family_count;
    return found->families;
}

enum { LINKS, PORTS, SLOWEST, FAMILIES, KINDS };

static const struct {
    size_t size; /* of one */
    const void *(*of)(const struct ptl_survey *found, unsigned *count);
} kinds[KINDS] = {
    [LINKS] = {sizeof(struct ptl_survey_link), links_of},
    [PORTS] = {sizeof(struct ptl_survey_port), ports_of},
    [SLOWEST] = {sizeof(struct ptl_survey_port), slowest_of},
    [FAMILIES] = {sizeof(struct ptl_survey_family), families_of},
};

static int order(uint64_t a, uint64_t b)
{
    return a < b ? 1 : a > b ? -1 : 0;
}

static int by_messages(const void *a, const void *b)
{
    const struct ptl_survey_port *first = a, *second = b;

    return order(first->messages, second->messages);
}

static int by_queue(const void *a, const void *b)
{
    const struct ptl_survey_port *first = a, *second = b;

    return order(first->queued_bytes, second->queued_bytes);
}

static int by_time(const void *a, const void *b)
{
    const struct ptl_survey_port *first = a, *second = b;

    return order(first->handled_mean_ns, second->handled_mean_ns);
}

static int by_keys(const void *a, const void *b)
{
    const struct ptl_survey_family *first = a, *second = b;

    return order(first->keys, second->keys);
}

static unsigned at_most(unsigned count, unsigned most)
{
    return count < most ? count : most;
}

/* Each shows the most of what all shards have found. */
static void show(const struct ptl_survey_whole *whole, const struct gathered all[KINDS],
                 struct ptl_survey *survey)
{
    const struct ptl_survey_options *options = &whole->options;

    qsort(all[PORTS].array, all[PORTS].count, sizeof(struct ptl_survey_port),
          options->by_queue ? by_queue : by_messages);
    qsort(all[SLOWEST].array, all[SLOWEST].count, sizeof(struct ptl_survey_port), by_time);
    qsort(all[FAMILIES].array, all[FAMILIES].count, sizeof(struct ptl_survey_family), by_keys);
    *survey = (struct ptl_survey){
        .links = all[LINKS].array,
        .ports = all[PORTS].array,
        .slowest = all[SLOWEST].array,
        .families = all[FAMILIES].array,
        .link_count = at_most(all[LINKS].count, options->links),
        .port_count = at_most(all[PORTS].count, options->ports),
        .slowest_count = at_most(all[SLOWEST].count, options->ports),
        .family_count = at_most(all[FAMILIES].count, options->families),
    };
    for (unsigned i = 0; i < whole->node->shard_count; i++) {
        survey->links_in_all += whole->parts[i].found.links_in_all;
        survey->ports_in_all += whole->parts[i].found.ports_in_all;
        survey->families_in_all += whole->parts[i].found.families_in_all;
    }
}

static void tell(struct ptl_survey_whole *whole)
{
    struct gathered all[KINDS] = {{.array = NULL}};
    int err = atomic_load(&whole->err);
    struct ptl_survey survey;

    for (unsigned i = 0; i < KINDS && err == PTL_OK; i++) {
        err = gather(whole, kinds[i].size, kinds[i].of, &all[i]) ? PTL_OK : PTL_ENOMEM;
    }
    if (err == PTL_OK) {
        show(whole, all, &survey);
    }
    whole->tell(whole->node, err, err == PTL_OK ? &survey : NULL, whole->data);
    for (unsigned i = 0; i < KINDS; i++) {
        ptl_free(whole->node->allocator, all[i].array, all[i].size);
    }
}

/* ---- Its end -------------------------------------------------------------------------------- */

static void drop(struct ptl_survey_whole *whole)
{
    struct ptl_node *node = whole->node;

    for (unsigned i = 0; i < node->shard_count; i++) {
        ptl_survey_part_drop(node->allocator, &whole->parts[i]);
    }
    atomic_fetch_sub(&node->own->survey_count, 1);
    ptl_free(node->allocator, whole, size_of(node));
}

/* The last part to end is whose shard tells; `shard` NULL: the node stops. */
static void end(struct ptl_shard *shard, struct ptl_survey_part *part)
{
    struct ptl_survey_whole *whole = part->whole;
    struct ptl_callback callback;

    if (part->err != PTL_OK) {
        atomic_store(&whole->err, part->err);
    }
    if (atomic_fetch_sub(&whole->left, 1) != 1) {
        return;
    }
    if (shard == NULL) {
        tell(whole);
    } else {
        ptl_callback_begin(shard, &callback, NULL);
        tell(whole);
        ptl_callback_end(shard, &callback, "a survey", ptl_span(NULL, 0));
    }
    drop(whole);
}

static void give_up(struct ptl_survey_part *part)
{
    part->err = PTL_ESTOPPED;
    end(NULL, part);
}

/* ---- In a shard ----------------------------------------------------------------------------- */

void ptl_survey_take(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    struct ptl_survey_part *part = op->as.handed.survey;
    struct ptl_survey_part **first = &shard->node->own->surveys[shard->index];

    (void)msg;
    ptl_survey_part_begin(shard, part);
    part->next = *first;
    *first = part;
}

void ptl_survey_drop(struct ptl_shard *shard, const struct ptl_op *op)
{
    (void)shard;
    give_up(op->as.handed.survey);
}

/* One of them, so that many cost no more in a turn than one does. */
uint64_t ptl_surveys_work(struct ptl_shard *shard)
{
    struct ptl_survey_part **first = &shard->node->own->surveys[shard->index];
    struct ptl_survey_part *part = *first;

    if (part != NULL && ptl_survey_part_work(shard, part)) {
        *first = part->next; /* first: whoever is told may ask again */
        end(shard, part);
    }
    return *first != NULL ? 0 : UINT64_MAX;
}

void ptl_surveys_close(struct ptl_shard *shard)
{
    struct ptl_survey_part **first = &shard->node->own->surveys[shard->index];

    while (*first != NULL) {
        struct ptl_survey_part *part = *first;
        *first = part->next;
        give_up(part);
    }
}

/* ---- Asking --------------------------------------------------------------------------------- */

static void set_default(unsigned *option, unsigned value)
{
    *option = *option != 0 ? *option : value;
}

static int take_options(const struct ptl_survey_options *given, struct ptl_survey_options *options)
{
    *options = given != NULL ? *given : (struct ptl_survey_options){.size = sizeof(*options)};
    set_default(&options->links, LINKS_DEFAULT);
    set_default(&options->ports, PORTS_DEFAULT);
    set_default(&options->families, FAMILIES_DEFAULT);
    return options->size == sizeof(*options) && options->links <= PTL_SURVEY_MAX &&
                   options->ports <= PTL_SURVEY_MAX && options->families <= PTL_SURVEY_MAX
               ? PTL_OK
               : PTL_EINVAL;
}

static void hand_over(struct ptl_survey_whole *whole, unsigned shard)
{
    struct ptl_survey_part *part = &whole->parts[shard];
    struct ptl_parcel *parcel = (struct ptl_parcel *)part->parcel;
    struct ptl_op op = {.kind = PTL_OP_SURVEY, .to = PTL_TO_SHARD, .as.handed.survey = part};

    ptl_assert(sizeof(*parcel) + ptl_op_size(&op) <= sizeof(part->parcel));
    part->whole = whole;
    part->options = &whole->options;
    ptl_op_pack(&op, parcel->bytes);
    ptl_shard_hand(&whole->node->shards[shard], parcel, ptl_shard_here(whole->node));
}

int ptl_survey(struct ptl_node *node, const struct ptl_survey_options *given, ptl_survey_fn *done,
               void *data)
{
    struct ptl_survey_options options;
    unsigned shards = node->shard_count;

    if (take_options(given, &options) < 0) {
        return PTL_EINVAL;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    if (atomic_fetch_add(&node->own->survey_count, 1) >= SURVEYS_MAX) {
        atomic_fetch_sub(&node->own->survey_count, 1);
        return PTL_ELIMIT;
    }
    struct ptl_survey_whole *whole = ptl_alloc(node->allocator, size_of(node));
    if (whole == NULL) {
        atomic_fetch_sub(&node->own->survey_count, 1);
        return PTL_ENOMEM;
    }
    whole->node = node;
    whole->options = options;
    whole->tell = done;
    whole->data = data;
    atomic_init(&whole->left, shards);
    for (unsigned i = 0; i < shards; i++) { /* with the last one it may be over already */
        hand_over(whole, i);
    }
    return PTL_OK;
}
