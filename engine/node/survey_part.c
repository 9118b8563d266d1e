#include "engine/node/survey_part.h"

#include "engine/directory/database.h"
#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/link_weight.h"
#include "engine/link/shard_links.h"
#include "engine/port/death.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/slice.h"
#include "io/framing.h"

/* Families that are looked at, of however many others have made. */
#define FAMILIES_LOOKED 16384u

_Static_assert(sizeof(((struct ptl_survey_link *)NULL)->node) == PTL_NODE_ID_MAX + 1, "an ID fits");
_Static_assert(sizeof(((struct ptl_survey_link *)NULL)->address) >= PTL_ADDRESS_TEXT_MAX, "fits");
_Static_assert(sizeof(((struct ptl_survey_port *)NULL)->id) == PTL_PORT_ID_MAX + 1, "an ID fits");
_Static_assert(sizeof(((struct ptl_survey_family *)NULL)->name) > PTL_FAMILY_MAX, "a name fits");

/* ---- The most of many ----------------------------------------------------------------------- */

static void swap(struct ptl_survey_pick *a, struct ptl_survey_pick *b)
{
    struct ptl_survey_pick other = *a;

    *a = *b;
    *b = other;
}

static void sink(struct ptl_survey_picks *picks)
{
    struct ptl_survey_pick *heap = picks->heap;
    uint32_t at = 0, child;

    while ((child = 2 * at + 1) < picks->count) {
        if (child + 1 < picks->count && heap[child + 1].much < heap[child].much) {
            child++;
        }
        if (heap[at].much <= heap[child].much) {
            return;
        }
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

static void rise(struct ptl_survey_picks *picks)
{
    struct ptl_survey_pick *heap = picks->heap;

    for (uint32_t at = picks->count - 1; at != 0 && heap[at].much < heap[(at - 1) / 2].much;
         at = (at - 1) / 2) {
        swap(&heap[at], &heap[(at - 1) / 2]);
    }
}

static void pick(struct ptl_survey_picks *picks, struct ptl_survey_pick one)
{
    if (picks->count < picks->capacity) {
        picks->heap[picks->count++] = one;
        rise(picks);
    } else if (picks->capacity != 0 && one.much > picks->heap[0].much) {
        picks->heap[0] = one;
        sink(picks);
    }
}

/* NULL: no memory. */
static void *room_for(const struct ptl_shard *shard, size_t size, unsigned count)
{
    return ptl_alloc(shard->allocator, size * (count == 0 ? 1 : count));
}

static unsigned at_most(uint64_t count, unsigned most)
{
    return count < most ? (unsigned)count : most;
}

static bool begin_picks(const struct ptl_shard *shard, struct ptl_survey_picks *picks,
                        unsigned capacity)
{
    *picks = (struct ptl_survey_picks){.capacity = capacity};
    picks->heap = room_for(shard, sizeof(*picks->heap), capacity);
    return picks->heap != NULL;
}

static void end_picks(const struct ptl_allocator *allocator, struct ptl_survey_picks *picks)
{
    unsigned room = picks->capacity == 0 ? 1 : picks->capacity;

    ptl_free(allocator, picks->heap, room * sizeof(*picks->heap));
    picks->heap = NULL;
}

/* ---- Links ---------------------------------------------------------------------------------- */

static void show_connection(const struct ptl_shard *shard, const struct ptl_link *link,
                            struct ptl_survey_link *shown)
{
    const struct ptl_connection *c = link->connection;
    int framing = ptl_handshake_peer(&c->handshake)->send_framing;

    memcpy(shown->address, c->peer.text, sizeof(c->peer.text));
    shown->framing = ptl_framing_name((enum ptl_framing)framing);
    shown->encrypted = ptl_sealing_is_on(&c->sealing);
    shown->up = true;
    shown->up_ms = (shard->now - link->up_at) / 1000000;
    shown->messages_in = link->messages_in;
    shown->messages_out = link->messages_out;
    shown->bytes_in = link->bytes_in;
    shown->bytes_out = link->bytes_out;
}

static void show_link(const struct ptl_shard *shard, const struct ptl_link *link,
                      struct ptl_survey_link *shown)
{
    *shown = (struct ptl_survey_link){
        .framing = "",
        .dialled = link->dialled,
        .global = link->db.peer == PTL_PEER_GLOBAL,
        .full = link->fullness.full,
        .queued_bytes = link->weight + ptl_link_unsent(link),
    };
    memcpy(shown->node, link->id, link->id_size);
    if (link->state == PTL_LINK_UP) {
        show_connection(shard, link, shown);
    }
}

static bool look_at_links(const struct ptl_shard *shard, struct ptl_survey_part *part)
{
    unsigned room = at_most(shard->links->by_id.count, part->options->links);
    struct ptl_survey_link *shown = room_for(shard, sizeof(*shown), room);
    const struct ptl_link *link;
    uint32_t at = 0;

    if (shown == NULL) {
        return false;
    }
    part->found.links = shown;
    part->link_room = room;
    while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        if (link->state == PTL_LINK_DOWN) {
            continue; /* nobody wants it */
        }
        part->found.links_in_all++;
        if (part->found.link_count < room) {
            show_link(shard, link, &shown[part->found.link_count++]);
        }
    }
    return true;
}

/* ---- Families ------------------------------------------------------------------------------- */

static bool show_families(const struct ptl_shard *shard, struct ptl_survey_part *part,
                          const struct ptl_survey_picks *picks)
{
    struct ptl_survey_family *shown = room_for(shard, sizeof(*shown), picks->count);

    if (shown == NULL) {
        return false;
    }
    part->found.families = shown;
    part->family_room = part->found.family_count = picks->count;
    for (uint32_t i = 0; i < picks->count; i++) {
        memcpy(shown[i].name, picks->heap[i].what, picks->heap[i].index);
        shown[i].keys = picks->heap[i].much;
    }
    return true;
}

static bool look_at_families(const struct ptl_shard *shard, struct ptl_survey_part *part)
{
    const struct ptl_store *store = shard->directory->store;
    unsigned most = at_most(ptl_store_families(store), part->options->families);
    struct ptl_survey_picks picks;
    const void *place = NULL;
    struct ptl_span name;
    uint32_t keys;

    if (!begin_picks(shard, &picks, most)) {
        return false;
    }
    for (unsigned i = 0; i < FAMILIES_LOOKED && ptl_store_family_next(store, &place, &name, &keys);
         i++) {
        if (keys != 0) { /* else it is only watched */
            part->found.families_in_all++;
            pick(&picks, (struct ptl_survey_pick){
                             .much = keys, .what = name.bytes, .index = (uint32_t)name.size});
        }
    }
    bool done = show_families(shard, part, &picks);
    end_picks(shard->allocator, &picks);
    return done;
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static uint64_t queued_bytes(const struct ptl_slot *slot)
{
    return slot->more == NULL ? 0 : ptl_queue_weight(&slot->more->queue);
}

static void look_at_port(struct ptl_survey_part *part, const struct ptl_slot *slot)
{
    uint64_t much = part->options->by_queue ? queued_bytes(slot) : slot->messages;

    part->found.ports_in_all++;
    pick(&part->busiest, (struct ptl_survey_pick){
                             .much = much, .index = slot->index, .generation = slot->generation});
}

/* Those of dead ports are left out when they are shown. */
static void pick_slowest(const struct ptl_shard *shard, struct ptl_survey_part *part)
{
    const struct ptl_time *first = shard->times.sets[0];

    for (const struct ptl_time *time = first; time < first + PTL_TIMES_MAX; time++) {
        if (time->messages != 0) {
            pick(&part->slowest, (struct ptl_survey_pick){.much = ptl_time_mean(time),
                                                          .index = time->slot,
                                                          .generation = time->generation});
        }
    }
}

static void show_port(struct ptl_shard *shard, const struct ptl_slot *slot,
                      struct ptl_survey_port *shown)
{
    const struct ptl_port_more *more = slot->more;
    const struct ptl_time *time = ptl_times_find(&shard->times, slot->index, slot->generation);
    struct ptl_port port;

    if (more != NULL && more->name != NULL) {
        ptl_port_chosen(shard, ptl_span(more->name, more->name_size), &port);
    } else {
        ptl_port_make(&shard->node->self, shard->index, slot->index, slot->generation, &port);
    }
    *shown = (struct ptl_survey_port){
        .shard = shard->index,
        .full = more != NULL && more->fullness.full,
        .waits = more != NULL && more->waiting,
        .messages = slot->messages,
        .queued_bytes = queued_bytes(slot),
        .handled_mean_ns = ptl_time_mean(time),
        .handled_max_ns = time == NULL ? 0 : time->max_ns,
    };
    memcpy(shown->id, port.id, sizeof(port.id));
}

/* Those that have died meanwhile are left out.  Returns how many are shown. */
static unsigned show_picks(struct ptl_shard *shard, const struct ptl_survey_picks *picks,
                           struct ptl_survey_port *shown)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < picks->count; i++) {
        const struct ptl_survey_pick *one = &picks->heap[i];
        const struct ptl_slot *slot =
            ptl_slot_find(&shard->ports->table, one->index, one->generation);
        if (slot != NULL) {
            show_port(shard, slot, &shown[count++]);
        }
    }
    return count;
}

