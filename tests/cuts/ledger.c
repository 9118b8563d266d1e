#include "tests/cuts/cuts.h"

#include <pthread.h>
#include <stdlib.h>

struct cuts_entry {
    struct cuts_entry *next;
    _Atomic unsigned fired;
    _Atomic bool taken_back;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cuts_entry *entries;

struct cuts_entry *cuts_entry_new(void)
{
    struct cuts_entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL) {
        cuts_fail("no memory");
    }
    pthread_mutex_lock(&lock);
    entry->next = entries;
    entries = entry;
    pthread_mutex_unlock(&lock);
    return entry;
}

void cuts_entry_fired(struct cuts_entry *entry)
{
    if (atomic_load(&entry->taken_back)) {
        cuts_fail("a monitor fired that had been taken back");
    }
    if (atomic_fetch_add(&entry->fired, 1) != 0) {
        cuts_fail("a monitor fired twice");
    }
}

void cuts_entry_taken_back(struct cuts_entry *entry)
{
    atomic_store(&entry->taken_back, true);
}

int64_t cuts_entries_open(int64_t *all, int64_t *taken_back)
{
    int64_t open = 0;

    *all = *taken_back = 0;
    pthread_mutex_lock(&lock);
    for (struct cuts_entry *entry = entries; entry != NULL; entry = entry->next) {
        bool back = atomic_load(&entry->taken_back);
        ++*all;
        *taken_back += back;
        open += !back && atomic_load(&entry->fired) == 0;
    }
    pthread_mutex_unlock(&lock);
    return open;
}

void cuts_entries_free(void)
{
    while (entries != NULL) {
        struct cuts_entry *entry = entries;
        entries = entry->next;
        free(entry);
    }
}
