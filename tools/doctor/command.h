/*
 * tools/doctor/command.h - portolan doctor: would a node of these options run well here, and if
 * not, what is to be done?
 */
#pragma once

#include "tools/command.h"

/* Returns an exit code: PTL_EXIT_START where there are errors, or with `strict` warnings. */
int ptl_command_doctor(const struct ptl_options *options);
