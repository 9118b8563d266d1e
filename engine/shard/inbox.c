#include "engine/shard/inbox.h"

void ptl_inbox_push(struct ptl_inbox *inbox, struct ptl_parcel *record)
{
    struct ptl_parcel *top = atomic_load_explicit(&inbox->top, memory_order_relaxed);

    do {
        record->next = top;
        /* seq_cst: ordered with the shard's "I sleep", so that one of the two notices. */
    } while (!atomic_compare_exchange_weak(&inbox->top, &top, record));
}

struct ptl_parcel *ptl_inbox_take(struct ptl_inbox *inbox)
{
    if (ptl_inbox_empty(inbox)) {
        return NULL;
    }
    struct ptl_parcel *stack = atomic_exchange(&inbox->top, NULL);
    struct ptl_parcel *list = NULL;

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
