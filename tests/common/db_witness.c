#include "tests/common/db_witness.h"

#include "tests/peer/values.h"

#include <poll.h>
#include <time.h>

#define PATIENCE_S 60
#define LOOKS_A_SECOND 100

/* ---- Values as text ------------------------------------------------------------------------- */

/* One value's JSON.  Owns: the caller, until free(). */
static char *json_of(const struct ptl_msg *msg)
{
    char *json = msg == NULL ? NULL : ptl_msg_json(msg);

    if (json == NULL) {
        return strdup("?");
    }
    size_t size = strlen(json); /* without the array's brackets */
    memmove(json, json + 1, size - 2);
    json[size - 2] = 0;
    return json;
}

/* The next value's JSON.  Owns: the caller. */
static char *next_json(struct ptl_cursor *cursor)
{
    struct ptl_writer writer;
    struct ptl_msg *value = NULL;

    ptl_writer_init(&writer, NULL);
    (void)peer_put_values(&writer, cursor, 1);
    if (ptl_writer_finish(&writer, &value) < 0) {
        value = NULL;
    }
    char *json = json_of(value);
    ptl_msg_free(value);
    return json;
}

/* By key, where there is one: "=" ends it. */
static int compare_texts(const void *a, const void *b)
{
    const char *left = *(char *const *)a, *right = *(char *const *)b;

    while (*left == *right && *left != '=' && *left != 0) {
        left++;
        right++;
    }
    unsigned char left_next = *left == '=' ? 0 : (unsigned char)*left;
    unsigned char right_next = *right == '=' ? 0 : (unsigned char)*right;
    return left_next < right_next ? -1 : left_next > right_next;
}

/* "a b c", sorted; frees them.  Owns: the caller. */
static char *join_sorted(char **texts, size_t count)
{
    size_t size = 1, end = 0;

    for (size_t i = 0; i < count; i++) {
        size += strlen(texts[i]) + 1;
    }
    char *joined = calloc(1, size);
    qsort(texts, count, sizeof(*texts), compare_texts);
    for (size_t i = 0; i < count; i++) {
        end = (size_t)(stpcpy(stpcpy(joined + end, i > 0 ? " " : ""), texts[i]) - joined);
        free(texts[i]);
    }
    return joined;
}

static char *next_entry(struct ptl_cursor *cursor)
{
    struct ptl_value key;
    char *text = NULL;

    if (ptl_next(cursor, &key) < 0 || (key.type != PTL_TEXT && key.type != PTL_BYTES)) {
        return strdup("?");
    }
    char *json = next_json(cursor);
    if (asprintf(&text, "%.*s=%s", (int)key.string.size, key.string.chars, json) < 0) {
        abort();
    }
    free(json);
    return text;
}

/* A map or an array as the text of a copy, another value as its JSON.  Owns: the caller. */
static char *text_of(const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value head;

    if (ptl_next(&cursor, &head) < 0 || (head.type != PTL_MAP && head.type != PTL_ARRAY)) {
        return json_of(msg);
    }
    char **texts = calloc(head.count + 1, sizeof(*texts));
    for (uint32_t i = 0; i < head.count; i++) {
        texts[i] = head.type == PTL_MAP ? next_entry(&cursor) : next_json(&cursor);
    }
    char *joined = join_sorted(texts, head.count);
    free(texts);
    return joined;
}

/* ---- Setting and asking --------------------------------------------------------------------- */

static void wait_for_room(struct ptl_node *node, const char *family)
{
    assert_int_equal(ptl_db_on_room(node, family, on_room, "db room"), 0);
    assert_next("db room", "room");
}

int db_try_set(struct ptl_node *node, const char *family, const char *key, const char *json)
{
    struct ptl_msg *value = witness_values(json);
    int err = ptl_db_set(node, family, key, value);

    ptl_msg_free(value);
    return err;
}

void db_set(struct ptl_node *node, const char *family, const char *key, const char *json)
{
    int err;

    while ((err = db_try_set(node, family, key, json)) == PTL_EFULL) {
        wait_for_room(node, family);
    }
    assert_int_equal(err, 0);
}

void db_del(struct ptl_node *node, const char *family, const char *key)
{
    int err;

    while ((err = ptl_db_del(node, family, key)) == PTL_EFULL) {
        wait_for_room(node, family);
    }
    assert_int_equal(err, 0);
}

void db_register(struct ptl_node *node, const char *family, const struct ptl_port *port,
                 const char *json)
{
    struct ptl_msg *value = witness_values(json);

    assert_int_equal(ptl_db_register(node, family, port, value), 0);
    ptl_msg_free(value);
}

