#include "tools/db.h"

#include "tools/client.h"
#include "tools/db_names.h"
#include "tools/network_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where arguments stand, behind "set". */
#define FAMILY 1
#define KEY 2
#define VALUE 3

/* ---- Reading -------------------------------------------------------------------------------- */

static void complain_of_read(struct ptl_client *client, int err)
{
    char **arguments = client->options->arguments;
    char *complaint = NULL;

    if (err != PTL_ENOKEY) {
        complaint = strdup(ptl_err_text(err));
    } else if (asprintf(&complaint, "there is no key '%s' in family '%s'", arguments[KEY],
                        arguments[FAMILY]) < 0) {
        complaint = NULL;
    }
    ptl_client_done(client, err == PTL_ENOKEY ? PTL_EXIT_GONE : PTL_EXIT_OTHER, NULL, complaint);
}

static void was_read(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    if (err < 0) {
        complain_of_read(data, err);
    } else {
        ptl_client_print_value(data, reply);
    }
}

static int read_database(struct ptl_client *client)
{
    char **arguments = client->options->arguments;
    const char *family = arguments[FAMILY];
    int err = 0;

    client->doubt = "has the node lost the network?";
    if (strcmp(arguments[0], "get") == 0) {
        err = ptl_db_get(client->node, family, arguments[KEY], was_read, client);
    } else if (strcmp(arguments[0], "keys") == 0) {
        err = ptl_db_keys(client->node, family, was_read, client);
    } else if (strcmp(arguments[0], "values") == 0) {
        err = ptl_db_values(client->node, family, was_read, client);
    } else {
        err = ptl_db_family(client->node, family, was_read, client);
    }
    return err < 0 ? ptl_complain_refused("ask the database", err)
                   : ptl_client_wait(client, client->options->timeout_ms);
}

