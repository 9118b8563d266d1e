/*
 * tools/last_signal.h - the second SIGTERM or SIGINT ends the process at once.
 */
#pragma once

/*
 * From now on the next one ends the process, with PTL_EXIT_LOST and one line on standard error
 * where that takes it at once.  Thread: the main one, the only one that may get it.
 */
void ptl_last_signal(void);
