#include "engine/shard/inbox.h"

void ptl_inbox_push(struct ptl_inbox *inbox, struct ptl_parcel *record)
{
    struct ptl_parcel *top = atomic_load_explicit(&inbox->top, memory_order_relaxed);

    ptl_assert(record != NULL);

    do {
        record->next = top;
        /* seq_cst: ordered with the shard's "I sleep", so that one of the two notices. */
    } while (!atomic_compare_exchange_weak(&inbox->top, &top, record));
}

/*
 * Empty in most turns: then only a load, which leaves the cache line where it is. Whoever else
 * pushes meanwhile finds an empty stack, and comes behind all that is taken here.
 */
struct ptl_parcel *ptl_inbox_take(struct ptl_inbox *inbox)
{
    if (ptl_inbox_empty(inbox)) {
        return NULL;
    }
    struct ptl_parcel *stack = atomic_exchange(&inbox->top, NULL);
    struct ptl_parcel *list = NULL;

    /* The last one pushed is on top: turned round, each producer's records are in order again. */
    while (stack != NULL) {
        struct ptl_parcel *next = stack->next;
        stack->next = list;
        list = stack;
        stack = next;
    }
    return list;
}

bool ptl_inbox_empty(const struct ptl_inbox *inbox)
{
    return atomic_load(&inbox->top) == NULL;
}
