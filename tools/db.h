/*
 * tools/db.h - the forms of `portolan db` that go on until they are ended.
 *
 * Families, keys and the number of arguments have been checked; each returns an exit code.
 */
#pragma once

#include "tools/command.h"

/* db watch FAMILY [KEY]: print every change as a line of JSON. */
int ptl_command_db_watch(const struct ptl_options *options);

/* db set --hold FAMILY KEY [VALUE]: an entry of the command's own node. */
int ptl_command_db_hold(const struct ptl_options *options);