static int command_read(const struct ptl_options *options)
{
    return ptl_client_run(options, NULL, read_database, NULL);
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void done(struct ptl_client *client, enum ptl_exit code, const char *what, const char *why)
{
    char *complaint;

    if (asprintf(&complaint, "%s %s: %s", client->seed_id, what, why) < 0) {
        complaint = NULL;
    }
    ptl_client_done(client, code, NULL, complaint);
}

static void take_verdict(struct ptl_client *client, const struct ptl_msg *reply)
{
    struct ptl_cursor cursor = ptl_msg_begin(reply);
    struct ptl_value value;
    char why[512];

    if (ptl_next(&cursor, &value) == 0 && value.type == PTL_NULL) {
        ptl_client_done(client, PTL_EXIT_OK, NULL, NULL);
        return;
    }
    int err = ptl_msg_read(NULL, reply, "v", &value);
    bool is_text = err == 0 && (value.type == PTL_TEXT || value.type == PTL_BYTES);
    snprintf(why, sizeof why, "%.*s", is_text ? (int)value.string.size : 0,
             is_text ? value.string.chars : "");
    done(client, PTL_EXIT_OTHER, "refuses", why);
}

static void was_written(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_client *client = data;

    (void)node;
    if (err == 0) {
        take_verdict(client, reply);
    } else if (reply && ptl_msg_is(reply, "no_such_port")) {
        done(client, PTL_EXIT_GONE, "keeps no entries for others",
             "it is not run by portolan (db set --hold needs nobody to keep the entry)");
    } else if (reply) {
        ptl_client_gone(client, reply, false);
    } else {
        ptl_client_done(client, PTL_EXIT_REACH, NULL, strdup(ptl_err_text(err)));
    }
}

/* ["db_set", FAMILY, KEY, VALUE] or ["db_del", FAMILY, KEY] */
static int make_request(struct ptl_client *client, struct ptl_msg **msg)
{
    const struct ptl_options *options = client->options;
    char **arguments = options->arguments;
    struct ptl_msg *value;

    if (strcmp(arguments[0], "del") == 0) {
        return ptl_msg_make(client->node, msg, "ttt", "db_del", arguments[FAMILY], arguments[KEY]);
    }
    if (options->argument_count <= VALUE) {
        return ptl_msg_make(client->node, msg, "tttn", "db_set", arguments[FAMILY], arguments[KEY]);
    }
    if (ptl_client_message(client, VALUE, &value) != PTL_EXIT_OK) {
        return PTL_ENOMEM;
    }
    int err =
        ptl_msg_make(client->node, msg, "tttm", "db_set", arguments[FAMILY], arguments[KEY], value);
    ptl_msg_free(value);
    return err;
}

/* The node that we are linked to shall own the entry: our own node is gone in a moment. */
static int write_database(struct ptl_client *client)
{
    char name[sizeof client->seed_id + sizeof PTL_NETWORK_SERVICE];
    struct ptl_msg *msg;

    client->doubt = "has the node lost the network?";
    snprintf(name, sizeof name, "%s#%s", client->seed_id, PTL_NETWORK_SERVICE);
    int err = ptl_port_parse(client->node, name, strlen(name), &client->port);
    if (err == 0) {
        err = make_request(client, &msg);
    }
    if (err == 0) {
        err = ptl_call(client->node, &client->port, msg, 0, true, was_written, client);
        ptl_msg_free(msg);
    }
    return err < 0 ? ptl_complain_refused("ask the node", err)
                   : ptl_client_wait(client, client->options->timeout_ms);
}

static int command_write(const struct ptl_options *options)
{
    return options->hold ? ptl_command_db_hold(options)
                         : ptl_client_run(options, NULL, write_database, NULL);
}

/* ---- The forms ------------------------------------------------------------------------------ */

static const struct form {
    const char *name;
    const char *form;
    int least; /* arguments, the name included */
    int most;
    bool writes;
    int (*run)(const struct ptl_options *options);
} forms[] = {
    {"set", "db set FAMILY KEY [VALUE]", 3, 4, true, command_write},
    {"del", "db del FAMILY KEY", 3, 3, true, command_write},
    {"get", "db get FAMILY KEY", 3, 3, false, command_read},
    {"keys", "db keys FAMILY", 2, 2, false, command_read},
    {"values", "db values FAMILY", 2, 2, false, command_read},
    {"family", "db family FAMILY", 2, 2, false, command_read},
    {"watch", "db watch FAMILY [KEY]", 2, 3, false, ptl_command_db_watch},
};

static const struct form *find_form(const char *name)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(forms[i].name, name) == 0) {
            return &forms[i];
        }
    }
    return NULL;
}

/* All that can be judged before anybody is asked. */
static int check(const struct form *form, const struct ptl_options *options)
{
    char **arguments = options->arguments;

    if (options->argument_count < form->least || options->argument_count > form->most) {
        return ptl_complain_form(form->form);
    }
    const char *fault = ptl_db_family_fault(arguments[FAMILY], form->writes);
    if (fault) {
        return ptl_complain(PTL_EXIT_USAGE, "'%s' is not a family to %s: %s", arguments[FAMILY],
                            form->name, fault);
    }
    fault = options->argument_count > KEY ? ptl_db_key_fault(arguments[KEY]) : NULL;
    if (fault) {
        return ptl_complain(PTL_EXIT_USAGE, "'%s' is not a key: %s", arguments[KEY], fault);
    }
    return PTL_EXIT_OK;
}

int ptl_command_db(const struct ptl_options *options)
{
    if (options->argument_count == 0) {
        return ptl_complain_form("db set|del|get|keys|values|family|watch FAMILY ...");
    }
    const struct form *form = find_form(options->arguments[0]);
    if (!form) {
        return ptl_complain(PTL_EXIT_USAGE,
                            "there is no 'db %s': choose of set, del, get, keys, values, family, "
                            "watch",
                            options->arguments[0]);
    }
    int code = check(form, options);
    return code == PTL_EXIT_OK ? form->run(options) : code;
}
