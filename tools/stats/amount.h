/*
 * tools/stats/amount.h - numbers for people, short enough for a column.
 */
#pragma once

#include <stdint.h>

/* A value: `.text` of what is returned lives to the end of the expression. */
struct ptl_amount {
    char text[24];
};

struct ptl_amount ptl_amount_whole(uint64_t count);  /* "1234567" */
struct ptl_amount ptl_amount_count(double count);    /* "0", "3.2", "9999", "12.3k", "4.5M" */
struct ptl_amount ptl_amount_bytes(double bytes);    /* "0", "512", "1.2K", "34.5M" of 1024 */
struct ptl_amount ptl_amount_nanoseconds(double ns); /* "-" for 0, "850ns", "1.2us", "34ms" */
struct ptl_amount ptl_amount_span(double seconds);   /* "12s", "3min", "2h5min", "4d3h" */
