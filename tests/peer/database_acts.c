#include "tests/peer/database_acts.h"

#include "tests/peer/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text of the message with a NUL behind it. */
struct text {
    char chars[PTL_DB_KEY_MAX + 256];
};

static int text_at(const struct ptl_node *node, const struct ptl_msg *msg, uint32_t index,
                   struct text *text)
{
    static const char *const formats[] = {"s", "*s", "**s"};
    const char *chars;
    size_t size;

    int err = ptl_msg_read(node, msg, formats[index], &chars, &size);
    if (err == PTL_OK && size >= sizeof(text->chars)) {
        err = PTL_ESIZE;
    }
    if (err == PTL_OK) {
        snprintf(text->chars, sizeof(text->chars), "%.*s", (int)size, chars);
    }
    return err;
}

static int act_set(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct text family, key;
    struct ptl_msg *value;

    (void)data;
    int err = text_at(node, msg, 1, &family);
    if (err == PTL_OK) {
        err = text_at(node, msg, 2, &key);
    }
    if (err == PTL_OK) {
        err = peer_rest_of(node, NULL, msg, 3, &value);
    }
    if (err == PTL_OK) {
        err = ptl_db_set(node, family.chars, key.chars, value);
        ptl_msg_free(value);
    }
    return err == PTL_EFULL ? PTL_LATER : err;
}

static int act_del(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct text family, key;

    (void)data;
    int err = text_at(node, msg, 1, &family);
    if (err == PTL_OK) {
        err = text_at(node, msg, 2, &key);
    }
    if (err == PTL_OK) {
        err = ptl_db_del(node, family.chars, key.chars);
    }
    return err == PTL_EFULL ? PTL_LATER : err;
}

static int act_register(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct text family;
    struct ptl_port port;
    struct ptl_msg *value;

    (void)data;
    int err = text_at(node, msg, 1, &family);
    if (err == PTL_OK) {
        err = peer_port_at(node, msg, 2, &port);
    }
    if (err == PTL_OK) {
        err = peer_rest_of(node, NULL, msg, 3, &value);
    }
    if (err == PTL_OK) {
        err = ptl_db_register(node, family.chars, &port, value);
        ptl_msg_free(value);
    }
    return err;
}

/* Who is told of a family.  Lives until the process ends. */
struct listener {
    char family[256];
    struct ptl_port reply;
};

static struct ptl_db_watch last_watch;

static int tell_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    const struct listener *listener = data;
    const struct ptl_port *to = &listener->reply;
    int err;

    switch (change->event) {
    case PTL_DB_ADDED:
    case PTL_DB_CHANGED:
        err = ptl_sendf(node, to, "tttm", change->event == PTL_DB_ADDED ? "added" : "changed",
                        listener->family, change->key, change->value);
        break;
    case PTL_DB_DELETED:
        err = ptl_sendf(node, to, "ttt", "deleted", listener->family, change->key);
        break;
    default:
        err = ptl_sendf(node, to, "tt", change->event == PTL_DB_COPIED ? "copied" : "reset",
                        listener->family);
    }
    if (err < 0) {
        fprintf(stderr, "actor: cannot pass a change on: %s\n", ptl_err_text(err));
    }
    return 0;
}

static int act_watch(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct listener *listener = malloc(sizeof(*listener));
    struct text family;

    (void)data;
    int err = listener == NULL ? PTL_ENOMEM : text_at(node, msg, 1, &family);
    if (err == PTL_OK) {
        err = peer_port_at(node, msg, 2, &listener->reply);
    }
    if (err == PTL_OK) {
        err = ptl_port_own(node, free, listener); /* the watch ends with this port, too */
    }
    if (err < 0) {
        free(listener);
        return err;
    }
    snprintf(listener->family, sizeof(listener->family), "%.255s", family.chars);
    return ptl_db_watch(node, family.chars, tell_change, listener, &last_watch);
}

static int act_unwatch(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    ptl_db_unwatch(node, &last_watch);
    return PTL_OK;
}

static void tell_found(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_port *port = data;
    int sent;

    if (err == PTL_OK) {
        sent = ptl_sendf(node, port, "tm", "found", reply);
    } else {
        sent = ptl_sendf(node, port, "tt", "not found", ptl_err_name(err));
    }
    if (sent < 0) {
        fprintf(stderr, "actor: cannot pass an answer on: %s\n", ptl_err_text(sent));
    }
    free(port);
}

static int act_ask(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port *reply = malloc(sizeof(*reply));
    bool get = ptl_msg_is(msg, "get");
    struct text family, key;

    (void)data;
    int err = reply == NULL ? PTL_ENOMEM : text_at(node, msg, 1, &family);
    if (err == PTL_OK && get) {
        err = text_at(node, msg, 2, &key);
    }
    if (err == PTL_OK) {
        err = peer_port_at(node, msg, get ? 3 : 2, reply);
    }
    if (err == PTL_OK && get) {
        err = ptl_db_get(node, family.chars, key.chars, tell_found, reply);
    } else if (err == PTL_OK && ptl_msg_is(msg, "keys")) {
        err = ptl_db_keys(node, family.chars, tell_found, reply);
    } else if (err == PTL_OK && ptl_msg_is(msg, "values")) {
        err = ptl_db_values(node, family.chars, tell_found, reply);
    } else if (err == PTL_OK) {
        err = ptl_db_family(node, family.chars, tell_found, reply);
    }
    if (err < 0) {
        free(reply);
    }
    return err;
}

static int act_is_global(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port reply;

    (void)data;
    int err = peer_port_at(node, msg, 1, &reply);
    return err < 0 ? err : ptl_sendf(node, &reply, "tb", "global", ptl_node_is_global(node));
}

int peer_database_acts(struct ptl_node *node, const struct ptl_port *port)
{
    static const struct {
        const char *tag;
        ptl_handler_fn *handler;
    } acts[] = {
        {"set", act_set},           {"del", act_del},
        {"register", act_register}, {"watch", act_watch},
        {"unwatch", act_unwatch},   {"get", act_ask},
        {"family", act_ask},        {"keys", act_ask},
        {"values", act_ask},        {"is global", act_is_global},
    };
    int err = PTL_OK;

    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]) && err == PTL_OK; i++) {
        err = ptl_port_on(node, port, acts[i].tag, acts[i].handler, NULL);
    }
    return err;
}
