#include "tools/top/screen.h"

#include "tools/stats/amount.h"
#include "tools/stats/report.h"
#include "tools/stats/sight.h"
#include "tools/top/terminal.h"
#include "tools/top/view.h"

#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DRAW_MS 50   /* between two drawings, but for what keys do */
#define LOOK_MS 1000 /* without anything new, so that ages grow */
#define ESCAPE 27
#define PORTS_SHOWN 5 /* of each kind, where there is room */

enum page { PAGE_NODES, PAGE_NODE, PAGE_HELP };

struct screen {
    struct ptl_client *client;
    struct ptl_cluster *cluster;
    struct ptl_cluster_view view;
    struct ptl_view_order order;
    enum page page;
    char selected[PTL_NODE_ID_MAX + 1]; /* a node's ID; "": the first */
    size_t first;                       /* node that is shown */
    size_t scrolled;                    /* lines, of the other pages */
    size_t lines;                       /* that the page has */
    uint64_t drawn_ms;
    int signals; /* a descriptor for those that the client does not take itself */
    int code;    /* -1: it goes on */
};

/* ---- Lines ---------------------------------------------------------------------------------- */

static void put_row(int y, const struct ptl_table *table, long row, enum ptl_terminal_colour colour,
                    bool is_reversed)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        return;
    }
    if (row < 0) {
        ptl_table_head(table, (size_t)COLS, out);
    } else {
        ptl_table_line(table, (size_t)row, (size_t)COLS, out);
    }
    if (fclose(out) == 0) {
        ptl_terminal_line(y, text, colour, is_reversed);
    }
    free(text);
}

static void put_summary(const struct screen *screen)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        return;
    }
    ptl_view_summary(&screen->view, out);
    if (fclose(out) == 0) {
        ptl_terminal_line(0, text, PTL_COLOUR_PLAIN, false);
    }
    free(text);
}

static void put_hint(const char *text)
{
    ptl_terminal_line(LINES - 1, text, PTL_COLOUR_PLAIN, true);
}

/* ---- The nodes ------------------------------------------------------------------------------ */

static size_t selected_row(struct screen *screen)
{
    for (size_t i = 0; i < screen->view.count; i++) {
        if (strcmp(screen->view.nodes[i].id, screen->selected) == 0) {
            return i;
        }
    }
    return 0;
}

static void select_row(struct screen *screen, size_t row)
{
    if (row < screen->view.count) {
        memcpy(screen->selected, screen->view.nodes[row].id, sizeof screen->selected);
    }
}

static enum ptl_terminal_colour colour_of(const struct ptl_cluster_node *node)
{
    const json_t *counts = json_object_get(json_object_get(node->answer, "node"), "counts");

    return node->state == PTL_NODE_SILENT ? PTL_COLOUR_RED
           : node->state == PTL_NODE_REFUSES || node->state == PTL_NODE_STRANGE ||
                   ptl_report_number(counts, "full") > 0
               ? PTL_COLOUR_YELLOW
               : PTL_COLOUR_PLAIN;
}

/* Lines that the two tables of ports have together, their headings and a free line counted. */
static int ports_height(void)
{
    int each = (LINES - 10) / 4;

    return each < 1 ? 0 : 2 * ((each < PORTS_SHOWN ? each : PORTS_SHOWN) + 2);
}

static void draw_ports(const struct ptl_cluster_view *view, int y, int height)
{
    for (int i = 0; i < 2 && height > 0; i++) {
        struct ptl_table table;
        size_t most = (size_t)(height / 2 - 2);
        if (i == 0) {
            ptl_view_busiest(view, most, &table);
        } else {
            ptl_view_slowest(view, most, &table);
        }
        put_row(y + 1, &table, -1, PTL_COLOUR_PLAIN, true);
        for (size_t row = 0; row < ptl_table_rows(&table); row++) {
            put_row(y + 2 + (int)row, &table, (long)row, PTL_COLOUR_PLAIN, false);
        }
        ptl_table_end(&table);
        y += height / 2;
    }
}

static void draw_nodes(struct screen *screen)
{
    int ports = ports_height();
    int height = LINES - 4 - ports;
    size_t room = height > 1 ? (size_t)height : 1;
    size_t selected = selected_row(screen);
    struct ptl_table table;
    char hint[200];

    if (selected < screen->first || screen->first + room <= selected) {
        screen->first = selected < screen->first ? selected : selected + 1 - room;
    }
    if (screen->first > 0 && screen->first + room > screen->view.count) {
        screen->first = screen->view.count > room ? screen->view.count - room : 0;
    }
    put_summary(screen);
    ptl_view_nodes(&screen->view, &table);
    put_row(2, &table, -1, PTL_COLOUR_PLAIN, true);
    for (size_t i = 0; i < room && screen->first + i < ptl_table_rows(&table); i++) {
        size_t row = screen->first + i;
        put_row(3 + (int)i, &table, (long)row, colour_of(&screen->view.nodes[row]),
                row == selected);
    }
    ptl_table_end(&table);
    draw_ports(&screen->view, LINES - 1 - ports, ports);
    snprintf(hint, sizeof hint,
             "by %s%s   < > other column   r reverse   Enter open   ? help   q quit",
             ptl_view_title(screen->order.column), screen->order.is_reversed ? ", reversed" : "");
    put_hint(hint);
}

