#include "engine/shard/inbox.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PRODUCERS 4
#define RECORDS 20000

/* Its number says who sent it and as which one. */
static struct ptl_parcel *make(uint32_t producer, uint64_t number)
{
    struct ptl_op op = {
        .kind = PTL_OP_UNTIMER,
        .to = PTL_TO_SHARD,
        .slot = producer,
        .as.timer = number,
    };
    return ptl_parcel_make(&op, ptl_allocator_libc());
}

static void inbox_gives_records_back_in_the_order_pushed(void **state)
{
    struct ptl_inbox inbox = {.top = NULL};
    uint64_t expected = 0;

    (void)state;
    assert_true(ptl_inbox_empty(&inbox));
    assert_null(ptl_inbox_take(&inbox));
    for (uint64_t i = 0; i < 100; i++) {
        ptl_inbox_push(&inbox, make(0, i));
    }
    assert_false(ptl_inbox_empty(&inbox));
    struct ptl_parcel *list = ptl_inbox_take(&inbox);
    assert_true(ptl_inbox_empty(&inbox));
    while (list != NULL) {
        struct ptl_parcel *next = list->next;
        struct ptl_op op;
        ptl_op_unpack(list->bytes, &op);
        assert_int_equal(op.as.timer, expected++);
        ptl_parcel_free(list, ptl_allocator_libc());
        list = next;
    }
    assert_int_equal(expected, 100);
}

struct producer {
    struct ptl_inbox *inbox;
    uint32_t number;
};

static void *produce(void *argument)
{
    const struct producer *producer = argument;

    for (uint64_t i = 0; i < RECORDS; i++) {
        ptl_inbox_push(producer->inbox, make(producer->number, i));
    }
    return NULL;
}

/* Takes all records; returns how many were not the next one of their producer. */
static unsigned consume(struct ptl_inbox *inbox)
{
    uint64_t next_of[PRODUCERS] = {0};
    unsigned taken = 0, wrong = 0;

    while (taken < PRODUCERS * RECORDS) {
        struct ptl_parcel *list = ptl_inbox_take(inbox);
        if (list == NULL) {
            sched_yield();
        }
        while (list != NULL) {
            struct ptl_parcel *next = list->next;
            struct ptl_op op;
            ptl_op_unpack(list->bytes, &op);
            wrong += op.as.timer != next_of[op.slot]++;
            ptl_parcel_free(list, ptl_allocator_libc());
            list = next;
            taken++;
        }
    }
    return wrong;
}

static void inbox_keeps_the_order_of_each_of_several_producers(void **state)
{
    struct ptl_inbox inbox = {.top = NULL};
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];

    (void)state;
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.inbox = &inbox, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    unsigned wrong = consume(&inbox);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(wrong, 0);
    assert_true(ptl_inbox_empty(&inbox));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inbox_gives_records_back_in_the_order_pushed),
        cmocka_unit_test(inbox_keeps_the_order_of_each_of_several_producers),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
