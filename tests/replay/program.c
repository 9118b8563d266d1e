#include "tests/replay/program.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define WATCHES_MAX 8
#define QUESTIONS_MAX 16

/* What it was told, on any shard. */
struct seen {
    pthread_mutex_t lock;
    struct entries told;     /* by its watches */
    struct entries copied;   /* families: "" -> null */
    struct entries answered; /* "" -> ID -> result */
    struct {
        char family[32];
        struct ptl_db_watch watch;
    } watches[WATCHES_MAX];
    unsigned watch_count;
    char ids[QUESTIONS_MAX][16];
    unsigned id_count;
};

static struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

void program_forget(void)
{
    entries_drop(&seen.told);
    entries_drop(&seen.copied);
    entries_drop(&seen.answered);
    seen.watch_count = seen.id_count = 0;
}

static int on_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    const char *family = data;

    (void)node;
    pthread_mutex_lock(&seen.lock);
    if (change->event == PTL_DB_COPIED) {
        entries_set(&seen.copied, family, "", NULL);
    } else if (change->event == PTL_DB_DELETED) {
        entries_del(&seen.told, family, change->key);
    } else if (change->key_size > 0) {
        entries_set(&seen.told, family, change->key, change->value);
    }
    pthread_mutex_unlock(&seen.lock);
    return 0;
}

static void on_answer(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    pthread_mutex_lock(&seen.lock);
    if (err == 0) {
        entries_set(&seen.answered, "", data, reply);
    }
    pthread_mutex_unlock(&seen.lock);
}

static void watch(struct ptl_node *node, const char *family)
{
    assert_true(seen.watch_count < WATCHES_MAX);
    unsigned i = seen.watch_count++;
    snprintf(seen.watches[i].family, sizeof seen.watches[i].family, "%s", family);
    assert_int_equal(
        ptl_db_watch(node, family, on_change, seen.watches[i].family, &seen.watches[i].watch), 0);
}

static void unwatch(struct ptl_node *node, const char *family)
{
    for (unsigned i = 0; i < seen.watch_count; i++) {
        if (strcmp(seen.watches[i].family, family) == 0) {
            ptl_db_unwatch(node, &seen.watches[i].watch);
        }
    }
}

static void ask(struct ptl_node *node, const struct packet *packet, const char *family)
{
    char *id = packet_text(packet, 2);

    assert_true(seen.id_count < QUESTIONS_MAX);
    char *kept = seen.ids[seen.id_count++];
    snprintf(kept, sizeof seen.ids[0], "%s", id);
    free(id);
    if (packet_requests(packet, "g_db_keys")) {
        assert_int_equal(ptl_db_keys(node, family, on_answer, kept), 0);
    } else if (packet_requests(packet, "g_db_values")) {
        assert_int_equal(ptl_db_values(node, family, on_answer, kept), 0);
    } else {
        assert_int_equal(ptl_db_family(node, family, on_answer, kept), 0);
    }
}

void program_sets(const char *family, const char *key, const struct ptl_msg *value, void *data)
{
    struct ptl_node *node = data;

    if (value != NULL) {
        assert_int_equal(ptl_db_set(node, family, key, value), 0);
    } else {
        assert_int_equal(ptl_db_del(node, family, key), 0);
    }
}

void program_calls(struct ptl_node *node, const char *node_id)
{
    struct ptl_port port;
    char id[64];

    int size = snprintf(id, sizeof id, "%s#somebody", node_id);
    assert_int_equal(ptl_port_parse(node, id, (size_t)size, &port), 0);
    int err;
    do { /* no room for a moment, while others are told that a link was lost */
        err = ptl_sendf(node, &port, "t", "hello");
    } while (err == PTL_EFULL);
    assert_int_equal(err, 0);
}

bool program_has_seed(const char *node_id)
{
    return strncmp(node_id, "seed", 4) == 0 || strcmp(node_id, "rain") == 0 ||
           strcmp(node_id, "mid") == 0;
}

void program_acts(struct ptl_node *node, const struct packet *packet)
{
    char *name = packet_text(packet, 1);

    if (packet_requests(packet, "g_mon1")) {
        watch(node, name);
    } else if (packet_requests(packet, "g_mon0")) {
        unwatch(node, name);
    } else if (packet_requests(packet, "g_db_family") || packet_requests(packet, "g_db_keys") ||
               packet_requests(packet, "g_db_values")) {
        ask(node, packet, name);
    } else if (packet_requests(packet, "g_find") && !program_has_seed(name)) {
        program_calls(node, name);
    }
    free(name);
}

bool program_knows(const struct said *said, const struct said *ours)
{
    struct entries told = {0}, seen_told = {0};
    bool knows = true;

    pthread_mutex_lock(&seen.lock);
    for (size_t i = 0; i < said->of[SAID_COPIED].count; i++) {
        const char *family = said->of[SAID_COPIED].at[i].family;
        if (entries_find(&ours->of[SAID_WATCHING], family, "") != NULL) {
            entries_add_family(&told, &said->of[SAID_TOLD], family);
            entries_add_family(&seen_told, &seen.told, family);
            knows = knows && entries_find(&seen.copied, family, "") != NULL;
        }
    }
    knows = knows && entries_same(&told, &seen_told) &&
            entries_same(&said->of[SAID_ANSWERED], &seen.answered);
    pthread_mutex_unlock(&seen.lock);
    entries_drop(&told);
    entries_drop(&seen_told);
    return knows;
}

void program_show(void)
{
    pthread_mutex_lock(&seen.lock);
    entries_show("the program was told", &seen.told);
    entries_show("and answered", &seen.answered);
    pthread_mutex_unlock(&seen.lock);
}
