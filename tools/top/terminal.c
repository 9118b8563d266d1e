#include "tools/top/terminal.h"

#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE_MS 25 /* that a lone Esc is waited behind for the rest of a key */

static SCREEN *screen;
static bool is_utf8, has_colours;

/* For a process that ends by an error of its own: what gives the terminal back, at hand. */
static struct termios before;
static char farewell[256];
static size_t farewell_size;

bool ptl_terminal_is_there(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* ---- Errors of our own ---------------------------------------------------------------------- */

static void give_back(int number)
{
    ssize_t written = write(STDOUT_FILENO, farewell, farewell_size);

    (void)written;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    raise(number); /* whose handler is the default one again */
}

static void prepare_farewell(void)
{
    static const char *const names[] = {"sgr0", "cnorm", "rmkx", "rmcup"};
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = give_back, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = tigetstr(names[i]);
        size_t size = text && text != (const char *)-1 ? strlen(text) : 0;
        if (size > 0 && farewell_size + size <= sizeof farewell) {
            memcpy(farewell + farewell_size, text, size);
            farewell_size += size;
        }
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        sigaction(signals[i], &action, NULL);
    }
}

/* ---- Begin and end -------------------------------------------------------------------------- */

/* Asked of what is known of terminals: of a screen that it cannot make curses keeps memory. */
static bool can_draw(void)
{
    int err;

    if (setupterm(NULL, STDOUT_FILENO, &err) != OK) {
        return false;
    }
    const char *move = tigetstr("cup");
    bool can_move = move && move != (const char *)-1;
    del_curterm(cur_term);
    return can_move;
}

static void begin_colours(void)
{
    const char *none = getenv("NO_COLOR");

    has_colours = !(none && none[0] != '\0') && has_colors() && start_color() == OK;
    if (has_colours) {
        use_default_colors();
        init_pair(PTL_COLOUR_RED, COLOR_RED, -1);
        init_pair(PTL_COLOUR_YELLOW, COLOR_YELLOW, -1);
    }
}

bool ptl_terminal_open(void)
{
    tcgetattr(STDIN_FILENO, &before);
    setlocale(LC_CTYPE, "");
    is_utf8 = MB_CUR_MAX > 1;
    screen = can_draw() ? newterm(NULL, stdout, stdin) : NULL;
    if (!screen) {
        return false;
    }
    prepare_farewell();
    set_escdelay(ESCAPE_MS);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    begin_colours();
    return true;
}

void ptl_terminal_close(void)
{
    if (screen) {
        endwin();
        delscreen(screen);
        screen = NULL;
    }
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* Bytes of the first `width` characters. */
static int bytes_of(const char *text, int width)
{
    const char *at = text;

    for (; *at != '\0'; at++) {
        bool begins = ((unsigned char)*at & 0xc0) != 0x80;
        if (begins && width-- == 0) {
            break;
        }
    }
    return (int)(at - text);
}

void ptl_terminal_line(int y, const char *text, enum ptl_terminal_colour colour, bool is_reversed)
{
    attr_t reverse = is_reversed ? A_REVERSE : A_NORMAL;
    attr_t mark = has_colours                ? (attr_t)COLOR_PAIR(colour)
                  : colour == PTL_COLOUR_RED ? A_BOLD
                                             : A_NORMAL;
    int size = bytes_of(text, COLS);

    if (y < 0 || y >= LINES) {
        return;
    }
    attrset(reverse | mark);
    move(y, 0);
    for (int i = 0; i < size; i += is_utf8 ? bytes_of(text + i, 1) : 1) {
        unsigned char byte = (unsigned char)text[i];
        bool is_shown = byte >= ' ' && byte != 0x7f && (is_utf8 || byte < 0x80);
        addnstr(is_shown ? text + i : "?", is_shown && is_utf8 ? bytes_of(text + i, 1) : 1);
    }
    for (int x = getcurx(stdscr); is_reversed && getcury(stdscr) == y && x < COLS; x++) {
        addch(' ');
    }
    if (getcury(stdscr) == y) {
        clrtoeol();
    }
    attrset(A_NORMAL);
}
