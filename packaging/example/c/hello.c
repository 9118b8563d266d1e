/*
 * hello.c - a node of its own, a port in it, and one question to that port.
 *
 *   cc hello.c $(pkg-config --cflags --libs portolan)
 *
 * or with CMake, by the CMakeLists.txt beside this file.
 */
#include <portolan/portolan.h>

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

/* ["greet", NAME, REPLYPORT], on the shard of the port. */
static int greet(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const char *name;
    size_t size;
    struct ptl_port reply;
    char words[64];

    (void)data;
    if (ptl_msg_read(node, msg, "*sp.", &name, &size, &reply) < 0) {
        return 0; /* anybody may send anything */
    }
    snprintf(words, sizeof words, "ahoy, %.*s", size < 50 ? (int)size : 50, name);
    int err = ptl_sendf(node, &reply, "t", words);
    return err == PTL_ENOMEM ? err : 0;
}

/* The answer, as JSON; then main() may go on. */
static void tell(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    char *json = err < 0 ? NULL : ptl_msg_json(reply);

    (void)node;
    puts(json != NULL ? json : ptl_err_text(err));
    free(json);
    sem_post(data);
}

/* Ask the hall, and wait. */
static int ask(struct ptl_node *node, const struct ptl_port *hall)
{
    struct ptl_msg *question;
    sem_t answered;

    int err = ptl_msg_make(node, &question, "tt", "greet", "sailor");
    if (err < 0) {
        return err;
    }
    sem_init(&answered, 0, 0);
    err = ptl_call(node, hall, question, 5000, true, tell, &answered);
    ptl_msg_free(question);
    while (err == 0 && sem_wait(&answered) < 0) {
    }
    sem_destroy(&answered);
    return err;
}

int main(void)
{
    const struct ptl_node_options options = {.size = sizeof options, .id = "example", .shards = 1};
    const struct ptl_port_tag tags[] = {{"greet", greet, NULL}, {NULL, NULL, NULL}};
    const struct ptl_port_options about = {.size = sizeof about, .name = "hall", .tags = tags};
    struct ptl_node *node;
    struct ptl_port hall;

    int err = ptl_node_start(&options, &node);
    if (err < 0) {
        fprintf(stderr, "%s\n", ptl_err_text(err));
        return 1;
    }
    err = ptl_port_new(node, &about, &hall);
    if (err == 0) {
        err = ask(node, &hall);
    }
    ptl_node_stop(node, 1000);
    return err == 0 ? 0 : 1;
}
