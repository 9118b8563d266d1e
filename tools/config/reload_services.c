#include "tools/config/reload_steps.h"
#include "tools/services.h"

#include <stdio.h>

static const char *const keys[] = {"service", NULL};

static void start(struct ptl_reload *reload, unsigned index)
{
    struct ptl_running *running = reload->running;
    char what[80];

    int err = ptl_service_start(running->node, running->journal, index);
    if (err < 0) {
        snprintf(what, sizeof what, "the service %s", ptl_service_name(index));
        ptl_reload_failed(reload, what, err);
        return;
    }
    running->services |= 1u << index;
    ptl_reload_told(reload, "the service %s has started", ptl_service_name(index));
}

static void end(struct ptl_reload *reload, unsigned index)
{
    struct ptl_running *running = reload->running;
    char what[80];

    snprintf(what, sizeof what, "the service %s", ptl_service_name(index));
    if (ptl_service_stays(index)) {
        ptl_reload_needs_restart(reload, what);
        return;
    }
    int err = ptl_service_end(running->node, index);
    if (err < 0) {
        ptl_reload_failed(reload, what, err);
        return;
    }
    running->services &= ~(1u << index);
    ptl_reload_told(reload, "%s ends, behind what it was sent", what);
}

/* What could not change last time is tried once more. */
static void change_services(struct ptl_reload *reload)
{
    unsigned now = reload->running->services;
    unsigned wanted = ptl_services_named(reload->fresh.services.items);

    for (unsigned i = 0; ptl_service_name(i); i++) {
        unsigned bit = 1u << i;
        if (wanted & ~now & bit) {
            start(reload, i);
        } else if (now & ~wanted & bit) {
            end(reload, i);
        }
    }
}

const struct ptl_reload_step ptl_reload_services = {.keys = keys, .change = change_services};
