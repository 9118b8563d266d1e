/*
 * Who reads.  An answer comes once; in the storm it may be old, but what a writer has set itself it
 * must find again, and when all is at rest every answer is the model's.
 */
#include "tests/sim/database.h"
#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum form { GET, FAMILY, KEYS, VALUES, FORMS };

struct sim_question {
    struct sim_database *database;
    struct sim_promise *promise;
    enum form form;
    unsigned family;
    char key[SIM_KEY_SIZE]; /* of GET */
    bool exact;
    const struct sim_entry *entry; /* of the asking writer's own key, or NULL */
    struct sim_entry then;         /* what it was when it asked */
};

static void fail(const struct sim_question *question, const char *what)
{
    sim_checker_fail(&question->database->world->checker, SIM_G7_DATABASE,
                     "question %u on %s for %s \"%s\" (form %d): %s", question->promise->id,
                     question->database->world->nodes[question->promise->life.node].id,
                     sim_family_name(question->family), question->key, (int)question->form, what);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* Of values without keys only the prints count, and how often each comes. */
static void put_print(struct sim_view *view, uint64_t print)
{
    char key[SIM_KEY_SIZE];
    snprintf(key, sizeof key, "%016llx", (unsigned long long)print);
    const struct sim_seen *seen = sim_view_find(view, key);
    sim_view_put(view, key, seen == NULL ? 1 : seen->print + 1);
}

static bool read_key(const struct sim_question *question, struct ptl_cursor *cursor, char *key)
{
    struct ptl_value value;
    if (ptl_next(cursor, &value) < 0 || (value.type != PTL_TEXT && value.type != PTL_BYTES) ||
        value.string.size >= SIM_KEY_SIZE) {
        fail(question, "a key is no key");
        return false;
    }
    snprintf(key, SIM_KEY_SIZE, "%.*s", (int)value.string.size, value.string.chars);
    return true;
}

static bool read_value(const struct sim_question *question, struct ptl_cursor *cursor,
                       const char *key, struct sim_value *value)
{
    if (!sim_value_read(cursor, value)) {
        fail(question, "a value cannot be read");
        return false;
    }
    if (key != NULL) {
        sim_value_check(question->database, question->family, key, value);
    }
    return true;
}

/* One element of the answer; false when it makes no sense. */
static bool read_element(const struct sim_question *question, struct ptl_cursor *cursor,
                         struct sim_view *view)
{
    char key[SIM_KEY_SIZE];
    struct sim_value value = {0};
    if (question->form == VALUES) {
        bool read = read_value(question, cursor, NULL, &value);
        put_print(view, value.print);
        return read;
    }
    if (!read_key(question, cursor, key)) {
        return false;
    }
    if (sim_view_find(view, key) != NULL) {
        fail(question, "a key comes twice");
    }
    bool read = question->form == KEYS || read_value(question, cursor, key, &value);
    sim_view_put(view, key, value.print);
    return read;
}

static void read_reply(const struct sim_question *question, const struct ptl_msg *reply,
                       struct sim_view *view)
{
    struct ptl_cursor cursor = ptl_msg_begin(reply);
    struct ptl_value head;
    struct sim_value value;
    if (ptl_msg_count(reply) != 1) {
        fail(question, "the answer is not one value");
    } else if (question->form == GET) {
        if (read_value(question, &cursor, question->key, &value)) {
            sim_view_put(view, question->key, value.print);
        }
    } else if (ptl_next(&cursor, &head) < 0 ||
               head.type != (question->form == FAMILY ? PTL_MAP : PTL_ARRAY)) {
        fail(question, "the answer is of another kind");
    } else {
        while (head.count-- > 0 && read_element(question, &cursor, view)) {
        }
    }
}

/* What the model would answer. */
static struct sim_view expected_answer(const struct sim_question *question)
{
    struct sim_view family = sim_model_view(question->database, question->family);
    struct sim_view view = {0};
    for (uint32_t i = 0; i < family.count; i++) {
        const struct sim_seen *item = &family.items[i];
        if (question->form == VALUES) {
            put_print(&view, item->print);
        } else if (question->form != GET || strcmp(item->key, question->key) == 0) {
            sim_view_put(&view, item->key, question->form == KEYS ? 0 : item->print);
        }
    }
    sim_view_drop(&family);
    return view;
}

static void check_exactly(const struct sim_question *question, const struct sim_view *view)
{
    char where[160];
    struct sim_view expected = expected_answer(question);
    if (sim_views_differ(&expected, view, where, sizeof where)) {
        fail(question, where);
    }
    sim_view_drop(&expected);
}

static bool comes_before(const struct sim_node *a, const struct sim_node *b, const char *key)
{
    if (sim_key_is_port_of(key, a) != sim_key_is_port_of(key, b)) {
        return sim_key_is_port_of(key, a);
    }
    return strcmp(a->id, b->id) < 0;
}

/*
 * A writer has not touched its key since it asked.  So it finds what it has set there, or that of a
 * node with a lower ID; and what it has deleted is gone.
 */
static void check_own(const struct sim_question *question, const struct ptl_msg *reply)
{
    const struct sim_world *world = question->database->world;
    const struct sim_node *self = &world->nodes[question->promise->life.node];
    struct sim_value value = {0};
    if (question->entry->writes != question->then.writes) {
        return;
    }
    if (reply == NULL) {
        if (question->then.set) {
            fail(question, "what it has set is not there");
        }
        return;
    }
    struct ptl_cursor cursor = ptl_msg_begin(reply);
    if (!sim_value_read(&cursor, &value) || value.stamp <= 0) {
        return;
    }
    const struct sim_node *from = &world->nodes[sim_stamp_node(value.stamp)];
    if (from == self) {
        if (!question->then.set || value.print != question->then.value.print) {
            fail(question, "it finds what it has set before");
        }
    } else if (question->then.set && !comes_before(from, self, question->key)) {
        fail(question, "it finds what a node has set that comes later");
    }
}

/* A family of many large values is too large for an answer to a peer that reads JSON. */
static bool may_be_too_large(const struct sim_question *question, int err)
{
    return err == PTL_ESIZE && question->database->fat &&
           (question->form == FAMILY || question->form == VALUES);
}

static void check_error(const struct sim_question *question, int err, const struct ptl_msg *reply)
{
    const struct sim_node *node = &question->database->world->nodes[question->promise->life.node];
    if (reply != NULL) {
        fail(question, "an error with an answer");
    }
    bool fits = (err == PTL_ENOKEY && question->form == GET) ||
                (err == PTL_ESTOPPED && node->stopping) ||
                (err == PTL_ELIMIT && node->ordinary && !question->exact) ||
                may_be_too_large(question, err);
    if (!fits) {
        fail(question, ptl_err_name(err));
    }
}

static void answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct sim_question *question = data;
    struct sim_view view = {0};
    (void)node;
    sim_promise_kept(&question->database->world->checker, question->promise);
    if (err < 0) {
        check_error(question, err, reply);
    } else {
        read_reply(question, reply, &view);
    }
    if (question->exact && !may_be_too_large(question, err)) {
        check_exactly(question, &view);
    }
    if (question->entry != NULL && (err == 0 || err == PTL_ENOKEY)) {
        check_own(question, reply);
    }
    sim_view_drop(&view);
}

