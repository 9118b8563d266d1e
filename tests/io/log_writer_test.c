/*
 * The writer of log lines: who logs never waits, whatever becomes of those who read.  A write that
 * did wait would end in the test's TIMEOUT.
 */
#include "io/log_writer.h"
#include "tests/common/memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define LINES 5000
#else
#define LINES 50000
#endif
#define THREADS 4

static struct test_memory memory;

/* A pipe with a writer at one end; what has been read of the other. */
struct pen {
    int fds[2];
    struct ptl_log_writer *writer;
    unsigned lines;
    unsigned lost; /* as told in lines */
    char part[4096];
    size_t part_size;
};

static struct pen pen;

static int set_up(void **state)
{
    *state = NULL;
    test_memory_init(&memory);
    memset(&pen, 0, sizeof(pen));
    if (pipe2(pen.fds, O_CLOEXEC) != 0 || fcntl(pen.fds[1], F_SETPIPE_SZ, 4096) < 0) {
        return -1;
    }
    return ptl_log_writer_open(&memory.allocator, pen.fds[1], &pen.writer);
}

static int tear_down(void **state)
{
    (void)state;
    close(pen.fds[1]);
    if (pen.fds[0] >= 0) {
        close(pen.fds[0]);
    }
    return memory.out_bytes == 0 ? 0 : -1;
}

static void take_line(const char *line)
{
    const char *told = strstr(line, " log lines were lost");

    assert_non_null(strchr(line, 'Z'));
    if (told != NULL) {
        while (told[-1] != ' ') {
            told--;
        }
        pen.lost += (unsigned)atoi(told);
        return;
    }
    assert_non_null(strstr(line, " info line "));
    pen.lines++;
}

/* Read until so many lines were written or are known to be lost. */
static void read_lines(unsigned wanted)
{
    while (pen.lines + pen.lost < wanted) {
        ssize_t size = read(pen.fds[0], pen.part + pen.part_size, 2048);
        char *at = pen.part, *end;
        assert_true(size > 0);
        pen.part_size += (size_t)size;
        while ((end = memchr(at, '\n', pen.part_size - (size_t)(at - pen.part))) != NULL) {
            *end = 0;
            take_line(at);
            at = end + 1;
        }
        pen.part_size -= (size_t)(at - pen.part);
        memmove(pen.part, at, pen.part_size);
    }
}

static void write_lines(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ptl_log_write(pen.writer, PTL_LOG_INFO, "line of a log that somebody may read");
    }
}

static void lines_come_out_in_order_with_time_and_level(void **state)
{
    char text[256] = "";

    (void)state;
    ptl_log_write(pen.writer, PTL_LOG_ERROR, "one");
    ptl_log_write(pen.writer, PTL_LOG_DEBUG, "two");
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
    assert_true(read(pen.fds[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "Z error one\n"));
    assert_non_null(strstr(strstr(text, "one"), "Z debug two\n"));
}

static void log_that_nobody_reads_blocks_nobody_and_tells_what_was_lost(void **state)
{
    (void)state;
    write_lines(LINES);
    assert_true(memory.most_bytes < 3 * PTL_LOG_WAITING_MAX);
    read_lines(LINES); /* the rest is read, and what was lost is told without another line */
    assert_true(pen.lost > 0);
    assert_int_equal(pen.lines + pen.lost, LINES);
    write_lines(1);
    read_lines(LINES + 1);
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
}

static void writer_whose_log_nobody_reads_is_closed_all_the_same(void **state)
{
    (void)state;
    write_lines(LINES);
    assert_true(ptl_log_writer_close(pen.writer, 50) > 0);
}

static void log_whose_reader_has_gone_is_survived_and_counted(void **state)
{
    (void)state;
    close(pen.fds[0]);
    pen.fds[0] = -1;
    write_lines(10); /* SIGPIPE would end the test */
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 10);
}

static void full_disk_is_survived_and_counted(void **state)
{
    struct ptl_log_writer *writer;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ptl_log_writer_open(&memory.allocator, fd, &writer), 0);
    for (int i = 0; i < 10; i++) {
        ptl_log_write(writer, PTL_LOG_INFO, "line");
    }
    assert_int_equal(ptl_log_writer_close(writer, 60000), 10);
    close(fd);
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
}

static void descriptor_that_does_not_block_is_written_whole(void **state)
{
    (void)state;
    assert_int_equal(fcntl(pen.fds[1], F_SETFL, O_NONBLOCK), 0);
    write_lines(LINES);
    read_lines(LINES);
    assert_int_equal(pen.lines + pen.lost, LINES);
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
}

