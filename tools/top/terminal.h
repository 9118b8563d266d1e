/*
 * tools/top/terminal.h - the terminal while it is drawn on, and that it is given back.
 */
#pragma once

#include <stdbool.h>

enum ptl_terminal_colour { PTL_COLOUR_PLAIN, PTL_COLOUR_RED, PTL_COLOUR_YELLOW };

/* Whether both standard input and output are one. */
bool ptl_terminal_is_there(void);

/*
 * Begin to draw: there are colours where it has some and NO_COLOR is not set.  False: it cannot
 * move its cursor, or nothing is known of it.  What ends this process by an error of its own gives
 * it back, too.
 */
bool ptl_terminal_open(void);
void ptl_terminal_close(void);

/* Write one line, cut where the terminal ends, and blanks behind it. */
void ptl_terminal_line(int y, const char *text, enum ptl_terminal_colour colour, bool is_reversed);