static bool show_ports(struct ptl_shard *shard, struct ptl_survey_part *part)
{
    struct ptl_survey_port *busiest = room_for(shard, sizeof(*busiest), part->busiest.count);
    struct ptl_survey_port *slowest = room_for(shard, sizeof(*slowest), part->slowest.count);

    part->found.ports = busiest;
    part->found.slowest = slowest;
    part->port_room = part->busiest.count;
    part->slowest_room = part->slowest.count;
    if (busiest == NULL || slowest == NULL) {
        return false;
    }
    part->found.port_count = show_picks(shard, &part->busiest, busiest);
    part->found.slowest_count = show_picks(shard, &part->slowest, slowest);
    return true;
}

/* ---- A part --------------------------------------------------------------------------------- */

void ptl_survey_part_begin(struct ptl_shard *shard, struct ptl_survey_part *part)
{
    unsigned most = at_most(ptl_port_table_alive(&shard->ports->table), part->options->ports);

    if (!look_at_links(shard, part) || !look_at_families(shard, part) ||
        !begin_picks(shard, &part->busiest, most) || !begin_picks(shard, &part->slowest, most)) {
        part->err = PTL_ENOMEM;
    }
}

bool ptl_survey_part_work(struct ptl_shard *shard, struct ptl_survey_part *part)
{
    const struct ptl_slot *slot;

    for (uint32_t i = 0; i < PTL_SLICE && part->err == PTL_OK; i++) {
        slot = ptl_slot_at(&shard->ports->table, part->slot++);
        if (slot == NULL) {
            pick_slowest(shard, part);
            part->err = show_ports(shard, part) ? PTL_OK : PTL_ENOMEM;
            return true;
        }
        /* Before it is alive its makers have it. */
        if (atomic_load_explicit(&slot->state, memory_order_acquire) == PTL_SLOT_ALIVE) {
            look_at_port(part, slot);
        }
    }
    return part->err != PTL_OK;
}

static void free_array(const struct ptl_allocator *allocator, const void *array, size_t size,
                       unsigned room)
{
    ptl_free(allocator, (void *)(uintptr_t)array, size * (room == 0 ? 1 : room));
}

void ptl_survey_part_drop(const struct ptl_allocator *allocator, struct ptl_survey_part *part)
{
    struct ptl_survey *found = &part->found;

    free_array(allocator, found->links, sizeof(*found->links), part->link_room);
    free_array(allocator, found->ports, sizeof(*found->ports), part->port_room);
    free_array(allocator, found->slowest, sizeof(*found->slowest), part->slowest_room);
    free_array(allocator, found->families, sizeof(*found->families), part->family_room);
    end_picks(allocator, &part->busiest);
    end_picks(allocator, &part->slowest);
}
