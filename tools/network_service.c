#include "tools/network_service.h"

#include "tools/common.h"
#include "tools/db_names.h"
#include "tools/replies.h"
#include "tools/reply.h"

#include <stdlib.h>
#include <string.h>

#define UPDATES_MAX 1000 /* updates that may wait to be read back; further ones wait at the port */

struct service {
    struct ptl_replies *replies;
    struct update *updates; /* all of them; only the port's own shard touches these */
    unsigned update_count;
};

/* An update that was taken; its answer goes out when the database shows it. */
struct update {
    struct service *service;
    struct update *next;
    struct ptl_port to;
};

/* ---- Answers -------------------------------------------------------------------------------- */

static struct ptl_msg *make_reply(struct ptl_node *node, const char *error)
{
    struct ptl_msg *reply = NULL;

    int err = error ? ptl_msg_make(node, &reply, "t", error) : ptl_msg_make(node, &reply, "n");
    return err < 0 ? NULL : reply;
}

/* The answer of a handler. */
static int answer_now(struct ptl_node *node, struct service *service, const struct ptl_port *to,
                      const char *error)
{
    struct ptl_msg *reply = make_reply(node, error);

    return reply ? ptl_reply_send(node, service->replies, to, reply) : 0;
}

static void end_update(struct update *update)
{
    struct update **at = &update->service->updates;

    while (*at != update) {
        at = &(*at)->next;
    }
    *at = update->next;
    update->service->update_count--;
    free(update);
}

/* The key was read behind the update: whatever it is now, the update has come before. */
static void read_back(struct ptl_node *node, int err, const struct ptl_msg *value, void *data)
{
    struct update *update = data;
    bool good = err == 0 || err == PTL_ENOKEY || err == PTL_ESIZE;
    struct ptl_msg *reply = make_reply(node, good ? NULL : ptl_err_text(err));

    (void)value;
    if (reply) {
        ptl_reply_send_now(node, update->service->replies, &update->to, reply);
    }
    end_update(update);
}

/* ---- Updates -------------------------------------------------------------------------------- */

/* The next value as a string that ends with NUL; "" when it is none that fits. */
static void read_name(struct ptl_cursor *cursor, char *name, size_t capacity)
{
    struct ptl_value value;

    name[0] = '\0';
    if (ptl_next(cursor, &value) < 0 || (value.type != PTL_TEXT && value.type != PTL_BYTES) ||
        value.string.size >= capacity || memchr(value.string.chars, '\0', value.string.size)) {
        return;
    }
    memcpy(name, value.string.chars, value.string.size);
    name[value.string.size] = '\0';
}

struct request {
    char family[256];
    char key[PTL_DB_KEY_MAX + 1];
    struct ptl_msg *value; /* NULL: delete */
    struct ptl_port to;
};

/* Returns 0 and a request whose value is to be freed; else the message makes no sense. */
static int read_request(struct ptl_node *node, const struct ptl_msg *msg, bool set,
                        struct request *request)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_writer writer;

    request->value = NULL;
    if (ptl_msg_count(msg) != (set ? 5 : 4) || ptl_skip(&cursor) < 0) {
        return PTL_EEND;
    }
    read_name(&cursor, request->family, sizeof request->family);
    read_name(&cursor, request->key, sizeof request->key);
    ptl_writer_init(&writer, node);
    int err = set ? ptl_reply_values(&writer, &cursor, 1) : 0;
    if (err < 0 || !ptl_reply_port(node, &cursor, &request->to)) {
        ptl_writer_drop(&writer);
        return err < 0 ? err : PTL_ENAME;
    }
    if (!set) {
        ptl_writer_drop(&writer);
        return 0;
    }
    return ptl_writer_finish(&writer, &request->value);
}

/*
 * Update the database and, on a global node, read the key back behind it.  An ordinary one asks its
 * master for what comes later behind this update, and may have none just now.
 */