static void line_that_is_too_long_is_cut(void **state)
{
    static char text[8000], out[8000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    ptl_log_write(pen.writer, PTL_LOG_INFO, text);
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
    ssize_t size = read(pen.fds[0], out, sizeof(out));
    assert_in_range(size, 1000, 4096);
    assert_int_equal(out[size - 1], '\n');
}

/* What each format makes of a text that somebody has made up to do harm. */
static void line_is_harmless_utf8_in_each_format_whatever_is_in_it(void **state)
{
    static const char text[] = "a\"b\\c\nd\x1b[2J \xff\xc3 \xc2\x9b \xe2\x80\xae \xed\xa0\x80 "
                               "\xf0\x9f\x9a\xa2 \xc3\xa4";
    char line[PTL_LOG_LINE_MAX];

    (void)state;
    ptl_log_line(PTL_LOG_TEXT, "rain", PTL_LOG_WARN, text, line);
    assert_string_equal(strchr(line, ' '),
                        " warn a\"b\\c?d?[2J ?? ? ? ??? \xf0\x9f\x9a\xa2 \xc3\xa4\n");
    ptl_log_line(PTL_LOG_JOURNAL, "rain", PTL_LOG_WARN, text, line);
    assert_string_equal(line, "<4>a\"b\\c?d?[2J ?? ? ? ??? \xf0\x9f\x9a\xa2 \xc3\xa4\n");
    size_t size = ptl_log_line(PTL_LOG_JSON, "r\"n", PTL_LOG_WARN, text, line);
    assert_int_equal(size, strlen(line));
    assert_non_null(strstr(line, "\"level\":\"warn\",\"node\":\"r\\\"n\",\"thread\":\""));
    assert_string_equal(strstr(line, "\"message\":"),
                        "\"message\":\"a\\\"b\\\\c\\u000ad\\u001b[2J \xef\xbf\xbd\xef\xbf\xbd "
                        "\\u009b \\u202e \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
                        "\xf0\x9f\x9a\xa2 \xc3\xa4\"}\n");
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
}

static void line_that_is_too_long_is_cut_between_characters_and_whole_as_an_object(void **state)
{
    char node[PTL_LOG_NODE_MAX + 1], line[PTL_LOG_LINE_MAX];
    static char text[5000];

    (void)state;
    memset(node, '\x01', sizeof(node) - 1); /* each of them takes six bytes */
    node[sizeof(node) - 1] = 0;
    for (size_t lead = 0; lead < 6; lead++) { /* so that each cut is tried */
        memset(text, 'x', lead);
        for (size_t i = lead; i + 2 < sizeof(text); i += 2) {
            memcpy(text + i, "\xc3\xa4", 3);
        }
        size_t size = ptl_log_line(PTL_LOG_JSON, node, PTL_LOG_INFO, text, line);
        assert_in_range(size, PTL_LOG_LINE_MAX - 8, PTL_LOG_LINE_MAX - 1);
        assert_string_equal(line + size - 5, "\xc3\xa4\"}\n");
        size = ptl_log_line(PTL_LOG_TEXT, NULL, PTL_LOG_INFO, text, line);
        assert_string_equal(line + size - 3, "\xc3\xa4\n");
    }
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
}

static void lines_that_are_lost_are_told_in_the_writer_s_format_and_counted_for_good(void **state)
{
    char told[] = "<4>10 log lines were lost", out[PTL_LOG_LINE_MAX] = "";

    (void)state;
    ptl_log_writer_format(pen.writer, PTL_LOG_JOURNAL, "rain");
    assert_int_equal(fcntl(pen.fds[1], F_SETFL, O_NONBLOCK), 0);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), kept = dup(pen.fds[1]);
    assert_true(full >= 0 && kept >= 0);
    assert_int_equal(dup2(full, pen.fds[1]), pen.fds[1]);
    write_lines(10);
    while (ptl_log_writer_lost(pen.writer) < 10) {
        sched_yield();
    }
    assert_int_equal(dup2(kept, pen.fds[1]), pen.fds[1]); /* there is room again */
    ptl_log_write(pen.writer, PTL_LOG_ERROR, "one");
    for (size_t size = 0; strstr(out, told) == NULL;) {
        ssize_t count = read(pen.fds[0], out + size, sizeof(out) - 1 - size);
        assert_true(count > 0);
        size += (size_t)count;
    }
    assert_memory_equal(out, "<3>one\n", 7);
    assert_int_equal(ptl_log_writer_lost(pen.writer), 10);
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
    close(full);
    close(kept);
}

static void *write_some(void *argument)
{
    (void)argument;
    write_lines(LINES / THREADS);
    return NULL;
}

static void lines_of_many_threads_stay_whole(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, NULL), 0);
    }
    read_lines(LINES); /* looks at each line */
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
}

static void memory_that_lacks_is_an_error(void **state)
{
    struct ptl_log_writer *writer;

    (void)state;
    test_memory_fail(&memory, 1);
    assert_int_equal(ptl_log_writer_open(&memory.allocator, 2, &writer), PTL_ENOMEM);
    test_memory_fail(&memory, 0);
    assert_int_equal(ptl_log_writer_close(pen.writer, 60000), 0);
    assert_int_equal(ptl_log_writer_close(NULL, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_come_out_in_order_with_time_and_level),
        TEST(log_that_nobody_reads_blocks_nobody_and_tells_what_was_lost),
        TEST(writer_whose_log_nobody_reads_is_closed_all_the_same),
        TEST(log_whose_reader_has_gone_is_survived_and_counted),
        TEST(full_disk_is_survived_and_counted),
        TEST(descriptor_that_does_not_block_is_written_whole),
        TEST(line_that_is_too_long_is_cut),
        TEST(line_is_harmless_utf8_in_each_format_whatever_is_in_it),
        TEST(line_that_is_too_long_is_cut_between_characters_and_whole_as_an_object),
        TEST(lines_that_are_lost_are_told_in_the_writer_s_format_and_counted_for_good),
        TEST(lines_of_many_threads_stay_whole),
        TEST(memory_that_lacks_is_an_error),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("log_writer", tests, NULL, NULL);
}
