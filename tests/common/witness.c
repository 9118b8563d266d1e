#include "tests/common/witness.h"

#include "tests/common/any_loop.h"
#include "tests/common/sealed.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <time.h>

#define PATIENCE_S 180
#define NODES_MAX 16
#define STOP_MS 2000
#define SECRET "a secret of the tests"

unsigned witness_shards = 1;

/* ---- Memory -------------------------------------------------------------------------------- */

static _Atomic size_t out_bytes;
static _Atomic size_t requests, asked;
static _Atomic size_t fail_at; /* 0: never */
static _Atomic bool fail_on;

static bool is_refused(void)
{
    size_t nth = atomic_fetch_add(&requests, 1) + 1;
    size_t at = atomic_load(&fail_at);

    return at != 0 && (nth == at || (nth > at && atomic_load(&fail_on)));
}

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    (void)user;
    if (new_size == 0) {
        free(block);
        atomic_fetch_sub(&out_bytes, old_size);
        return NULL;
    }
    if (is_refused()) {
        return NULL;
    }
    void *moved = realloc(block, new_size);
    if (moved != NULL) {
        atomic_fetch_add(&out_bytes, new_size - old_size);
        atomic_fetch_add(&asked, new_size > old_size ? new_size - old_size : 0);
    }
    return moved;
}

const struct ptl_allocator *witness_allocator(void)
{
    static const struct ptl_allocator allocator = {.resize = resize};

    return &allocator;
}

void witness_fail_memory(size_t nth, bool for_good)
{
    atomic_store(&fail_on, for_good);
    atomic_store(&requests, 0);
    atomic_store(&asked, 0);
    atomic_store(&fail_at, nth);
}

size_t witness_memory_requests(void)
{
    return atomic_load(&requests);
}

size_t witness_memory_asked(void)
{
    return atomic_load(&asked);
}

size_t witness_bytes(void)
{
    return atomic_load(&out_bytes);
}

/* ---- The journal --------------------------------------------------------------------------- */

struct line {
    char *label;
    char *text;
    bool taken;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct line *lines;
static size_t line_count, line_capacity;
static size_t first_untaken; /* all before it are taken */

static void append(const char *label, char *text)
{
    pthread_mutex_lock(&lock);
    if (line_count == line_capacity) {
        line_capacity = line_capacity == 0 ? 256 : 2 * line_capacity;
        lines = realloc(lines, line_capacity * sizeof(*lines));
    }
    lines[line_count++] = (struct line){.label = strdup(label), .text = text};
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void witness_note(const char *label, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        abort();
    }
    va_end(arguments);
    append(label, text);
}

static void clear_journal(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < line_count; i++) {
        free(lines[i].label);
        free(lines[i].text);
    }
    free(lines);
    lines = NULL;
    line_count = line_capacity = first_untaken = 0;
    pthread_mutex_unlock(&lock);
}

void witness_show(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = line_count < 200 ? 0 : line_count - 200; i < line_count; i++) {
        fprintf(stderr, "  %s %s: %.300s\n", lines[i].taken ? "-" : "+", lines[i].label,
                lines[i].text);
    }
    pthread_mutex_unlock(&lock);
}

/* Under the lock: the first untaken line of the label, now taken, or NULL. */
static const char *take(const char *label)
{
    while (first_untaken < line_count && lines[first_untaken].taken) {
        first_untaken++;
    }
    for (size_t i = first_untaken; i < line_count; i++) {
        if (!lines[i].taken && strcmp(lines[i].label, label) == 0) {
            lines[i].taken = true;
            return lines[i].text;
        }
    }
    return NULL;
}

static struct timespec end_of_patience(void)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    return end;
}

const char *witness_next(const char *label)
{
    struct timespec end = end_of_patience();
    const char *text;
    int err = 0;

    pthread_mutex_lock(&lock);
    while ((text = take(label)) == NULL && err == 0) {
        err = pthread_cond_timedwait(&changed, &lock, &end);
    }
    pthread_mutex_unlock(&lock);
    if (text == NULL) {
        witness_show();
        fail_msg("nothing came for '%s'", label);
    }
    return text;
}

const char *witness_next_if_any(const char *label)
{
    pthread_mutex_lock(&lock);
    const char *text = take(label);
    pthread_mutex_unlock(&lock);
    return text;
}

void assert_next(const char *label, const char *text)
{
    const char *next = witness_next(label);

    if (strcmp(next, text) != 0) {
        witness_show();
        fail_msg("'%s' should say  %s  and says  %s", label, text, next);
    }
}

void assert_silent(const char *label)
{
    const char *text = witness_next_if_any(label);

    if (text != NULL) {
        witness_show();
        fail_msg("'%s' should say nothing and says  %s", label, text);
    }
}

const char *witness_until(const char *label, const char *part)
{
    const char *text;

    do {
        text = witness_next(label);
    } while (strstr(text, part) == NULL);
    return text;
}