/* ---- Questions ------------------------------------------------------------------------------- */

static int put_question(struct sim_question *question, struct ptl_node *node)
{
    const char *family = sim_family_name(question->family);
    switch (question->form) {
    case GET:
        return ptl_db_get(node, family, question->key, answered, question);
    case FAMILY:
        return ptl_db_family(node, family, answered, question);
    case KEYS:
        return ptl_db_keys(node, family, answered, question);
    default:
        return ptl_db_values(node, family, answered, question);
    }
}

static struct sim_question *begin(struct sim_database *database, struct sim_node *node,
                                  struct sim_actor *actor, unsigned family)
{
    struct sim_question *question = sim_must_alloc(sizeof *question);
    sim_append(&database->questions, &database->question_count, question);
    question->database = database;
    question->family = family;
    question->promise =
        sim_promise_begin(&database->world->checker, SIM_G7_DATABASE, "question",
                          sim_node_life(node), actor == NULL ? NULL : &actor->facts);
    return question;
}

static void ask(struct sim_question *question, struct sim_node *node)
{
    int err = put_question(question, node->node);
    sim_check_result(question->database->workload, "ptl_db_get and others", err);
    if (err == PTL_EFULL && question->exact) {
        fail(question, "no room to ask at rest");
    }
    question->promise->given = err == 0;
}

static void choose_key(struct sim_question *question)
{
    const struct sim_world *world = question->database->world;
    const char *key = sim_key_name((unsigned)sim_random_below(world->random, SIM_KEYS));
    if (question->family > SIM_HANDS) {
        key = world->nodes[sim_random_below(world->random, world->node_count)].id;
    }
    snprintf(question->key, sizeof question->key, "%s", key);
}

void sim_question_ask(struct sim_database *database, struct sim_node *node, struct sim_actor *actor,
                      unsigned family)
{
    struct sim_question *question = begin(database, node, actor, family);
    question->form = (enum form)sim_random_below(database->world->random, FORMS);
    if (question->form == GET) {
        choose_key(question);
    }
    ask(question, node);
}

void sim_question_ask_own(struct sim_database *database, struct sim_node *node,
                          struct sim_actor *actor, unsigned family, unsigned key)
{
    struct sim_question *question = begin(database, node, actor, family);
    question->form = GET;
    snprintf(question->key, sizeof question->key, "%s", sim_key_name(key));
    question->entry = &database->entries[node->index][family][key];
    question->then = *question->entry;
    ask(question, node);
}

void sim_questions_ask_all(struct sim_database *database, struct sim_node *node)
{
    for (unsigned family = 0; family < SIM_FAMILIES; family++) {
        struct sim_question *question = begin(database, node, NULL, family);
        question->exact = true;
        question->form = (enum form)sim_random_below(database->world->random, FORMS);
        if (question->form == GET) {
            choose_key(question);
        }
        ask(question, node);
    }
}

/* Whether a thread has asked it in that life of its node, and was not told. */
static bool is_untold(const struct sim_question *question, struct sim_life life)
{
    const struct sim_promise *promise = question->promise;

    return promise->given && promise->kept == 0 && promise->owner == NULL &&
           promise->life.node == life.node && promise->life.number == life.number;
}

bool sim_questions_are_told(const struct sim_database *database)
{
    for (uint32_t i = 0; i < database->question_count; i++) {
        const struct sim_question *question = database->questions[i];
        unsigned node = question->promise->life.node;
        if (is_untold(question, sim_node_life(&database->world->nodes[node]))) {
            return false;
        }
    }
    return true;
}

void sim_questions_stopped(struct sim_database *database, struct sim_life life)
{
    for (uint32_t i = 0; i < database->question_count; i++) {
        if (is_untold(database->questions[i], life)) {
            fail(database->questions[i], "no answer when its node stopped");
        }
    }
}

void sim_questions_free(struct sim_database *database)
{
    for (uint32_t i = 0; i < database->question_count; i++) {
        free(database->questions[i]);
    }
    free(database->questions);
}
