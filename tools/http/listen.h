/*
 * tools/http/listen.h - where HTTP is served: "PORT" of 127.0.0.1, or HOST:PORT.
 */
#pragma once

#include <stdbool.h>

#define PTL_HTTP_ADDRESS_MAX 300 /* bytes of a text, its NUL included */

/*
 * Listen there.  Returns the socket, or a negative -errno; `text` says where it is, with the port
 * that it has got, and `is_loopback` whether only this machine gets there.
 */
int ptl_http_listen(const char *address, char text[PTL_HTTP_ADDRESS_MAX], bool *is_loopback);

/* Whether only this machine gets there, by what the address looks like. */
bool ptl_http_is_loopback(const char *address);