static int start_update(struct ptl_node *node, struct service *service,
                        const struct request *request)
{
    struct update *update = calloc(1, sizeof *update);

    if (!update) {
        return PTL_ENOMEM;
    }
    *update = (struct update){
        .service = service,
        .next = service->updates,
        .to = request->to,
    };
    int err = request->value ? ptl_db_set(node, request->family, request->key, request->value)
                             : ptl_db_del(node, request->family, request->key);
    bool confirm = err == 0 && ptl_node_is_global(node);
    if (confirm) {
        err = ptl_db_get(node, request->family, request->key, read_back, update);
    }
    if (err < 0 || !confirm) {
        free(update);
        return err < 0 ? err : answer_now(node, service, &request->to, NULL);
    }
    service->updates = update;
    service->update_count++;
    return 0;
}

/* Without room the request waits at the port and is done once more, which changes nothing. */
static int take_request(struct ptl_node *node, struct service *service,
                        const struct request *request)
{
    if (ptl_db_family_fault(request->family, true)) {
        return answer_now(node, service, &request->to,
                          "not the name of a family that can be written");
    }
    if (ptl_db_key_fault(request->key)) {
        return answer_now(node, service, &request->to, "not a key: UTF-8 of 1 to 1024 bytes");
    }
    if (service->update_count >= UPDATES_MAX) {
        return PTL_LATER;
    }
    int err = start_update(node, service, request);
    if (err == PTL_EFULL) {
        return PTL_LATER;
    }
    return err < 0 ? answer_now(node, service, &request->to, ptl_err_text(err)) : 0;
}

static int take_update(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct request request;

    if (read_request(node, msg, ptl_msg_is(msg, "db_set"), &request) < 0) {
        return 0;
    }
    int result = take_request(node, data, &request);
    ptl_msg_free(request.value);
    return result;
}

/* ---- Links ---------------------------------------------------------------------------------- */

struct names {
    char (*items)[PTL_NODE_ID_MAX + 1];
    size_t count;
    size_t capacity;
};

static void add_name(const char *node_id, void *data)
{
    struct names *names = data;

    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? 2 * names->capacity : 16;
        void *items = realloc(names->items, capacity * sizeof names->items[0]);
        if (!items) {
            return;
        }
        names->items = items;
        names->capacity = capacity;
    }
    memcpy(names->items[names->count++], node_id, strlen(node_id) + 1);
}

static int tell_links(struct ptl_node *node, struct service *service, const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct names names = {NULL, 0, 0};
    struct ptl_writer writer;
    struct ptl_msg *reply;
    struct ptl_port to;

    if (ptl_msg_count(msg) != 2 || ptl_skip(&cursor) < 0 || !ptl_reply_port(node, &cursor, &to)) {
        return 0;
    }
    ptl_links(node, add_name, &names);
    ptl_writer_init(&writer, node);
    ptl_put_array(&writer, (uint32_t)names.count);
    for (size_t i = 0; i < names.count; i++) {
        ptl_put_string(&writer, names.items[i], strlen(names.items[i]));
    }
    ptl_put_bool(&writer, ptl_node_is_global(node));
    free(names.items);
    return ptl_writer_finish(&writer, &reply) < 0
               ? 0
               : ptl_reply_send(node, service->replies, &to, reply);
}

/* ---- The port ------------------------------------------------------------------------------- */

static int answer(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    if (ptl_msg_is(msg, "db_set") || ptl_msg_is(msg, "db_del")) {
        return take_update(node, msg, data);
    }
    return ptl_msg_is(msg, "links") ? tell_links(node, data, msg) : 0;
}

/* Its questions to the database have ended untold. */
static void release(void *data)
{
    struct service *service = data;

    while (service->updates) {
        end_update(service->updates);
    }
    ptl_replies_free(service->replies);
    free(service);
}

static struct service *make_service(struct ptl_journal *journal)
{
    struct service *service = calloc(1, sizeof *service);

    if (service) {
        service->replies = ptl_replies_make(PTL_NETWORK_SERVICE, journal);
    }
    if (service && !service->replies) {
        free(service);
        service = NULL;
    }
    return service;
}

int ptl_network_service_start(struct ptl_node *node, struct ptl_journal *journal)
{
    struct service *service = make_service(journal);
    struct ptl_port port;

    if (!service) {
        return PTL_ENOMEM;
    }
    struct ptl_port_options options = {
        .size = sizeof options,
        .name = PTL_NETWORK_SERVICE,
        .handler = answer,
        .data = service,
        .release = release,
    };
    int err = ptl_port_new(node, &options, &port);
    if (err < 0) {
        release(service);
    }
    return err;
}
