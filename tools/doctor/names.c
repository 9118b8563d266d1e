#include "tools/doctor/names.h"

#include "tools/doctor/deadline.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the C library works on by itself.  Where it does not end in time it is left to it. */
struct search {
    struct gaicb requests[PTL_NAMES_MAX];
    struct gaicb *list[PTL_NAMES_MAX];
    struct addrinfo hints;
    struct ptl_name names[PTL_NAMES_MAX];
};

/* HOST:PORT or [HOST]:PORT */
static void split(const char *text, struct ptl_name *name)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : strlen(text);
    unsigned char number[16];

    *name = (struct ptl_name){.text = text};
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    snprintf(name->host, sizeof name->host, "%.*s", (int)size, text);
    snprintf(name->port, sizeof name->port, "%s", colon ? colon + 1 : "");
    name->is_number =
        inet_pton(AF_INET, name->host, number) == 1 || inet_pton(AF_INET6, name->host, number) == 1;
}

static void take_answer(struct ptl_name *name, int err, struct addrinfo *answer)
{
    if (err != 0) {
        name->why = err == EAI_INPROGRESS ? "no answer in time" : gai_strerror(err);
        return;
    }
    for (const struct addrinfo *at = answer; at && name->count < PTL_NAME_ADDRESSES_MAX;
         at = at->ai_next) {
        memcpy(&name->addresses[name->count], at->ai_addr, at->ai_addrlen);
        name->sizes[name->count++] = at->ai_addrlen;
    }
    freeaddrinfo(answer);
}

static void prepare(struct search *search, size_t count)
{
    search->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM};
    for (size_t i = 0; i < count; i++) {
        search->requests[i] = (struct gaicb){.ar_name = search->names[i].host,
                                             .ar_service = search->names[i].port,
                                             .ar_request = &search->hints};
        search->list[i] = &search->requests[i];
    }
}

/* False: some are not answered, and may be at any time. */
static bool wait_for_all(struct search *search, size_t count, unsigned timeout_ms)
{
    int64_t end = ptl_doctor_now_ms() + timeout_ms;

    for (size_t i = 0; i < count; i++) {
        while (gai_error(&search->requests[i]) == EAI_INPROGRESS) {
            int64_t left = end - ptl_doctor_now_ms();
            struct timespec wait = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
            const struct gaicb *const one[] = {&search->requests[i]};
            if (left <= 0) {
                return false;
            }
            gai_suspend(one, 1, &wait);
        }
    }
    return true;
}

void ptl_names_resolve(const struct ptl_list *texts, struct ptl_name *names, unsigned timeout_ms)
{
    struct search *search = calloc(1, sizeof *search);
    size_t count = texts->count;

    for (size_t i = 0; i < count; i++) {
        split(texts->items[i], &names[i]);
        names[i].why = "no memory";
    }
    if (!search) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        names[i].why = NULL;
        search->names[i] = names[i];
    }
    prepare(search, count);
    int err = count > 0 ? getaddrinfo_a(GAI_NOWAIT, search->list, (int)count, NULL) : 0;
    bool is_done = err != 0 || wait_for_all(search, count, timeout_ms);
    for (size_t i = 0; i < count; i++) {
        int its = err != 0 ? err : gai_error(&search->requests[i]);
        take_answer(&names[i], its, search->requests[i].ar_result);
    }
    if (is_done) {
        free(search);
    }
}
