/*
 * tools/doctor/names.h - addresses of hosts, looked up all at once and within a limit of time.
 */
#pragma once

#include "tools/command.h"

#include <netdb.h>
#include <sys/socket.h>

#define PTL_NAME_ADDRESSES_MAX 4 /* of a name, that are looked at */
#define PTL_NAMES_MAX PTL_LIST_MAX
#define PTL_HOST_MAX 256

struct ptl_name {
    const char *text; /* HOST:PORT, as it was given */
    char host[PTL_HOST_MAX], port[8];
    bool is_number;  /* there is nothing to look up */
    const char *why; /* there is no address, for people; NULL: there is */
    struct sockaddr_storage addresses[PTL_NAME_ADDRESSES_MAX];
    socklen_t sizes[PTL_NAME_ADDRESSES_MAX];
    unsigned count;
};

/* Look all of these up; `count` is at most PTL_NAMES_MAX.  Who does not answer in time has none. */
void ptl_names_resolve(const struct ptl_list *texts, struct ptl_name *names, unsigned timeout_ms);