size_t witness_count(const char *label)
{
    size_t count = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < line_count; i++) {
        count += strcmp(lines[i].label, label) == 0;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

/* Another look in a millisecond; false when patience has ended. */
static bool look_again(unsigned *looks)
{
    poll(NULL, 0, 1);
    return ++*looks < PATIENCE_S * 1000;
}

void witness_reach(const _Atomic uint64_t *counter, uint64_t value)
{
    unsigned looks = 0;

    while (atomic_load(counter) < value) {
        if (!look_again(&looks)) {
            witness_show();
            fail_msg("only %llu of %llu came", (unsigned long long)atomic_load(counter),
                     (unsigned long long)value);
        }
    }
}

/* ---- Nodes --------------------------------------------------------------------------------- */

static struct ptl_node *nodes[NODES_MAX];
static unsigned descriptors_before, threads_before;

static unsigned count_entries(const char *path)
{
    DIR *folder = opendir(path);
    unsigned count = 0;

    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void on_log(void *data, enum ptl_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    witness_note(data, "%s: %s", names[level], line);
}

struct ptl_node_options witness_options(const char *id)
{
    return (struct ptl_node_options){
        .size = sizeof(struct ptl_node_options),
        .id = id,
        .secret = SECRET,
        .secret_size = strlen(SECRET),
        .shards = witness_shards,
        .log_level = PTL_LOG_INFO,
        .log = on_log,
        .log_data = (void *)(uintptr_t)id,
        .allocator = witness_allocator(),
        .loop = any_loop_kind(),
        .handshake_ms = 60000, /* a busy machine is no reason for a test to fail */
        .silence_ms = 60000,
    };
}

struct ptl_node *witness_make(const struct ptl_node_options *options)
{
    struct ptl_node_options dressed = *options;
    struct ptl_node *node = NULL;
    unsigned i = 0;

    while (nodes[i] != NULL) {
        i++;
    }
    assert_true(i < NODES_MAX);
    sealed_dress(&dressed);
    assert_int_equal(ptl_node_make(&dressed, &node), 0);
    nodes[i] = node;
    return node;
}

struct ptl_node *witness_start(const struct ptl_node_options *options)
{
    struct ptl_node *node = witness_make(options);

    int err = ptl_node_open(node);
    if (err < 0) {
        witness_show();
        fail_msg("the node cannot start: %s", ptl_err_text(err));
    }
    return node;
}

struct ptl_node *witness_node(const char *id)
{
    struct ptl_node_options options = witness_options(id);

    return witness_start(&options);
}

int witness_stop(struct ptl_node *node, unsigned deadline_ms)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (nodes[i] == node) {
            nodes[i] = NULL;
        }
    }
    return ptl_node_stop(node, deadline_ms);
}

static bool is_clean(void)
{
    return witness_bytes() == 0 && count_entries("/proc/self/fd") == descriptors_before &&
           count_entries("/proc/self/task") == threads_before;
}

/* The kernel takes a moment to let go of a ring and its helpers. */
static bool wait_until_clean(void)
{
    unsigned looks = 0;

    while (!is_clean()) {
        if (!look_again(&looks) || looks > 5000) {
            fprintf(stderr, "left: %zu bytes, %u descriptors (%u before), %u threads (%u before)\n",
                    witness_bytes(), count_entries("/proc/self/fd"), descriptors_before,
                    count_entries("/proc/self/task"), threads_before);
            return false;
        }
    }
    return true;
}

void witness_nothing_left(void)
{
    assert_true(wait_until_clean());
}

int witness_set_up(void **state)
{
    (void)state;
    witness_fail_memory(0, false);
    descriptors_before = count_entries("/proc/self/fd");
    threads_before = count_entries("/proc/self/task");
    return 0;
}

int witness_tear_down(void **state)
{
    (void)state;
    witness_fail_memory(0, false);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (nodes[i] != NULL) {
            witness_stop(nodes[i], STOP_MS);
        }
    }
    bool clean = wait_until_clean();
    clear_journal();
    return clean ? 0 : -1;
}

static void *do_nothing(void *argument)
{
    return argument;
}

/* With the first thread a sanitizer may start one of its own, which then stays. */
static void make_first_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0) {
        pthread_join(thread, NULL);
    }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SLOW true
#else
#define IS_SLOW false
#endif

int witness_main(int argc, char **argv, const char *name, const struct CMUnitTest tests[],
                 size_t count, const unsigned shards[])
{
    int failed = 0;

    make_first_thread();
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    bool once = IS_SLOW || sealed_is_asked_for();
    for (unsigned i = 0; shards[i] != 0; i++) {
        char group[64];
        if (once && i != (shards[1] != 0)) {
            continue;
        }
        snprintf(group, sizeof(group), "%s, %u shard%s", name, shards[i],
                 shards[i] == 1 ? "" : "s");
        witness_shards = shards[i];
        failed += _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    }
    return failed;
}

/* ---- Callbacks ----------------------------------------------------------------------------- */

static void note_json(const char *label, const char *before, const struct ptl_msg *msg)
{
    char *json = ptl_msg_json(msg);

    witness_note(label, "%s%s", before, json == NULL ? "?" : json);
    free(json);
}

int on_message(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    note_json(data, "", msg);
    return 0;
}

