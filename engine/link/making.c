#include "engine/link/making.h"

#include "io/base.h"

#define SMALL ((size_t)65536) /* what is not counted */

static void enlist(struct ptl_makings *all, struct ptl_making *making)
{
    making->next = NULL;
    making->before = all->last;
    *(all->last == NULL ? &all->first : &all->last->next) = making;
    all->last = making;
}

static void unlist(struct ptl_makings *all, struct ptl_making *making)
{
    *(making->before == NULL ? &all->first : &making->before->next) = making->next;
    *(making->next == NULL ? &all->last : &making->next->before) = making->before;
}

/* Its place on the list is that of the time when it began, however much has come since. */
static void set_held(struct ptl_makings *all, struct ptl_making *making, size_t held)
{
    ptl_assert(all->held >= making->held);
    if (held != 0 && making->held == 0) {
        enlist(all, making);
    } else if (held == 0 && making->held != 0) {
        unlist(all, making);
    }
    all->held += (uint64_t)held - making->held;
    making->held = held;
}

void ptl_making_count(struct ptl_makings *all, struct ptl_making *making, size_t held)
{
    set_held(all, making, held <= SMALL ? 0 : held);
}

void ptl_making_end(struct ptl_makings *all, struct ptl_making *making)
{
    set_held(all, making, 0);
}

struct ptl_making *ptl_makings_victim(const struct ptl_makings *all, uint64_t room)
{
    return all->held > room && all->first != all->last ? all->first : NULL;
}