/* ---- Texts: one node, help ------------------------------------------------------------------ */

static size_t page_room(void)
{
    return LINES > 2 ? (size_t)LINES - 2 : 1;
}

/* The lines of a text from the one on that is scrolled to, below the first of the screen. */
static void draw_text(struct screen *screen, char *text)
{
    size_t line = 0;
    char *rest = text;

    for (char *at; (at = strsep(&rest, "\n")) != NULL; line++) {
        if (line >= screen->scrolled && line < screen->scrolled + page_room()) {
            ptl_terminal_line(1 + (int)(line - screen->scrolled), at, PTL_COLOUR_PLAIN, false);
        }
    }
    screen->lines = line;
}

static void draw_node_head(const struct ptl_cluster_node *node, uint64_t now)
{
    char head[PTL_NODE_ID_MAX + 100];

    if (node->state == PTL_NODE_SILENT) {
        snprintf(head, sizeof head, "%s is not answering%s%s%s", node->id,
                 node->seen_ms > 0 ? ", seen " : "",
                 node->seen_ms > 0 ? ptl_amount_span((double)(now - node->seen_ms) / 1000).text
                                   : "",
                 node->seen_ms > 0 ? " ago" : "");
    } else {
        snprintf(head, sizeof head, "%s%s", node->id,
                 node->state == PTL_NODE_ANSWERS ? "" : " does not tell how it fares");
    }
    ptl_terminal_line(0, head, colour_of(node), true);
}

static void draw_node(struct screen *screen)
{
    const struct ptl_cluster_node *node =
        screen->view.count > 0 ? &screen->view.nodes[selected_row(screen)] : NULL;
    char *text = NULL;
    size_t size;

    if (node && node->answer) {
        FILE *out = open_memstream(&text, &size);
        if (out) {
            ptl_report_write(node->answer, node->before, out);
        }
        if (out && fclose(out) == 0) {
            draw_text(screen, text);
        }
        free(text);
    }
    if (node) {
        draw_node_head(node, screen->view.now_ms);
    }
    put_hint("up and down, PgUp, PgDn scroll   q or Esc back");
}

static void draw_help(struct screen *screen)
{
    char text[] =
        "\n"
        "up, down, k, j, PgUp, PgDn, Home, End   move\n"
        "<, >, left, right                       sort by another column\n"
        "r                                       reverse the order\n"
        "Enter                                   open a node: shards, links, ports, families\n"
        "q, Esc                                  back; in the table of nodes: quit\n"
        "\n"
        "TAKEN/s      messages that came for the node's ports, from wherever\n"
        "IN/s, OUT/s  messages that links have brought, and were given\n"
        "QUEUE        bytes that wait at ports and for links\n"
        "FULL         ports and links that have no room for more\n"
        "LOST         messages thrown away since their link failed\n"
        "MEAN, MOST   what handlers of a port take for a message, of a sample\n"
        "\n"
        "Red: the node does not answer.  Yellow: it does not let us look, or something is full.\n";

    ptl_terminal_line(0, "portolan top", PTL_COLOUR_PLAIN, true);
    draw_text(screen, text);
    put_hint("q or Esc back");
}

static void draw(struct screen *screen)
{
    erase();
    switch (screen->page) {
    case PAGE_NODES:
        draw_nodes(screen);
        break;
    case PAGE_NODE:
        draw_node(screen);
        break;
    case PAGE_HELP:
        draw_help(screen);
        break;
    }
    refresh();
    screen->drawn_ms = ptl_sight_now_ms();
}

/* ---- Keys ----------------------------------------------------------------------------------- */

/* By how many lines a key moves; 0: it is none that does. */
static long step_of(int key, long page)
{
    switch (key) {
    case KEY_UP:
    case 'k':
        return -1;
    case KEY_DOWN:
    case 'j':
        return 1;
    case KEY_PPAGE:
        return -page;
    case KEY_NPAGE:
    case ' ':
        return page;
    case KEY_HOME:
    case 'g':
        return -PTL_CLUSTER_NODES_MAX;
    case KEY_END:
    case 'G':
        return PTL_CLUSTER_NODES_MAX;
    }
    return 0;
}

static size_t moved(size_t from, long step, size_t last)
{
    long to = (long)from + step;

    return to < 0 ? 0 : (size_t)to > last ? last : (size_t)to;
}

static bool is_back(int key)
{
    return key == 'q' || key == 'Q' || key == ESCAPE;
}