static void note_answer(const char *label, int err, char *text)
{
    witness_note(label, "%s", err < 0 ? ptl_err_name(err) : text);
    free(text);
}

void on_value(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    note_answer(data, err, err < 0 ? NULL : json_of(reply));
}

void on_answer(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    note_answer(data, err, err < 0 ? NULL : text_of(reply));
}

int on_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    static const char *const names[] = {"added", "changed", "deleted", "copied", "reset"};

    (void)node;
    if (change->value == NULL) {
        witness_note(data, "%s %s", names[change->event], change->key);
        return 0;
    }
    char *json = json_of(change->value);
    witness_note(data, "%s %s %s", names[change->event], change->key, json);
    free(json);
    return 0;
}

static const char *answer(int err)
{
    return err < 0 ? ptl_err_name(err) : witness_next("db answer");
}

const char *db_get(struct ptl_node *node, const char *family, const char *key)
{
    return answer(ptl_db_get(node, family, key, on_value, "db answer"));
}

const char *db_family(struct ptl_node *node, const char *family)
{
    return answer(ptl_db_family(node, family, on_answer, "db answer"));
}

const char *db_keys(struct ptl_node *node, const char *family)
{
    return answer(ptl_db_keys(node, family, on_answer, "db answer"));
}

const char *db_values(struct ptl_node *node, const char *family)
{
    return answer(ptl_db_values(node, family, on_answer, "db answer"));
}

void db_until(struct ptl_node *node, const char *family, const char *text)
{
    for (unsigned looks = 0; strcmp(db_family(node, family), text) != 0; looks++) {
        if (looks == PATIENCE_S * LOOKS_A_SECOND) {
            witness_show();
            fail_msg("%s never says %.200s", family, text);
        }
        poll(NULL, 0, 1000 / LOOKS_A_SECOND);
    }
}

/* ---- Copies --------------------------------------------------------------------------------- */

/* Where the key is, or would be. */
static size_t place_of(const struct db_copy *copy, const char *key)
{
    size_t low = 0, high = copy->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(copy->entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct db_copy *copy, size_t place, const char *key)
{
    return place < copy->count && strcmp(copy->entries[place].key, key) == 0;
}

static void insert(struct db_copy *copy, size_t place, const char *key, char *value)
{
    if (copy->count == copy->capacity) {
        copy->capacity = copy->capacity == 0 ? 64 : 2 * copy->capacity;
        copy->entries = realloc(copy->entries, copy->capacity * sizeof(*copy->entries));
    }
    memmove(copy->entries + place + 1, copy->entries + place,
            (copy->count - place) * sizeof(*copy->entries));
    copy->entries[place] = (struct db_entry){.key = strdup(key), .value = value};
    copy->count++;
}

static void take_out(struct db_copy *copy, size_t place)
{
    free(copy->entries[place].key);
    free(copy->entries[place].value);
    copy->count--;
    memmove(copy->entries + place, copy->entries + place + 1,
            (copy->count - place) * sizeof(*copy->entries));
}

static void forget_all(struct db_copy *copy)
{
    while (copy->count > 0) {
        take_out(copy, copy->count - 1);
    }
    copy->copied = false;
}

/* Returns what is wrong with the change, or NULL. */
static const char *apply(struct db_copy *copy, const struct ptl_db_change *change)
{
    size_t place = place_of(copy, change->key);
    bool there = is_at(copy, place, change->key);
    const char *wrong = NULL;
    char *value = change->value == NULL ? NULL : json_of(change->value);

    switch (change->event) {
    case PTL_DB_ADDED:
        wrong = there ? "added twice" : value == NULL ? "added without a value" : NULL;
        if (wrong == NULL) {
            insert(copy, place, change->key, value);
            value = NULL;
        }
        break;
    case PTL_DB_CHANGED: /* perhaps to another value and back before it was told */
        wrong = !there          ? "changed and never added"
                : value == NULL ? "changed without a value"
                                : NULL;
        if (there && value != NULL) {
            free(copy->entries[place].value);
            copy->entries[place].value = value;
            value = NULL;
        }
        break;
    case PTL_DB_DELETED:
        wrong = there ? NULL : "deleted and never added";
        if (there) {
            take_out(copy, place);
        }
        break;
    case PTL_DB_COPIED:
        wrong = copy->copied ? "copied twice" : NULL;
        copy->copied = true;
        break;
    default:
        forget_all(copy);
    }
    free(value);
    return wrong;
}

int on_copy_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    struct db_copy *copy = data;

    (void)node;
    pthread_mutex_lock(&copy->lock);
    const char *wrong =
        strlen(change->key) != change->key_size ? "a key of another size" : apply(copy, change);
    if (wrong != NULL && copy->wrong[0] == 0) {
        snprintf(copy->wrong, sizeof(copy->wrong), "%s: %s", change->key, wrong);
    }
    pthread_cond_broadcast(&copy->changed);
    pthread_mutex_unlock(&copy->lock);
    return 0;
}

