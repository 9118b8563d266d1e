#include "engine/port/queue.h"

#include "engine/message/message.h"
#include "engine/shard/belonging.h"

void ptl_queue_init(struct ptl_queue *queue)
{
    *queue = (struct ptl_queue){.first = NULL};
    ptl_list_init(&queue->notices);
}

/* All hold the same reason; but it counts for each, as its own would. */
static uint64_t notice_weight(const struct ptl_notice *notice)
{
    return sizeof(*notice) + (notice->reason == NULL ? 0 : notice->reason->size);
}

void ptl_queue_put(struct ptl_queue *queue, struct ptl_parcel *parcel, bool first)
{
    queue->weight += ptl_parcel_weight(parcel);
    if (first) {
        parcel->next = queue->first;
        queue->first = parcel;
        queue->last = queue->last == NULL ? parcel : queue->last;
        queue->first_number--; /* so that all notices stand behind it */
        return;
    }
    parcel->next = NULL;
    if (queue->last == NULL) {
        queue->first = parcel;
    } else {
        queue->last->next = parcel;
    }
    queue->last = parcel;
    queue->next_number++;
}

void ptl_queue_put_notice(struct ptl_queue *queue, struct ptl_notice *notice, bool first)
{
    queue->weight += notice_weight(notice);
    if (first) {
        notice->before = queue->first_number;
        ptl_list_insert(&queue->notices, &notice->listed);
    } else {
        notice->before = queue->next_number;
        ptl_list_append(&queue->notices, &notice->listed);
    }
}

struct ptl_queued ptl_queue_first(const struct ptl_queue *queue)
{
    struct ptl_queued queued = {.parcel = queue->first};

    if (!ptl_list_empty(&queue->notices)) {
        struct ptl_notice *notice = ptl_container(queue->notices.next, struct ptl_notice, listed);
        /* By number: of those that were before it none is left. */
        if (queue->first == NULL || notice->before == queue->first_number) {
            queued = (struct ptl_queued){.notice = notice};
        }
    }
    return queued;
}

struct ptl_queued ptl_queue_take(struct ptl_queue *queue)
{
    struct ptl_queued queued = ptl_queue_first(queue);

    if (queued.notice != NULL) {
        ptl_list_remove(&queued.notice->listed);
        ptl_assert(queue->weight >= notice_weight(queued.notice));
        queue->weight -= notice_weight(queued.notice);
    } else if (queued.parcel != NULL) {
        ptl_assert(queue->weight >= ptl_parcel_weight(queued.parcel));
        queue->first = queued.parcel->next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        queue->first_number++;
        queue->weight -= ptl_parcel_weight(queued.parcel);
    }
    ptl_assert(!ptl_queue_empty(queue) || queue->weight == 0);
    return queued;
}
