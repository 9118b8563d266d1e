#include "engine/shard/id_tree.h"

/* IDs are counted: spread, those that follow each other part at once.  The highest bits are the
 * best ones, and come first. */
struct way {
    uint64_t bits;
    unsigned steps;
};

static struct way way_to(uint64_t id)
{
    return (struct way){.bits = id * UINT64_C(0x9E3779B97F4A7C15)};
}

/* Where the way leads on from here. */
static struct ptl_id_place **step(struct way *way, struct ptl_id_place *place)
{
    bool side = way->bits >> 63 != 0;

    ptl_assert(way->steps < 64); /* an odd factor leaves every ID its own */
    way->bits <<= 1;
    way->steps++;
    return &place->sides[side];
}

void ptl_id_tree_add(struct ptl_id_place **root, struct ptl_id_place *place)
{
    struct ptl_id_place **at = root;

    for (struct way way = way_to(place->id); *at != NULL;) {
        ptl_assert((*at)->id != place->id);
        at = step(&way, *at);
    }
    place->sides[0] = place->sides[1] = NULL;
    *at = place;
}

/* What leads to the place of this ID: NULL stands there if nobody has it. */
static struct ptl_id_place **find(struct ptl_id_place **root, uint64_t id)
{
    struct ptl_id_place **at = root;

    for (struct way way = way_to(id); *at != NULL && (*at)->id != id;) {
        at = step(&way, *at);
    }
    return at;
}

struct ptl_id_place *ptl_id_tree_find(struct ptl_id_place *root, uint64_t id)
{
    return *find(&root, id);
}

/* Any that has nobody below it. */
static struct ptl_id_place **find_last(struct ptl_id_place **at)
{
    for (;;) {
        struct ptl_id_place **sides = (*at)->sides;
        if (sides[0] == NULL && sides[1] == NULL) {
            return at;
        }
        at = &sides[sides[0] == NULL];
    }
}

void ptl_id_tree_remove(struct ptl_id_place **root, const struct ptl_id_place *place)
{
    struct ptl_id_place **at = find(root, place->id);

    ptl_assert(*at == place);
    /* Whoever stands below may stand here, too. */
    struct ptl_id_place **last_at = find_last(at);
    struct ptl_id_place *last = *last_at;
    *last_at = NULL;
    if (last != place) {
        last->sides[0] = place->sides[0];
        last->sides[1] = place->sides[1];
        *at = last;
    }
}