void db_copy_init(struct db_copy *copy)
{
    *copy = (struct db_copy){.copied = false};
    pthread_mutex_init(&copy->lock, NULL);
    pthread_cond_init(&copy->changed, NULL);
}

void db_copy_watch(struct db_copy *copy, struct ptl_node *node, const char *family)
{
    db_copy_init(copy);
    copy->node = node;
    assert_int_equal(ptl_db_watch(node, family, on_copy_change, copy, &copy->watch), 0);
}

void db_copy_drop(struct db_copy *copy)
{
    char wrong[sizeof(copy->wrong)];

    forget_all(copy);
    free(copy->entries);
    memcpy(wrong, copy->wrong, sizeof(wrong));
    *copy = (struct db_copy){.copied = false};
    assert_string_equal(wrong, "");
}

static char *text_under_lock(const struct db_copy *copy)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    for (size_t i = 0; i < copy->count; i++) {
        fprintf(out, "%s%s=%s", i == 0 ? "" : " ", copy->entries[i].key, copy->entries[i].value);
    }
    fclose(out);
    return text;
}

char *db_copy_text(struct db_copy *copy)
{
    pthread_mutex_lock(&copy->lock);
    char *text = text_under_lock(copy);
    pthread_mutex_unlock(&copy->lock);
    return text;
}

/* What somebody waits for, of a copy under its lock. */
typedef bool db_wish_fn(const struct db_copy *copy, const void *wish);

static void wait_until(struct db_copy *copy, db_wish_fn *holds, const void *wish, const char *what)
{
    struct timespec end;
    int err = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&copy->lock);
    while (copy->wrong[0] == 0 && err == 0 && !holds(copy, wish)) {
        err = pthread_cond_timedwait(&copy->changed, &copy->lock, &end);
    }
    bool held = copy->wrong[0] == 0 && holds(copy, wish);
    char *text = held ? NULL : text_under_lock(copy);
    pthread_mutex_unlock(&copy->lock);
    if (!held) {
        fprintf(stderr, "the copy: %.1000s\n", text);
        free(text);
        witness_show();
        fail_msg("%.200s", copy->wrong[0] != 0 ? copy->wrong : what);
    }
}

static bool says(const struct db_copy *copy, const void *wish)
{
    char *text = text_under_lock(copy);
    bool same = copy->copied && strcmp(text, wish) == 0;

    free(text);
    return same;
}

void db_copy_until(struct db_copy *copy, const char *text)
{
    wait_until(copy, says, text, text);
}

static bool has_count(const struct db_copy *copy, const void *wish)
{
    return copy->copied && copy->count == *(const size_t *)wish;
}

void db_copy_until_count(struct db_copy *copy, size_t count)
{
    wait_until(copy, has_count, &count, "another number of entries");
}

static bool has_key(const struct db_copy *copy, const void *wish)
{
    return is_at(copy, place_of(copy, wish), wish);
}

static bool lacks_key(const struct db_copy *copy, const void *wish)
{
    return copy->copied && !has_key(copy, wish);
}

void db_copy_until_key(struct db_copy *copy, const char *key, bool there)
{
    wait_until(copy, there ? has_key : lacks_key, key, key);
}

/* NULL before it has been copied.  Owns: the caller. */
static char *whole_text(struct db_copy *copy)
{
    pthread_mutex_lock(&copy->lock);
    char *text = copy->copied ? text_under_lock(copy) : NULL;
    pthread_mutex_unlock(&copy->lock);
    return text;
}

static bool say_the_same(struct db_copy *a, struct db_copy *b, bool show)
{
    char *of_a = whole_text(a), *of_b = whole_text(b);
    bool same = of_a != NULL && of_b != NULL && strcmp(of_a, of_b) == 0;

    if (show && !same) {
        fprintf(stderr, "one: %.1000s\nother: %.1000s\n", of_a != NULL ? of_a : "not copied",
                of_b != NULL ? of_b : "not copied");
    }
    free(of_a);
    free(of_b);
    return same;
}

void db_copy_until_same(struct db_copy *a, struct db_copy *b)
{
    for (unsigned looks = 0; !say_the_same(a, b, false); looks++) {
        if (looks == PATIENCE_S * LOOKS_A_SECOND) {
            say_the_same(a, b, true);
            witness_show();
            fail_msg("the copies differ");
        }
        poll(NULL, 0, 1000 / LOOKS_A_SECOND);
    }
}
