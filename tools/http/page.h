/*
 * tools/http/page.h - the page at "/": one file for browsers, which shows what /api says.
 *
 * CMake makes it of tools/http/page/ and says here what it has made (page.cmake).  Nothing in it is
 * secret, and it loads nothing from elsewhere: its policy forbids that.
 */
#pragma once

#include <microhttpd.h>
#include <stddef.h>

extern const unsigned char ptl_page_bytes[];
extern const size_t ptl_page_size;
extern const char ptl_page_tag[];    /* an entity tag, in quotes */
extern const char ptl_page_policy[]; /* its Content-Security-Policy */

/* Send it, or "304 Not Modified" to who has it. */
enum MHD_Result ptl_http_page(struct MHD_Connection *connection);
