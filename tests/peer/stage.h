/*
 * tests/peer/stage.h - what the real nodes were running when they were recorded, so that a node of
 * ours can be asked the same and compared.
 *
 *   echo       [PORT, V...] -> PORT gets [V...];
 *              ["echo", V..., PORT] -> PORT gets ["echo", V...]
 *   log        takes anything
 *   sink       the same; ["count", PORT] asks how often
 *   target, target2, target3    wait to be killed
 *   factory    ["strict", PORT] -> PORT gets ["strict", a new port]
 *
 * and the init functions
 *   AEMPTest::Init::echo    [PORT, V...]: PORT gets ["spawned", ID, V...]; then like echo
 *   Demo::init              [PORT, I...]: ends with PORT;
 *                           ["ping", V..., REPLY] -> REPLY gets ["pong", I..., V...];
 *                           ["boom"] fails
 */
#pragma once

#include "engine/portolan.h"

/* Make all of it.  Errors: those of ptl_port_new(), ptl_port_on() and ptl_register(). */
PTL_MUST_CHECK int peer_stage_make(struct ptl_node *node);