static void open_page(struct screen *screen, enum page page)
{
    screen->page = page;
    screen->scrolled = 0;
    if (page == PAGE_NODE) {
        select_row(screen, selected_row(screen));
    }
    ptl_cluster_open(screen->cluster, page == PAGE_NODE ? screen->selected : "");
}

static void sort_by(struct screen *screen, unsigned step)
{
    screen->order.column = (screen->order.column + step) % ptl_view_columns();
    ptl_view_sort(&screen->view, &screen->order);
}

static void take_key_of_nodes(struct screen *screen, int key)
{
    size_t last = screen->view.count > 0 ? screen->view.count - 1 : 0;
    long step = step_of(key, LINES > 8 ? LINES - 8 : 1);

    if (step != 0) {
        select_row(screen, moved(selected_row(screen), step, last));
    } else if (key == '>' || key == '.' || key == KEY_RIGHT) {
        sort_by(screen, 1);
    } else if (key == '<' || key == ',' || key == KEY_LEFT) {
        sort_by(screen, ptl_view_columns() - 1);
    } else if (key == 'r') {
        screen->order.is_reversed = !screen->order.is_reversed;
        ptl_view_sort(&screen->view, &screen->order);
    } else if ((key == '\r' || key == '\n' || key == KEY_ENTER) && screen->view.count > 0) {
        open_page(screen, PAGE_NODE);
    } else if (key == '?' || key == 'h') {
        open_page(screen, PAGE_HELP);
    } else if (is_back(key)) {
        screen->code = PTL_EXIT_OK;
    }
}

static void take_key(struct screen *screen, int key)
{
    size_t room = page_room();
    size_t last = screen->lines > room ? screen->lines - room : 0;

    if (screen->page == PAGE_NODES) {
        take_key_of_nodes(screen, key);
    } else if (is_back(key)) {
        open_page(screen, PAGE_NODES);
    } else {
        screen->scrolled = moved(screen->scrolled, step_of(key, (long)room), last);
    }
}

/* Returns whether there were any; a changed size of the terminal is one. */
static bool take_keys(struct screen *screen)
{
    bool any = false;
    int key;

    while (screen->code < 0 && (key = getch()) != ERR) {
        take_key(screen, key);
        any = true;
    }
    return any;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static void look(struct screen *screen)
{
    struct ptl_cluster_view view;

    if (ptl_cluster_look(screen->cluster, &view)) {
        ptl_cluster_view_drop(screen->cluster, &screen->view);
        screen->view = view;
        screen->code = view.is_over ? PTL_EXIT_OTHER : screen->code;
        ptl_view_sort(&screen->view, &screen->order);
    }
}

static void take_signal(struct screen *screen, int descriptor)
{
    struct signalfd_siginfo info;

    if (read(descriptor, &info, sizeof info) == (ssize_t)sizeof info) {
        screen->code = 128 + (int)info.ssi_signo;
    }
}

/* How long what is new is left undrawn. */
static int rest_ms(const struct screen *screen)
{
    uint64_t passed = ptl_sight_now_ms() - screen->drawn_ms;

    return passed < DRAW_MS ? (int)(DRAW_MS - passed) : 0;
}

static void wait_once(struct screen *screen)
{
    int rest = rest_ms(screen);
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = screen->client->signals, .events = POLLIN},
        {.fd = screen->signals, .events = POLLIN},
        {.fd = rest > 0 ? -1 : ptl_cluster_event(screen->cluster), .events = POLLIN},
    };
    int count = poll(fds, 4, rest > 0 ? rest : LOOK_MS);

    if (count > 0 && (fds[1].revents & POLLIN)) {
        take_signal(screen, screen->client->signals);
    } else if (count > 0 && (fds[2].revents & POLLIN)) {
        take_signal(screen, screen->signals);
    } else if (count > 0 && (fds[0].revents & (POLLHUP | POLLERR))) {
        screen->code = PTL_EXIT_OTHER; /* the terminal is gone */
    }
    bool is_touched = take_keys(screen);
    bool is_due = rest == 0 && (count == 0 || fds[3].revents != 0);
    if (screen->code < 0 && (is_touched || is_due)) {
        if (is_due) {
            look(screen);
        }
        draw(screen);
    }
}

/* Those whose default would leave the terminal as it is now. */
static int open_signals(sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_BLOCK, &set, before);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int ptl_screen_show(struct ptl_client *client, struct ptl_cluster *cluster)
{
    struct screen screen = {.client = client, .cluster = cluster, .code = -1};
    sigset_t before;

    screen.signals = open_signals(&before);
    if (!ptl_terminal_open()) {
        close(screen.signals);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return -1;
    }
    look(&screen);
    draw(&screen);
    while (screen.code < 0) {
        wait_once(&screen);
    }
    ptl_terminal_close();
    ptl_cluster_view_drop(screen.cluster, &screen.view);
    close(screen.signals);
    return screen.code;
}
