/*
 * tools/config/reload_steps.h - what SIGHUP changes: a step each, in the order of the list of
 * tools/config/reload.c.
 */
#pragma once

#include "tools/config/reload_step.h"

extern const struct ptl_reload_step ptl_reload_secrets;      /* what proves who belongs to us */
extern const struct ptl_reload_step ptl_reload_certificates; /* those of TLS */
extern const struct ptl_reload_step ptl_reload_seeds;        /* where it joins the network */
extern const struct ptl_reload_step ptl_reload_announces; /* what others are told to reach it at */
extern const struct ptl_reload_step ptl_reload_rules;     /* what other nodes may do */
extern const struct ptl_reload_step ptl_reload_log;       /* the level of the log */
extern const struct ptl_reload_step ptl_reload_limits;    /* what others may have of it; polling */
extern const struct ptl_reload_step ptl_reload_services;  /* the built-in ports */
extern const struct ptl_reload_step ptl_reload_stop;      /* how long its end may take */