int on_gone(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason,
            void *data)
{
    (void)node;
    (void)port;
    note_json(data, "", reason);
    return 0;
}

void on_reply(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    if (reply == NULL) {
        witness_note(data, "%s", ptl_err_name(err));
    } else {
        note_json(data, err == 0 ? "" : "gone ", reply);
    }
}

int on_time(struct ptl_node *node, void *data)
{
    (void)node;
    witness_note(data, "time");
    return 0;
}

void on_release(void *data)
{
    witness_note(data, "released");
}

void on_room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    (void)node;
    (void)to;
    witness_note(data, "room");
}

void on_link(struct ptl_node *node, const char *node_id, bool up, const struct ptl_msg *reason,
             void *data)
{
    char before[PTL_NODE_ID_MAX + 8];

    (void)node;
    if (up) {
        witness_note(data, "up %s", node_id);
        return;
    }
    snprintf(before, sizeof(before), "down %s ", node_id);
    note_json(data, before, reason);
}

int on_echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_writer writer;
    struct ptl_value value;
    struct ptl_port to;
    struct ptl_msg *reply;
    int err = ptl_skip(&cursor);

    (void)data;
    ptl_writer_init(&writer, node);
    for (uint32_t i = 2; err == 0 && i < ptl_msg_count(msg); i++) {
        err = ptl_next(&cursor, &value);
        if (err == 0 && value.type == PTL_INT) {
            ptl_put_int(&writer, value.integer);
        } else if (err == 0 && (value.type == PTL_TEXT || value.type == PTL_BYTES)) {
            ptl_put_bytes(&writer, value.string.chars, value.string.size);
        }
    }
    if (err == 0) {
        err = ptl_next(&cursor, &value);
    }
    if (err == 0) {
        err = ptl_port_parse(node, value.string.chars, value.string.size, &to);
    }
    int written = ptl_writer_finish(&writer, &reply);
    if (err == 0 && written == 0) {
        err = ptl_send(node, &to, reply);
    }
    if (written == 0) {
        ptl_msg_free(reply);
    }
    return err == PTL_EFULL ? PTL_LATER : err < 0 ? err : written;
}

/* ---- Ports --------------------------------------------------------------------------------- */

struct ptl_port witness_parse(struct ptl_node *node, const char *id)
{
    struct ptl_port port;

    assert_int_equal(ptl_port_parse(node, id, strlen(id), &port), 0);
    return port;
}

struct ptl_port witness_port(struct ptl_node *node, const char *name, ptl_handler_fn *handler,
                             void *data)
{
    struct ptl_port_options options = {
        .size = sizeof(options), .name = name, .handler = handler, .data = data};
    struct ptl_port port;

    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    return port;
}

struct ptl_port witness_listener(struct ptl_node *node, const char *label)
{
    return witness_port(node, NULL, on_message, (void *)(uintptr_t)label);
}

struct ptl_port witness_port_on(struct ptl_node *node, unsigned shard, ptl_handler_fn *handler,
                                void *data)
{
    struct ptl_port_options options = {.size = sizeof(options),
                                       .handler = handler,
                                       .data = data,
                                       .shard_plus_one = 1 + shard % ptl_node_shards(node)};
    struct ptl_port port;

    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    return port;
}

void tell_values(struct ptl_node *node, const struct ptl_port *port, const char *format,
                 const struct ptl_argument values[])
{
    struct ptl_msg *msg;
    int err;

    assert_int_equal(ptl_msg_makev(NULL, &msg, format, values), 0);
    while ((err = ptl_send(node, port, msg)) == PTL_EFULL) {
        assert_int_equal(ptl_on_room(node, port, on_room, "tell"), 0);
        assert_next("tell", "room");
    }
    ptl_msg_free(msg);
    assert_int_equal(err, 0);
}

struct ptl_msg *witness_values(const char *json)
{
    struct ptl_writer writer;
    struct ptl_msg *msg;
    size_t depth = 0, start = 0, size = strlen(json);

    ptl_writer_init(&writer, NULL);
    for (size_t i = 0; i <= size; i++) {
        depth += json[i] == '[' || json[i] == '{';
        depth -= json[i] == ']' || json[i] == '}';
        if (size != 0 && depth == 0 && (json[i] == ',' || i == size)) {
            assert_int_equal(ptl_put_json(&writer, json + start, i - start), 0);
            start = i + 1;
        }
    }
    assert_int_equal(ptl_writer_finish(&writer, &msg), 0);
    return msg;
}

struct ptl_msg *witness_text(size_t size)
{
    char *text = malloc(size);
    struct ptl_writer writer;
    struct ptl_msg *msg;

    assert_non_null(text);
    memset(text, 'x', size);
    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, text, size);
    assert_int_equal(ptl_writer_finish(&writer, &msg), 0);
    free(text);
    return msg;
}

void witness_kill(struct ptl_node *node, const struct ptl_port *port, const char *reason)
{
    struct ptl_msg *msg = witness_values(reason);
    int err = ptl_kill(node, port, msg);

    ptl_msg_free(msg);
    assert_int_equal(err, 0);
}
